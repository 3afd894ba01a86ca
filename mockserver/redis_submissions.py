"""Submissions to the shared store: each counts on what the one before it left, or is made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from understudy.mockserver.jobs import Job
from understudy.mockserver.redis_jobs import KnownJobs, words_of
from understudy.mockserver.redis_operations import Operations
from understudy.mockserver.redis_owners import Owners
from understudy.mockserver.redis_turns import SharedWall, Turns
from understudy.mockserver.store import Found, Turn
from understudy.mockserver.tenant_names import name_of


class Submissions:
    """`balance` is what everyone starts with; of so many tenants it is `known` what their next submission will find.
    `conflicts` counts submissions that had to be made again since another process had come between."""

    def __init__(
        self, operations: Operations, owners: Owners, jobs: KnownJobs, wall: SharedWall, balance: int, known: int
    ) -> None:
        self._operations = operations
        self._owners = owners
        self._jobs = jobs
        self._wall = wall
        self._balance = balance
        self._known = known
        self._turns: dict[str, Turns] = {}
        self.conflicts = 0

    async def submit(self, tenant: str, provider: str, make: Callable[[Turn], Job], capacity: int | None) -> Found:
        turns = self._turns.get(tenant)
        while True:
            turn = turns.turn(provider, self._balance, self._wall) if turns is not None else None
            if turn is None or turns is None:
                turns = await self._ask(tenant, provider)
                continue
            fresh = turns.fresh
            try:
                job = make(turn)
            except Exception:
                if fresh:
                    raise
                turns = await self._ask(tenant, provider)  # what was guessed may have been less than there is
                continue
            ordinal, gen = turns.ordinal, turns.gen
            turns.taken(provider, turn, job)
            self._keep(tenant, turns)
            named = name_of(tenant) != tenant
            try:
                while named and not await self._owners.claim(tenant, "job", job.id):
                    turn = turn._replace(again=turn.again + 1)
                    job = make(turn)
                given = None if named else self._owners.give(tenant, "job", job.id)
                words = words_of(job, capacity)
                written, told, *shown = await self._operations.do(tenant, "submit", provider, ordinal, gen, *words)
                if given is not None:
                    await given
            except BaseException:
                self.forget(tenant)
                raise
            if written:
                return Found(self._jobs.read(job.id, shown[0]), turn.now)
            self.conflicts += 1
            if named:
                self._owners.free("job", job.id)
            # Whoever finds first that the run has been broken begins the next one, and the others go on with that.
            if self._turns.get(tenant) is turns:
                self._turns[tenant] = self._told(provider, told)
            turns = self._turns.get(tenant)

    def forget(self, tenant: str) -> None:
        """What the tenant's next submission will find has changed."""
        self._turns.pop(tenant, None)

    async def _ask(self, tenant: str, provider: str) -> Turns:
        _, told = await self._operations.do(tenant, "submit", provider, "", "")
        return self._told(provider, told)

    def _told(self, provider: str, told: Sequence[Any]) -> Turns:
        self._wall.anew(told[1])
        return Turns.told(provider, told)

    def _keep(self, tenant: str, turns: Turns) -> None:
        if len(self._turns) > self._known and tenant not in self._turns:
            self._turns.clear()
        self._turns[tenant] = turns
