"""The fake as a provider that has changed, and a conversation with it about the contract."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from understudy.contracts.ceiling import Ceiling
from understudy.contracts.drift_compare import Comparison
from understudy.contracts.drift_facts import Facts
from understudy.contracts.drift_report import Report, report
from understudy.contracts.drift_session import Session
from understudy.contracts.exchanges import Exchange
from understudy.contracts.prober import Prober
from understudy.contracts.probes import jobs
from understudy.contracts.secrecy import Scrubber
from understudy.mockserver.app import create_app
from understudy.mockserver.clock import Clock
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.server import ServerThread
from understudy.mockserver.settings import Settings

KEY = "tenant-of-drift-7f3a"
TODAY = date(2026, 11, 21)
DOLLAR = 1_000_000


@dataclass
class Answering:
    """An answer on its way out; a bend changes it. `memory` lasts as long as the server."""

    method: str
    path: str
    sent: Any
    status: int
    headers: dict[str, str]
    body: Any
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> Any:
        """What is in WaveSpeed's envelope, or RunComfy's body; an empty object where that is an error."""
        found = self.body.get("data", self.body) if isinstance(self.body, dict) else {}
        return found if isinstance(found, dict) and self.status < 400 else {}

    @property
    def submits(self) -> bool:
        return self.method == "POST" and "/bytedance/" in self.path


Bend = Callable[[Answering], None]


class Changed:
    """The application with its answers bent, but for the control API, which there may be none of."""

    def __init__(self, app: ASGIApp, bend: Bend, control: bool = True) -> None:
        self._app, self._bend, self._control = app, bend, control
        self._memory: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (self._control and scope["path"].startswith("/_understudy/")):
            await self._app(scope, receive, send)
            return
        asked: list[bytes] = []
        started: Message = {}
        chunks: list[bytes] = []

        async def hear() -> Message:
            message = await receive()
            asked.append(message.get("body", b""))
            return message

        async def keep(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = message
            else:
                chunks.append(message.get("body", b""))

        await self._app(scope, hear, keep)
        headers = {name.decode(): value.decode() for name, value in started["headers"]}
        seen = Answering(
            scope["method"],
            scope["path"],
            _json(b"".join(asked)),
            started["status"],
            headers,
            _json(b"".join(chunks)),
            self._memory,
        )
        if seen.path.startswith("/_understudy/"):
            seen.status, seen.body = 404, {"message": "There is nothing here."}
        self._bend(seen)
        out = seen.body if isinstance(seen.body, bytes) else json.dumps(seen.body).encode()
        seen.headers["content-length"] = str(len(out))
        told = [(name.encode(), value.encode()) for name, value in seen.headers.items()]
        await send({**started, "status": seen.status, "headers": told})
        await send({"type": "http.response.body", "body": out})


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content


def as_it_is(seen: Answering) -> None:
    """Nothing has changed."""


class Talk:
    """One provider on a socket, and all that is asked of it; time passes when the prober waits."""

    def __init__(self, provider: str, origin: str, server: ServerThread, store: MemoryStore, key: str = KEY) -> None:
        self.provider, self.origin = provider, origin
        self._server, self._store, self._key = server, store, key
        self.paused: list[float] = []
        self.heard: list[Exchange] = []
        self.scrubber = Scrubber([key])
        self.ceiling = Ceiling(0)
        self.stopped = ""

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        advance = self._store.set_clock(self._key, lambda clock, _: clock.advance(int(seconds * 1000)))
        self._server.call(advance)

    def compare(self, spend: int = DOLLAR, comparison: Comparison | None = None) -> Comparison:
        self.ceiling = Ceiling(spend)
        prober = Prober(self.provider, self.origin, self._key, self.ceiling, self.scrubber, pause=self.pause)
        comparison = comparison or Comparison(self.provider)
        try:
            session = Session(prober, comparison, self.heard.append)
            session.free()
            if spend:
                self.stopped = session.paid(jobs(self.provider))
        finally:
            prober.close()
        return comparison

    def report(self, comparison: Comparison, **options: Any) -> Report:
        return report(comparison, self.scrubber, source="asked live", today=TODAY, **options)


@contextmanager
def talking_to(
    provider: str, bend: Bend = as_it_is, key: str = KEY, *, control: bool = True, **others: Any
) -> Iterator[Talk]:
    chosen: dict[str, Any] = {
        "seed": 3,
        "keys": frozenset({key}),
        "queue_time": DurationRange(1500, 1500),
        "run_time": DurationRange(3000, 3000),
        **others,
    }
    settings = Settings(**chosen)
    store = MemoryStore.of(settings, Clock.manual())
    server = ServerThread(Changed(create_app(settings, store), bend, control))
    server.start()
    try:
        yield Talk(provider, server.origin, server, store, key)
    finally:
        server.stop()


def drifts(facts: Facts) -> dict[str, tuple[str, str]]:
    """Kind and severity of each drift."""
    return {fact.name: (fact.change.kind, fact.change.severity) for fact in facts if fact.change is not None}
