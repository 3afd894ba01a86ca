"""What is around every exchange of a tenant's: the rules before it, the journal after it."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from time import perf_counter_ns, time_ns
from typing import Any

import orjson
from starlette.requests import ClientDisconnect

from understudy.mockserver.answers import altered, instead
from understudy.mockserver.diagnosis import Guide
from understudy.mockserver.dialect import Handler, Voice
from understudy.mockserver.exchange import GONE, JSON, Call, Reply
from understudy.mockserver.journal import BODY_KEPT, Entry
from understudy.mockserver.masking import likely_keys, mask, mask_body
from understudy.mockserver.refusals import Refusal
from understudy.mockserver.rules import DIRECTIVE, POLLS, UNUSED, Acting, Rule, merge, settled
from understudy.mockserver.store import Entrance, Store, StoreAway
from understudy.mockserver.tenant_names import name_of
from understudy.mockserver.traces import announced, is_text, replaced
from understudy.mockserver.wires import SILENT

NOT_STALE = "stale: only a poll tells a job's state, so this answer is as it was"

CRASHED = Reply(500, b"Internal Server Error", ((b"content-type", b"text/plain; charset=utf-8"),))
"""What the server answers when an error of its own was in the way."""

_MARK = DIRECTIVE.encode()
_ESCAPED = b"\\u005"
"""How some encoders begin a bracket."""
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

    def __init__(self, store: Store, seed: int, guide: Guide | None = None) -> None:
        self._store = store
        self._seed = seed
        self._guide = guide

    async def play(self, tenant: str, part: Part, call: Call) -> Reply:
        """The answer to a call, refusals in the provider's words; whatever happens, the journal knows of it."""
        began = perf_counter_ns()
        entrance = await self._store.enter(tenant)
        received = len(call.body) if call.stream is None else announced(call.headers)
        asked = mask_body(call.body, tenant, BODY_KEPT)
        reply: Reply | None = None
        try:
            if entrance.rules or (part.operation == "submit" and (_MARK in call.body or _ESCAPED in call.body)):
                reply = await self._direct(tenant, part, call, entrance)
            else:
                reply = await part.perform(tenant, call)
        except Refusal as refusal:
            reply = self._refuse(tenant, part, call, refusal)
        except ClientDisconnect:
            call.notes += ("the client hung up before the answer",)
            reply = GONE
        except asyncio.CancelledError:
            call.notes += ("the server stopped, or dropped the connection, before the answer",)
            raise
        except StoreAway as away:
            call.notes += (str(away),)
            reply = part.dialect.fail(503, None)
        except Exception as error:
            call.notes += (f"an error of the server's own: {error!r}",)
            reply = CRASHED
            raise
        finally:
            took = (perf_counter_ns() - began) // 1_000
            entry = _entry(tenant, part, call, entrance, asked, received, reply, took)
            await self._store.leave(tenant, entry)
        return reply

    async def witness(self, part: Part, call: Call, reply: Reply) -> None:
        """Writes down an exchange without a valid key for those tenants whose key stands in its URL. Any other leaves
        no trace, and none does while the store is away: who has no key is told so all the same."""
        likely = likely_keys(call.path, call.query)
        with contextlib.suppress(StoreAway):
            for tenant in await self._store.known(likely) if likely else ():
                entrance = await self._store.enter(tenant)
                call.notes = ("the key stood in the URL, and none in the Authorization header",)
                await self._store.leave(tenant, _entry(tenant, part, call, entrance, b"", 0, reply, 0))

    def _refuse(self, tenant: str, part: Part, call: Call, refusal: Refusal) -> Reply:
        if self._guide is not None:
            notes = self._guide.explain(part.dialect.name, call.method, call.path, refusal)
            call.notes += tuple(mask(note, b"", tenant)[0] for note in notes)
        if call.acting is not None:
            call.notes += _vain(call.acting)
        return part.dialect.refuse(refusal)

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
            call.notes += _vain(acting) if reply is not None else ()
        if reply is None:
            try:
                reply = await part.perform(tenant, call)
            except Refusal as refusal:
                reply = self._refuse(tenant, part, call, refusal)
        now = await self._store.wait(tenant, 0)  # what it shows by now: that instant is long over
        if effect.moment == "after":
            now = await self._delay(tenant, call, acting, now)
            reply = instead(part.dialect, effect) or reply
        left = None if acting.until is None else acting.until - now
        wall = time_ns() // 1_000_000
        reply, call.retry_after, notes, call.spoilt = altered(part.dialect, effect, reply, left, wall)
        call.notes += notes
        if effect.stale and part.operation not in POLLS:
            call.notes += (NOT_STALE,)
        return reply

    async def _decide(self, tenant: str, part: Part, call: Call, rules: Sequence[Rule]) -> Acting:
        provider, operation = part.dialect.name, part.operation
        prompt = _prompt(call.body) if operation == "submit" else ""
        directed, notes = _directives(prompt) if operation == "submit" else (None, ())
        call.notes += notes
        fitting = [rule.id for rule in rules if rule.fits(provider, operation, call.params.get("model_id"), prompt)]
        acting: Sequence[Any] = ()
        if fitting:
            facets = frozenset[str]() if directed is None else directed.facets
            acting = await self._store.act(tenant, fitting, facets, lambda rule, n: self._luck(tenant, rule, n))
        if directed is not None:
            near = [used for used in acting if used[0].next]
            if directed.facets <= settled(frozenset[str]().union(*(rule.facets for rule, _ in near))):
                call.notes += (f"{directed.id} has no effect beside a rule for the next call, which is nearer.",)
            else:
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
        material = f"rule\0{self._seed}\0{rule}\0{number}\0{name_of(tenant)}".encode("utf-8", "surrogateescape")
        drawn: int = _RAW.unpack(blake2b(material, digest_size=_RAW.size).digest())[0]
        return drawn / _WHOLE


