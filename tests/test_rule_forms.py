"""Rules as people write them: read, shown, refused in words."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_lines import ANSWER_LINES, JOB_LINES, LINES, WEBHOOK_LINES, Line, evaluate, table
from starlette.routing import Route

from understudy.contracts.operations import wire
from understudy.mockserver.app import create_app
from understudy.mockserver.directives import DIRECTIVES, read_directives
from understudy.mockserver.durations import LONGEST, DurationRange, Lognormal
from understudy.mockserver.jobs import Cause, Failure, Phase, WebhookTwist
from understudy.mockserver.rule_fields import EVERYWHERE, OPERATIONS, RULE, Fields
from understudy.mockserver.rule_forms import RuleError, parse_rule, parse_rule_set, parse_rules, rule, show_rule
from understudy.mockserver.rule_schema import rule_schema
from understudy.mockserver.rules import ALL_IMAGES, AnswerEffect, JobEffect, Rule, When
from understudy.mockserver.settings import Settings, SettingsError, load
from understudy.mockserver.wires import Wire

ROOT = Path(__file__).parent.parent
SCHEMA = jsonschema_rs.Draft202012Validator(rule_schema())

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
lengths = st.integers(0, LONGEST)
spreads = (
    st.tuples(lengths, lengths).map(lambda two: DurationRange(min(two), max(two)))
    | st.builds(Lognormal, lengths, st.integers(0, 10**11 - 1).map(lambda n: round(n / 10**9, 9)))
)  # fmt: skip
counts = st.integers(1, 10**9)
images = st.just(ALL_IMAGES) | st.frozensets(st.integers(1, 100), min_size=1, max_size=5)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


times_of_jobs = st.one_of(
    some(queue_time=spreads, run_time=spreads),
    some(queue_time=spreads, latency=spreads),
    st.fixed_dictionaries({"polls": counts}),
)
ends_of_jobs = st.one_of(
    st.fixed_dictionaries({"fail": st.builds(Failure, st.sampled_from(Cause), st.none() | texts, st.none() | counts)}),
    st.fixed_dictionaries({"end": st.sampled_from([Phase.SUCCEEDED, Phase.CANCELLED, Phase.TIMED_OUT])}),
    some(flagged=images),
)
hanging = st.fixed_dictionaries(
    {"hang": st.sampled_from([Phase.QUEUED, Phase.RUNNING])}, optional={"queue_time": spreads, "flagged": images}
)
outputs = some(missing=images, black=images, resized=images, expire=lengths) | some(images=st.integers(0, 100))
job_effects = st.builds(
    lambda first, second: {**first, **second},
    st.builds(lambda times, end: {**times, **end}, times_of_jobs, ends_of_jobs) | hanging,
    outputs,
).map(lambda fields: JobEffect(**_possible(fields)))
paths = st.sampled_from(["@data", "@status", "@data.x", "data.urls", "data.0", "x"])
puts = st.dictionaries(paths, values, min_size=1, max_size=3).map(lambda put: tuple(put.items()))
breaks = st.one_of(
    st.builds(Wire, st.just("cut"), st.integers(0, 10**9)),
    st.builds(Wire, st.just("length"), st.integers(-(10**9), 10**9).filter(bool)),
    st.builds(Wire, st.just("drip"), counts, st.integers(1, LONGEST)),
)
moments = st.sampled_from(["before", "after"])
bodies = st.one_of(
    some(garbled=st.just(True), stale=st.just(True), put=puts),
    st.fixed_dictionaries(
        {"status": st.integers(200, 599)},
        optional={"text": texts, "error_in_200": st.just(True), "garbled": st.just(True), "put": puts},
    ),
    st.fixed_dictionaries({"status": st.integers(200, 599), "html": st.just(True)}),
)
headers = some(content_type=st.sampled_from(["text/plain", "image/png; charset=x"])) | st.fixed_dictionaries(
    {"retry_after": lengths, "retry_after_form": st.sampled_from(["seconds", "date"])}
)
answer_effects = st.one_of(
    st.builds(
        lambda body, header, rest: AnswerEffect(**body, **header, **rest),
        bodies,
        headers,
        some(delay=spreads, moment=moments, wire=breaks),
    ),
    st.builds(AnswerEffect, moment=moments, wire=st.sampled_from([Wire("close"), Wire("reset")])),
)
twists = st.just(WebhookTwist(lost=True)) | st.builds(
    WebhookTwist,
    late=lengths,
    copies=st.integers(1, 100),
    after_next=st.booleans(),
    forged=st.booleans(),
    age=lengths,
)
ids = st.just("") | st.from_regex(r"[A-Za-z0-9ü_.:-]{1,20}", fullmatch=True)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Any rule that can be."""
    job = draw(st.none() | job_effects.filter(lambda one: one != JobEffect()))
    webhook = draw(st.none() | twists.filter(lambda one: one != WebhookTwist()))
    answers = answer_effects.filter(lambda one: one not in (AnswerEffect(), AnswerEffect("after")))
    alone = job is None and webhook is None
    answer = draw(answers if alone else st.none() | answers)
    provider = draw(st.none() | st.sampled_from(sorted(OPERATIONS)))
    names = (*EVERYWHERE, *OPERATIONS[provider or "wavespeed"]) if alone else ("submit",)
    operation = draw(st.none() | st.sampled_from(names))
    which = draw(some(nth=counts) | some(every=counts, probability=st.floats(0, 1)))
    submitted = some(model=texts, prompt=st.sampled_from(["shoe", "(?i)^a|b$"]))
    which |= draw(submitted) if operation in (None, "submit") else {}
    following = draw(st.booleans())
    times = draw(counts if following else st.none() | counts)
    lasts = draw(st.none() | st.integers(1, LONGEST))
    return Rule(draw(ids), When(provider, operation, **which), job, answer, webhook, times, lasts, following)


