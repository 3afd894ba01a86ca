"""Two servers on two ports with one store are one understudy."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import httpx
import pytest
from controlling import Remote
from live import Live
from redis_server import RedisServer, new_prefix
from serving import receiving
from stores import stop

from understudy.mockserver.clock import Clock
from understudy.mockserver.images import draw
from understudy.mockserver.redis_store import RedisStore
from understudy.mockserver.settings import Settings
from understudy.mockserver.webhooks import Outcome

STATUS = "/v1/requests"
PREDICTIONS = "/api/v3/predictions"


@pytest.fixture
def pair(redis_cluster: RedisServer) -> Iterator[tuple[Live, Live]]:
    """Two servers with one store, their tenants on manual clocks."""
    prefix, lives = new_prefix(), list[Live]()
    settings = Settings(seed=1)
    for _ in range(2):
        store = RedisStore.of(redis_cluster.url, settings, Clock.manual(), prefix=prefix)
        lives.append(Live(settings, Clock.manual(), draw, store))
    yield lives[0], lives[1]
    for live in lives:
        live.client.close()
        stop(live.server, live.store)


@pytest.fixture
def remotes(pair: tuple[Live, Live]) -> tuple[Remote, Remote]:
    return Remote(pair[0].client), Remote(pair[1].client)


def state(live: Live, job: str) -> Any:
    return live.client.get(f"{PREDICTIONS}/{job}/result").raise_for_status().json()["data"]["status"]


def test_a_job_submitted_to_one_is_polled_at_both_under_one_clock(pair: tuple[Live, Live]) -> None:
    one, other = pair
    job = one.submit_wavespeed()["id"]

    told = []
    for moved in (one, other, one):
        told += [(state(one, job), state(other, job))]
        moved.advance(1_300)

    assert [("created",) * 2, ("processing",) * 2, ("completed",) * 2] == told


def test_a_job_submitted_to_one_is_cancelled_at_the_other(pair: tuple[Live, Live]) -> None:
    one, other = pair
    request = one.submit_runcomfy()["request_id"]

    assert 202 == other.client.post(f"{STATUS}/{request}/cancel").status_code
    assert "cancelled" == one.client.get(f"{STATUS}/{request}/status").json()["status"]


def test_urls_are_on_the_origin_that_the_client_used(pair: tuple[Live, Live]) -> None:
    one, other = pair
    job = one.submit_wavespeed()["id"]
    other.advance(60_000)

    for live in pair:
        answer = live.client.get(f"{PREDICTIONS}/{job}/result").json()["data"]
        assert all(url.startswith(live.origin + "/") for url in (answer["urls"]["get"], *answer["outputs"]))
    pictures = [
        live.client.get(live.client.get(f"{PREDICTIONS}/{job}/result").json()["data"]["outputs"][0]).content
        for live in pair
    ]
    assert pictures[0] == pictures[1]


def test_what_both_were_asked_is_in_one_journal_in_one_order(
    pair: tuple[Live, Live], remotes: tuple[Remote, Remote]
) -> None:
    for live in (*pair, *pair):
        live.submit_wavespeed()

    journals = [remote.get("journal") for remote in remotes]
    assert journals[0] == journals[1]
    assert [1, 2, 3, 4] == [exchange["number"] for exchange in journals[0]["exchanges"]]
    assert [0, 1, 2, 3] == [entry.known for entry in pair[1].journal()]


def test_submissions_to_both_at_once_are_counted_one_by_one(
    pair: tuple[Live, Live], remotes: tuple[Remote, Remote]
) -> None:
    before = remotes[0].get("ledger")["balances"]["wavespeed"]
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda number: pair[number % 2].submit_wavespeed()["id"], range(60)))

    kept = remotes[1].get("jobs")["jobs"]
    assert set(jobs) == {job["id"] for job in kept}
    assert 60 == len(kept)
    spent = sum(job["price"] for job in kept)
    assert round(before - spent / 1e6, 6) == round(remotes[1].get("ledger")["balances"]["wavespeed"], 6)


def test_a_rule_given_to_one_acts_once_in_all(pair: tuple[Live, Live], remotes: tuple[Remote, Remote]) -> None:
    remotes[0].post("rules", {"when": {"operation": "submit"}, "answer": {"status": 429}, "times": 1})
    body = {"prompt": "A shoe", "images": ["https://example.com/shoe.png"]}
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda number: pair[number % 2].client.post("/api/v3/bytedance/seedream-v4/edit-sequential", json=body),
                range(40),
            )
        )

    assert 1 == sum(answer.status_code == 429 for answer in answers)
    (rule,) = remotes[1].get("rules")["rules"]
    assert ("used up", 1) == (rule["state"], rule["acted"])


def test_a_submission_that_waits_at_one_is_answered_when_the_other_is_told_to_let_time_pass(
    pair: tuple[Live, Live], remotes: tuple[Remote, Remote]
) -> None:
    one, _ = pair
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(one.submit_wavespeed(enable_sync_mode=True)))
    asking.start()
    while not remotes[1].get("jobs")["jobs"]:
        pass
    passage = remotes[1].post("clock/advance", {"by": "10s"})
    asking.join(20)

    assert "completed" == answers[0]["status"]
    assert [] == passage["notes"]


def test_an_automatic_clock_does_not_move_while_the_other_server_has_an_exchange_under_way(
    pair: tuple[Live, Live], remotes: tuple[Remote, Remote]
) -> None:
    one, other = pair
    remotes[0].put("clock", {"mode": "auto"})
    job = one.submit_wavespeed()["id"]
    other.server.call(other.store.enter("key"))

    assert "created" == state(one, job)
    entry = one.journal()[0]
    other.server.call(other.store.leave("key", entry))
    assert ["processing", "completed"] == [state(one, job), state(one, job)]


def test_a_webhook_comes_once_though_both_could_bring_it(pair: tuple[Live, Live]) -> None:
    one, other = pair
    with receiving() as receiver:
        jobs = {
            live.client.post(
                f"/api/v3/bytedance/seedream-v4/edit-sequential?webhook={receiver.origin}/{number}",
                json={"prompt": "A shoe", "images": ["https://example.com/shoe.png"]},
            ).json()["data"]["id"]
            for number, live in enumerate((one, other) * 10)
        }
        other.advance(60_000)
        came = [receiver.take().prediction["id"] for _ in jobs]
        one.server.call(one.store.quiet("key"))

        assert jobs == set(came)
        assert 0 == receiver.waiting
    outcomes = [delivery.outcome for delivery in one.server.call(one.store.deliveries("key"))]
    assert [Outcome.DELIVERED] * 20 == outcomes


def test_a_listener_at_one_hears_what_happens_at_the_other(pair: tuple[Live, Live]) -> None:
    one, other = pair
    with (
        httpx.Client(base_url=one.origin, trust_env=False, timeout=20) as client,
        client.stream("GET", "/_understudy/events", headers={"Authorization": "Bearer key"}) as stream,
    ):
        heard = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
        assert "clock" == next(heard)["kind"]
        job = other.submit_wavespeed()["id"]
        assert [("exchange", job), ("job", job)] == [(event["kind"], event["job"]) for event in islice(heard, 2)]
        other.advance(700)
        assert "running" == next(heard)["state"]


def test_a_key_that_is_reset_at_one_is_new_at_the_other(
    pair: tuple[Live, Live], remotes: tuple[Remote, Remote]
) -> None:
    one, other = pair
    first = one.submit_wavespeed()["id"]
    assert "created" == state(other, first)
    remotes[1].post("reset")

    assert [] == remotes[0].get("jobs")["jobs"]
    assert 404 == one.client.get(f"{PREDICTIONS}/{first}/result").status_code
    assert first == one.submit_wavespeed()["id"]
    assert ["created", "created"] == [state(live, first) for live in pair]


def test_an_upload_to_one_is_served_by_the_other(pair: tuple[Live, Live]) -> None:
    one, other = pair
    files = {"file": ("shoe.png", b"\x89PNG not really", "image/png")}
    url = one.client.post("/api/v3/media/upload/binary", files=files).raise_for_status().json()["data"]["download_url"]

    assert b"\x89PNG not really" == other.client.get(url.replace(one.origin, other.origin)).content
