"""What is around every exchange of a tenant's: the rules before it, the journal after it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from time import perf_counter_ns, time_ns
from typing import Any

import orjson
from starlette.requests import ClientDisconnect

from understudy.mockserver.answers import altered, instead
from understudy.mockserver.dialect import Handler, Voice
from understudy.mockserver.directives import MARK, read_directives
from understudy.mockserver.exchange import GONE, JSON, Call, Headers, Reply
from understudy.mockserver.journal import BODY_KEPT, Entry
from understudy.mockserver.masking import mask
from understudy.mockserver.refusals import Refusal
from understudy.mockserver.rules import POLLS, UNUSED, Acting, Rule, merge
from understudy.mockserver.store import Entrance, Store
from understudy.mockserver.wires import SILENT

NOT_STALE = "stale: only a poll tells a job's state, so this answer is as it was"

_WHOLE = float(2**64)
_RAW = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Part:
    """An operation under its name, as it is performed for a tenant."""

    operation: str
    perform: Handler
    dialect: Voice


class Stage:
    """Plays exchanges. All chance in rules comes from the seed, the tenant and the number of the call."""

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._seed = seed

    async def play(self, tenant: str, part: Part, call: Call) -> Reply:
        """The answer to a call, refusals in the provider's words; whatever happens, the journal knows of it."""
        began = perf_counter_ns()
        entrance = await self._store.enter(tenant)
        asked = call.body if len(call.body) <= BODY_KEPT else call.body[:BODY_KEPT]
        reply: Reply | None = None
        try:
            if entrance.rules or (part.operation == "submit" and MARK in call.body):
                reply = await self._direct(tenant, part, call, entrance)
            else:
                reply = await part.perform(tenant, call)
        except Refusal as refusal:
            reply = part.dialect.refuse(refusal)
        except ClientDisconnect:
            call.notes += ("the client hung up before the answer",)
            reply = GONE
        finally:
            entry = _entry(tenant, part, call, entrance, asked, reply, (perf_counter_ns() - began) // 1_000)
            await self._store.leave(tenant, entry)
        return reply

    async def _direct(self, tenant: str, part: Part, call: Call, entrance: Entrance) -> Reply:
        acting = call.acting = await self._decide(tenant, part, call, entrance.rules)
        effect = acting.answer
        if effect is None:
            return await part.perform(tenant, call)
        call.stale = effect.stale
        reply = None
        if effect.moment == "before":
            await self._delay(tenant, call, acting, entrance.now)
            reply = instead(part.dialect, effect)
        if reply is None:
            try:
                reply = await part.perform(tenant, call)
            except Refusal as refusal:
                reply = part.dialect.refuse(refusal)
        now = await self._store.wait(tenant, 0)  # what it shows by now: that instant is long over
        if effect.moment == "after":
            now = await self._delay(tenant, call, acting, now)
            reply = instead(part.dialect, effect) or reply
        left = None if acting.until is None else acting.until - now
        reply, call.retry_after, notes = altered(part.dialect, effect, reply, left, time_ns() // 1_000_000)
        call.notes += notes
        if effect.stale and part.operation not in POLLS:
            call.notes += (NOT_STALE,)
        return reply

    async def _decide(self, tenant: str, part: Part, call: Call, rules: Sequence[Rule]) -> Acting:
        provider, operation = part.dialect.name, part.operation
        prompt = _prompt(call.body) if operation == "submit" else ""
        directed, notes = read_directives(prompt) if operation == "submit" else (None, ())
        call.notes += notes
        fitting = [rule.id for rule in rules if rule.fits(provider, operation, call.params.get("model_id"), prompt)]
        acting: Sequence[Any] = ()
        if fitting:
            facets = frozenset[str]() if directed is None else directed.facets
            acting = await self._store.act(tenant, fitting, facets, lambda rule, n: self._luck(tenant, rule, n))
        if directed is not None:
            near = [used for used in acting if used[0].next]
            acting = [*near, (directed, UNUSED), *acting[len(near) :]]
        return merge(acting)

    async def _delay(self, tenant: str, call: Call, acting: Acting, now: int) -> int:
        """Waits on the tenant's clock if the answer shall be late, and returns what that shows then. Raises
        ClientDisconnect when the client does not wait for as long: who hangs up before the operation has not asked."""
        assert acting.answer is not None, "Only an answer can be late."
        if acting.answer.delay is None:
            return now
        rule, number = acting.turn
        began = now
        until = now + acting.answer.delay.at(self._luck(tenant, f"delay\0{rule}", number))
        # The body of an operation that streams is still to come, and must be left to it.
        watches = call.stream is None or acting.answer.moment == "after"
        gone = asyncio.ensure_future(call.gone() if watches else asyncio.Future[None]())
        try:
            while began <= now < until and not gone.done():  # a clock that has gone back is a tenant made anew
                waiting = asyncio.ensure_future(self._store.wait(tenant, until))
                try:
                    await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
                    await asyncio.wait({waiting})
                now = now if waiting.cancelled() else waiting.result()
            if gone.done() and now < until:
                raise ClientDisconnect
        finally:
            gone.cancel()
        return now

    def _luck(self, tenant: str, rule: str, number: int) -> float:
        material = f"rule\0{self._seed}\0{rule}\0{number}\0{tenant}".encode("utf-8", "surrogateescape")
        drawn: int = _RAW.unpack(blake2b(material, digest_size=_RAW.size).digest())[0]
        return drawn / _WHOLE


def _entry(
    tenant: str, part: Part, call: Call, entrance: Entrance, asked: bytes, reply: Reply | None, took: int
) -> Entry:
    target, exposed = mask(call.path, call.query, tenant)
    acting = call.acting
    status: int | None = None
    body, sent, broken = b"", 0, None
    if reply is not None and reply is not GONE:
        status, body, headers, wire = reply
        sent = len(body)
        # What holds a NUL is no text, whatever a rule calls it.
        if headers is not JSON and (not _is_text(headers) or b"\0" in body[:BODY_KEPT]):
            body = b""
        if wire is not None:
            broken = wire.kind
            status = None if broken in SILENT else status
    job = call.job
    # By position: this is done for every exchange, and names would double what it costs.
    return Entry(
        entrance.now,
        entrance.wall,
        took,
        part.dialect.name,
        part.operation,
        call.method,
        target,
        None if job is None else job.id,
        call.phase,
        status,
        () if acting is None else acting.rules,
        call.notes,
        asked,
        body if sent <= BODY_KEPT else body[:BODY_KEPT],
        sent,
        call.retry_after,
        broken,
        exposed,
    )


def _is_text(headers: Headers) -> bool:
    kinds = [value for name, value in headers if name == b"content-type"]
    return not kinds or kinds[0].startswith((b"text/", b"application/json"))


def _prompt(body: bytes) -> str:
    """The prompt in a submission's body, whatever the model calls it; nothing where there is none to be read."""
    try:
        inputs = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    prompt = inputs.get("prompt", inputs.get("text")) if isinstance(inputs, dict) else None
    return prompt if isinstance(prompt, str) else ""
