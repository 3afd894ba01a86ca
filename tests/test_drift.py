"""Drift: a provider that has changed is found out, one that has not is clean, and one that says nothing is no pass."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
from changed_providers import CHANGES
from drifting import DOLLAR, Answering, Talk, drifts, talking_to

from understudy.contracts.catalogue import models, switches
from understudy.contracts.ceiling import Ceiling
from understudy.contracts.drift_compare import Comparison
from understudy.contracts.drift_facts import BREAKING, Change, Facts
from understudy.contracts.drift_models import judge_models
from understudy.contracts.exchanges import Exchange
from understudy.contracts.findings import Unable
from understudy.contracts.prober import Prober
from understudy.contracts.secrecy import Scrubber
from understudy.mockserver.durations import DurationRange

PROVIDERS = ("wavespeed", "runcomfy")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_unchanged_provider_is_clean(provider: str) -> None:
    with talking_to(provider) as talk:
        comparison = talk.compare()
        found = talk.report(comparison, paid=True)

    assert {} == drifts(comparison.facts)
    assert (0, "Everything that could be compared has held.", "") == (found["status"], found["verdict"], talk.stopped)
    assert found["counts"]["held"] > 250


@pytest.mark.parametrize("name", CHANGES)
def test_what_has_changed_is_found_named_and_graded(name: str) -> None:
    change = CHANGES[name]
    with talking_to(change.provider, change.bend) as talk:
        comparison = talk.compare()
        found = talk.report(comparison, fail_on=change.severity)

    assert (change.kind, change.severity) == drifts(comparison.facts)[change.fact]
    assert 1 == found["status"]


SIDE_EFFECTS = {
    "a new field": {"submit 200: /data/seed"},
    "a field is gone": {"submit 200: /data/timings"},
    "a number is text": {"submit 200: /data/timings/inference"},
    "other words": {"balance-no_key: /message", "result-no_key: /message", "submit-bad_key: /message"},
    "another code": {
        f"{case}: /error_code"
        for case in ("cancel-unknown_id", "model-unknown", "result-unknown_id", "submit-unknown_model")
    },
    "another form of time": {"submit 200: /data/created_at"},
    "another status": {"result 400: /code"},
}


FAR = {"errors as 200", "wrong inputs are taken", "states that go back"}
"""Changes that are seen in many places."""


@pytest.mark.parametrize("name", sorted(set(CHANGES) - FAR))
def test_nothing_else_is_said_to_have_changed(name: str) -> None:
    change = CHANGES[name]
    with talking_to(change.provider, change.bend) as talk:
        found = drifts(talk.compare().facts)

    assert {change.fact} | SIDE_EFFECTS.get(name, set()) >= set(found)


def says_nothing(seen: Answering) -> None:
    seen.status, seen.body = 200, {}


def is_a_web_site(seen: Answering) -> None:
    seen.status, seen.body = 404, b"<html>There is nothing here.</html>"
    seen.headers["content-type"] = "text/html"


def is_down(seen: Answering) -> None:
    seen.status, seen.body = 503, {"message": "maintenance"}


def has_broken(seen: Answering) -> None:
    seen.status, seen.body = 500, b""


def is_busy(seen: Answering) -> None:
    seen.status = 429


def says_that_it_is_gzip(seen: Answering) -> None:
    seen.headers["content-encoding"] = "gzip"


def is_another_api(seen: Answering) -> None:
    seen.body = {"object": "list", "items": []}


def refuses_the_key(seen: Answering) -> None:
    seen.status = 401
    seen.body = {"code": 401, "message": "No.", "error_code": 401_001, "error_message": "No."}


def forbids(seen: Answering) -> None:
    seen.status, seen.body = 403, {"code": 403, "message": "No."}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "bend",
    [
        forbids,
        says_nothing,
        is_a_web_site,
        is_down,
        has_broken,
        is_busy,
        says_that_it_is_gzip,
        is_another_api,
        refuses_the_key,
    ],
)
def test_a_server_that_answers_nothing_useful_never_passes(provider: str, bend: Callable[[Answering], None]) -> None:
    with talking_to(provider, bend) as talk:
        found = talk.report(talk.compare(0))

    assert 2 == found["status"]
    assert found["verdict"].startswith(("Nothing could be compared: ", "Too little could be compared: "))


def test_nobody_at_home_never_passes() -> None:
    with talking_to("wavespeed") as talk:
        gone = talk

    with pytest.raises(Unable, match=f"^Nothing answers at {gone.origin}: .*refused"):
        gone.compare(0)

    assert ([], []) == (gone.heard, gone.paused)


def test_too_few_facts_never_pass() -> None:
    with talking_to("wavespeed") as talk:
        found = talk.report(talk.compare(0), least=10_000)

    compared = found["counts"]["held"]
    assert (2, f"Too little could be compared: {compared} facts, and 10000 are the least.") == (
        found["status"],
        found["verdict"],
    )


def test_a_comparison_of_nothing_never_passes() -> None:
    with talking_to("wavespeed") as talk:
        found = talk.report(Comparison("wavespeed"))

    assert (2, "Nothing could be compared: there was no exchange.") == (found["status"], found["verdict"])


def test_without_spending_nothing_is_submitted_that_could_be_run() -> None:
    with talking_to("wavespeed") as talk:
        comparison = talk.compare(0)

    sent = [one for one in talk.heard if one.method == "POST" and one.auth == "key" and "/bytedance/" in one.path]
    assert {400} == {one.status for one in sent}
    assert all(not isinstance(one.sent, dict) or "prompt" not in one.sent for one in sent)
    assert 0 == talk.ceiling.committed
    reasons = {one["reason"] for one in talk.report(comparison)["not_checked"]}
    assert {"it takes a submission: --spend", "it may cost money: --spend", "it is a secret: not asked"} <= reasons


def test_a_mild_drift_passes_unless_asked_otherwise() -> None:
    with talking_to("wavespeed", CHANGES["other words"].bend) as talk:
        comparison = talk.compare(0)

    assert (0, "4 facts have drifted; nothing is breaking.") == told(talk, comparison, "breaking")
    assert (0, "4 facts have drifted; nothing is additive or worse.") == told(talk, comparison, "additive")
    assert (1, "4 facts have drifted: cosmetic or worse.") == told(talk, comparison, "cosmetic")


def told(talk: Talk, comparison: Comparison, fail_on: str) -> tuple[int, str]:
    found = talk.report(comparison, fail_on=fail_on)
    return found["status"], found["verdict"]


def test_a_reading_that_was_said_to_be_expected_is_no_drift() -> None:
    with talking_to("runcomfy", assume={"runcomfy.auth_error": "400"}) as talk:
        expected = talk.compare(0, Comparison("runcomfy", {"runcomfy.auth_error": "400"}))
        unexpected = talk.compare(0)

    assert {} == drifts(expected.facts)
    assert ("another reading", BREAKING) == drifts(unexpected.facts)["switch runcomfy.auth_error"]


def test_a_call_that_is_refused_as_one_too_many_is_tried_again_when_told() -> None:
    def busy_twice(seen: Answering) -> None:
        if seen.path.endswith("/balance") and seen.status == 200:
            seen.memory["looks"] = seen.memory.get("looks", 0) + 1
            if seen.memory["looks"] <= 2:
                seen.status, seen.body = 429, {"code": 429, "message": "Too many."}
                seen.headers["retry-after"] = "7" if seen.memory["looks"] == 1 else "soon"

    with talking_to("wavespeed", busy_twice) as talk:
        comparison = talk.compare(0)

    assert [7.0, 2.0] == talk.paused
    assert {} == drifts(comparison.facts)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_in_trouble_is_asked_again(status: int) -> None:
    def fails(seen: Answering) -> None:
        if seen.path.endswith("/balance") and seen.status == 200:
            seen.status = status

    with talking_to("wavespeed", fails) as talk:
        talk.compare(0)

    assert [1.0, 2.0, 4.0] == talk.paused


def test_a_pause_that_is_too_long_is_not_waited_for() -> None:
    def busy(seen: Answering) -> None:
        if seen.path.endswith("/balance") and seen.status == 200:
            seen.status, seen.headers["retry-after"] = 429, "86400"

    with talking_to("wavespeed", busy) as talk:
        found = talk.report(talk.compare(0))

    assert [] == talk.paused
    assert "1 answered with 429" == found["unusable"]


def test_what_was_assumed_and_is_known_now_comes_with_its_patch() -> None:
    with talking_to("runcomfy", CHANGES["another code"].bend) as talk:
        found = talk.report(talk.compare(0))

    learnt = {one["fact"]: one for one in found["learnt"]}
    assert learnt["model-unknown: /error_code"]["right"] is False if "model-unknown: /error_code" in learnt else True
    assert {
        "fact": "submit-unknown_model: /error_code",
        "assumed": "404001",
        "seen": "404002",
        "right": False,
    } == learnt["submit-unknown_model: /error_code"]
    patch = next(one for one in found["patch"] if one["file"] == "runcomfy/samples/submit-unknown_model.json")
    assert [
        {"op": "test", "path": "/response/body/error_code", "value": 404001},
        {"op": "replace", "path": "/response/body/error_code", "value": 404002},
        {
            "op": "replace",
            "path": "/evidence",
            "value": [
                {"mark": "observed", "source": "understudy drift, 2026-11-21"},
                {"mark": "observed", "source": "LOG (the HTTP status)"},
            ],
        },
    ] == patch["patch"]


def test_a_ceiling_that_has_no_room_for_a_job_leaves_it_out() -> None:
    with talking_to("wavespeed") as talk:
        comparison = talk.compare(20_000)
        found = talk.report(comparison, paid=True)

    assert (
        "a submission to bytedance/seedream-v4 may cost $0.027, and the ceiling is $0.02: --spend 0.027 has room for it"
    ) == talk.stopped
    assert 0 == talk.ceiling.committed
    assert 0 == found["status"]


@pytest.mark.parametrize("name", ["wrong inputs are taken", "a double charge", "another quotation"])
def test_an_unexpected_charge_ends_it(name: str) -> None:
    with talking_to("wavespeed", CHANGES[name].bend) as talk:
        talk.compare(10 * DOLLAR)

    expected = {
        "wrong inputs are taken": "nothing is submitted any more: a submission was taken that should have been refused",
        "a double charge": "stopped: bytedance/seedream-v4 (size 1024*1024), to its end was to cost $0.027, "
        "and what it cost is $0.054",
        "another quotation": "stopped: bytedance/seedream-v4 is published at $0.027, and the provider quotes $0.05",
    }
    assert expected[name] == talk.stopped


def test_a_submission_without_a_job_ends_it() -> None:
    def no_id(seen: Answering) -> None:
        if seen.submits and seen.status == 200:
            seen.data["id"] = ""

    with talking_to("wavespeed", no_id) as talk:
        talk.compare()

    assert "stopped: a submission to bytedance/seedream-v4 was answered with 200 and no job" == talk.stopped
    assert 27_000 == talk.ceiling.committed


def test_a_job_that_never_ends_is_given_up() -> None:
    with talking_to("wavespeed", run_time=DurationRange(10**9, 10**9)) as talk:
        comparison = talk.compare()

    assert [2.0] * 300 == talk.paused
    assert "not checked" == comparison.facts.by_name["a job: it costs what is published"].outcome


def test_a_balance_that_cannot_be_read_says_nothing_of_charges() -> None:
    def no_balance(seen: Answering) -> None:
        if seen.path.endswith("/balance") and seen.status == 200:
            del seen.data["balance"]

    with talking_to("wavespeed", no_balance) as talk:
        comparison = talk.compare()

    assert {"balance 200: /data/balance": ("field gone", "breaking")} == drifts(comparison.facts)
    assert "not checked" == comparison.facts.by_name["a job: it costs what is published"].outcome


def test_money_that_came_back_is_told() -> None:
    def richer(seen: Answering) -> None:
        if seen.path.endswith("/balance") and seen.status == 200:
            seen.memory["looks"] = seen.memory.get("looks", 0) + 1
            seen.data["balance"] += seen.memory["looks"]

    with talking_to("wavespeed", richer) as talk:
        fact = talk.compare().facts.by_name["a job: it costs what is published"]

    assert fact.change is not None
    assert ("cosmetic", "$0.973 more on the account") == (fact.change.severity, fact.change.seen)


def test_a_price_that_is_not_quoted_ends_it() -> None:
    def no_quotation(seen: Answering) -> None:
        if seen.path.endswith("/model/price") and seen.status == 200:
            del seen.data["price"]

    with talking_to("wavespeed", no_quotation) as talk:
        talk.compare()

    assert "stopped: bytedance/seedream-v4 is published at $0.027, and the provider quotes nothing" == talk.stopped


def changed_entry(facts: Facts, **words: object) -> dict[str, tuple[str, str]]:
    """The drifts where one entry of the catalogue, or an input of it, says something else."""
    entry = json.loads(json.dumps(models("wavespeed")["bytedance/seedream-v4/sequential"].entry))
    count = entry["api_schema"]["api_schemas"][0]["request_schema"]["properties"]["max_images"]
    for word, value in words.items():
        (entry if word in entry else count)[word] = value
    judge_models(facts, [entry, 7, {"model_id": 3}], "here", {}, whole=False)
    return drifts(facts)


@pytest.mark.parametrize(
    ("word", "value", "about", "kind", "severity"),
    [
        ("formula", "", "formula", "price", "breaking"),
        ("type", "image-to-video", "type", "catalogue entry", "additive"),
        ("sort_order", 9, "sort_order", "catalogue entry", "cosmetic"),
        ("default", 3, "input max_images", "default", "additive"),
        ("pattern", "^1$", "input max_images", "type", "breaking"),
        ("enum", [1, 2], "input max_images", "choice gone", "breaking"),
        ("minimum", 2, "input max_images", "range", "breaking"),
        ("minimum", 0, "input max_images", "range", "additive"),
        ("multipleOf", 2, "input max_images", "catalogue entry", "cosmetic"),
        ("maxLength", 2, "input max_images", "range", "breaking"),
        ("base_price", "free", "base_price", "price", "cosmetic"),
    ],
)
def test_what_a_model_says_is_graded_by_what_it_is(
    word: str, value: object, about: str, kind: str, severity: str
) -> None:
    facts = Comparison("wavespeed").facts

    assert {f"model bytedance/seedream-v4/sequential: {about}": (kind, severity)} == changed_entry(
        facts, **{word: value}
    )


def answered(operation: str, status: int, body: object, provider: str = "wavespeed") -> dict[str, tuple[str, str]]:
    targets = {"balance": "/api/v3/balance", "status": f"/v1/requests/{ID}/status", "upload": "/upload/x"}
    method = "PUT" if operation == "upload" else "GET"
    comparison = Comparison(provider)
    comparison.see(Exchange("here", method, targets[operation], "key", None, status, {}, body))
    return drifts(comparison.facts)


ID = "6f21c6f0-4a25-49ee-b720-ac33b9323f5d"


def a_status(**words: object) -> dict[str, object]:
    base = f"https://model-api.runcomfy.net/v1/requests/{ID}"
    told = {"request_id": ID, "status": "in_queue", "queue_position": 0}
    return {**told, "status_url": f"{base}/status", "result_url": f"{base}/result", **words}


def test_answers_are_graded_by_what_is_wrong_with_them() -> None:
    balance = {"code": 200, "message": "success", "data": {"balance": 1}}

    assert {} == answered("balance", 200, balance)
    assert {"balance 200: /code": ("value", "breaking")} == answered("balance", 200, {**balance, "code": 0})
    assert {"balance 200: /message": ("text", "cosmetic")} == answered("balance", 200, {**balance, "message": "ok"})
    assert {"balance: status": ("status", "breaking")} == answered("balance", 301, balance)
    assert {} == answered("status", 200, a_status(), "runcomfy")
    assert {"status 200: /queue_position": ("range", "breaking")} == answered(
        "status", 200, a_status(queue_position=-1), "runcomfy"
    )
    assert {"status 200: /queue_position": ("new field", "additive")} == answered(
        "status", 200, a_status(status="in_progress"), "runcomfy"
    )
    assert {} == answered("upload", 200, None)


def test_the_gravest_change_of_a_fact_is_told_and_the_others_are_counted() -> None:
    facts = Facts("wavespeed")
    facts.expect("a", "b")
    for severity in ("cosmetic", "breaking", "additive"):
        facts.drifted("a", Change(severity, severity, "b", "c", "here"))

    assert facts.by_name["a"].change is not None
    assert ("breaking", 2) == (facts.by_name["a"].change.kind, facts.by_name["a"].others)


def test_the_providers_own_host_is_not_asked_whether_it_is_a_fake() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json={"understudy": "1"})

    for origin, fake in (("https://api.wavespeed.ai", False), ("http://127.0.0.1:1", True)):
        transport = httpx.MockTransport(answer)
        prober = Prober("wavespeed", origin, "key", Ceiling(0), Scrubber(), transport=transport)
        assert fake is prober.is_understudy
        prober.close()

    assert ["/_understudy/version"] == asked


def test_a_form_that_no_single_field_is_to_blame_for_is_told_as_such() -> None:
    comparison = Comparison("runcomfy", {"runcomfy.single_image": "image"})
    times = {"created_at": "2026-06-16T16:31:21.616290+00:00", "finished_at": "2026-06-16T16:31:29.616290+00:00"}
    body = {"request_id": ID, "status": "succeeded", "output": {}, **times}
    comparison.see(Exchange("here", "GET", f"/v1/requests/{ID}/result", "key", None, 200, {}, body))

    assert {"result 200: /output": ("form", "breaking")} == drifts(comparison.facts)


def test_a_price_that_was_asked_for_in_an_odd_way_is_not_compared() -> None:
    comparison = Comparison("wavespeed")
    for sent in ({"model_id": "bytedance/seedream-v4", "inputs": [1]}, {"model_id": "a/b", "inputs": {}}):
        comparison.see(Exchange("here", "POST", "/api/v3/model/price", "key", sent, 200, {}, {"data": {"price": 9}}))

    assert "not checked" == comparison.facts.by_name["model bytedance/seedream-v4: base_price"].outcome


def test_the_price_of_a_sample_is_graded_as_a_price() -> None:
    def half(seen: Answering) -> None:
        if seen.path.endswith("/model/price") and seen.data.get("price") == 0.108:
            seen.data["price"] = 0.05

    with talking_to("wavespeed", half) as talk:
        found = drifts(talk.compare(0).facts)

    assert ("price", "cosmetic") == found["model_price: /data/price"]


def test_a_reading_that_nobody_knew_and_that_was_seen_comes_with_its_patch() -> None:
    with talking_to("runcomfy") as talk:
        found = talk.report(talk.compare())

    patch = next(one for one in found["patch"] if one["file"] == "runcomfy/switches.json")
    names = [one.name for one in switches() if one.name.startswith("runcomfy.")]
    place = f"/{names.index('runcomfy.queue_base')}/readings/0/evidence"
    seen = [{"mark": "observed", "source": "understudy drift, 2026-11-21"}]
    assert {"op": "replace", "path": place, "value": seen} in patch["patch"]
    assert "switch runcomfy.queue_base" in {one["fact"] for one in found["learnt"] if one["right"]}
