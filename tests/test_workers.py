"""Several processes on one port."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from processes import Start, starting
from redis_server import RedisServer, redis_server
from test_cli import understudy

from understudy.mockserver.settings import Settings
from understudy.mockserver.workers import WorkerFailed, Workers, listen

MODEL = "/api/v3/bytedance/seedream-v4/edit-sequential"
HEADERS = {"Authorization": "Bearer key"}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def start() -> Iterator[Start]:
    with starting() as start:
        yield start


def children(process: int) -> list[int]:
    return sorted(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))


def submit(origin: str) -> Any:
    body = {"prompt": "A shoe", "images": ["https://example.com/shoe.png"]}
    return httpx.post(origin + MODEL, json=body, headers=HEADERS, timeout=20).raise_for_status().json()["data"]["id"]


def kept(origin: str) -> set[str]:
    jobs = httpx.get(f"{origin}/_understudy/jobs", headers=HEADERS, timeout=20).raise_for_status().json()["jobs"]
    return {job["id"] for job in jobs}


def test_several_workers_need_a_store_that_they_can_share() -> None:
    ended = understudy("serve", "--workers", "2")

    message = (
        "Error: --workers 2 needs a store that processes can share, and this one is in memory: give --store "
        "redis://HOST:PORT/DB too, or leave --workers out.\n"
    )
    assert (1, message, "") == (ended.returncode, ended.stderr, ended.stdout)


def test_workers_share_one_port_and_answer_as_one(redis: RedisServer, start: Start) -> None:
    server = start("--store", redis.url, "--workers", "2")
    with ThreadPoolExecutor(8) as pool:
        jobs = set(pool.map(submit, [server.origin] * 40))

    assert jobs == kept(server.origin)
    assert 2 == len(children(server.process.pid))
    assert f"  2 workers share {redis.url}.\n" == lines(server.process.stdout, 4)[-1]
    assert 0 == server.end()


def lines(stream: Any, count: int) -> list[str]:
    return [stream.readline() for _ in range(count)]


def test_a_worker_that_dies_is_replaced_and_nothing_is_lost(redis: RedisServer, start: Start) -> None:
    redis.client.flushall()
    server = start("--store", redis.url, "--workers", "2")
    jobs = {submit(server.origin) for _ in range(10)}
    before = children(server.process.pid)
    os.kill(before[0], signal.SIGKILL)

    assert f"The worker {before[0]} has ended (-9); another takes its place.\n" == server.complaint()
    jobs |= {submit(server.origin) for _ in range(10)}
    assert jobs == kept(server.origin)
    assert 0 == server.end()


def test_workers_end_when_the_process_that_began_them_is_killed(redis: RedisServer, start: Start) -> None:
    server = start("--store", redis.url, "--workers", "2")
    workers = children(server.process.pid)
    server.process.kill()
    server.process.wait()

    descriptors = [os.pidfd_open(worker) for worker in workers if Path(f"/proc/{worker}").exists()]
    assert all(ended(descriptor) for descriptor in descriptors)


def ended(descriptor: int) -> bool:
    """Waits until a process has ended."""
    there, _, _ = select.select([descriptor], [], [], 20)
    os.close(descriptor)
    return bool(there)


def test_workers_that_cannot_begin_anew_end_the_server(redis: RedisServer, start: Start, tmp_path: Path) -> None:
    with redis_server(tmp_path) as other:
        server = start("--store", other.url, "--workers", "2")
        other.stop()
        os.kill(children(server.process.pid)[0], signal.SIGKILL)
        assert 1 == server.process.wait(20)
        assert server.process.stderr is not None
        said = server.process.stderr.read()
        other.start()

    assert "another takes its place." in said
    assert f"store: there is no Redis or Valkey at {other.url}: " in said
    assert said.endswith("Error: A worker cannot be begun: what it says is above.\n")


def test_a_port_that_is_taken_is_said_before_any_worker_begins(redis: RedisServer) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        ended = understudy("serve", "--port", str(port), "--store", redis.url, "--workers", "2")

    assert 1 == ended.returncode
    assert ended.stderr.startswith(f"Error: Cannot listen on 127.0.0.1:{port}: ")


def test_a_worker_that_begins_while_the_server_ends_ends_too(redis: RedisServer) -> None:
    async def work() -> None:
        with listen("127.0.0.1", 0) as listening:
            workers = Workers(Settings(seed=1, store=redis.url), listening, lambda text: None)
            await workers.stop()
            with pytest.raises(WorkerFailed):
                await workers.start()

    asyncio.run(work())


def test_workers_on_the_network_have_one_control_token(redis: RedisServer, start: Start) -> None:
    server = start("--store", redis.url, "--workers", "2", "--host", "0.0.0.0")
    (line,) = [line for line in lines(server.process.stdout, 4) if "X-Understudy-Token" in line]
    token = line.rpartition(" ")[2].strip()
    origin = server.origin.replace("0.0.0.0", "127.0.0.1")
    url, headers = f"{origin}/_understudy/jobs", {**HEADERS, "X-Understudy-Token": token}

    assert {200} == {httpx.get(url, headers=headers).status_code for _ in range(20)}
    assert 403 == httpx.get(url, headers=HEADERS).status_code