def _vain(acting: Acting) -> tuple[str, ...]:
    """Notes on what was decided about a submission that was none."""
    return tuple(f"{part}: nothing was submitted, so there is none to decide about" for part in acting.parts)


def _entry(
    tenant: str,
    part: Part,
    call: Call,
    entrance: Entrance,
    asked: bytes,
    received: int,
    reply: Reply | None,
    took: int,
) -> Entry:
    target, exposed = mask(call.path, call.query, tenant)
    acting = call.acting
    effect = None if acting is None else acting.answer
    phase = None if reply is None or reply is GONE else call.phase
    status: int | None = None
    broken: str | None = None
    body, sent = b"", 0
    if reply is not None and reply is not GONE:
        status, body, headers, wire = reply
        sent = len(body)
        if headers is not JSON and not is_text(body[:BODY_KEPT]):
            body = b""
        if wire is not None:
            broken = wire.kind
        if effect is not None:
            broken = broken or call.spoilt
            phase = None if replaced(effect) else phase
        if broken in SILENT:
            status = phase = None
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
        phase,
        status,
        () if acting is None else acting.rules,
        call.notes,
        asked,
        mask_body(body, tenant, BODY_KEPT),
        sent,
        call.retry_after,
        broken,
        exposed,
        received,
        entrance.known,
    )


def _directives(prompt: str) -> tuple[Rule | None, tuple[str, ...]]:
    if DIRECTIVE not in prompt:
        return None, ()
    from understudy.mockserver.directives import read_directives  # late: most prompts have none

    return read_directives(prompt)


def _prompt(body: bytes) -> str:
    """The prompt in a submission's body, whatever the model calls it; nothing where there is none to be read."""
    try:
        inputs = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    prompt = inputs.get("prompt", inputs.get("text")) if isinstance(inputs, dict) else None
    return prompt if isinstance(prompt, str) else ""
