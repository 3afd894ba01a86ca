"""Directives in prompts: what they make happen, together too, and what is said of those that are wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live import WAVESPEED, Live

from understudy.mockserver.directives import DIRECTIVES, MOST, read_directives
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.jobs import Failure, WebhookTwist
from understudy.mockserver.rules import ALL_IMAGES, AnswerEffect, JobEffect, Rule, When


def made(prompt: str) -> Rule:
    rule, notes = read_directives(prompt)
    assert () == notes
    assert rule is not None
    return rule


@pytest.mark.parametrize(
    ("text", "effect"),
    [
        ("[[fail]]", JobEffect(fail=Failure())),
        ("[[ FAIL : Out of luck: sorry ]]", JobEffect(fail=Failure(text="Out of luck: sorry"))),
        ("[[nsfw:2, 5]]", JobEffect(flagged=frozenset({2, 5}))),
        ("[[missing]]", JobEffect(missing=ALL_IMAGES)),
        ("[[black]]", JobEffect(black=ALL_IMAGES)),
        ("[[resized]]", JobEffect(resized=ALL_IMAGES)),
        ("[[latency:1s..2s]]", JobEffect(latency=DurationRange(1_000, 2_000))),
        ("[[partial:0]]", JobEffect(images=0)),
    ],
)
def test_a_directive_is_read_as_people_write_it(text: str, effect: JobEffect) -> None:
    assert Rule(text, When(operation="submit"), job=effect) == made(f"A {text} shoe")


@pytest.mark.parametrize("prompt", ["", "A shoe", "[fail]", "fail]]"])
def test_a_prompt_without_directives_is_no_rule(prompt: str) -> None:
    assert (None, ()) == read_directives(prompt)


@pytest.mark.parametrize("prompt", ["[[[fail]]]", "[[[[fail]]]]"])
def test_brackets_around_a_directive_do_not_matter(prompt: str) -> None:
    assert made("[[fail]]") == made(prompt)


def test_several_combine_under_their_texts() -> None:
    rule = made("[[partial:2]] a shoe [[latency:5s]][[http:429,30s]] [[webhook:twice]] [[webhook:late,10s]]")

    assert (
        Rule(
            id="[[partial:2]] [[latency:5s]] [[http:429,30s]] [[webhook:twice]] [[webhook:late,10s]]",
            when=When(operation="submit"),
            job=JobEffect(images=2, latency=DurationRange(5_000, 5_000)),
            answer=AnswerEffect(status=429, retry_after=30_000),
            webhook=WebhookTwist(copies=2, late=10_000),
        )
        == rule
    )


@pytest.mark.parametrize(
    ("prompt", "kept", "note"),
    [
        ("[[fail:a]] [[fail:b]]", "[[fail:a]]", "[[fail:b]] has no effect beside [[fail:a]]: the first one counts."),
        (
            "[[http:500]] [[http:429,1s]]",
            "[[http:500]]",
            "[[http:429,1s]] has no effect beside [[http:500]]: the first one counts.",
        ),
        (
            "[[latency:5s]] [[hang]]",
            "[[latency:5s]]",
            "[[hang]] has no effect beside [[latency:5s]]: "
            "job.hang and job.latency do not go together: a job that hangs does not end.",
        ),
        (
            "[[lose]] [[http:429]]",
            "[[lose]]",
            "[[http:429]] has no effect beside [[lose]]: "
            "answer.close and answer.status do not go together: then there is no answer.",
        ),
        ("[[fial]] [[fail]]", "[[fail]]", "[[fial]] is no directive. Did you mean [[fail]]?"),
        ("[[fail]] [[nsfw", "[[fail]]", "[[nsfw is no directive: ]] is missing."),
        ("[[nsfw and [[fail]]", "[[fail]]", "[[nsfw and is no directive: ]] is missing."),
        ("[[nsfw:1]b]] [[fail]]", "[[fail]]", "[[nsfw:1]b]] is no directive: a bracket stands in it."),
        ("[[fail]] of x[[1,2],[3,4]]", "[[fail]]", "[[1,2],[3,4]] is no directive: a bracket stands in it."),
    ],
)
def test_the_first_counts_and_the_other_is_noted(prompt: str, kept: str, note: str) -> None:
    rule, notes = read_directives(prompt)

    assert (note,) == notes
    assert made(kept) == rule


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("[[Main page]]", f"[[Main page]] is no directive. There are: {', '.join(DIRECTIVES)}."),
        ("[[fail:[x]]]", "[[fail:[x]]] is no directive: a bracket stands in it."),
        ("[[]]", f"[[]] is no directive. There are: {', '.join(DIRECTIVES)}."),
        ("[[latency]]", "[[latency]] is not how it is written: expected [[latency:5s]]."),
        ("[[lose:it]]", "[[lose:it]] is not how it is written: expected [[lose]]."),
        ("[[http]]", "[[http]] is not how it is written: expected [[http:429]] or [[http:429,30s]]."),
        *(
            (
                text,
                f"{text} is not how it is written: expected [[webhook:lost]], [[webhook:twice]], "
                "[[webhook:late,10s]], [[webhook:forged]] or [[webhook:stale]].",
            )
            for text in ("[[webhook]]", "[[webhook:late]]", "[[webhook:lots]]", "[[webhook:lost,1s]]")
        ),
        ("[[partial:few]]", "[[partial:few]] is wrong: job.images is 'few': expected a whole number from 0 to 100."),
        (
            "[[nsfw:0]]",
            "[[nsfw:0]] is wrong: job.flagged is [0]: "
            "expected true for all images, or a list of their indexes, from 1 to 100.",
        ),
        (
            "[[expire:5]]",
            "[[expire:5]] is wrong: job.expire is '5': "
            "expected a number and a unit (ms, s, m or h), such as 500ms or 2s, of at most a year.",
        ),
        (
            "[[latency:5]]",
            "[[latency:5]] is wrong: job.latency is '5': expected a duration (2s), a range (1s..4s) or a lognormal "
            "distribution with its median and sigma: lognormal(2s, 0.5).",
        ),
        (
            "[[hang:queud]]",
            "[[hang:queud]] is wrong: There is no phase to hang in 'queud'. Did you mean 'queued'?",
        ),
        (
            "[[http:999]]",
            "[[http:999]] is wrong: answer.status is 999: expected a whole number from 200 to 599.",
        ),
        (
            f"[[{'x' * 100}]]",
            f"[[{'x' * 58}… is no directive. There are: {', '.join(DIRECTIVES)}.",
        ),
    ],
)  # fmt: skip
def test_what_is_no_directive_is_noted_and_no_error(text: str, note: str) -> None:
    rule, notes = read_directives(text)

    assert (None, (note,)) == (rule, notes)


def test_a_prompt_that_is_full_of_marks_is_read_up_to_a_bound() -> None:
    rule, notes = read_directives("[[black]]" + "[[no]]" * 10**5)

    assert made("[[black]]") == rule
    assert (MOST, f"Only the first {MOST} directives of a prompt are read.") == (len(notes), notes[-1])


def test_the_name_of_a_long_directive_is_cut() -> None:
    assert 201 == len(made(f"[[fail:{'x' * 5_000}]]").id)


@given(st.text(st.sampled_from("[]:, 25s") | st.characters(), max_size=60) | st.lists(
    st.sampled_from([f"[[{name}{rest}]]" for name in DIRECTIVES for rest in ("", ":2", ":5s", ":late,1s", ":429,5s")]),
    max_size=6,
).map(" ".join))  # fmt: skip
def test_whatever_stands_in_a_prompt_each_mark_has_an_effect_or_a_note(prompt: str) -> None:
    rule, notes = read_directives(prompt)

    assert (rule is None and not notes) == ("[[" not in prompt)
    assert read_directives(prompt) == (rule, notes)
    if rule is not None:
        assert rule.facets


def test_a_directive_needs_nothing_but_a_prompt_on_either_wire(live: Live) -> None:
    prediction = live.submit_wavespeed(prompt="A shoe [[fail:Out of luck]] [[latency:1s]]")["id"]
    request = live.submit_runcomfy(text="A shoe [[latency:1s]] [[fial]]")["request_id"]
    live.advance(1_000)

    failed = live.client.get(f"/api/v3/predictions/{prediction}/result").json()["data"]
    assert ("failed", "Out of luck") == (failed["status"], failed["error"])
    assert "succeeded" == live.client.get(f"/v1/requests/{request}/result").json()["status"]


@pytest.mark.parametrize("mark", ["[[fail]]", r"\u005b\u005bfail]]", r"[\u005Bfail]]"])
def test_a_directive_is_read_however_its_brackets_are_escaped(live: Live, mark: str) -> None:
    body = f'{{"prompt": "A shoe {mark}"}}'
    answer = live.client.post(WAVESPEED, content=body, headers={"content-type": "application/json"})
    live.advance(10_000)

    result = live.client.get(f"/api/v3/predictions/{answer.json()['data']['id']}/result")
    assert "failed" == result.json()["data"]["status"]


@pytest.mark.parametrize(
    ("text", "rules", "notes"),
    [
        ("[[fail:b]]", ("next",), ("[[fail:b]] has no effect beside a rule for the next call, which is nearer.",)),
        ("[[nsfw]]", ("next",), ("[[nsfw]] has no effect beside a rule for the next call, which is nearer.",)),
        ("[[latency:5s]]", ("next", "[[latency:5s]]"), ()),
        ("[[fail:b]] [[latency:5s]]", ("next", "[[fail:b]] [[latency:5s]]"), ()),
    ],
)
def test_a_directive_that_a_nearer_rule_leaves_nothing_to_is_noted(
    live: Live, text: str, rules: tuple[str, ...], notes: tuple[str, ...]
) -> None:
    live.add_rules(Rule("next", job=JobEffect(fail=Failure(text="a")), times=1, next=True))
    live.submit_wavespeed(prompt=text)

    entry = live.journal()[0]
    assert (rules, notes) == (entry.rules, entry.notes)
