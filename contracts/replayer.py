"""A recording as a fake: each job lives again as it did, by the time since its submission and what was done to it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from understudy.contracts.client import State
from understudy.contracts.exchanges import KEY, NO_KEY, WRONG_KEY, Exchange, Text, at, parsed
from understudy.contracts.operations import wire
from understudy.contracts.probes import WRONG_KEYS
from understudy.contracts.routes import Routes
from understudy.contracts.states import DELETED, life
from understudy.contracts.talk import WORDS

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

GOING = (State.QUEUED, State.RUNNING)


@dataclass(slots=True)
class Life:
    """A recorded job: its submission, what was told of it afterwards, and what came of cancelling it."""

    submitted: Exchange
    job: str
    looks: list[Exchange] = field(default_factory=list)
    cancels: list[Exchange] = field(default_factory=list)


@dataclass(slots=True)
class Played:
    """A life that began again at `at`, in milliseconds, under the id `job`, and was cancelled at `cancelled`."""

    life: Life
    job: str
    at: float
    cancelled: float | None = None


class Replayer:
    """What was recorded, played again. `now` are milliseconds; `speed` is how much faster jobs live than they did."""

    def __init__(
        self,
        provider: str,
        exchanges: Sequence[Exchange],
        *,
        now: Callable[[], float] = lambda: time.monotonic() * 1000,
        speed: float = 1.0,
    ) -> None:
        self._words = WORDS[provider]
        self._life = life(provider)
        self._routes = Routes(provider)
        self._now = now
        self._speed = speed
        self._lives: list[Life] = []
        self._others: list[tuple[int, Exchange]] = []
        self._played: dict[str, Played] = {}
        table = wire(provider)
        self._servers = (table.server, *(one.server for one in table.operations if one.server))
        for exchange in exchanges:
            self._sort_in(exchange)

    def answer(self, method: str, target: str, auth: str, sent: Any, origin: str) -> tuple[int, str, str]:
        """Status, content type and body, the recorded hosts replaced by `origin`."""
        path = target.partition("?")[0]
        route = self._routes.find(method, path)
        operation = route.operation.name if route is not None else ""
        found: Exchange | None
        played = next((one for job, one in self._played.items() if job in path), None)
        if operation == "submit" and auth == KEY:
            found, played = self._submit(path, sent)
        elif played is not None:
            found = self._cancel(played) if operation == "cancel" else self._look(played, method, path)
        else:
            found = None
        if found is None:
            played, found = None, self._other(method, target, auth, sent)
        if found is None or found.status is None:
            told = {"message": f"Nothing like {method} {target} is in the recording.", "recorded": self._recorded()}
            return 501, "application/json", json.dumps(told)
        text = str(found.body) if isinstance(found.body, Text) else "" if found.body is None else json.dumps(found.body)
        if played is not None and played.job != played.life.job:
            text = text.replace(played.life.job, played.job)
            text = text.replace(_dashed(played.life.job), _dashed(played.job))
        for server in self._servers:
            text = text.replace(server, origin)
        return found.status, found.headers.get("content-type") or "application/json", text

    def _sort_in(self, exchange: Exchange) -> None:
        route = self._routes.find(exchange.method, exchange.path)
        operation = route.operation.name if route is not None else ""
        if operation == "submit" and exchange.status is not None and exchange.status < 300:
            job = at(exchange.body, *self._words.job)
            if isinstance(job, str) and job:
                self._lives.append(Life(exchange, job))
                return
        for lived in self._lives:
            if lived.job in exchange.path:
                (lived.cancels if operation == "cancel" else lived.looks).append(exchange)
                return
        self._others.append((len(self._lives), exchange))

    def _submit(self, path: str, sent: Any) -> tuple[Exchange | None, Played | None]:
        """The next life of the same request; when all have been lived, they begin again under new ids."""
        alike = [one for one in self._lives if one.submitted.path == path and one.submitted.sent == sent]
        if not alike:
            return None, None
        number = sum(one.life in alike for one in self._played.values())
        lived = alike[number % len(alike)]
        job = lived.job if number < len(alike) else _other_id(lived.job, number)
        played = self._played[job] = Played(lived, job, self._now())
        return lived.submitted, played

    def _look(self, played: Played, method: str, path: str) -> Exchange | None:
        """The last answer to this question that was given by now."""
        kept = list(self._timeline(played, method, path.replace(played.job, played.life.job)))
        if not kept:
            return None
        elapsed = self._elapsed(played)
        past = [one for moment, one in kept if moment <= elapsed]
        if past:
            return past[-1]
        first = kept[0][1]
        early = self._state(first) not in GOING and self._state(played.life.submitted) in GOING
        return played.life.submitted if early else first

    def _timeline(self, played: Played, method: str, path: str) -> Iterator[tuple[float, Exchange]]:
        """When an answer to a question holds from, in milliseconds since the submission. What came after a recorded
        cancellation comes after this one, or never."""
        began = played.life.submitted.at
        recorded = min((one.at - began for one in played.life.cancels if self._cancelled(one)), default=None)
        for look in played.life.looks:
            moment = look.at - began
            if look.method != method or look.path != path:
                continue
            after = recorded is not None and moment >= recorded
            if not after and (played.cancelled is None or moment <= played.cancelled):
                yield moment, look
            elif after and recorded is not None and played.cancelled is not None:
                yield moment - recorded + played.cancelled, look

    def _cancel(self, played: Played) -> Exchange | None:
        """What was answered to a cancellation in the state that the job is in now."""
        elapsed, began = self._elapsed(played), played.life.submitted.at
        ended = min((one.at - began for one in played.life.looks if self._over(one)), default=None)
        over = played.cancelled is not None or (ended is not None and elapsed >= ended)
        for one in played.life.cancels:
            if self._cancelled(one) and not over:
                played.cancelled = elapsed
                return one
            if not self._cancelled(one) and (over or ended is None or one.at - began < ended):
                return one
        return None

    def _other(self, method: str, target: str, auth: str, sent: Any) -> Exchange | None:
        """What was answered to the same request after as many submissions; the last before that, or the first."""
        alike = [
            (count, one)
            for count, one in self._others
            if (one.method, one.target, one.auth, one.sent) == (method, target, auth, sent)
        ]
        past = [one for count, one in alike if count <= len(self._played)]
        return past[-1] if past else alike[0][1] if alike else None

    def _elapsed(self, played: Played) -> float:
        return (self._now() - played.at) * self._speed

    def _state(self, exchange: Exchange) -> State | None:
        kind = "status" if exchange.path.endswith("/status") else "result"
        found = self._life.named(kind).get(str(at(exchange.body, *self._words.state)))
        return None if found in (None, DELETED) else State(found)

    def _over(self, exchange: Exchange) -> bool:
        return self._state(exchange) not in (*GOING, None, State.CANCELLED)

    def _cancelled(self, exchange: Exchange) -> bool:
        refused = at(exchange.body, "outcome") == "not_cancellable"
        return exchange.status is not None and exchange.status < 300 and not refused

    def _recorded(self) -> list[str]:
        asked = [one.submitted.asked for one in self._lives] + [one.asked for _, one in self._others]
        return list(dict.fromkeys(asked))


class ReplayApp:
    """The ASGI application around it."""

    def __init__(self, replayer: Replayer) -> None:
        self._replayer = replayer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.requests import Request
        from starlette.responses import Response

        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        request = Request(scope, receive)
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        key = request.headers.get("authorization", "").removeprefix("Bearer").strip()
        auth = NO_KEY if "authorization" not in request.headers else WRONG_KEY if key in ("", WRONG_KEYS) else KEY
        origin = f"{request.url.scheme}://{request.headers.get('host', '')}"
        status, kind, text = self._replayer.answer(request.method, target, auth, parsed(await request.body()), origin)
        await Response(text, status, media_type=kind)(scope, receive, send)


def _other_id(job: str, number: int) -> str:
    """Another id of the same form."""
    digest = hashlib.blake2b(f"{job} {number}".encode(), digest_size=16).hexdigest()
    return _dashed(f"{digest[:12]}4{digest[13:16]}a{digest[17:]}") if "-" in job else digest


def _dashed(job: str) -> str:
    plain = job.replace("-", "")
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))
