"""Faults of one HTTP exchange as httpx and the official SDK see them, and as they are charged."""

from __future__ import annotations

import contextlib
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
import requests
import wavespeed
from live import IMAGE, PROMPT, RUNCOMFY, WAVESPEED, Live, MakeLive
from raw import BALANCE, LANE, POLL, ask

from understudy.mockserver.answers import NOT_SET
from understudy.mockserver.desk import NO_WEBHOOK, WRONG_INPUTS
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.jobs import Failure, Phase, WebhookTwist
from understudy.mockserver.rules import AnswerEffect, JobEffect, Rule, When
from understudy.mockserver.stage import NOT_STALE
from understudy.mockserver.wires import Wire

each_way = pytest.mark.parametrize("asked", [LANE["submit"], POLL, BALANCE], ids=["submit", "poll", "balance"])


def jobs(live: Live, provider: str = "wavespeed") -> int:
    return len(live.server.call(live.store.account("key", provider)).jobs)


def post(live: Live, **more: Any) -> httpx.Response:
    return live.client.post(WAVESPEED, json={"prompt": PROMPT}, **more)


@pytest.mark.parametrize(
    ("wire", "error", "text"),
    [
        (Wire("close"), httpx.RemoteProtocolError, "Server disconnected without sending a response"),
        (Wire("reset"), httpx.ReadError, "Connection reset by peer"),
        (Wire("cut", 10), httpx.RemoteProtocolError, "peer closed connection without sending complete message body"),
        (Wire("length", 10), httpx.RemoteProtocolError, "peer closed connection without sending complete message body"),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", [WAVESPEED, "/api/v3/model/price"])
def test_httpx_says_what_is_wrong_and_goes_on_with_another_connection(
    live: Live, wire: Wire, error: type[Exception], text: str, path: str
) -> None:
    live.add_rules(Rule("", answer=AnswerEffect(wire=wire), times=1))
    body = {"prompt": PROMPT, "model_id": WAVESPEED.removeprefix("/api/v3/"), "inputs": {}}

    with pytest.raises(error, match=text):
        live.client.post(path, json=body)

    assert live.client.post(path, json=body).status_code == 200


def test_httpx_takes_an_answer_that_says_it_is_shorter_for_shorter(live: Live) -> None:
    live.add_rules(Rule("", answer=AnswerEffect(wire=Wire("length", -10)), times=1))

    answer = post(live)

    assert answer.status_code == 200
    with pytest.raises(ValueError, match="Unterminated string"):
        answer.json()
    assert post(live).status_code == 200


SUBMITS = {"wavespeed": (WAVESPEED, {"prompt": PROMPT}), "runcomfy": (RUNCOMFY, {"text": PROMPT, "images": [IMAGE]})}
each_provider = pytest.mark.parametrize("provider", SUBMITS)


@each_provider
def test_too_many_requests_has_retry_after_for_as_long_as_the_rule_lasts(live: Live, provider: str) -> None:
    path, body = SUBMITS[provider]
    live.add_rules(Rule("busy", answer=AnswerEffect(status=429, retry_after=30_000), lasts=20_000))

    waits = []
    for _ in range(2):
        answer = live.client.post(path, json=body)
        assert answer.status_code == 429
        waits.append(answer.headers["retry-after"])
        live.advance(12_500)
    live.advance(20_000)

    assert ["20", "8"] == waits
    assert live.client.post(path, json=body).status_code == 200
    assert [20_000, 7_500, None] == [entry.retry_after for entry in live.journal()]


def test_retry_after_may_be_a_date_of_real_time(live: Live) -> None:
    live.add_rules(Rule("", answer=AnswerEffect(status=429, retry_after=30_000, retry_after_form="date")))

    for answer in (post(live), live.client.get("/api/v3/balance")):
        wait = parsedate_to_datetime(answer.headers["retry-after"]) - parsedate_to_datetime(answer.headers["date"])
        assert 29 <= wait.total_seconds() <= 33  # the Date header is renewed once a second


@pytest.mark.parametrize(("status", "name"), [(502, "Bad Gateway"), (503, "Service Unavailable"), (504, "Gateway")])
@each_way
def test_a_gateway_answers_with_a_page(live: Live, asked: bytes, status: int, name: str) -> None:
    live.add_rules(Rule("", answer=AnswerEffect(status=status, html=True)))

    answer = ask(live, asked.replace(b"Host", b"Connection: close\r\nHost"))

    assert answer.startswith(f"HTTP/1.1 {status} {name}".encode())
    assert b"\r\ncontent-type: text/html\r\n" in answer
    assert f"<h1>{status} {name}".encode() in answer
    assert 0 == jobs(live)


@each_provider
def test_an_error_may_come_with_status_200(live: Live, provider: str) -> None:
    path, body = SUBMITS[provider]
    live.add_rules(Rule("", answer=AnswerEffect(error_in_200=True, status=503, text="Later.")))

    answer = live.client.post(path, json=body)

    bodies = {
        "wavespeed": {"code": 503, "message": "Later."},
        "runcomfy": {"error_code": 503001, "error_message": "Later."},
    }
    assert (200, bodies[provider]) == (answer.status_code, answer.json())
    assert 0 == jobs(live, provider)


@pytest.mark.parametrize("path", [WAVESPEED, "/api/v3/predictions"])
def test_garbled_json_has_the_right_length_and_cannot_be_read(live: Live, path: str) -> None:
    live.add_rules(Rule("", answer=AnswerEffect(garbled=True)))

    answer = live.client.post(path, json={"prompt": PROMPT})

    assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])
    assert str(len(answer.content)) == answer.headers["content-length"]
    with pytest.raises(ValueError, match="Unterminated string"):
        answer.json()


