"""One of two servers is killed in the middle of everything, and the other one goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from controlling import Remote
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import Start, Started, starting
from redis_server import RedisServer, redis_server
from serving import Receiver, receiving

JOBS = 200
PRICE = 27_000
"""Microdollars of one image of this model."""

MODEL = "/api/v3/bytedance/seedream-v4/edit-sequential"
BODY = {"prompt": "A shoe", "images": ["https://example.com/shoe.png"], "max_images": 1}
HEADERS = {"Authorization": "Bearer key"}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


class Acknowledged(NamedTuple):
    """What clients were told before and after one of two servers was killed. `lost` are submissions that nobody
    answered: each of them may have been accepted."""

    jobs: list[str]
    hooks: set[str]
    lost: int


def submit(client: httpx.Client, number: int, origins: list[str], receiver: Receiver) -> tuple[str, bool] | None:
    """The job's id and whether it has a webhook; None when the connection was lost."""
    hook = f"?webhook={quote(receiver.origin, safe='')}" if number % 5 == 0 else ""
    try:
        answer = client.post(f"{origins[number % 2]}{MODEL}{hook}", json=BODY, headers=HEADERS)
    except httpx.TransportError:
        return None
    return str(answer.raise_for_status().json()["data"]["id"]), bool(hook)


def live_through(victim: Started, other: Started, moment: int, receiver: Receiver) -> Acknowledged:
    """Two hundred submissions to both, time passing meanwhile; at the moment, one is killed."""
    origins = [victim.origin, other.origin]

    def act(number: int) -> tuple[str, bool] | None:
        if number == moment:
            os.kill(victim.process.pid, signal.SIGKILL)
        if number % 50 == 10:
            client.post(f"{other.origin}/_understudy/clock/advance", json={"by": "300ms"}, headers=HEADERS)
        return submit(client, number, origins, receiver)

    with httpx.Client(trust_env=False, timeout=30) as client, ThreadPoolExecutor(8) as pool:
        told = list(pool.map(act, range(JOBS)))
    known = [one for one in told if one is not None]
    return Acknowledged([job for job, _ in known], {job for job, hook in known if hook}, told.count(None))


@settings(max_examples=4)
@given(moment=st.integers(5, JOBS - 5))
def test_the_other_answers_for_all_that_was_acknowledged(redis: RedisServer, moment: int) -> None:
    redis.client.flushall()
    with starting() as start, receiving() as receiver:
        hold(start, redis, moment, receiver)


def hold(start: Start, redis: RedisServer, moment: int, receiver: Receiver) -> None:
    arguments = ("--store", redis.url, "--clock", "manual", "--webhook-timeout", "500ms", "--seed", "1")
    victim, other = (start(*arguments) for _ in range(2))
    with httpx.Client(base_url=other.origin, trust_env=False, timeout=30) as client:
        remote = Remote(client)
        before = remote.get("ledger")["balances"]["wavespeed"]
        rules = [
            {"id": f"once-{number}", "when": {"operation": "submit"}, "times": 1, "job": {"fail": f"once-{number}"}}
            for number in range(10)
        ]
        remote.post("rules", {"rules": rules})
        told = live_through(victim, other, moment, receiver)
        remote.post("clock/idle")

        kept = {job["id"]: job for job in remote.get("jobs")["jobs"]}
        assert set(told.jobs) <= set(kept)
        assert len(kept) <= len(told.jobs) + told.lost
        states = {state_of(client, job) for job in told.jobs}
        assert states <= {"completed", "failed"}
        assert all_came(receiver, told.hooks)
        charged = sum(PRICE for job in kept.values() if job["state"] == "succeeded")
        assert charged == round((before - remote.get("ledger")["balances"]["wavespeed"]) * 1e6)
        failed = [job["failure"]["text"] for job in kept.values() if job["failure"]]
        assert len(set(failed)) == len(failed)
        assert all(rule["acted"] <= 1 for rule in remote.get("rules")["rules"])


def state_of(client: httpx.Client, job: str) -> Any:
    answer = client.get(f"/api/v3/predictions/{job}/result", headers=HEADERS)
    return answer.raise_for_status().json()["data"]["status"]


def all_came(receiver: Receiver, jobs: set[str]) -> bool:
    """Waits until each of the jobs has had a webhook. One may come twice; one that nobody knew of may come too."""
    left = set(jobs)
    while left:
        left.discard(receiver.take().prediction["id"])
    return True
