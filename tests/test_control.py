"""The control API over a socket: what each call does, and what it says when it cannot."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import httpx
import pytest
from controlling import Remote
from live import Live, MakeLive
from talking import KEYS, Talk

from understudy.mockserver.clock import MANUAL_START
from understudy.mockserver.control_asked import Asked, Wrong, read_duration, read_integer, read_text

GONE = "0" * 32


@pytest.fixture
def remote(talk: Talk, key: str) -> Remote:
    return Remote(talk.client, key)


@pytest.fixture
def job(talk: Talk, key: str) -> str:
    """A job that is queued until 500 ms and runs until 2500 ms from the start."""
    return talk.submit(key=key)


def test_health_and_version_need_no_key(talk: Talk) -> None:
    assert {"status": "ok"} == talk.client.get("/_understudy/health").json()
    assert {"understudy": version("understudy"), "control": 1, "seed": 4} == talk.client.get(
        "/_understudy/version"
    ).json()


def test_a_call_without_a_key_is_told_to_send_one(talk: Talk) -> None:
    answer = talk.client.get("/_understudy/jobs")
    message = "Whose? Send the API key whose jobs, rules and clock are meant: Authorization: Bearer <key>."
    assert (401, {"error": {"field": "Authorization", "given": None, "message": message}}) == (
        answer.status_code,
        answer.json(),
    )


def test_a_key_is_the_same_in_either_encoding(talk: Talk, key: str) -> None:
    for name, encoding in ((b"slow", "utf-8"), (b"fast", "latin-1")):
        headers = {b"Authorization": f"Bearer schlüssel-{key}".encode(encoding)}
        rule = b'{"id": "%s", "job": {"fail": true}}' % name
        assert 201 == talk.client.post("/_understudy/rules", headers=headers, content=rule).status_code
    assert ["slow", "fast"] == ids(talk.client.get("/_understudy/rules", headers=headers).json())


def test_only_the_keys_that_a_server_accepts_have_control(make_live: MakeLive) -> None:
    live = make_live(keys=frozenset({"key"}))
    assert [] == Remote(live.client).get("jobs")["jobs"]
    error = Remote(live.client, "other").wrong(401, "GET", "jobs")
    assert error["message"].endswith(" This server accepts only the keys that it was started with.")


@pytest.mark.parametrize(
    ("method", "path", "status", "field", "message"),
    [
        ("GET", "job", 404, "path", "There is no call 'job' of the control API. Did you mean 'jobs'?"),
        ("GET", "", 404, "path", "There is no call '' of the control API."),
        ("PUT", "rules", 405, "method", "rules takes DELETE and GET and POST, not PUT."),
        ("GET", "jobs?stat=queued", 422, "query.stat", "There is no parameter 'stat' here. Did you mean 'state'?"),
        ("GET", "jobs?state=runing", 422, "query.state", "There is no state 'runing'. Did you mean 'running'?"),
        ("GET", "jobs?limit=0", 422, "query.limit", "'0' is not allowed: expected a whole number from 1."),
        ("GET", "jobs?limit=٣", 422, "query.limit", "'٣' is not allowed: expected a whole number from 1."),
        ("GET", "journal?operation=submits", 422, "query.operation", "There is no operation 'submits'. Did you mean"),
        ("GET", "verdict?fastest_poll=1w", 422, "query.fastest_poll", "'1w' is not a duration: expected a number"),
        ("GET", "events?after=x", 422, "query.after", "'x' is not allowed: expected the number of an exchange, or"),
    ],
)
def test_what_does_not_exist_is_told_with_what_does(
    remote: Remote, method: str, path: str, status: int, field: str, message: str
) -> None:
    error = remote.wrong(status, method, path)
    assert field == error["field"]
    assert error["message"].startswith(message)


def test_an_error_says_what_was_given_and_what_there_is(remote: Remote) -> None:
    assert {
        "field": "cause",
        "given": "errors",
        "message": "There is no cause 'errors'. Did you mean 'error'?",
        "exists": ["error", "moderation", "input"],
    } == remote.wrong(422, "POST", f"jobs/{GONE}/fail", {"cause": "errors"})


def test_the_prefix_alone_says_which_calls_there_are(talk: Talk) -> None:
    for path in ("/_understudy", "/_understudy/"):
        answer = talk.client.get(path)
        assert 404 == answer.status_code
        assert ["health", "version"] == answer.json()["error"]["exists"][:2]


def test_head_is_answered_as_get_without_the_body(talk: Talk) -> None:
    answer = talk.client.head("/_understudy/health")
    assert (200, "15", b"") == (answer.status_code, answer.headers["content-length"], answer.content)


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        (b"{", 422, "The body is no JSON: "),
        (b"[1]", 422, "The body is a list: expected an object."),
        (b'{"a": null}', 422, "There is no field 'a' here."),
        (b" " * 2**20 + b"{}", 413, "The body is too long: at most 1048576 bytes are read."),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused(talk: Talk, key: str, sent: bytes, status: int, message: str) -> None:
    answer = talk.client.post("/_understudy/clock/idle", content=sent, headers={"Authorization": f"Bearer {key}"})
    assert status == answer.status_code
    assert answer.json()["error"]["message"].startswith(message)


def test_what_is_given_is_told_back_in_short(remote: Remote) -> None:
    assert "x" * 200 + "…" == remote.wrong(422, "POST", "clock/idle", {"a": "x" * 300})["given"]
    assert "an object" == remote.wrong(422, "POST", "clock/idle", {"a": {"b": 1}})["given"]
    assert remote.wrong(422, "POST", "clock/idle", {"a": None})["given"] is None


# Rules.


def test_rules_are_added_shown_and_removed(remote: Remote) -> None:
    rule = {"when": {"operation": "submit"}, "job": {"run_time": "3s"}}
    shown = {
        "id": "rule-1",
        **rule,
        "state": "waiting",
        "seen": 0,
        "acted": 0,
        "shadowed": 0,
        "why": "No call of operation submit has come yet.",
    }
    answer = remote.call("POST", "rules", rule)
    assert (201, {"rules": [shown]}) == (answer.status_code, answer.json())
    assert shown == remote.get("rules/rule-1")
    assert ["b", "a"] == ids(remote.post("rules", {"rules": [{**rule, "id": "b"}, {**rule, "id": "a"}], "first": True}))
    assert ["b", "a", "rule-1"] == ids(remote.get("rules"))
    assert {"removed": 1} == remote.delete("rules/a")
    assert {"removed": 2} == remote.delete("rules")
    assert [] == ids(remote.get("rules"))


def test_a_rule_acts_and_says_so(talk: Talk, remote: Remote, key: str) -> None:
    remote.post("rules", {"id": "slow", "when": {"prompt": "shoe"}, "job": {"run_time": "3s"}})
    job = remote.get(f"jobs/{talk.submit(key=key)}")
    assert 3_000 == job["plan"]["run_time"]
    assert (1, 1, "active") == tuple(remote.get("rules/slow")[name] for name in ("seen", "acted", "state"))
    assert ["slow"] == remote.get("journal")["exchanges"][0]["rules"]


def test_a_typo_in_a_rule_is_told(remote: Remote) -> None:
    error = remote.wrong(422, "POST", "rules", {"rules": [{"job": {"fail": True}}, {"when": {"operaton": "submit"}}]})
    assert ("rules.1.when.operaton", "submit") == (error["field"], error["given"])
    assert "Did you mean 'operation'?" in error["message"]
    assert [] == remote.get("rules")["rules"]


def test_an_id_is_taken_once(remote: Remote) -> None:
    remote.post("rules", {"id": "one", "job": {"fail": True}})
    assert {
        "field": "id",
        "given": "one",
        "message": "There is a rule 'one' already: give this one another id, or none.",
        "exists": ["one"],
    } == remote.wrong(422, "POST", "rules", {"id": "one", "job": {"fail": True}})


def test_a_rule_that_does_not_exist_is_told_with_those_that_do(remote: Remote) -> None:
    assert "This key has no rule 'slw'. It has none at all." == remote.wrong(404, "GET", "rules/slw")["message"]
    remote.post("rules", {"id": "slow", "job": {"fail": True}})
    for method in ("GET", "DELETE"):
        error = remote.wrong(404, method, "rules/slw")
        assert ("This key has no rule 'slw'. Did you mean 'slow'?", ["slow"]) == (error["message"], error["exists"])


def ids(answer: Any) -> list[str]:
    return [rule["id"] for rule in answer["rules"]]


# The clock.


def test_the_clock_is_shown_and_set_forward(remote: Remote, job: str) -> None:
    assert {"mode": "manual", "now": MANUAL_START, "time": "2026-01-01T00:00:00.000Z"} == remote.get("clock")
    assert {
        "now": MANUAL_START + 2_000,
        "events": [{"at": MANUAL_START + 500, "kind": "job", "job": job, "state": "running"}],
        "notes": [],
    } == remote.post("clock/advance", {"by": "2s"})
    assert {
        "now": MANUAL_START + 2_500,
        "events": [{"at": MANUAL_START + 2_500, "kind": "job", "job": job, "state": "succeeded"}],
        "notes": [],
    } == remote.post("clock/advance", {"to": MANUAL_START + 2_500})
    assert MANUAL_START + 2_500 == remote.post("clock/advance", {"by": 0})["now"]


def test_the_clock_does_not_go_back(remote: Remote) -> None:
    remote.post("clock/advance", {"by": 1_500})
    error = remote.wrong(422, "POST", "clock/advance", {"to": MANUAL_START})
    message = f"The clock shows {MANUAL_START + 1_500} already, which is 1500ms later."
    assert f"{message} Time does not go back: reset this key, or use another one." == error["message"]
    assert ("to", MANUAL_START) == (error["field"], error["given"])
    assert MANUAL_START + 1_500 == remote.post("clock/advance", {"to": MANUAL_START + 1_500})["now"]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({}, "by", "How far? Give either 'by', a duration such as '30s', or 'to', milliseconds since 1970."),
        ({"by": 1, "to": 2}, "by", "How far? Give either 'by', a duration such as '30s', or 'to', milliseconds since"),
        ({"by": "-1s"}, "by", "'-1s' is not a duration: expected a number and a unit (ms, s, m or h), such as 500ms"),
        ({"by": -1}, "by", "-1 is no length of time: expected a duration such as '30s', or a whole number of"),
        (
            {"by": True},
            "by",
            "true or false is no length of time: expected a duration such as '30s', or a whole number",
        ),
        ({"by": None}, "by", "null is no length of time: expected a duration such as '30s', or a whole number of"),
        ({"to": 1.5}, "to", "1.5 is not allowed: expected a whole number from 0 to 100000000000000."),
        ({"to": "2026"}, "to", "'2026' is not allowed: expected a whole number from 0 to 100000000000000."),
        ({"bye": 1}, "bye", "There is no field 'bye' here. Did you mean 'by'?"),
    ],
)
def test_an_advance_that_cannot_be_is_refused(remote: Remote, body: Any, field: str, message: str) -> None:
    error = remote.wrong(422, "POST", "clock/advance", body)
    assert field == error["field"]
    assert error["message"].startswith(message)


def test_time_goes_on_from_what_it_was_in_another_mode(remote: Remote) -> None:
    remote.post("clock/advance", {"by": "1m"})
    for mode in ("60x", "auto", "real", "manual"):
        clock = remote.put("clock", {"mode": mode})
        assert mode == clock["mode"] == remote.get("clock")["mode"]
        assert MANUAL_START + 60_000 <= clock["now"] < MANUAL_START + 3_600_000


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Which mode? Give one, such as {'mode': 'manual'}."),
        ({"mode": "fast"}, "'fast' is no clock: expected real, manual, auto, or how many times as fast, such as 60x."),
        ({"mode": 60}, "mode is a whole number: expected text."),
    ],
)
def test_a_mode_that_there_is_not_is_refused(remote: Remote, body: Any, message: str) -> None:
    assert message == remote.wrong(422, "PUT", "clock", body)["message"]


def test_the_end_of_everything_comes_at_once_but_for_what_hangs(talk: Talk, remote: Remote, key: str) -> None:
    remote.post("rules", {"job": {"hang": "running"}, "times": 1})
    hanging, ending = talk.submit(key=key), talk.submit(key=key)
    passage = remote.post("clock/idle")
    assert MANUAL_START + 2_500 == passage["now"]
    assert [hanging] == passage["hanging"]
    assert [(500, hanging), (500, ending), (2_500, ending)] == [
        (event["at"] - MANUAL_START, event["job"]) for event in passage["events"]
    ]


# Jobs.


def test_a_job_is_shown_with_its_plan_and_its_timeline(talk: Talk, remote: Remote, job: str) -> None:
    shown = remote.get(f"jobs/{job}")
    start = MANUAL_START
    assert [(start, "queued"), (start + 500, "running"), (start + 2_500, "succeeded")] == [
        (mark["at"], mark["state"]) for mark in shown.pop("timeline")
    ]
    assert {
        "queue_time": 500,
        "run_time": 2_000,
        "outcome": "succeeded",
        "failure": None,
        "images": 1,
        "flagged": [],
        "missing": [],
        "black": [],
        "resized": [],
        "polls": None,
        "expire": None,
    } == shown.pop("plan")
    assert [shown] == remote.get("jobs")["jobs"]
    assert {
        "id": job,
        "provider": "wavespeed",
        "model": "bytedance/seedream-v4/edit-sequential",
        "state": "queued",
        "submitted": start,
        "starts": start + 500,
        "ends": start + 2_500,
        "images": 1,
        "flagged": [],
        "failure": None,
        "price": 27_000,
        "prompt": "A shoe",
        "outputs": [],
        "interrupted": None,
        "erased": False,
    } == shown


def test_the_outputs_of_a_finished_job_can_be_fetched(talk: Talk, remote: Remote, job: str) -> None:
    remote.post("clock/idle")
    outputs = remote.get(f"jobs/{job}")["outputs"]
    assert [200] == [talk.client.get(url).status_code for url in outputs]


def test_jobs_are_listed_by_provider_state_and_number(talk: Talk, remote: Remote, key: str) -> None:
    first = talk.submit(key=key)
    remote.post("clock/advance", {"by": "1s"})
    second, third = talk.request(key=key), talk.submit(key=key)

    def listed(**query: str) -> list[str]:
        return [job["id"] for job in remote.get("jobs", **query)["jobs"]]

    assert [first] == listed(state="running")
    assert [second] == listed(provider="runcomfy")
    assert [first, third] == listed(provider="wavespeed")
    assert {second, third} == set(listed(limit="2"))
    assert first == listed(limit="9")[0]


@pytest.mark.parametrize(
    ("verb", "state", "failure"),
    [
        ("finish", "succeeded", None),
        ("cancel", "cancelled", None),
        ("timeout", "timed_out", None),
        ("fail", "failed", {"cause": "error", "text": None, "code": None}),
    ],
)
def test_a_job_is_ended_now_and_only_once(remote: Remote, job: str, verb: str, state: str, failure: Any) -> None:
    remote.post("clock/advance", {"by": "1s"})
    ended = remote.post(f"jobs/{job}/{verb}")
    assert (state, failure) == (ended["state"], ended["failure"])
    assert {"at": MANUAL_START + 1_000, "state": state} == ended["interrupted"] == ended["timeline"][-1]
    for again in ("finish", "fail", "cancel", "timeout"):
        error = remote.wrong(409, "POST", f"jobs/{job}/{again}")
        assert f"The job {job} had ended already: it is {state}." == error["message"]


def test_a_job_fails_as_the_client_is_told(talk: Talk, remote: Remote, key: str, job: str) -> None:
    remote.post(f"jobs/{job}/fail", {"text": "Out of paint", "code": 1405, "cause": "moderation"})
    assert "Out of paint" == talk.get(f"/api/v3/predictions/{job}", key=key)["data"]["error"]
    assert {"cause": "moderation", "text": "Out of paint", "code": 1405} == remote.get(f"jobs/{job}")["failure"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": 1}, "text is a whole number: expected text."),
        ({"code": "1"}, "'1' is not allowed: expected a whole number from 0 to 1000000000."),
        ({"cause": ["error"]}, "cause is a list: expected text."),
        ({"reason": "x"}, "There is no field 'reason' here."),
    ],
)
def test_a_failure_that_cannot_be_is_refused(remote: Remote, job: str, body: Any, message: str) -> None:
    assert message == remote.wrong(422, "POST", f"jobs/{job}/fail", body)["message"]
    assert "queued" == remote.get(f"jobs/{job}")["state"]


def test_another_keys_job_is_as_one_that_is_not_there(talk: Talk, remote: Remote, key: str) -> None:
    foreign = talk.submit(key=next(KEYS))
    for method, path in (
        ("GET", ""),
        ("POST", "/finish"),
        ("POST", "/fail"),
        ("POST", "/cancel"),
        ("POST", "/timeout"),
    ):
        message = remote.wrong(404, method, f"jobs/{foreign}{path}")["message"]
        assert f"This key has no job {foreign!r}. It has none at all." == message
    own = talk.submit(key=key)
    assert [own] == remote.wrong(404, "GET", f"jobs/{foreign}")["exists"]
    assert f"Did you mean {own!r}?" in remote.wrong(404, "GET", f"jobs/{own[:-1]}")["message"]


def test_flagged_images_are_black_where_the_settings_say_so(make_live: MakeLive) -> None:
    live = make_live(flagged_images="black")
    Remote(live.client).post("rules", {"job": {"flagged": [1]}})
    job = Remote(live.client).get(f"jobs/{live.submit_wavespeed()['id']}")
    assert ([1], [1], []) == (job["plan"]["flagged"], job["plan"]["black"], job["flagged"])
    Remote(live.client).post("clock/idle")
    assert [1] == Remote(live.client).get(f"jobs/{job['id']}")["flagged"]


# What has been.


def test_the_journal_is_told_in_parts(talk: Talk, remote: Remote, key: str, job: str) -> None:
    talk.status(job, key=key)
    talk.status(job, key=key)
    talk.call("GET", f"/api/v3/predictions/{GONE}/result", key=key)

    def numbers(**query: str) -> list[int]:
        return [exchange["number"] for exchange in remote.get("journal", **query)["exchanges"]]

    assert [1, 2, 3, 4] == numbers()
    assert [3, 4] == numbers(after="2")
    assert [4] == numbers(limit="1")
    assert [1] == numbers(operation="submit")
    assert [2, 3, 4] == numbers(operation="poll")
    assert [1, 2, 3] == numbers(job=job)
    assert [4] == numbers(status="404")
    assert [] == numbers(provider="runcomfy")
    assert 4 == remote.get("journal")["last"] == remote.get("journal", after="9")["last"]


def test_the_ledger_tells_charges_refunds_and_what_was_sent_twice(talk: Talk, remote: Remote, key: str) -> None:
    one, other = talk.submit(key=key), talk.submit(key=key)
    remote.post("clock/advance", {"by": "1s"})
    remote.post(f"jobs/{other}/cancel")
    assert {
        "balances": {"wavespeed": 999999.973, "runcomfy": 1000000.0},
        "entries": [
            {"at": MANUAL_START, "kind": "charge", "job": one, "provider": "wavespeed", "amount": 27_000},
            {"at": MANUAL_START, "kind": "charge", "job": other, "provider": "wavespeed", "amount": 27_000},
            {"at": MANUAL_START + 1_000, "kind": "refund", "job": other, "provider": "wavespeed", "amount": 27_000},
        ],
        "duplicates": [[one, other]],
    } == remote.get("ledger")


def test_the_verdict_knows_the_pace_that_is_allowed(talk: Talk, remote: Remote, key: str, job: str) -> None:
    for _ in range(5):
        talk.status(job, key=key)
    assert remote.get("verdict", fastest_poll="0")["ok"]
    findings = remote.get("verdict", fastest_poll="1h")["findings"]
    assert ["polled_too_fast"] == [finding["kind"] for finding in findings]
    assert findings == remote.get("verdict", fastest_poll="1h")["findings"]


def test_webhooks_are_told_with_their_attempts(talk: Talk, remote: Remote, key: str) -> None:
    path = "/api/v3/bytedance/seedream-v4/edit-sequential?webhook=http://127.0.0.1:1/x"
    job = talk.post(path, {"prompt": "A shoe"}, key=key)["data"]["id"]
    waiting = {
        "job": job,
        "url": "http://127.0.0.1:1/x",
        "outcome": "waiting",
        "due": MANUAL_START + 2_500,
        "attempts": [],
    }
    webhooks = remote.get("webhooks")
    assert [waiting] == webhooks["deliveries"]
    assert webhooks["secret"].startswith("whsec_")
    remote.post("clock/advance", {"by": "3s"})
    delivery = remote.get("webhooks")["deliveries"][0]
    assert [(MANUAL_START + 2_500, None)] == [(one["at"], one["status"]) for one in delivery["attempts"]]
    assert "ConnectError" in delivery["attempts"][0]["error"]
    assert MANUAL_START + 3_500 == delivery["due"]


def test_a_reset_makes_a_key_anew_and_no_other(talk: Talk, remote: Remote, key: str, job: str) -> None:
    bystander = next(KEYS)
    other = talk.submit(key=bystander)
    remote.post("rules", {"job": {"fail": True}})
    remote.post("clock/advance", {"by": "1s"})
    assert {"reset": True} == remote.post("reset")
    assert ([], [], MANUAL_START, 0) == (
        remote.get("jobs")["jobs"],
        remote.get("rules")["rules"],
        remote.get("clock")["now"],
        remote.get("journal")["last"],
    )
    assert [other] == [one["id"] for one in Remote(talk.client, bystander).get("jobs")["jobs"]]
    assert job == talk.submit(key=key)  # the same seed, the same first submission


def test_the_control_api_leaves_no_trace_in_the_journal(remote: Remote) -> None:
    remote.post("clock/advance", {"by": "1s"})
    assert {"exchanges": [], "last": 0} == remote.get("journal")


def test_the_same_calls_are_there_for_python(live: Live) -> None:
    control = live.server_app.state.control
    job = live.submit_wavespeed()["id"]
    shown = live.server.call(control.answer("key", "GET", f"jobs/{job}", {}, None))
    assert (200, "queued") == (shown.status, shown.content["state"])
    refused = live.server.call(control.answer("key", "GET", "events", {}, None))
    message = "events is a stream: ask for it over HTTP, or in Python with Control.listen."
    assert (422, message) == (refused.status, refused.content["error"]["message"])


# The fields of what is asked.


def test_a_client_that_goes_away_in_the_middle_of_its_body_has_asked_nothing(live: Live) -> None:
    with pytest.raises(httpx.HTTPError), live.client_of("key") as client:
        client.post("/_understudy/reset", content=broken_off(), headers={"Content-Length": "10"})
    assert 200 == live.client.get("/_understudy/health").status_code


def broken_off() -> Any:
    yield b"{"
    raise httpx.WriteError("gone")


def test_fields_are_read_or_refused() -> None:
    assert 30_000 == read_duration("by", "30s")
    assert 5 == read_duration("by", 5)
    assert "x" == read_text("text", "x")
    assert 3 == read_integer("code", 3, 0, 3)
    with pytest.raises(Wrong):
        read_integer("code", 4, 0, 3)
    assert {} == Asked("key", {}, {}).fields()