def test_fields_of_an_answer_are_as_the_rule_has_them(live: Live) -> None:
    job = live.submit_wavespeed()
    request = live.submit_runcomfy()
    poll = When(operation="poll")
    live.add_rules(
        Rule("", poll, answer=AnswerEffect(put=(("@data", None),)), times=1),
        Rule("", poll, answer=AnswerEffect(put=(("@status", "melting"), ("data.urls", 7))), times=1),
        Rule("", poll, answer=AnswerEffect(put=(("@status", "melting"), ("request_id", [])))),
        Rule("", When(operation="balance"), answer=AnswerEffect(put=(("@data.balance", "much"),))),
    )

    result = f"/api/v3/predictions/{job['id']}/result"
    first, second = (live.client.get(result).json() for _ in range(2))
    status = live.client.get(f"/v1/requests/{request['request_id']}/status").json()

    assert {"code": 200, "message": "success", "data": None} == first
    assert ("melting", 7, job["id"]) == (second["data"]["status"], second["data"]["urls"], second["data"]["id"])
    assert ("melting", []) == (status["status"], status["request_id"])
    assert "much" == live.client.get("/api/v3/balance").json()["data"]["balance"]


def test_fields_of_an_answer_without_json_stay_and_the_journal_says_so(live: Live) -> None:
    live.add_rules(Rule("", answer=AnswerEffect(status=502, html=True, put=(("a", 1),))))

    assert "<h1>502 Bad Gateway</h1>" in post(live).text
    entry = live.journal()[0]
    assert ((NOT_SET,), None) == (entry.notes, entry.broken)


def test_a_content_type_may_be_wrong(live: Live) -> None:
    live.add_rules(Rule("", answer=AnswerEffect(content_type="text/plain")))

    for answer in (post(live), live.client.get("/api/v3/balance")):
        assert ("text/plain", 200) == (answer.headers["content-type"], answer.json()["code"])


def test_a_stale_answer_tells_the_state_before_the_latest_and_moves_nothing(live: Live) -> None:
    job, request = live.submit_wavespeed(), live.submit_runcomfy()
    result, status = f"/api/v3/predictions/{job['id']}/result", f"/v1/requests/{request['request_id']}/status"
    live.add_rules(Rule("old", When(operation="poll", every=2), answer=AnswerEffect(stale=True)))
    words = []
    for moment in (0, 500, 2_000):
        live.advance(moment)
        words.append([live.client.get(result).json()["data"]["status"] for _ in range(2)])
        words.append([live.client.get(status).json()["status"] for _ in range(2)])

    assert [
        ["created", "created"],
        ["in_queue", "in_queue"],
        ["processing", "created"],
        ["in_progress", "in_queue"],
        ["completed", "processing"],
        ["completed", "in_progress"],
    ] == words
    polls = [entry for entry in live.journal() if entry.rules]
    assert [Phase.QUEUED] * 4 + [Phase.RUNNING] * 2 == [entry.phase for entry in polls]
    assert [("stale: the job has had no other state yet",)] * 2 + [()] * 4 == [entry.notes for entry in polls]


