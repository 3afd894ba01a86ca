"""Where tenants live: everything that one has is behind the `Store` protocol, one operation to a round trip."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from understudy.mockserver.clock import Clock, wall
from understudy.mockserver.files import Content, FoundFile, StoredFile
from understudy.mockserver.jobs import Failure, Job, Phase
from understudy.mockserver.journal import Entry, Logged
from understudy.mockserver.rules import Luck, Rule, Use
from understudy.mockserver.settings import Settings
from understudy.mockserver.webhooks import Attempt, Delivery

BEYOND = 2**32
"""More than anybody uploads: a file's number goes up by it where the id of the number is taken."""


def made_with(settings: Settings, default_clock: Clock | None = None) -> dict[str, Any]:
    """What any store is made with by the settings: its bounds, the balance, the rules and the clock to begin with."""
    return {
        "default_clock": default_clock or settings.clock.clock(wall()()),
        "jobs": settings.jobs,
        "balance": settings.balance,
        "files": settings.upload_store,
        "pictures": settings.reference_store,
        "deliveries": settings.webhook_records,
        "journal": settings.journal,
        "journal_store": settings.journal_store,
        "rules": settings.rules,
    }


class Found(NamedTuple):
    """A job, and what its tenant's clock shows."""

    job: Job
    now: int


class Turn(NamedTuple):
    """What a submission needs to know of its tenant: the clock's reading, how many submissions came before it, and
    with this provider the balance in microdollars and the number of images asked for in the current minute. `again` is
    how many ids it was given before that somebody has."""

    now: int
    ordinal: int
    balance: int
    images: int
    again: int = 0


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


class Entrance(NamedTuple):
    """What an exchange begins with: the tenant's time, the real time, the rules that there are, and how many exchanges
    of the tenant's were over."""

    now: int
    wall: int
    rules: Sequence[Rule]
    known: int = 0


class StoreAway(Exception):
    """The store cannot be reached now, or does not answer in time: nothing is known of what it was asked."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"The store at {address} is away: {reason.removesuffix('.')}.")
        self.address = address
        self.reason = reason


class Store(Protocol):
    """What a server keeps. Every method but `wait` and `next_delivery` is one round trip and is atomic.

    A job with a webhook has a delivery, due when the job ends, from the moment that it is submitted. A store that is
    shared raises StoreAway while it cannot be reached, but from `next_delivery`, which then waits for it too.
    """

    async def enter(self, tenant: str) -> Entrance:
        """An exchange begins. Each that has entered leaves."""

    async def act(
        self, tenant: str, fitting: Collection[str], directed: frozenset[str], luck: Luck
    ) -> Sequence[tuple[Rule, Use]]:
        """Counts a call for the rules that it fits, and returns those that act on it: see `rules.choose`. Raises
        nothing for rules that have gone meanwhile."""

    async def leave(self, tenant: str, entry: Entry) -> None:
        """An exchange is over, and goes into the journal."""

    async def known(self, names: Collection[str]) -> Sequence[str]:
        """Those of the names that are tenants' who have been here, in alphabetical order."""

    async def journal(self, tenant: str, after: int = 0) -> Logged:
        """The entries of a tenant's journal with greater numbers, as far as they are kept."""

    async def heard(self, tenant: str, after: int) -> None:
        """Waits until the journal's last entry has a greater number, or the tenant's clock was set, a job of its
        interrupted, an attempt at a webhook settled, or the tenant reset."""

    async def rules(self, tenant: str) -> Sequence[tuple[Rule, Use]]:
        """A tenant's rules in their order, and what has become of each."""

    async def add_rules(self, tenant: str, rules: Sequence[Rule], *, first: bool = False) -> Sequence[Rule]:
        """Adds rules at the end, or before all others. One without an id gets one. Raises ValueError for an id that
        another rule has."""

    async def remove_rules(self, tenant: str, ids: Collection[str] | None = None) -> int:
        """Removes rules, all of them without ids; returns how many."""

    async def reset(self, tenant: str) -> None:
        """Makes a tenant anew, as if its key had never been used: no jobs, no files, its first clock, the rules of the
        settings. Exchanges under way go on; where there are none, nothing of the tenant is left."""

    async def submit(
        self, tenant: str, provider: str, make: Callable[[Turn], Job], *, capacity: int | None = None
    ) -> Found:
        """Keeps the job that `make` returns, and charges its price. What `make` raises goes through, and then nothing
        has changed. `make` is asked again, with the next `again`, where somebody has the job's id: two keys of one name
        draw the same. With a capacity, no more jobs than that run at once; the others stay queued for longer.

        A shared store calls `make` again, with another turn, when somebody else was faster."""

    async def find(self, tenant: str, job_id: str) -> Found | None:
        """A job by its id, whoever owns it, and the time of `tenant`."""

    async def poll(self, tenant: str, job_id: str) -> Found | None:
        """As `find`, for somebody who waits for the job to end: it counts for a job that ends on a poll, and sets
        forward the tenant's clock if that is automatic and nothing else is under way."""

    async def locate(self, job_id: str) -> Found | None:
        """A job by its id, and the time of its owner."""

    async def interrupt(
        self, tenant: str, job_id: str, phase: Phase, *, only_in: frozenset[Phase], failure: Failure | None = None
    ) -> Interrupted | None:
        """Ends a tenant's job now, if it is in one of the phases; None when the tenant has no such job."""

    async def erase(self, tenant: str, job_ids: Collection[str]) -> int:
        """Marks a tenant's jobs as erased; returns how many there were that had not been."""

    async def before(self, tenant: str, job_id: str) -> int:
        """How many jobs of the tenant and of the same provider are queued now and were submitted before this one."""

    async def account(self, tenant: str, provider: str) -> Account:
        """All that a tenant has with a provider."""

    async def put_file(self, tenant: str, make: Callable[[int, int], StoredFile]) -> StoredFile:
        """Keeps the file that `make` returns, or the place for one. It gets the clock's reading and how many files of
        the tenant came before, or a number beyond all of those where somebody has the file's id. The oldest files of
        all tenants make room for it; a place takes next to none."""

    async def fill_file(self, file_id: str, data: Content) -> bool:
        """Gives a place its data, for which the oldest files of all tenants make room; False when it has some already,
        or has had to make room itself."""

    async def get_file(self, file_id: str) -> FoundFile | None:
        """A file or the place for one, and the time of its owner."""

    async def wait(self, tenant: str, until: int) -> int:
        """Waits, inside an exchange, until the tenant's clock shows `until`, or its clock was set or a job of its
        interrupted: whichever comes first. Returns what the clock shows then. An automatic clock goes on."""

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

    async def ahead(self, tenant: str) -> Sequence[int]:
        """The instants after now at which something happens, as things stand: to a job, a webhook, or who waits."""

    async def awaited(self, tenant: str) -> int | None:
        """The first instant after now at which somebody acts: a webhook is due, or an exchange that waits goes on."""

    async def quiet(self, tenant: str) -> None:
        """Waits until no delivery of the tenant is on its way or ought to be, and no exchange is under way but those
        that wait for the clock to show more than it does."""

    async def now(self, tenant: str) -> int:
        """What a tenant's clock shows."""

    async def clock(self, tenant: str) -> Clock:
        """A tenant's clock."""

    async def set_clock(self, tenant: str, change: Callable[[Clock, int], Clock]) -> int:
        """Changes a tenant's clock: `change` gets it and the wall's time. Returns what it shows then. Raises ValueError
        when that would be going back."""
