"""Late answers: on the tenant's clock, whichever that is, and when somebody does not wait for them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest
from live import WAVESPEED, Live, MakeLive
from raw import BALANCE, FORM, LANE, POLL, UPLOAD, connect, read_all

from understudy.mockserver.clock import MANUAL_START, Clock, wall
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.rules import AnswerEffect, Moment, Rule, When
from understudy.mockserver.settings import Settings

HOUR = 3_600_000
HUNG_UP = ("the client hung up before the answer",)
each_moment = pytest.mark.parametrize("moment", ["before", "after"])
each_way = pytest.mark.parametrize("asked", [LANE["submit"], POLL, BALANCE], ids=["submit", "poll", "balance"])


def late(live: Live, by: int = HOUR, moment: Moment = "before", **effect: Any) -> None:
    live.add_rules(Rule("late", answer=AnswerEffect(moment, delay=DurationRange(by, by), **effect)))


def waiting(live: Live, until: int = HOUR) -> None:
    """Returns once somebody waits until that many milliseconds after the start."""
    while MANUAL_START + until not in live.server.call(live.store.ahead("key")):
        pass


def jobs(live: Live) -> int:
    return len(live.server.call(live.store.account("key", "wavespeed")).jobs)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


@each_moment
def test_on_a_manual_clock_advancing_it_releases_an_answer(
    live: Live, pool: ThreadPoolExecutor, moment: Moment
) -> None:
    late(live, moment=moment)
    answer = pool.submit(live.client.post, "/api/v3/media/uploads", json={"filename": "a.png", "size": 1})
    waiting(live)
    live.advance(HOUR - 1)
    waiting(live)
    assert not answer.done()
    live.advance(1)

    expires = "2026-01-01T01:15:00Z" if moment == "before" else "2026-01-01T00:15:00Z"
    assert expires == answer.result().json()["data"]["upload"]["expires_at"]


@each_moment
def test_a_submit_before_its_delay_has_not_been_made(live: Live, pool: ThreadPoolExecutor, moment: Moment) -> None:
    late(live, moment=moment)
    answer = pool.submit(live.client.post, WAVESPEED, json={"prompt": "x"})
    waiting(live)

    assert (0 if moment == "before" else 1) == jobs(live)
    live.advance(HOUR)
    assert answer.result().status_code == 200
    assert 1 == jobs(live)


@pytest.mark.parametrize("rate", [1, 50])
def test_on_a_running_clock_an_answer_takes_its_time(make_live: MakeLive, rate: int) -> None:
    live = make_live(Clock.real() if rate == 1 else Clock.scaled(rate, wall()()))
    late(live, 50 * rate)
    began = monotonic()

    assert live.client.get("/api/v3/balance").status_code == 200
    assert monotonic() - began >= 0.05


@each_moment
def test_on_an_automatic_clock_nobody_waits(make_live: MakeLive, moment: Moment) -> None:
    live = make_live(Clock(0, 0, MANUAL_START, auto=True))
    late(live, moment=moment)

    assert live.client.get("/api/v3/balance").status_code == 200
    assert MANUAL_START + HOUR == live.server.call(live.store.clock("key")).now(0)


def test_a_late_answer_holds_up_no_other(live: Live, pool: ThreadPoolExecutor) -> None:
    for by in (HOUR, HOUR + 1, HOUR + 2):
        live.add_rules(Rule("", When(operation="balance"), answer=AnswerEffect(delay=DurationRange(by, by)), times=1))
    answers = [pool.submit(live.client.get, "/api/v3/balance") for _ in range(3)]
    for by in (HOUR, HOUR + 1, HOUR + 2):
        waiting(live, by)

    assert live.client.get("/api/v3/models").status_code == 200
    assert [False] * 3 == [answer.done() for answer in answers]
    live.advance(HOUR + 2)
    assert [200] * 3 == [answer.result().status_code for answer in answers]


@each_way
@each_moment
def test_who_hangs_up_gets_no_answer_and_before_the_operation_has_asked_for_nothing(
    live: Live, asked: bytes, moment: Moment
) -> None:
    late(live, moment=moment)
    with connect(live.origin) as raw:
        raw.sendall(asked)
        waiting(live)
    entry = live.heard()[0]

    assert (None, HUNG_UP, 0, ("late",)) == (entry.status, entry.notes[-1:], entry.sent, entry.rules)
    made = asked == LANE["submit"] and moment == "after"
    assert ((1, True) if made else (0, False)) == (jobs(live), entry.job is not None)
    assert MANUAL_START + HOUR not in live.server.call(live.store.ahead("key"))


@each_way
@each_moment
def test_the_server_stops_whoever_waits(asked: bytes, moment: Moment) -> None:
    live = Live(Settings(seed=1), Clock.manual())
    live.client.close()
    late(live, moment=moment)
    with connect(live.origin) as raw:
        raw.sendall(asked)
        waiting(live)
        live.server.stop()
        assert b"" == read_all(raw)


@each_moment
def test_a_tenant_made_anew_lets_those_go_who_wait(live: Live, pool: ThreadPoolExecutor, moment: Moment) -> None:
    live.advance(HOUR)
    late(live, moment=moment)
    answer = pool.submit(live.client.get, "/api/v3/balance")
    waiting(live, 2 * HOUR)
    live.server.call(live.store.reset("key"))

    assert answer.result().status_code == 200


@each_moment
def test_an_upload_that_is_late_keeps_its_body(live: Live, pool: ThreadPoolExecutor, moment: Moment) -> None:
    late(live, moment=moment)
    file = {"file": ("a.png", b"x" * 1_000_000)}
    answer = pool.submit(live.client.post, "/api/v3/media/upload/binary", files=file)
    waiting(live)
    live.advance(HOUR)

    assert 1_000_000 == answer.result().json()["data"]["size"]


def test_the_server_stops_an_upload_that_waits_for_its_turn() -> None:
    live = Live(Settings(seed=1), Clock.manual())
    live.client.close()
    late(live)
    with connect(live.origin) as raw:
        raw.sendall(UPLOAD[: -len(FORM)])
        waiting(live)
        live.server.stop()
        assert b"" == read_all(raw)


def test_the_time_that_an_operation_takes_comes_before_its_delay(live: Live, pool: ThreadPoolExecutor) -> None:
    late(live, 10_000, "after")
    body = {"prompt": "x", "enable_sync_mode": True}
    answer = pool.submit(live.client.post, WAVESPEED, json=body)
    waiting(live, 2_500)
    live.advance(2_500)
    waiting(live, 12_500)
    live.advance(10_000)

    assert "completed" == answer.result().json()["data"]["status"]


def test_a_delay_is_drawn_anew_for_each_call_and_alike_with_the_same_seed(make_live: MakeLive) -> None:
    runs = []
    for _ in range(2):
        live = make_live(Clock(0, 0, MANUAL_START, auto=True))
        live.add_rules(Rule("late", answer=AnswerEffect(delay=DurationRange(0, HOUR))))
        for _ in range(4):
            live.client.get("/api/v3/balance")
        runs.append([entry.at for entry in live.journal()])

    assert runs[0] == runs[1]
    gaps = {after - before for before, after in zip(runs[0], runs[0][1:], strict=False)}
    assert 3 == len(gaps)


def test_retry_after_counts_from_when_a_late_answer_goes_out(live: Live, pool: ThreadPoolExecutor) -> None:
    live.add_rules(
        Rule("late", answer=AnswerEffect(delay=DurationRange(2_000, 2_000), status=429, retry_after=HOUR), lasts=5_000)
    )
    answer = pool.submit(live.client.get, "/api/v3/balance")
    waiting(live, 2_000)
    live.advance(2_000)

    assert "3" == answer.result().headers["retry-after"]
