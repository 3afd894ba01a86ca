"""Redis or Valkey is not there: at the start, later, and again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from controlling import Remote
from live import WAVESPEED, Live
from processes import starting
from redis_server import RedisServer, free_port, redis_server
from serving import receiving
from stores import stop
from test_cli import understudy

from understudy.mockserver.clock import Clock
from understudy.mockserver.images import draw
from understudy.mockserver.redis_store import RedisStore
from understudy.mockserver.settings import Settings

BODY = {"prompt": "A shoe", "images": ["https://example.com/shoe.png"]}
BOUND = 5.0
"""Seconds within which an answer must be there, the store's own bound being a fraction of it."""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def live(redis: RedisServer) -> Iterator[Live]:
    """A server whose store gives up after half a second."""
    settings = Settings(seed=1)
    store = RedisStore.of(redis.url, settings, Clock.manual(), timeout=0.5)
    live = Live(settings, Clock.manual(), draw, store)
    yield live
    live.client.close()
    stop(live.server, live.store)


def refused(live: Live, output: str) -> list[tuple[int, Any]]:
    """What both providers say to a submission and to a poll, and what there is in place of an image."""
    paths = (WAVESPEED, "/v1/models/bytedance/seedream-4-0/edit-sequential")
    answers = [live.client.post(path, json=BODY, timeout=BOUND) for path in paths]
    answers += [
        live.client.get(path, timeout=BOUND)
        for path in ("/api/v3/predictions/0123/result", "/v1/requests/0123/status", output)
    ]
    return [(answer.status_code, answer.text) for answer in answers]


def test_a_server_does_not_start_without_its_store() -> None:
    address = f"redis://127.0.0.1:{free_port()}/0"
    ended = understudy("serve", "--port", "0", "--store", address.replace("//", "//user:secret@"))

    assert 1 == ended.returncode
    assert ended.stderr.startswith(f"Error: store: there is no Redis or Valkey at {address}: Error ")
    assert ended.stderr.endswith(
        ". Start one, or give --store another address; without --store everything is kept in memory.\n"
    )
    assert "" == ended.stdout


def test_several_workers_do_not_start_without_their_store() -> None:
    address = f"redis://127.0.0.1:{free_port()}/0"
    ended = understudy("serve", "--port", "0", "--workers", "2", "--store", address)

    assert 1 == ended.returncode
    assert ended.stderr.startswith(f"Error: store: there is no Redis or Valkey at {address}: ")


@pytest.mark.parametrize("url", ["redis", "http://127.0.0.1/", "Redis://127.0.0.1"])
def test_what_is_no_store_is_refused(url: str) -> None:
    ended = understudy("serve", "--store", url)

    message = "is no store: expected memory, or where Redis or Valkey is: redis://HOST:PORT/DB, rediss:// for TLS"
    assert f"Error: store (from --store): {url!r} {message}, unix://PATH for a socket.\n" == ended.stderr


def finished(live: Live) -> tuple[str, str]:
    """A job that has ended, and the URL of its image."""
    job = live.submit_wavespeed()["id"]
    live.advance(60_000)
    return job, live.client.get(f"/api/v3/predictions/{job}/result").json()["data"]["outputs"][0]


def test_what_is_asked_while_the_store_is_away_is_a_503_in_the_providers_shape(redis: RedisServer, live: Live) -> None:
    job, output = finished(live)
    redis.stop()
    answers = refused(live, output)

    envelope = '{"code":503,"message":"Service unavailable. Please try again later."}'
    assert (503, envelope) == answers[0] == answers[2]
    envelope = '{"error_code":503001,"error_message":"The service is temporarily unavailable."}'
    assert (503, envelope) == answers[1] == answers[3]
    assert (503, "Service unavailable\n") == answers[4]
    redis.start()
    assert 404 == live.client.get(f"/api/v3/predictions/{job}/result").status_code
    assert "created" == live.submit_wavespeed()["status"]


