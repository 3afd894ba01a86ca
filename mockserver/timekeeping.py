"""Sets tenants' clocks forward, in such steps that whoever acts on the way does so at the right time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakValueDictionary

from understudy.mockserver.clock import Clock
from understudy.mockserver.durations import format_duration
from understudy.mockserver.happenings import Happening, happenings
from understudy.mockserver.store import Store

MOMENT = 1_000
"""Milliseconds of real time after which whoever still acts is looked at more closely."""

STOPS = 100_000
"""How often a clock is stopped on its way to the end of everything: clients may go on submitting for ever."""


class Passage(NamedTuple):
    """Time that has passed: what the clock shows now, what happened, and what the user should know about it."""

    now: int
    happenings: Sequence[Happening]
    notes: tuple[str, ...] = ()


class Timekeeper:
    """Lets time pass for tenants, for one caller of a tenant after the other.

    `patience` is for how many milliseconds of real time webhooks that are due are waited for while none of them gets
    anywhere; an exchange that does not wait for the clock has two times a `moment`. `stops` is how often a
    clock is stopped at most on its way to the end of everything.
    """

    def __init__(
        self, store: Store, providers: Sequence[str], patience: int, *, moment: int = MOMENT, stops: int = STOPS
    ) -> None:
        self._store = store
        self._providers = providers
        self._patience = patience
        self._moment = moment
        self._stops = stops
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def advance(self, tenant: str, milliseconds: int) -> Passage:
        """Sets a clock forward by so much, beside what passes on it by itself meanwhile."""
        async with self._turn(tenant):
            return await self._advance(tenant, milliseconds)

    async def advance_to(self, tenant: str, instant: int) -> Passage:
        """Sets a clock forward to an instant. Raises ValueError when that has passed."""
        async with self._turn(tenant):
            now = await self._store.now(tenant)
            if instant < now:
                raise ValueError(f"The clock shows {now} already, which is {format_duration(now - instant)} later.")
            return await self._advance(tenant, instant - now)

    async def run_until_idle(self, tenant: str) -> Passage:
        """Sets a clock forward for as long as anything lies ahead, and no further."""
        async with self._turn(tenant):
            calm = _Calm(self._store, tenant, self._patience, self._moment)
            await calm.restore()
            start = await self._store.now(tenant)
            for _ in range(self._stops):
                stop = await self._store.awaited(tenant)
                if stop is None:
                    ahead = await self._store.ahead(tenant)
                    if not ahead:
                        break
                    stop = ahead[-1]  # nobody acts on the way there
                await self._leap(tenant, stop)
                await calm.restore()
            else:
                calm.notes += (f"after {self._stops} stops something still lay ahead: does a client submit for ever?",)
            return await self._passage(tenant, start, calm.notes)

    async def hanging(self, tenant: str) -> list[str]:
        """The ids of a tenant's jobs that never end by themselves, those that wait for a poll among them."""
        jobs = [job for provider in self._providers for job in (await self._store.account(tenant, provider)).jobs]
        return [job.id for job in sorted(jobs, key=lambda job: job.submitted) if job.ends is None]

    def _turn(self, tenant: str) -> asyncio.Lock:
        turn = self._turns.get(tenant)
        if turn is None:
            turn = self._turns[tenant] = asyncio.Lock()
        return turn

    async def _advance(self, tenant: str, milliseconds: int) -> Passage:
        calm = _Calm(self._store, tenant, self._patience, self._moment)
        await calm.restore()
        start = await self._store.now(tenant)
        left = milliseconds
        while left:
            left -= await self._leap(tenant, await self._store.awaited(tenant), left)
            await calm.restore()
        return await self._passage(tenant, start, calm.notes)

    async def _leap(self, tenant: str, stop: int | None, most: int | None = None) -> int:
        """Sets a clock forward to a stop, but by no more than `most` milliseconds. Returns by how much it was."""
        leapt = 0

        def change(clock: Clock, wall_now: int) -> Clock:
            nonlocal leapt
            lengths = [] if most is None else [most]
            # A clock that runs may have come there by itself.
            lengths += [] if stop is None else [max(stop - clock.now(wall_now), 0)]
            leapt = min(lengths)
            return clock.advance(leapt)

        await self._store.set_clock(tenant, change)
        return leapt

    async def _passage(self, tenant: str, start: int, notes: tuple[str, ...]) -> Passage:
        now = await self._store.now(tenant)
        return Passage(now, await happenings(self._store, tenant, self._providers, start, now), notes)


class _Calm:
    """Waits for who has something to do now. Whoever is not done in time is not waited for again."""

    def __init__(self, store: Store, tenant: str, patience: int, moment: int) -> None:
        self._store = store
        self._tenant = tenant
        self._patience = patience
        self._moment = moment
        self._given_up = False
        self.notes: tuple[str, ...] = ()

    async def restore(self) -> None:
        """Returns when nobody acts any more, or is too slow."""
        await asyncio.sleep(0)
        waited, seen = 0, (-1, -1)
        while not self._given_up:
            try:
                async with asyncio.timeout(self._moment / 1000):
                    await self._store.quiet(self._tenant)
                return
            except TimeoutError:
                found = due, _ = await self._pressing()
            waited, seen = (waited if found == seen else 0) + self._moment, found
            if due and waited >= self._patience:
                self._give_up(f"webhooks that are due ({due}) were not delivered within {format_duration(waited)}")
            elif not due and waited > self._moment:
                self._give_up(f"a call was still under way after {format_duration(waited)}")

    def _give_up(self, why: str) -> None:
        self._given_up = True
        self.notes += (f"{why}: the clock went on without waiting for it",)

    async def _pressing(self) -> tuple[int, int]:
        """How many webhooks are due, and how many attempts there have been at any."""
        now = await self._store.now(self._tenant)
        deliveries = await self._store.deliveries(self._tenant)
        due = sum(delivery.due is not None and delivery.due <= now for delivery in deliveries)
        return due, sum(len(delivery.attempts) for delivery in deliveries)
