"""Which rules act: order, counts, what is nearer; and what is said of a rule that did nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.mockserver.durations import DurationRange
from understudy.mockserver.jobs import Failure, Phase, WebhookTwist
from understudy.mockserver.rule_clashes import CLASHES
from understudy.mockserver.rule_reports import Report, report
from understudy.mockserver.rules import (
    CONTRARY,
    UNUSED,
    Acting,
    AnswerEffect,
    JobEffect,
    Rule,
    Use,
    When,
    choose,
    is_over,
    merge,
)

FAIL = JobEffect(fail=Failure())
SLOW = JobEffect(latency=DurationRange(9, 9))
OTHER = "another rule acted in its stead"


def luck(rule: str, number: int) -> float:
    """As good as any: from 0 to 1, and the same for the same call."""
    return hash_of(rule, number) / 97


def hash_of(rule: str, number: int) -> int:
    return (sum(rule.encode()) * 31 + number * 57) % 97


def run(rules: Sequence[Rule], nows: Sequence[int], directed: frozenset[str] = frozenset()) -> list[list[str]]:
    """The ids of those that act on each of several calls that all fit."""
    uses: dict[str, Use] = {}
    acted = []
    for now in nows:
        acting, changed = choose(rules, uses, [rule.id for rule in rules], directed, now, luck)
        uses |= changed
        acted.append([rule.id for rule, _ in acting])
    return acted


effects = st.sampled_from([FAIL, SLOW, JobEffect(images=1), JobEffect(images=2, fail=Failure())])
whens = st.builds(
    When,
    nth=st.none() | st.integers(1, 5),
    every=st.none() | st.integers(1, 4),
    probability=st.none() | st.floats(0, 1),
)
some_rules = st.lists(
    st.builds(
        Rule,
        id=st.just(""),
        when=whens,
        job=effects,
        times=st.none() | st.integers(1, 3),
        lasts=st.none() | st.integers(1, 30),
        next=st.booleans(),
    ),
    max_size=6,
).map(lambda rules: [named(rule, f"rule-{index}") for index, rule in enumerate(rules)])
nows = st.lists(st.integers(0, 10), max_size=12).map(lambda steps: [sum(steps[: n + 1]) for n in range(len(steps))])
facets = st.frozensets(st.sampled_from(["job.fail", "job.latency", "job.images"]))


def named(rule: Rule, name: str) -> Rule:
    return Rule(name, rule.when, rule.job, rule.answer, rule.webhook, rule.times, rule.lasts, rule.next)


@given(some_rules, nows, facets)
def test_the_same_calls_make_the_same_rules_act(rules: list[Rule], nows: list[int], directed: frozenset[str]) -> None:
    assert run(rules, nows, directed) == run(rules, nows, directed)


@given(some_rules, nows, facets)
def test_each_call_is_seen_and_then_acted_on_passed_over_or_shadowed(
    rules: list[Rule], nows: list[int], directed: frozenset[str]
) -> None:
    uses: dict[str, Use] = {}
    for now in nows:
        before = dict(uses)
        acting, changed = choose(rules, uses, [rule.id for rule in rules], directed, now, luck)
        uses |= changed
        order = [rule.id for rule in sorted(rules, key=lambda rule: not rule.next)]
        assert [rule.id for rule, _ in acting] == [name for name in order if name in {rule.id for rule, _ in acting}]
        for rule in rules:
            was, now_is = before.get(rule.id, UNUSED), uses.get(rule.id, UNUSED)
            if is_over(rule, was, now):
                assert was == now_is
                continue
            assert was.seen + 1 == now_is.seen
            acted, shadowed = now_is.acted - was.acted, now_is.shadowed - was.shadowed
            assert (acted, shadowed) in ((0, 0), (1, 0), (0, 1))
            assert (acted == 1) == (rule.id in {one.id for one, _ in acting})
            if acted or shadowed:
                assert rule.when.nth in (None, now_is.seen)
                assert rule.when.every is None or 0 == now_is.seen % rule.when.every
                assert rule.when.probability is None or luck(rule.id, now_is.seen) < rule.when.probability


@given(some_rules, nows, facets)
def test_no_rule_acts_more_often_or_longer_than_it_says(
    rules: list[Rule], nows: list[int], directed: frozenset[str]
) -> None:
    acted = run(rules, nows, directed)
    for rule in rules:
        at = [now for now, ids in zip(nows, acted, strict=True) if rule.id in ids]
        assert rule.times is None or len(at) <= rule.times
        assert rule.lasts is None or not at or at[-1] < at[0] + rule.lasts


@given(some_rules, nows, facets)
def test_each_thing_is_decided_by_the_nearest_rule(
    rules: list[Rule], nows: list[int], directed: frozenset[str]
) -> None:
    for ids in run(rules, nows, directed):
        acting = [(rule, Use()) for name in ids for rule in rules if rule.id == name]
        merged = merge(acting)
        for field in ("fail", "latency", "images"):
            deciding = [rule for rule, _ in acting if f"job.{field}" in rule.facets]
            expected = None if not deciding else getattr(deciding[0].job, field)
            assert expected == getattr(merged.job, field)


def test_a_rule_for_the_next_call_is_nearer_than_a_directive_and_that_nearer_than_other_rules() -> None:
    later, following = Rule("later", job=FAIL), Rule("following", job=FAIL, next=True, times=1)

    assert [["following"], []] == run([later, following], [0, 0], frozenset({"job.fail"}))
    assert [["following"], ["later"]] == run([later, following], [0, 0])


def test_rules_that_decide_different_things_act_together() -> None:
    assert [["a", "b"]] == run([Rule("a", job=FAIL), Rule("b", job=SLOW), Rule("c", job=FAIL)], [0])


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [
        (JobEffect(end=Phase.SUCCEEDED), FAIL),
        (JobEffect(flagged=frozenset({1})), FAIL),
        (FAIL, JobEffect(hang=Phase.RUNNING)),
        (JobEffect(latency=DurationRange(0, 0)), JobEffect(hang=Phase.QUEUED)),
        (SLOW, JobEffect(polls=3)),
        (JobEffect(run_time=DurationRange(1, 1)), SLOW),
    ],
)
def test_what_contradicts_a_nearer_rule_has_no_effect(nearer: JobEffect, farther: JobEffect) -> None:
    following, standing = Rule("following", job=nearer, next=True), Rule("standing", job=farther)

    assert [["following"]] == run([standing, following], [0])
    assert [[]] == run([standing], [0], following.facets)
    assert nearer == merge([(following, UNUSED), (standing, UNUSED)]).job
    assert (
        "1 call came, and on 1 of them what it decides was decided nearer ('following' or a directive in the prompt)."
        == report(standing, Use(seen=1, shadowed=1), 0, [standing, following]).why
    )


def test_a_directive_that_a_rule_for_the_next_call_leaves_nothing_to_keeps_no_other_rule_from_acting() -> None:
    rules = [Rule("standing", job=FAIL), Rule("following", job=SLOW, next=True)]

    assert [["following", "standing"]] == run(rules, [0], frozenset({"job.hang"}))
    assert [["following"]] == run(rules, [0], frozenset({"job.end"}))


def test_of_many_nearer_rules_a_few_are_named() -> None:
    rules = [Rule(str(number), job=FAIL) for number in range(10)]
    nearer = [report(rules[number], Use(seen=1, shadowed=1), 0, rules).why.partition("(")[2] for number in (1, 3, 4, 9)]

    assert [
        "'0' or a directive in the prompt).",
        "'0' or '1' or '2' or a directive in the prompt).",
        "'0' or '1' or '2' or others or a directive in the prompt).",
        "'0' or '1' or '2' or others or a directive in the prompt).",
    ] == nearer


def test_what_a_rule_cannot_have_together_two_rules_cannot_either() -> None:
    clashes = {frozenset({one, other}) for one, other, _ in CLASHES if {one, other} <= {*CONTRARY}}

    assert clashes == {frozenset({one, other}) for one, others in CONTRARY.items() for other in others}


def test_a_rule_of_which_a_part_is_left_acts_for_that() -> None:
    both = Rule("both", job=JobEffect(fail=Failure(), images=2))

    assert [["both"]] == run([both], [0], frozenset({"job.fail"}))


@pytest.mark.parametrize(
    ("when", "acted"),
    [(When(nth=2), [2]), (When(every=3), [3, 6]), (When(probability=0), []), (When(), [*range(1, 8)])],
)
def test_a_rule_picks_calls_by_their_number(when: When, acted: list[int]) -> None:
    ids = run([Rule("a", when, job=FAIL)], [0] * 7)

    assert acted == [number for number, one in enumerate(ids, 1) if one]


def test_a_rule_that_is_not_for_a_call_knows_nothing_of_it() -> None:
    assert ([], {}) == choose([Rule("a", job=FAIL)], {}, [], frozenset(), 0, luck)


def test_a_time_begins_with_the_first_use() -> None:
    assert [["a"], ["a"], []] == run([Rule("a", job=FAIL, lasts=10)], [50, 59, 60])


def test_the_first_answer_and_webhook_count_and_tell_until_when() -> None:
    first, second = AnswerEffect(status=500), AnswerEffect(status=400)
    lost, forged = WebhookTwist(lost=True), WebhookTwist(forged=True)
    acting = [
        (Rule("a", job=FAIL), Use()),
        (Rule("b", answer=first, lasts=10), Use(since=5)),
        (Rule("c", answer=second, webhook=lost, lasts=99), Use(since=5)),
        (Rule("d", webhook=forged), Use()),
    ]

    assert Acting(FAIL, first, lost, ("a", "b", "c", "d"), 15, ("b", 0)) == merge(acting)
    assert merge([(Rule("b", answer=first), Use(since=5))]).until is None


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (Rule("a", job=FAIL), True),
        (Rule("a", When(provider="wavespeed"), job=FAIL), True),
        (Rule("a", When(provider="runcomfy"), job=FAIL), False),
        (Rule("a", When(model="byte*"), job=FAIL), True),
        (Rule("a", When(model="flux*"), job=FAIL), False),
        (Rule("a", When(prompt="red.shoe"), job=FAIL), True),
        (Rule("a", When(prompt="blue"), job=FAIL), False),
        (Rule("a", When(operation="poll"), answer=AnswerEffect(status=500)), False),
    ],
)
def test_a_rule_is_for_calls_that_agree_with_all_that_it_says(rule: Rule, fits: bool) -> None:
    assert fits == rule.fits("wavespeed", "submit", "bytedance/seedream", "a red shoe")


def test_polls_are_two_operations_and_a_rule_for_answers_alone_is_for_all() -> None:
    poll, broad = Rule("a", When("wavespeed", "poll"), answer=AnswerEffect()), Rule("a", answer=AnswerEffect())

    assert [True, True, False] == [poll.fits("wavespeed", name, None, "") for name in ("result", "status", "list")]
    assert broad.fits("runcomfy", "balance", None, "")
    assert not Rule("a", job=FAIL).fits("wavespeed", "result", None, "")
    assert not Rule("a", When(model="*"), answer=AnswerEffect()).fits("wavespeed", "result", None, "")


def test_a_rule_names_what_it_decides() -> None:
    rule = Rule("a", job=JobEffect(end=Phase.CANCELLED), answer=AnswerEffect(), webhook=WebhookTwist())

    assert {"job.end", "answer", "webhook"} == rule.facets


POLL = When("wavespeed", "poll")
LIKE = When(operation="submit", model="x*", prompt="shoe")
SHADE = Rule("shade", job=FAIL)


@pytest.mark.parametrize(
    ("rule", "use", "state", "why"),
    [
        (Rule("a", answer=AnswerEffect()), UNUSED, "waiting", "No call has come yet."),
        (Rule("a", job=FAIL), UNUSED, "waiting", "No call of operation submit has come yet."),
        (
            Rule("a", POLL, answer=AnswerEffect()),
            UNUSED,
            "waiting",
            "No call to wavespeed of operation poll has come yet.",
        ),
        (
            Rule("a", LIKE, job=FAIL),
            UNUSED,
            "waiting",
            "No call of operation submit with a model like 'x*' with a prompt like 'shoe' has come yet.",
        ),
        (Rule("a", When(nth=5), job=FAIL), Use(3), "waiting", "3 calls came, and the nth is 5."),
        (Rule("a", When(every=5), job=FAIL), Use(1), "waiting", "1 call came, and it acts on one in 5."),
        (
            Rule("a", When(probability=0.25), job=FAIL),
            Use(2),
            "waiting",
            "2 calls came, and chance picked none: the probability is 0.25.",
        ),
        (
            Rule("a", When(every=2, probability=0), job=FAIL),
            Use(2),
            "waiting",
            "2 calls came, and chance picked none: the probability is 0.",
        ),
        (
            Rule("a", job=FAIL),
            Use(2, shadowed=1),
            "waiting",
            "2 calls came, and on 1 of them what it decides was decided nearer ('shade' or a directive in the prompt).",
        ),
        (
            Rule("a", job=SLOW),
            Use(2, shadowed=1),
            "waiting",
            "2 calls came, and on 1 of them what it decides was decided nearer (a directive in the prompt).",
        ),
        (
            Rule("a", When(nth=2), job=FAIL),
            Use(3, shadowed=1),
            "used up",
            "3 calls came, and on the nth, 2, what it decides was decided nearer "
            "('shade' or a directive in the prompt).",
        ),
        (
            Rule("a", When(nth=2), job=FAIL),
            Use(3, 1, 0, 7),
            "used up",
            "It acted on 1 of 3 calls: the nth, 2, has come. "
            "Submissions that were refused count too: the journal's notes tell.",
        ),
        (
            Rule("a", job=FAIL, times=1),
            Use(1, 1, 0, 7),
            "used up",
            "It acted on 1 of 1 call, and `times` is 1. "
            "Submissions that were refused count too: the journal's notes tell.",
        ),
        (
            Rule("a", answer=AnswerEffect(status=503), times=1),
            Use(1, 1, 0, 7),
            "used up",
            "It acted on 1 of 1 call, and `times` is 1.",
        ),
        (Rule("a", job=FAIL), Use(2, 2, 0, 7), "active", "It acted on 2 of 2 calls."),
        (
            Rule("a", job=FAIL),
            Use(3, 2, 1, 7),
            "active",
            "It acted on 2 of 3 calls; on 1 of them what it decides was decided nearer "
            "('shade' or a directive in the prompt).",
        ),
        (Rule("a", job=FAIL, lasts=94), Use(1, 1, 0, 7), "active", "It acted on 1 of 1 call."),
        (
            Rule("a", job=FAIL, lasts=30),
            Use(1, 1, 0, 7),
            "expired",
            "It acted on 1 of 1 call, for 30ms from the first on: over since 63ms.",
        ),
    ],
)
def test_a_report_says_why_nothing_happened(rule: Rule, use: Use, state: str, why: str) -> None:
    assert (state, why) == report(rule, use, 100, [SHADE, rule])


def test_a_rule_for_the_next_call_is_shadowed_by_rules_of_its_kind_alone() -> None:
    following = Rule("next", job=FAIL, next=True)
    expected = Report("waiting", f"1 call came, and on 1 of them {OTHER}.")

    assert expected == report(following, Use(1, shadowed=1), 0, [SHADE, following])
    assert expected == report(following, Use(1, shadowed=1), 0)


@given(some_rules, nows, facets, st.integers(0, 200))
def test_a_report_agrees_with_what_a_rule_did(
    rules: list[Rule], nows: list[int], directed: frozenset[str], later: int
) -> None:
    uses: dict[str, Use] = {}
    for now in nows:
        uses |= choose(rules, uses, [rule.id for rule in rules], directed, now, luck)[1]
    end = (nows[-1] if nows else 0) + later
    for rule in rules:
        use = uses.get(rule.id, UNUSED)
        state = report(rule, use, end, rules).state
        assert not is_over(rule, use, end) or state in ("used up", "expired")
        assert state != "waiting" or not use.acted
        assert state != "active" or use.acted