def _possible(fields: dict[str, Any]) -> dict[str, Any]:
    """Without images that do not come out."""
    named = max(fields.get("flagged", {0}))
    return {**fields, "images": max(named, fields["images"])} if "images" in fields else fields


def wrong(value: object) -> RuleError:
    with pytest.raises(RuleError) as caught:
        parse_rule(value)
    return caught.value


@given(rules())
def test_a_rule_that_is_shown_is_read_back_as_itself(one: Rule) -> None:
    shown = show_rule(one)

    assert one == parse_rule(shown)
    assert one == parse_rule(json.loads(json.dumps(shown)))


@given(rules())
def test_the_schema_takes_every_rule_that_can_be(one: Rule) -> None:
    SCHEMA.validate(json.loads(json.dumps(show_rule(one))))


def test_the_schema_is_one() -> None:
    assert jsonschema_rs.meta.is_valid(rule_schema())


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_the_forms_of_a_line_make_the_same_happen(line: Line) -> None:
    expected = parse_rule(line.form)

    assert expected == parse_rule(json.loads(line.json))
    assert expected == evaluate(line)
    assert expected == parse_rule(show_rule(expected))
    SCHEMA.validate(line.form)
    if line.directive:
        directed, notes = read_directives(f"A shoe {line.directive}")
        assert directed is not None
        assert () == notes
        assert (line.directive, When(operation="submit")) == (directed.id, directed.when)
        assert (expected.job, expected.answer, expected.webhook) == (directed.job, directed.answer, directed.webhook)


def test_the_lines_leave_out_no_field_and_no_directive() -> None:
    def names(fields: Fields, prefix: str = "") -> set[str]:
        return {prefix + field.name for field in fields if not field.fields}.union(
            *(names(field.fields, f"{prefix}{field.name}.") for field in fields)
        )

    def used(form: object, prefix: str = "") -> set[str]:
        if not isinstance(form, dict) or prefix == "answer.set.":
            return {prefix[:-1]}
        return set[str]().union(*(used(part, f"{prefix}{name}.") for name, part in form.items()))

    effects = tuple(field for field in RULE if field.name in ("job", "answer", "webhook"))
    shown = {name for line in LINES for name in used(line.form)}
    assert set() == names(effects) - shown
    directed = " ".join(line.directive for line in LINES)
    assert [] == [name for name in DIRECTIVES if f"[[{name}" not in directed]