def test_what_is_no_poll_cannot_be_stale_and_the_journal_says_so(live: Live) -> None:
    live.add_rules(Rule("", answer=AnswerEffect(stale=True)))

    assert post(live).status_code == 200
    assert (NOT_STALE,) == live.journal()[0].notes


def test_an_answer_that_refuses_is_spoilt_as_any_other(make_live: MakeLive) -> None:
    live = make_live(body_limit=10_000)
    live.add_rules(Rule("", answer=AnswerEffect(retry_after=5_000, put=(("message", "?"),), content_type="text/plain")))

    for answer, status in (
        (live.client.get("/api/v3/predictions/none/result"), 404),
        (live.client.get("/api/v3/nothing/of/the/kind"), 404),
        (live.client.post(WAVESPEED, json={}), 400),
        (live.client.post("/api/v3/media/uploads", content=b"x" * 20_000), 413),
    ):
        assert {"code": status, "message": "?"} == answer.json()
        assert (status, "5", "text/plain") == (
            answer.status_code,
            answer.headers["retry-after"],
            answer.headers["content-type"],
        )


def test_a_rule_for_a_prompt_passes_over_what_has_none(live: Live) -> None:
    live.add_rules(Rule("shoes", When(operation="submit", prompt="shoe"), answer=AnswerEffect(status=503)))

    for body, status in ((b"no json", 400), (b"[]", 400), (b'{"prompt": 7}', 400), (b'{"prompt": "a shoe"}', 503)):
        assert status == live.client.post(WAVESPEED, content=body).status_code


# Accept, then lose the answer.


@each_provider
@pytest.mark.parametrize("wire", ["close", "reset", "cut", "length", None])
def test_an_answer_that_is_lost_afterwards_leaves_a_job_that_is_charged(live: Live, provider: str, wire: Any) -> None:
    path, body = SUBMITS[provider]
    effect = AnswerEffect("after", status=None if wire else 503, wire=Wire(wire, 5) if wire else None)
    live.add_rules(Rule("lost", answer=effect, times=1))
    start = live.server.call(live.store.account("key", provider)).balance

    if wire:
        with pytest.raises(httpx.TransportError):
            live.client.post(path, json=body)
    else:
        assert live.client.post(path, json=body).status_code == 503

    account = live.server.call(live.store.account("key", provider))
    assert [account.jobs[0].id] == [job.id for job in account.jobs] == [entry.job for entry in live.journal()]
    assert 0 < account.jobs[0].submission.price == start - account.balance


@each_provider
@pytest.mark.parametrize("wire", ["close", "reset", None])
def test_an_answer_that_is_lost_before_leaves_nothing(live: Live, provider: str, wire: Any) -> None:
    path, body = SUBMITS[provider]
    live.add_rules(Rule("lost", answer=AnswerEffect(status=None if wire else 503, wire=Wire(wire) if wire else None)))
    start = live.server.call(live.store.account("key", provider)).balance

    if wire:
        with pytest.raises(httpx.TransportError):
            live.client.post(path, json=body)
    else:
        assert live.client.post(path, json=body).status_code == 503

    account = live.server.call(live.store.account("key", provider))
    assert ((), start) == (account.jobs, account.balance)
    assert [None] == [entry.job for entry in live.journal()]


# The official SDK.

MODEL = WAVESPEED.removeprefix("/api/v3/")


def sdk(live: Live, retries: int = 2) -> wavespeed.Client:
    return wavespeed.Client("key", live.origin, max_connection_retries=retries, retry_interval=0.001)


def asked(live: Live) -> list[tuple[str, int | None]]:
    return [(entry.operation, entry.status) for entry in live.journal()]


@pytest.fixture
def instant(make_live: MakeLive) -> Live:
    """A server whose jobs are finished when they are submitted."""
    return make_live(queue_time=DurationRange(0, 0), run_time=DurationRange(0, 0))


@pytest.mark.parametrize(
    "effect",
    [
        AnswerEffect(status=429, retry_after=60_000),
        AnswerEffect(status=503),
        AnswerEffect(status=502, html=True),
        AnswerEffect(wire=Wire("close")),
        AnswerEffect(wire=Wire("reset")),
    ],
    ids=lambda effect: str(effect.status or effect.wire.kind),
)
def test_the_sdk_polls_again_after_a_fault_and_whatever_retry_after_says_when_it_likes(
    instant: Live, effect: AnswerEffect
) -> None:
    instant.add_rules(Rule("", When(operation="poll"), answer=effect, times=2))

    assert 1 == len(sdk(instant).run(MODEL, {"prompt": "x"}, poll_interval=0.001)["outputs"])

    fault = ("result", effect.status)
    assert [("submit", 200), fault, fault, ("result", 200)] == asked(instant)
    assert [effect.retry_after] * 2 == [entry.retry_after for entry in instant.journal()[1:3]]


