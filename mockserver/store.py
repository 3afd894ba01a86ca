"""Where tenants live: everything that one has is behind the `Store` protocol, one operation to a round trip."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from understudy.mockserver.clock import Clock, Wall, wall
from understudy.mockserver.jobs import Failure, Interruption, Job, Phase


class Found(NamedTuple):
    """A job, and what its tenant's clock shows."""

    job: Job
    now: int


class Turn(NamedTuple):
    """What a submission needs to know of its tenant: the clock's reading, and how many came before it."""

    now: int
    ordinal: int


class Interrupted(NamedTuple):
    """A job after an attempt to interrupt it, the instant, and whether the attempt had an effect."""

    job: Job
    now: int
    effective: bool


class Store(Protocol):
    """What a server keeps. Every method is one round trip and is atomic."""

    async def submit(self, tenant: str, make: Callable[[Turn], Job]) -> Found:
        """Keeps the job that `make` returns. What `make` raises goes through, and then nothing has changed."""

    async def find(self, tenant: str, job_id: str) -> Found | None:
        """A job by its id, whoever owns it, and the time of `tenant`."""

    async def locate(self, job_id: str) -> Found | None:
        """A job by its id, and the time of its owner."""

    async def interrupt(
        self, tenant: str, job_id: str, phase: Phase, *, only_in: frozenset[Phase], failure: Failure | None = None
    ) -> Interrupted | None:
        """Ends a tenant's job now, if it is in one of the phases; None when the tenant has no such job."""

    async def ahead(self, tenant: str, job_id: str) -> int:
        """How many of a tenant's jobs are queued now and were submitted before this one."""

    async def clock(self, tenant: str) -> Clock:
        """A tenant's clock."""

    async def set_clock(self, tenant: str, change: Callable[[Clock, int], Clock]) -> int:
        """Changes a tenant's clock: `change` gets it and the wall's time. Returns what it shows then."""


@dataclass(slots=True)
class _Tenant:
    clock: Clock
    ordinal: int = 0
    queue: dict[str, Job] = field(default_factory=dict)


class MemoryStore:
    """Keeps everything in this process, bounded: when there are too many jobs, the oldest finished ones go first.

    `default_clock` is the clock of a tenant that has not set its own; `jobs` is the greatest number of jobs kept.
    """

    def __init__(
        self, default_clock: Clock | None = None, *, jobs: int = 100_000, wall_clock: Wall | None = None
    ) -> None:
        self._wall = wall_clock or wall()
        self._default_clock = default_clock or Clock.real()
        self._bound = jobs
        self._jobs: dict[str, Job] = {}
        self._tenants: dict[str, _Tenant] = {}

    def _now(self, tenant: str) -> int:
        record = self._tenants.get(tenant)
        return (self._default_clock if record is None else record.clock).now(self._wall())

    def _tenant(self, tenant: str) -> _Tenant:
        return self._tenants.setdefault(tenant, _Tenant(self._default_clock))

    async def submit(self, tenant: str, make: Callable[[Turn], Job]) -> Found:
        record = self._tenant(tenant)
        now = record.clock.now(self._wall())
        job = make(Turn(now, record.ordinal))
        record.ordinal += 1
        record.queue[job.id] = job
        self._jobs[job.id] = job
        if len(self._jobs) > self._bound:
            self._make_room()
        return Found(job, now)

    async def find(self, tenant: str, job_id: str) -> Found | None:
        job = self._jobs.get(job_id)
        return None if job is None else Found(job, self._now(tenant))

    async def locate(self, job_id: str) -> Found | None:
        job = self._jobs.get(job_id)
        return None if job is None else Found(job, self._now(job.tenant))

    async def interrupt(
        self, tenant: str, job_id: str, phase: Phase, *, only_in: frozenset[Phase], failure: Failure | None = None
    ) -> Interrupted | None:
        job = self._jobs.get(job_id)
        if job is None or job.tenant != tenant:
            return None
        now = self._now(tenant)
        if job.at(now) not in only_in:
            return Interrupted(job, now, effective=False)
        interrupted = job.interrupt(Interruption(now, phase, failure))
        if interrupted is not job:
            self._jobs[job_id] = interrupted
            self._tenants[tenant].queue.pop(job_id, None)
        return Interrupted(interrupted, now, effective=interrupted is not job)

    async def ahead(self, tenant: str, job_id: str) -> int:
        record = self._tenant(tenant)
        now = self._now(tenant)
        # A clock never goes back, so what has left the queue has left it for good.
        record.queue = {key: job for key, job in record.queue.items() if job.at(now) is Phase.QUEUED}
        return len(list(itertools.takewhile(lambda key: key != job_id, record.queue)))

    async def clock(self, tenant: str) -> Clock:
        record = self._tenants.get(tenant)
        return self._default_clock if record is None else record.clock

    async def set_clock(self, tenant: str, change: Callable[[Clock, int], Clock]) -> int:
        record = self._tenant(tenant)
        wall_now = self._wall()
        changed = change(record.clock, wall_now)
        if changed.now(wall_now) < record.clock.now(wall_now):
            raise ValueError("A tenant's clock does not go back: start a new tenant, or reset this one.")
        record.clock = changed
        return changed.now(wall_now)

    def _make_room(self) -> None:
        """Drops a hundredth of the bound at once, so that the search for finished jobs is paid for rarely."""
        surplus = len(self._jobs) - self._bound + self._bound // 100
        finished = (job.id for job in self._jobs.values() if job.at(self._now(job.tenant)).ended)
        going = list(itertools.islice(finished, max(surplus, 1)))
        if not going:
            going = list(itertools.islice(self._jobs, len(self._jobs) - self._bound))
        for job_id in going:
            job = self._jobs.pop(job_id)
            self._tenants[job.tenant].queue.pop(job_id, None)