@pytest.mark.parametrize("lines", [JOB_LINES, ANSWER_LINES, WEBHOOK_LINES])
def test_the_document_has_every_line(lines: tuple[Line, ...]) -> None:
    assert table(lines) in (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")


def test_the_operations_of_rules_are_those_that_are_on_record() -> None:
    for provider, names in OPERATIONS.items():
        known = {one.name for one in wire(provider, {"wavespeed.cancel": "on"}).operations}
        # The path without /result is answered as the one with it; the PUT of a ticket needs no key, so is no tenant's.
        assert known - {"result-bare", "upload"} == set(names)


def test_the_operations_of_rules_are_those_that_are_served() -> None:
    routes = create_app(Settings(seed=1, assume={"wavespeed.cancel": "on"})).routes
    named = {route.name for route in routes if isinstance(route, Route)}

    for provider, names in OPERATIONS.items():
        served = {name.removeprefix(f"{provider}.") for name in named if name.startswith(f"{provider}.")}
        assert {*names, "unknown"} == served
    assert "output" in named


def test_numbers_of_milliseconds_and_texts_are_the_same_times() -> None:
    assert parse_rule({"job": {"queue_time": "5s", "expire": "1m"}}) == parse_rule(
        {"job": {"queue_time": 5_000, "expire": 60_000.0}}
    )


@pytest.mark.parametrize("after", [{"fail": {"after": "3s"}}, {"fail": True, "latency": "3s"}])
def test_when_a_job_fails_is_its_latency(after: dict[str, Any]) -> None:
    assert JobEffect(latency=DurationRange(3_000, 3_000), fail=Failure()) == parse_rule({"job": after}).job


def test_to_finish_is_to_take_no_time() -> None:
    assert JobEffect(latency=DurationRange(0, 0)) == parse_rule({"job": {"finish": True}}).job


def test_what_is_false_might_as_well_be_left_out() -> None:
    assert parse_rule({"job": {"polls": 3}}) == parse_rule({"next": False, "job": {"polls": 3, "finish": False}})


def test_a_rule_for_the_next_call_acts_once_unless_it_says_more() -> None:
    assert 1 == rule(next=True, job={"fail": True}).times
    assert 3 == rule(next=True, job={"fail": True}, times=3).times


def test_what_was_given_can_be_changed_without_the_rule() -> None:
    urls = ["one"]
    made = rule(answer={"set": {"data.urls": urls}})
    urls.append("two")
    show_rule(made)["answer"]["set"]["data.urls"].append("three")

    assert {"data.urls": ["one"]} == show_rule(made)["answer"]["set"]


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        (3, "rule", "rule is 3: expected an object."),
        ({"job": 3}, "job", "job is 3: expected an object."),
        ({"tims": 3}, "tims", "There is no field 'tims' in a rule. Did you mean 'times'?"),
        (
            {"when": {"operaton": "submit"}},
            "when.operaton",
            "There is no field 'operaton' in when. Did you mean 'operation'?",
        ),
        (
            {"webhook": {"zzz": 1}},
            "webhook.zzz",
            "There is no field 'zzz' in webhook. There are: lost, late, copies, after_next, forged, age.",
        ),
        ({"when": {"operation": "sumbit"}}, "when.operation", "There is no operation 'sumbit'. Did you mean 'submit'?"),
        ({"job": {"end": 7}}, "job.end", "There is no end of a job 7. There are: completed, cancelled, timeout."),
        (
            {"when": {"provider": "runcomfy", "operation": "billings"}, "answer": {"status": 500}},
            "when.operation",
            "runcomfy has no operation 'billings'. There are: submit, status, result, cancel, model, models, "
            "categories, balance, poll, output, unknown.",
        ),
        ({"when": {"nth": 0}}, "when.nth", "when.nth is 0: expected a whole number from 1 to 1000000000."),
        ({"times": True}, "times", "times is true: expected a whole number from 1 to 1000000000."),
        ({"times": 1.5}, "times", "times is 1.5: expected a whole number from 1 to 1000000000."),
        ({"when": {"probability": 2}}, "when.probability", "when.probability is 2: expected a number from 0 to 1."),
        (
            {"when": {"prompt": "("}},
            "when.prompt",
            "when.prompt is '(': expected a regular expression, and this is none "
            "(missing ), unterminated subpattern at position 0).",
        ),
        ({"when": {"model": ""}}, "when.model", "when.model is '': expected a text of 1 to 10000 characters."),
        ({"job": {"fail": "\ud800"}}, "job.fail", r"job.fail is '\ud800': expected a text of 1 to 10000 characters."),
        ({"job": {"fail": 3}}, "job.fail", "job.fail is 3: expected true, a text, or an object."),
        ({"job": {"finish": 1}}, "job.finish", "job.finish is 1: expected true or false."),
        (
            {"for": 0},
            "for",
            "for is 0: expected a number and a unit (ms, s, m or h), such as 500ms or 2s, of at most a year, "
            "1ms at least; or a whole number of milliseconds.",
        ),
        (
            {"job": {"expire": "soon"}},
            "job.expire",
            "job.expire is 'soon': expected a number and a unit (ms, s, m or h), such as 500ms or 2s, of at most "
            "a year; or a whole number of milliseconds.",
        ),
        *(
            (
                {"job": {"latency": given}},
                "job.latency",
                f"job.latency is {shown}: expected a duration (2s), a range (1s..4s) or a lognormal distribution with "
                "its median and sigma: lognormal(2s, 0.5); or a whole number of milliseconds.",
            )
            for given, shown in (("4s..1s", "'4s..1s'"), (None, "null"), (-1, "-1"))
        ),
        *(
            (
                {"job": {"black": given}},
                "job.black",
                f"job.black is {shown}: expected true for all images, or a list of their indexes, from 1 to 100.",
            )
            for given, shown in ((2, "2"), ([], "[]"), ([0], "[0]"), (["2"], "['2']"))
        ),
        (
            {"id": "a/b", "job": {"fail": True}},
            "id",
            "id is 'a/b': expected a name of 1 to 100 characters without spaces, /, ?, # and %.",
        ),
        (
            {"answer": {"set": {}}},
            "answer.set",
            'answer.set is {}: expected an object of paths and values, such as {"@status": "melting"}.',
        ),
        (
            {"answer": {"set": {"a..b": 1}}},
            "answer.set",
            "answer.set has no path 'a..b': expected names with dots between.",
        ),
        (
            {"answer": {"set": {"@stats": 1}}},
            "answer.set.@stats",
            "There is no '@stats' to set. Did you mean '@status'?",
        ),
        (
            {"answer": {"set": {"a": 1j}}},
            "answer.set",
            "answer.set cannot be sent as JSON: Type is not JSON serializable: complex.",
        ),
        (
            {"answer": {"content_length": 0}},
            "answer.content_length",
            "answer.content_length is 0: expected a whole number from -1000000000 to 1000000000 that is not 0.",
        ),
        (
            {"answer": {"content_type": "a\r\nb: c"}},
            "answer.content_type",
            r"answer.content_type is 'a\r\nb: c': expected a media type of printable ASCII characters.",
        ),
        ({"answer": {"drip": True}}, "answer.drip", "answer.drip is true: expected an object."),
        (
            {"answer": {"drip": {"bytes": 1}}},
            "answer.drip.pause",
            "answer.drip.pause is missing: drip needs it.",
        ),
        ({}, "rule", "The rule does nothing: give it job, answer or webhook."),
        ({"job": {"finish": False}}, "job", "job is {'finish': False}, which does nothing: leave it out."),
        (
            {"answer": {"moment": "after"}},
            "answer",
            "answer is {'moment': 'after'}, which does nothing: leave it out.",
        ),
        (
            {"job": {"images": 2, "missing": [1, 3]}},
            "job.missing",
            "job.missing names image 3, and job.images lets 2 come out.",
        ),
        (
            {"when": {"operation": "poll"}, "webhook": {"lost": True}},
            "when.operation",
            "webhook is decided by a submission, and this rule is for the operation 'poll': "
            "leave when.operation out, or give 'submit'.",
        ),
        (
            {"when": {"operation": "poll", "prompt": "x"}, "answer": {"status": 500}},
            "when.prompt",
            "when.prompt fits no call of operation 'poll', which has no prompt: leave it out.",
        ),
        (
            {"job": {"hang": "running", "latency": 5}},
            "job.latency",
            "job.hang and job.latency do not go together: a job that hangs does not end.",
        ),
        (
            {"when": {"nth": 1, "every": 2}},
            "when.every",
            "when.nth and when.every do not go together: the one picks a single call, the other many.",
        ),
        (
            {"answer": {"retry_after_form": "date"}},
            "answer.retry_after_form",
            "answer.retry_after_form needs answer.retry_after: it is how that is written.",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(value: object, field: str, message: str) -> None:
    error = wrong(value)

    assert (field, message) == (error.field, error.message)
    assert message == str(error)


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        *(
            ("answer", dict(two))
            for two in (
                {"close": True, "reset": True},
                {"cut": 1, "drip": {"bytes": 1, "pause": 1}},
                {"content_length": 1, "reset": True},
                {"close": True, "status": 500},
                {"status": 500, "stale": True},
                {"status": 502, "html": True, "text": "x"},
                {"text": "x"},
                {"html": True},
                {"error_in_200": True},
            )
        ),
        *(
            ("job", dict(two))
            for two in (
                {"hang": "queued", "polls": 2},
                {"hang": "queued", "fail": True},
                {"fail": True, "end": "cancelled"},
                {"fail": True, "flagged": True},
                {"end": "completed", "flagged": [1]},
                {"finish": True, "latency": "1s"},
                {"finish": True, "queue_time": "1s"},
                {"fail": {"after": "1s"}, "latency": "2s"},
                {"fail": {"after": "1s"}, "run_time": "2s"},
                {"polls": 3, "run_time": "2s"},
            )
        ),
        ("webhook", {"lost": True, "copies": 2}),
    ],
    ids=str,
)
def test_contradictions_are_refused_whatever_else_there_is(part: str, fields: dict[str, Any]) -> None:
    error = wrong({"times": 2, part: fields})

    assert error.field.startswith(f"{part}.")
    assert " do not go together: " in error.message or " needs " in error.message