@pytest.mark.parametrize(
    ("effect", "error"),
    [
        (AnswerEffect(wire=Wire("cut", 20)), requests.exceptions.ChunkedEncodingError),
        (AnswerEffect(garbled=True), requests.exceptions.JSONDecodeError),
        (AnswerEffect(put=(("@data", None),)), AttributeError),
    ],
    ids=["cut", "garbled", "data: null"],
)
def test_the_sdk_falls_over_an_answer_that_is_not_what_it_should_be(
    instant: Live, effect: AnswerEffect, error: type[Exception]
) -> None:
    instant.add_rules(Rule("", When(operation="poll"), answer=effect, times=1))

    with pytest.raises(error):
        sdk(instant).run(MODEL, {"prompt": "x"}, poll_interval=0.001)


def test_the_sdk_gives_up_polling_after_so_many_faults(instant: Live) -> None:
    instant.add_rules(Rule("", When(operation="poll"), answer=AnswerEffect(status=503)))

    with pytest.raises(RuntimeError, match=r"HTTP 503: .*Service unavailable\. Please try again later\."):
        sdk(instant).run(MODEL, {"prompt": "x"}, poll_interval=0.001)

    assert [("submit", 200), ("result", 503), ("result", 503), ("result", 503)] == asked(instant)


@pytest.mark.parametrize("kind", ["close", "reset"])
def test_the_sdk_does_not_submit_again_when_the_answer_is_lost(instant: Live, kind: Any) -> None:
    instant.add_rules(Rule("", When(operation="submit"), answer=AnswerEffect("after", wire=Wire(kind))))

    with pytest.raises(RuntimeError, match="The task may already have been created"):
        sdk(instant).run(MODEL, {"prompt": "x"}, poll_interval=0.001, max_retries=3)

    assert [("submit", None)] == asked(instant)
    assert 1 == len(instant.server.call(instant.store.account("key", "wavespeed")).jobs)


def test_the_sdk_does_not_submit_again_when_it_is_told_to_slow_down(instant: Live) -> None:
    instant.add_rules(Rule("", When(operation="submit"), answer=AnswerEffect(status=429, retry_after=1_000)))

    with pytest.raises(RuntimeError, match=r"HTTP 429: .*Too Many Requests"):
        sdk(instant).run(MODEL, {"prompt": "x"}, max_retries=3)

    assert [("submit", 429)] == asked(instant)


BROKEN = "data:image/png;base64,eA=="
BOTH = Rule("", job=JobEffect(fail=Failure()), webhook=WebhookTwist(lost=True))
NONE_OF = ("job: nothing was submitted, so there is none to decide about",)
NEITHER = (*NONE_OF, "webhook: nothing was submitted, so there is none to decide about")


@pytest.mark.parametrize(
    ("rules", "body", "status", "notes"),
    [
        ([BOTH], {"size": 7}, 400, NEITHER),
        ([BOTH, Rule("", answer=AnswerEffect(status=503))], {"prompt": PROMPT}, 503, NEITHER),
        (
            [BOTH, Rule("", answer=AnswerEffect(wire=Wire("close"), moment="after"))],
            {"prompt": PROMPT},
            None,
            (NO_WEBHOOK,),
        ),
        ([Rule("", answer=AnswerEffect(status=503))], {"prompt": "[[latency:5s]]"}, 503, NONE_OF),
        ([Rule("", job=JobEffect(fail=Failure()))], {"prompt": PROMPT}, 200, ()),
        ([BOTH], {"prompt": PROMPT}, 200, (NO_WEBHOOK,)),
        ([BOTH], {"prompt": PROMPT, "images": [BROKEN]}, 200, (f"job: {WRONG_INPUTS}", f"webhook: {WRONG_INPUTS}")),
    ],
)
def test_what_is_decided_about_a_job_that_is_none_is_noted(
    live: Live, rules: list[Rule], body: Any, status: int | None, notes: tuple[str, ...]
) -> None:
    live.add_rules(*rules)
    with contextlib.suppress(httpx.RemoteProtocolError):
        live.client.post(WAVESPEED, json=body)

    entry = live.journal()[0]
    assert (status, notes) == (entry.status, entry.notes)