def test_a_store_that_does_not_answer_is_waited_for_no_longer_than_it_says(redis: RedisServer, live: Live) -> None:
    job, output = finished(live)
    os.kill(redis.process.pid, signal.SIGSTOP)
    try:
        answers = refused(live, output)  # each of them within a bound
    finally:
        os.kill(redis.process.pid, signal.SIGCONT)

    assert [503] * 5 == [status for status, _ in answers]
    assert "completed" == live.client.get(f"/api/v3/predictions/{job}/result").json()["data"]["status"]


def test_the_control_api_says_that_the_store_is_away(redis: RedisServer, live: Live) -> None:
    remote = Remote(live.client)
    redis.stop()
    error = remote.wrong(503, "GET", "jobs")

    address = f"redis://127.0.0.1:{redis.port}/0"
    assert error["message"].startswith(f"The store at {address} is away: ")
    assert error["message"].endswith("refused. Try again once it is back.")
    assert error == remote.wrong(503, "GET", "events")
    assert {"status": "ok"} == live.client.get("/_understudy/health").json()
    redis.start()
    assert [] == remote.get("jobs")["jobs"]


@pytest.mark.parametrize("query", ["", "?x"])
def test_who_has_no_key_is_told_so_while_the_store_is_away(redis: RedisServer, live: Live, query: str) -> None:
    redis.stop()
    with live.client_of(None) as nobody:
        assert 401 == nobody.get(f"/api/v3/predictions/{'0' * 32}/result{query}").status_code
        assert 404 == nobody.get(f"/nothing/there{query}").status_code


def test_what_is_no_providers_says_in_plain_words_that_the_store_is_away(redis: RedisServer, live: Live) -> None:
    redis.stop()
    answer = live.client.put("/uploads/0123", content=b"x", headers={"content-type": "image/png"})

    assert 503 == answer.status_code
    assert answer.text.startswith(f"The store at redis://127.0.0.1:{redis.port}/0 is away: ")


def test_a_listener_is_cut_off_and_comes_back(redis: RedisServer, live: Live) -> None:
    for _ in range(2):
        with live.client.stream("GET", "/_understudy/events", timeout=20) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("id: ")
            redis.stop()
            assert not any(line.startswith("id: ") for line in lines)
        redis.start()


def test_a_submission_that_waits_is_answered_when_the_store_goes(redis: RedisServer, live: Live) -> None:
    answers: list[httpx.Response] = []
    body = {**BODY, "enable_sync_mode": True}
    asking = threading.Thread(target=lambda: answers.append(live.client.post(WAVESPEED, json=body, timeout=20)))
    asking.start()
    while not redis.client.keys("*:waiting"):
        pass
    redis.stop()
    asking.join(20)

    assert 503 == answers[0].status_code
    redis.start()


def test_webhooks_go_on_when_the_store_is_back(redis: RedisServer, live: Live) -> None:
    redis.stop()
    redis.start()
    with receiving() as receiver:
        live.client.post(f"{WAVESPEED}?webhook={receiver.origin}", json=BODY).raise_for_status()
        live.advance(60_000)

        assert "completed" == receiver.take().prediction["status"]


def test_another_server_that_took_over_knows_no_script_and_is_told(redis: RedisServer, live: Live) -> None:
    live.submit_wavespeed()
    redis.client.script_flush()
    statuses = [live.client.post(WAVESPEED, json=BODY).status_code for _ in range(3)]

    assert [503, 200, 200] == statuses


def test_a_server_that_refuses_a_write_is_there_and_does_not_serve(redis: RedisServer, live: Live) -> None:
    live.submit_wavespeed()
    redis.client.config_set("maxmemory", "1")
    status = live.client.post(WAVESPEED, json=BODY).status_code
    redis.client.config_set("maxmemory", "0")

    assert [503, 200] == [status, live.client.post(WAVESPEED, json=BODY).status_code]


def test_servers_that_share_a_store_share_the_seed_that_one_drew(redis: RedisServer) -> None:
    with starting() as start:
        servers = [start("--store", redis.url) for _ in range(2)]
        seeds = {httpx.get(f"{server.origin}/_understudy/version").json()["seed"] for server in servers}
        given = start("--store", redis.url, "--seed", "12")

        assert 1 == len(seeds)
        assert 12 == httpx.get(f"{given.origin}/_understudy/version").json()["seed"]
        assert [0, 0, 0] == [server.end() for server in (*servers, given)]
