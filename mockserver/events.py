"""What happens to a tenant, as it happens: exchanges, jobs, webhooks and the clock, one after the other."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from time import perf_counter
from typing import Any, NamedTuple

from understudy.mockserver.clock import Clock
from understudy.mockserver.control_clock import show_clock
from understudy.mockserver.happenings import JobMark, Told, attempts, marks
from understudy.mockserver.journal import Entry
from understudy.mockserver.journal_forms import show_entry
from understudy.mockserver.store import Store

HEARTBEAT = 15.0
"""Seconds after which a listener hears something at the latest, so that proxies keep the connection and a listener
that has gone is noticed."""

REST = 20
"""How many times as long as looking takes nobody looks again, so that many jobs and many calls cost little."""


class Cursor(NamedTuple):
    """How far a listener has come: the number of an exchange, and the instant up to which it knows the rest; without
    one, it wants to hear of what comes from now on."""

    number: int
    instant: int | None = None

    def __str__(self) -> str:
        return str(self.number) if self.instant is None else f"{self.number}-{self.instant}"


class Event(NamedTuple):
    """What happened, as the control API tells it, and where a listener is who has heard of it."""

    cursor: Cursor
    content: dict[str, Any]


def parse_cursor(text: str) -> Cursor | None:
    """A cursor as it is written, or the number of an exchange alone; None for any other text."""
    match = re.fullmatch(r"(\d{1,15})(?:-(\d{1,15}))?", text, re.ASCII)
    if match is None:
        return None
    return Cursor(int(match[1]), None if match[2] is None else int(match[2]))


class Events:
    """What one listener hears of a tenant.

    Nothing is kept for a listener but where it is: one that reads slowly gets what is still there when it comes to it,
    and is told how many exchanges it missed.
    """

    def __init__(
        self,
        store: Store,
        providers: Sequence[str],
        tenant: str,
        cursor: Cursor | None = None,
        *,
        heartbeat: float = HEARTBEAT,
    ) -> None:
        self._store = store
        self._providers = providers
        self._tenant = tenant
        self._asked = cursor
        self._heartbeat = heartbeat
        self._number = 0
        self._entry: Entry | None = None
        self._instant = 0
        self._known: frozenset[JobMark] = frozenset()
        self._attempts: dict[str, int] = {}
        self._clock: Clock | None = None

    async def listen(self) -> AsyncGenerator[Sequence[Event], None]:
        """What has happened since the last time, over and over; nothing when the time for a heartbeat has come."""
        await self._begin()
        while True:
            heard = asyncio.ensure_future(self._store.heard(self._tenant, self._number))
            try:
                await asyncio.sleep(0)  # it listens from here on, so nothing is missed that comes after looking
                began = perf_counter()
                events = await self._look()
                pause = await self._until_next()
                rest = (perf_counter() - began) * REST
                if events:
                    yield events
                await asyncio.wait({heard}, timeout=pause)
                if not heard.done() and pause == self._heartbeat:
                    yield ()
            finally:
                heard.cancel()
                await asyncio.wait({heard})
                away = not heard.cancelled() and heard.exception()
            if away:
                raise away
            await asyncio.sleep(min(rest, 1.0))

    async def _begin(self) -> None:
        logged = await self._store.journal(self._tenant)
        now = await self._store.now(self._tenant)
        if self._asked is None:
            self._number, self._instant = logged.first + len(logged.entries) - 1, now
            self._entry = logged.entries[-1] if logged.entries else None
            self._known = frozenset(await marks(self._store, self._tenant, self._providers, now - 1, now))
        else:
            self._number, instant = self._asked
            newer = [entry.at for number, entry in logged.numbered if number > self._number]
            # Who comes back may hear again of what was at that very instant, and misses nothing.
            self._instant = min([now, *newer]) if instant is None else instant
        for delivery in await self._store.deliveries(self._tenant):
            before = [one for one in delivery.attempts if self._asked is None or one.at < self._instant]
            self._attempts[delivery.job.id] = len(before)

    async def _look(self) -> list[Event]:
        """All that is new, in order."""
        store, tenant = self._store, self._tenant
        now, clock = await store.now(tenant), await store.clock(tenant)
        found: list[tuple[int, int, dict[str, Any]]] = []
        reset = await self._was_reset(now)
        if reset:
            self._number, self._instant, self._known, self._attempts, self._clock = 0, 0, frozenset(), {}, None
        since = self._instant - 1
        found += await self._exchanges()
        passed = await marks(store, tenant, self._providers, since, now)
        found += [(mark.at, 0, mark.shown()) for mark in passed if mark not in self._known]
        found += [(told.at, 0, told.shown()) for told in await self._told()]
        if clock != self._clock:
            found.append((now, 0, {"kind": "clock", "at": now, **show_clock(clock, now)}))
        if reset:
            at = min(at for at, *_ in found)
            found.insert(0, (at, 0, {"kind": "reset", "at": at}))
        self._clock = clock
        self._known = frozenset(mark for mark in passed if mark.at == now)
        events = self._placed(found)
        self._instant = now
        return events

    async def _was_reset(self, now: int) -> bool:
        if now < self._instant:
            return True
        if self._number == 0:
            return False
        logged = await self._store.journal(self._tenant, self._number - 1)
        if logged.entries:
            return logged.first == self._number and self._is_another(logged.entries[0])
        kept = await self._store.journal(self._tenant)
        return kept.first + len(kept.entries) - 1 < self._number

    def _is_another(self, entry: Entry) -> bool:
        """Whether an exchange has only the number of the last one heard of, which began before the cursor's instant."""
        if self._entry is not None:
            return entry != self._entry
        return self._asked is not None and self._asked.instant is not None and entry.at > self._asked.instant

    async def _exchanges(self) -> list[tuple[int, int, dict[str, Any]]]:
        """New exchanges, each at the time when it began, but after those with smaller numbers."""
        logged = await self._store.journal(self._tenant, self._number)
        at, found = self._instant, []
        missed = logged.first - self._number - 1
        for number, entry in logged.numbered:
            at = max(at, entry.at)
            if missed:
                found.append((at, number - 1, {"kind": "missed", "at": at, "exchanges": missed}))
                missed = 0
            found.append((at, number, {"kind": "exchange", **show_entry(number, entry)}))
            self._number, self._entry = number, entry
        return found

    async def _told(self) -> list[Told]:
        """New attempts at webhooks. Some are told of later than they were made."""
        deliveries = await self._store.deliveries(self._tenant)
        told = [one for one in attempts(deliveries) if one.attempt > self._attempts.get(one.job, 0)]
        self._attempts = {delivery.job.id: len(delivery.attempts) for delivery in deliveries}
        return told

    def _placed(self, found: list[tuple[int, int, dict[str, Any]]]) -> list[Event]:
        """Events in order, each with where a listener is who has heard it and all before it."""
        events = []
        number, instant = 0, self._instant
        heard = [one for _, one, _ in found if one]
        number = min(heard) - 1 if heard else self._number
        for at, one, content in sorted(found, key=lambda entry: entry[0]):
            number, instant = max(number, one), max(instant, at)
            events.append(Event(Cursor(number, instant), content))
        return events

    async def _until_next(self) -> float:
        """Seconds until something happens by itself, or until a heartbeat."""
        assert self._clock is not None, "It was looked at before."
        ahead = await self._store.ahead(self._tenant) if self._clock.rate else ()
        if not ahead:
            return self._heartbeat
        left = (ahead[0] - await self._store.now(self._tenant)) / self._clock.rate / 1000
        return min(max(left, 0) + 0.001, self._heartbeat)
