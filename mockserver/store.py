"""Where tenants live: everything that one has is behind the `Store` protocol, one operation to a round trip."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from understudy.mockserver.clock import Clock
from understudy.mockserver.files import Content, FoundFile, StoredFile
from understudy.mockserver.jobs import Failure, Job, Phase
from understudy.mockserver.webhooks import Attempt, Delivery


class Found(NamedTuple):
    """A job, and what its tenant's clock shows."""

    job: Job
    now: int


class Turn(NamedTuple):
    """What a submission needs to know of its tenant: the clock's reading, how many submissions came before it, and
    with this provider the balance in microdollars and the number of images asked for in the current minute."""

    now: int
    ordinal: int
    balance: int
    images: int


class Account(NamedTuple):
    """A tenant's jobs with one provider, oldest first, erased ones included; its balance in microdollars; the time."""

    jobs: Sequence[Job]
    balance: int
    now: int


class Interrupted(NamedTuple):
    """A job after an attempt to interrupt it, the instant, and whether the attempt had an effect."""

    job: Job
    now: int
    effective: bool


class Store(Protocol):
    """What a server keeps. Every method but `wait` and `next_delivery` is one round trip and is atomic.

    A job with a webhook has a delivery, due when the job ends, from the moment that it is submitted.
    """

    async def submit(
        self, tenant: str, provider: str, make: Callable[[Turn], Job], *, capacity: int | None = None
    ) -> Found:
        """Keeps the job that `make` returns, and charges its price. What `make` raises goes through, and then nothing
        has changed. With a capacity, no more jobs than that run at once; the others stay queued for longer."""

    async def find(self, tenant: str, job_id: str) -> Found | None:
        """A job by its id, whoever owns it, and the time of `tenant`."""

    async def locate(self, job_id: str) -> Found | None:
        """A job by its id, and the time of its owner."""

    async def interrupt(
        self, tenant: str, job_id: str, phase: Phase, *, only_in: frozenset[Phase], failure: Failure | None = None
    ) -> Interrupted | None:
        """Ends a tenant's job now, if it is in one of the phases; None when the tenant has no such job."""

    async def erase(self, tenant: str, job_ids: Collection[str]) -> int:
        """Marks a tenant's jobs as erased; returns how many there were that had not been."""

    async def ahead(self, tenant: str, job_id: str) -> int:
        """How many jobs of the tenant and of the same provider are queued now and were submitted before this one."""

    async def account(self, tenant: str, provider: str) -> Account:
        """All that a tenant has with a provider."""

    async def put_file(self, tenant: str, make: Callable[[int, int], StoredFile]) -> StoredFile:
        """Keeps the file that `make` returns, or the place for one. It gets the clock's reading and how many files of
        the tenant came before. The oldest files of all tenants make room for it; a place takes next to none."""

    async def fill_file(self, file_id: str, data: Content) -> bool:
        """Gives a place its data, for which the oldest files of all tenants make room; False when it has some already,
        or has had to make room itself."""

    async def get_file(self, file_id: str) -> FoundFile | None:
        """A file or the place for one, and the time of its owner."""

    async def wait(self, tenant: str, until: int) -> int:
        """Waits until the tenant's clock shows `until`, or its clock was set or a job of its interrupted: whichever
        comes first. Returns what the clock shows then."""

    async def next_delivery(self, lease: int) -> Delivery:
        """Waits until a delivery is due, of whatever tenant, and hands out that which is due first. For `lease`
        milliseconds of real time nobody else gets it; whoever has not settled it by then has lost it.

        Of one tenant only so many are in somebody's hands at once; on a manual clock, only one."""

    async def settle(self, delivery: Delivery, attempt: Attempt, backoff: int) -> None:
        """Keeps how an attempt went; where it failed and another is left, the delivery is due again after the backoff.
        The store knows better than the caller when the attempt was: it fills in `at`."""

    async def deliveries(self, tenant: str) -> Sequence[Delivery]:
        """The record of a tenant's deliveries, in order of submission, bounded."""

    async def undelivered(self) -> Mapping[str, int]:
        """How many deliveries still wait, for each tenant that has any."""

    async def clock(self, tenant: str) -> Clock:
        """A tenant's clock."""

    async def set_clock(self, tenant: str, change: Callable[[Clock, int], Clock]) -> int:
        """Changes a tenant's clock: `change` gets it and the wall's time. Returns what it shows then. Raises ValueError
        when that would be going back."""