def test_an_error_has_what_was_given_and_what_exists() -> None:
    error = wrong({"when": {"provider": "fal"}})

    assert ("fal", ["wavespeed", "runcomfy"]) == (error.given, error.exists)
    assert "There is no provider 'fal'. There are: wavespeed, runcomfy." == error.message
    assert "1s" == wrong({"job": {"fail": {"after": "1s"}, "latency": 5}}).given


def test_what_is_long_is_shown_in_part() -> None:
    assert f"times is '{'x' * 79}…: expected a whole number from 1 to 1000000000." == str(wrong({"times": "x" * 10**6}))


def test_a_rule_alone_and_a_set_are_both_taken() -> None:
    one = {"job": {"fail": True}}
    failing = parse_rule(one)

    assert ((failing,), False) == parse_rule_set(one)
    assert ((failing,), True) == parse_rule_set({**one, "first": True})
    assert ((failing, failing), True) == parse_rule_set({"rules": [one, one], "first": True})


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        ([], "rule", "rule is []: expected an object."),
        ({"rules": []}, "rules", "rules is []: expected an array of rules."),
        ({"rules": {}}, "rules", "rules is {}: expected an array of rules."),
        ({"rules": [{}], "first": 1}, "first", "first is 1: expected true or false."),
        ({"rules": [{}], "frist": True}, "frist", "There is no field 'frist' beside rules. Did you mean 'first'?"),
        (
            {"rules": [{"job": {"fail": True}}, {"job": {"fial": True}}]},
            "rules.1.job.fial",
            "There is no field 'fial' in job. Did you mean 'fail'?",
        ),
        ({"rules": [3]}, "rules.0", "rules.0 is 3: expected an object."),
        (
            {"rules": [{"id": "a", "job": {"fail": True}}] * 2},
            "rules.1.id",
            "There are two rules 'a': give this one another id, or none.",
        ),
    ],
)
def test_what_is_wrong_in_a_set_is_found_there(value: object, field: str, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rule_set(value)

    assert (field, message) == (caught.value.field, caught.value.message)


def test_the_example_is_a_file_of_rules() -> None:
    rules = load({"rules": str(ROOT / "examples" / "rules.toml")}, {}, None).rules

    assert ["busy", "rule-1", "rule-2", "rule-3"] == [one.id for one in rules]
    tables = tomllib.loads((ROOT / "examples" / "rules.toml").read_text(encoding="utf-8"))["rule"]
    for table_, one in zip(tables, rules, strict=True):
        SCHEMA.validate(table_)
        assert parse_rule({**table_, "id": one.id}) == one


def test_rules_without_an_id_get_one_that_nobody_has(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    one = "[[rule]]\njob.fail = true\n"
    file.write_text(f'{one}{one}[[rule]]\nid = "rule-2"\njob.fail = true\n')

    assert ["rule-1", "rule-3", "rule-2"] == [one.id for one in parse_rules(str(file))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[rule]]\njob.fial = true\n", ", rule 1: There is no field 'fial' in job. Did you mean 'fail'?"),
        ("", " holds no rules: expected tables that begin with [[rule]]"),
        ("[rule]\njob.fail = true\n", " holds no rules: expected tables that begin with [[rule]]"),
        ("[[rules]]\njob.fail = true\n", " has a key 'rules': expected tables [[rule]] and nothing else"),
        (
            "[[rule]]\nnext = true\njob.fail = true\n",
            ", rule 1: next is for a rule that is added while the server runs: leave it out.",
        ),
        (
            '[[rule]]\nid = "a"\njob.fail = true\n' * 2,
            ", rule 2: there is a rule 'a' already; give it another id",
        ),
    ],
)
def test_what_is_wrong_with_a_file_names_it(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(content)

    with pytest.raises(ValueError) as caught:
        parse_rules(str(file))
    assert f"{str(file)!r}{message}" == str(caught.value)
    with pytest.raises(SettingsError) as refused:
        load({"rules": str(file)}, {}, None)
    end = "" if message.endswith((".", "?")) else "."
    assert f"rules (from --rules): {str(file)!r}{message}{end}" == str(refused.value)


def test_a_file_that_is_no_toml_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere\.toml' cannot be read as TOML: "):
        parse_rules(str(tmp_path / "nowhere.toml"))
