"""A server on the test's own event loop, so that a test can set its clock, and a receiver of webhooks beside it."""

import asyncio
import functools
import hashlib
import hmac
import json
import queue
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, ParamSpec

import requests

from understudy.mockserver.app import create_app
from understudy.mockserver.clock import Clock
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.server import Server, loop_factory
from understudy.mockserver.settings import Settings
from understudy.mockserver.webhooks import Attempt, Delivery

MODEL = "bytedance/seedream-v4/edit-sequential"
DEADLINE = 20.0

P = ParamSpec("P")


def on_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Runs an async test on the server's kind of loop, within a deadline."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def within() -> None:
            async with asyncio.timeout(DEADLINE):
                await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(within())

    return run


class WatchedStore(MemoryStore):
    """A store that tells a test when somebody waits, has stopped waiting, and when an attempt is on record."""

    def __init__(self, clock: Clock | None = None, **bounds: Any) -> None:
        super().__init__(clock or Clock.manual(), **bounds)
        self.began: asyncio.Queue[int] = asyncio.Queue()
        self.ended: asyncio.Queue[int] = asyncio.Queue()
        self.settled: asyncio.Queue[Attempt] = asyncio.Queue()

    async def wait(self, tenant: str, until: int) -> int:
        self.began.put_nowait(until)
        try:
            return await super().wait(tenant, until)
        finally:
            self.ended.put_nowait(until)

    async def settle(self, delivery: Delivery, attempt: Attempt, backoff: int) -> None:
        await super().settle(delivery, attempt, backoff)
        self.settled.put_nowait(attempt)

    async def advance(self, milliseconds: int, tenant: str = "key") -> None:
        await self.set_clock(tenant, lambda clock, wall: clock.advance(milliseconds))


def settings(queue_time: int = 500, run_time: int = 2_000, **others: Any) -> Settings:
    times = DurationRange(queue_time, queue_time), DurationRange(run_time, run_time)
    return Settings(queue_time=times[0], run_time=times[1], seed=7, **others)


@asynccontextmanager
async def serving(store: MemoryStore | None = None, of: Settings | None = None) -> AsyncIterator[str]:
    """The origin of a server that runs for as long as the block does."""
    server = Server(create_app(of or settings(), store))
    await server.start()
    try:
        yield server.origin
    finally:
        await server.stop()


class Answer(NamedTuple):
    status: int
    body: Any


async def submit(origin: str, query: str = "", key: str = "key", model: str = MODEL, **inputs: Any) -> Answer:
    def post() -> Answer:
        response = requests.post(
            f"{origin}/api/v3/{model}{query}",
            json={"prompt": "A shoe", **inputs},
            headers={"Authorization": f"Bearer {key}"},
            timeout=DEADLINE,
        )
        return Answer(response.status_code, response.json())

    return await asyncio.to_thread(post)


async def get(url: str, key: str = "key") -> requests.Response:
    return await asyncio.to_thread(
        lambda: requests.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=DEADLINE)
    )


async def result(origin: str, job_id: str, key: str = "key") -> Any:
    return (await get(f"{origin}/api/v3/predictions/{job_id}/result", key)).json()["data"]


class Received(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def prediction(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """A real HTTP server that keeps what it is sent and answers with `statuses` in turn, then with 204."""

    def __init__(self, origin: str, statuses: list[int], inbox: queue.Queue[Received]) -> None:
        self.origin = origin
        self.statuses = statuses
        self._inbox = inbox

    @property
    def waiting(self) -> int:
        return self._inbox.qsize()

    def take(self) -> Received:
        return self._inbox.get(timeout=DEADLINE)

    async def next(self) -> Received:
        return await asyncio.to_thread(self.take)


@contextmanager
def receiving(*statuses: int) -> Iterator[Receiver]:
    inbox: queue.Queue[Received] = queue.Queue()
    answers = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(answers.pop(0) if answers else 204)
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            # Before the answer goes out, which the next webhook may follow at once.
            inbox.put(Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Receiver(f"http://127.0.0.1:{server.server_address[1]}", answers, inbox)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fits(received: Received, secret: str) -> bool:
    """Whether the signature is that of what was sent, by the documented algorithm."""
    sent = received.headers
    signed = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + received.body
    mac = hmac.new(secret.removeprefix("whsec_").encode(), signed, hashlib.sha256)
    return sent["webhook-signature"] == "v3," + mac.hexdigest()
