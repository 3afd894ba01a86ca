"""What happens to a tenant's jobs and webhooks as its time passes, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from understudy.mockserver.jobs import Phase
from understudy.mockserver.store import Store
from understudy.mockserver.webhooks import Delivery


class JobMark(NamedTuple):
    """From `at` on, a job is in `phase`."""

    at: int
    job: str
    phase: Phase

    def shown(self) -> dict[str, Any]:
        return {"at": self.at, "kind": "job", "job": self.job, "state": state_of(self.phase)}


class Told(NamedTuple):
    """An attempt, the so-manyth, to deliver a job's webhook: the receiver's status, or what went wrong."""

    at: int
    job: str
    attempt: int
    status: int | None
    error: str

    def shown(self) -> dict[str, Any]:
        told = {"job": self.job, "attempt": self.attempt, "status": self.status, "error": self.error or None}
        return {"at": self.at, "kind": "webhook", **told}


Happening = JobMark | Told


def state_of(phase: Phase) -> str:
    """A phase in the control API's words."""
    return phase.name.lower()


async def happenings(store: Store, tenant: str, providers: Sequence[str], after: int, until: int) -> list[Happening]:
    """All that happened in (after, until], in order; at one instant to jobs first, in order of submission."""
    passed = await marks(store, tenant, providers, after, until)
    told = [one for one in attempts(await store.deliveries(tenant)) if after < one.at <= until]
    return sorted([*passed, *told], key=lambda happening: happening.at)


async def marks(store: Store, tenant: str, providers: Sequence[str], after: int, until: int) -> list[JobMark]:
    """What happened to jobs in (after, until]."""
    return [
        JobMark(mark.at, job.id, mark.phase)
        for provider in providers
        for job in (await store.account(tenant, provider)).jobs
        for mark in job.between(after, until)
    ]


def attempts(deliveries: Iterable[Delivery]) -> Iterator[Told]:
    """All attempts that there were."""
    for delivery in deliveries:
        for number, attempt in enumerate(delivery.attempts, 1):
            yield Told(attempt.at, delivery.job.id, number, attempt.status, attempt.error)
