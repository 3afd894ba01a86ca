"""The store in this process's memory, bounded."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence

from understudy.mockserver.archive import Archive
from understudy.mockserver.clock import Clock, Wall, wall
from understudy.mockserver.files import Content, FoundFile, Shelf, StoredFile
from understudy.mockserver.jobs import STRAIGHT, Failure, Interruption, Job, Phase
from understudy.mockserver.journal import Entry, Logged
from understudy.mockserver.outbox import Outbox
from understudy.mockserver.queueing import schedule
from understudy.mockserver.rulebook import Rulebook
from understudy.mockserver.rules import Luck, Rule, Use
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import BEYOND, Account, Entrance, Found, Interrupted, Turn, made_with
from understudy.mockserver.tenants import Tenant, oldest, weight_of
from understudy.mockserver.waiters import Waiters
from understudy.mockserver.wallets import Wallet
from understudy.mockserver.webhooks import Attempt, Delivery


class MemoryStore:
    """Keeps everything in this process: when there are more than `jobs` jobs, or their input images take more than
    `pictures` bytes, the oldest finished ones go first, those whose webhook is under way last.

    `default_clock` is the clock of a tenant that has not set its own; `balance` is what everyone starts with, in
    microdollars; `files` is how many bytes of uploads are kept, `deliveries` beyond how many webhooks of a
    tenant those that are over go, `journal` how many exchanges of one are kept, `journal_store` how many bytes those
    of all take; `rules` are what everyone begins with.
    """

    def __init__(
        self,
        default_clock: Clock | None = None,
        *,
        jobs: int = 100_000,
        balance: int = 10**12,
        files: int = 256 * 2**20,
        pictures: int = 256 * 2**20,
        deliveries: int = 10_000,
        journal: int = 1_000,
        journal_store: int = 64 * 2**20,
        rules: tuple[Rule, ...] = (),
        wall_clock: Wall | None = None,
    ) -> None:
        self._wall = wall_clock or wall()
        self._default_clock = default_clock or Clock.real()
        self._bound = jobs
        self._pictures = pictures
        self._weight = 0
        self._balance = balance
        self._shelf = Shelf(files)
        self._deliveries = deliveries
        self._archive = Archive(journal, journal_store)
        self._rules = rules
        self._senders: dict[str, Tenant] = {}
        self._couriers = Waiters()
        self._owners: dict[str, str] = {}
        self._tenants: dict[str, Tenant] = {}

    @classmethod
    def of(cls, settings: Settings, default_clock: Clock | None = None) -> MemoryStore:
        """A store with the bounds and the balance of the settings."""
        return cls(**made_with(settings, default_clock))

    async def enter(self, tenant: str) -> Entrance:
        record = self._tenants.get(tenant) or self._tenant(tenant)
        record.busy += 1
        wall_now = self._wall()
        return Entrance(record.clock.now(wall_now), wall_now, record.rulebook.rules, record.journal.count)

    async def act(
        self, tenant: str, fitting: Collection[str], directed: frozenset[str], luck: Luck
    ) -> Sequence[tuple[Rule, Use]]:
        return self._tenant(tenant).rulebook.act(fitting, directed, self._now(tenant), luck)

    async def leave(self, tenant: str, entry: Entry) -> None:
        record = self._tenants[tenant]
        record.busy -= 1
        self._archive.add(record.journal, entry)
        if record.clock.auto:
            self._go_on(record)
        if record.listeners:
            record.listeners.wake()
        if record.settlements:
            record.settlements.wake()

    def __contains__(self, tenant: object) -> bool:
        """Whether a tenant has been here. Any thread may ask."""
        return tenant in self._tenants

    def spotless(self, tenant: str) -> bool:
        """Whether a tenant has no webhook, and has asked for nothing that matched no operation. Any thread may ask: who
        is in the middle of something is not spotless."""
        record = self._tenants.get(tenant)
        try:
            return record is None or not (record.outbox.deliveries or record.journal.has("unknown"))
        except RuntimeError:  # something came while it was looked at
            return False

    async def known(self, names: Collection[str]) -> Sequence[str]:
        return sorted(name for name in names if name in self._tenants)

    async def journal(self, tenant: str, after: int = 0) -> Logged:
        record = self._tenants.get(tenant)
        return Logged(1, ()) if record is None else record.journal.after(after)

    async def heard(self, tenant: str, after: int) -> None:
        record = self._tenant(tenant)
        if record.journal.count <= after:
            await record.listeners.sleep(None)

    async def rules(self, tenant: str) -> Sequence[tuple[Rule, Use]]:
        return self._tenant(tenant).rulebook.uses()

    async def add_rules(self, tenant: str, rules: Sequence[Rule], *, first: bool = False) -> Sequence[Rule]:
        return self._tenant(tenant).rulebook.add(rules, first=first)

    async def remove_rules(self, tenant: str, ids: Collection[str] | None = None) -> int:
        return self._tenant(tenant).rulebook.remove(ids)

    async def reset(self, tenant: str) -> None:
        record = self._tenants.get(tenant)
        if record is None:
            return
        for job in record.jobs.values():
            del self._owners[job.id]
            self._weight -= weight_of(job)
        if record.uploads:
            self._shelf.clear(tenant)
        self._senders.pop(tenant, None)
        self._archive.close(record.journal)
        del self._tenants[tenant]
        record.wake()
        record.listeners.wake()
        record.settlements.wake()
        self._couriers.wake()
        if not record.busy:
            return
        anew = self._tenants[tenant] = self._make_tenant()
        anew.busy, anew.waiting = record.busy, record.waiting
        anew.waiters, anew.listeners, anew.settlements = record.waiters, record.listeners, record.settlements

    async def submit(
        self, tenant: str, provider: str, make: Callable[[Turn], Job], *, capacity: int | None = None
    ) -> Found:
        record = self._tenant(tenant)
        now = record.clock.now(self._wall())
        wallet = record.wallets.get(provider) or Wallet()
        turn = Turn(now, record.ordinal, self._balance - wallet.settle(now), wallet.images_in(now))
        job = make(turn)
        while job.id in self._owners:
            turn = turn._replace(again=turn.again + 1)
            job = make(turn)
        record.wallets[provider] = wallet
        record.ordinal += 1
        wallet.capacity = capacity
        if capacity is not None:
            job = dataclasses.replace(job, held=None)  # until there is a slot for it: it cannot start before
        wallet.charge(job, now)
        record.put(job)
        self._owners[job.id] = tenant
        if job.submission.webhook is not None:
            self._senders[tenant] = record
            self._couriers.wake()
        if capacity is not None:
            self._reschedule(record, provider, now)
            job = record.jobs[job.id]
        elif len(record.going) > record.crowd:
            record.prune(now)
        if job.submission.pictures:
            self._weight += weight_of(job)
        if len(self._owners) > self._bound or self._weight > self._pictures:
            self._make_room()
        return Found(job, now)

    async def find(self, tenant: str, job_id: str) -> Found | None:
        owner = self._owners.get(job_id)
        return None if owner is None else Found(self._tenants[owner].jobs[job_id], self._now(tenant))

    async def poll(self, tenant: str, job_id: str) -> Found | None:
        owner = self._owners.get(job_id)
        if owner is None:
            return None
        record = self._tenants[owner]
        job = record.jobs[job_id]
        now = self._now(tenant)
        if owner != tenant or job.erased:
            return Found(job, now)
        if job.plan.twists is not STRAIGHT:
            end = record.poll(job, now)
            if end is not None:
                job = self._end(record, job, end)
        if record.clock.auto and not job.at(now).ended and record.hurry(self._wall(), 1):
            self._couriers.wake()
            job, now = record.jobs[job_id], self._now(tenant)
        return Found(job, now)

    async def locate(self, job_id: str) -> Found | None:
        owner = self._owners.get(job_id)
        return None if owner is None else Found(self._tenants[owner].jobs[job_id], self._now(owner))

    async def interrupt(
        self, tenant: str, job_id: str, phase: Phase, *, only_in: frozenset[Phase], failure: Failure | None = None
    ) -> Interrupted | None:
        record = self._tenants.get(tenant)
        job = record.jobs.get(job_id) if record else None
        if record is None or job is None:
            return None
        now = self._now(tenant)
        if job.at(now) not in only_in or job.at(now).ended:
            return Interrupted(job, now, effective=False)
        return Interrupted(self._end(record, job, Interruption(now, phase, failure)), now, effective=True)

    async def erase(self, tenant: str, job_ids: Collection[str]) -> int:
        record = self._tenants.get(tenant)
        if record is None:
            return 0
        there = {job_id for job_id in job_ids if job_id in record.jobs and not record.jobs[job_id].erased}
        for job_id in there:
            record.put(dataclasses.replace(record.jobs[job_id], erased=True))
        return len(there)

    async def before(self, tenant: str, job_id: str) -> int:
        record = self._tenants[tenant]
        now = self._now(tenant)
        provider = record.jobs[job_id].submission.provider
        before = itertools.takewhile(lambda job: job.id != job_id, record.going.values())
        return sum(job.submission.provider == provider and job.at(now) is Phase.QUEUED for job in before)

    async def account(self, tenant: str, provider: str) -> Account:
        record = self._tenants.get(tenant)
        now = self._now(tenant)
        if record is None or provider not in record.wallets:
            return Account((), self._balance, now)
        jobs = tuple(job for job in record.jobs.values() if job.submission.provider == provider)
        return Account(jobs, self._balance - record.wallets[provider].settle(now), now)

    async def put_file(self, tenant: str, make: Callable[[int, int], StoredFile]) -> StoredFile:
        record = self._tenant(tenant)
        now, number = record.clock.now(self._wall()), record.uploads
        file = make(now, number)
        while self._shelf.get(file.id) is not None:
            number += BEYOND
            file = make(now, number)
        record.uploads += 1
        self._shelf.put(file)
        return file

    async def fill_file(self, file_id: str, data: Content) -> bool:
        return self._shelf.fill(file_id, data)

    async def get_file(self, file_id: str) -> FoundFile | None:
        file = self._shelf.get(file_id)
        return None if file is None else FoundFile(file, self._now(file.tenant))

    async def wait(self, tenant: str, until: int) -> int:
        record = self._tenant(tenant)
        left = until - self._now(tenant)
        if left > 0:
            me = object()
            record.waiting[me] = until
            record.busy -= 1
            record.settlements.wake()
            self._go_on(record)
            try:
                if me in record.waiting:
                    await record.waiters.sleep(None if record.clock.rate == 0 else left / record.clock.rate)
            finally:
                record = self._tenants[tenant]
                if record.waiting.pop(me, None) is not None:
                    record.busy += 1
        return self._now(tenant)

    async def next_delivery(self, lease: int) -> Delivery:
        while True:
            wall_now = self._wall()
            times = ((record.outbox.ready(record.clock, wall_now), record) for record in self._senders.values())
            ready = [(at, number, record) for number, (at, record) in enumerate(times) if at is not None]
            soonest = min(ready, default=None)
            if soonest is not None and soonest[0] <= wall_now:
                return soonest[2].outbox.take(soonest[2].clock, wall_now, lease)
            await self._couriers.sleep(None if soonest is None else soonest[0] - wall_now)

    async def settle(self, delivery: Delivery, attempt: Attempt, backoff: int) -> None:
        record = self._tenants.get(delivery.job.tenant)
        if record is not None:
            record.outbox.settle(delivery, attempt, record.clock, self._wall(), backoff)
            self._couriers.wake()
            record.settlements.wake()
            record.listeners.wake()
            self._go_on(record)

    async def deliveries(self, tenant: str) -> tuple[Delivery, ...]:
        record = self._tenants.get(tenant)
        return () if record is None else record.outbox.deliveries

    async def undelivered(self) -> dict[str, int]:
        waiting = {tenant: record.outbox.waiting for tenant, record in self._senders.items()}
        return {tenant: count for tenant, count in waiting.items() if count}

    async def ahead(self, tenant: str) -> Sequence[int]:
        record = self._tenants.get(tenant)
        return () if record is None else record.ahead(self._now(tenant))

    async def awaited(self, tenant: str) -> int | None:
        record = self._tenants.get(tenant)
        return None if record is None else record.awaited(self._now(tenant))

    async def quiet(self, tenant: str) -> None:
        while (record := self._tenants.get(tenant)) is not None and record.acting(self._now(tenant)):
            await record.settlements.sleep(None)

    async def now(self, tenant: str) -> int:
        return self._now(tenant)

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
        record.wake()
        record.listeners.wake()
        self._couriers.wake()
        self._go_on(record)
        return changed.now(wall_now)

    def _now(self, tenant: str) -> int:
        record = self._tenants.get(tenant)
        return (self._default_clock if record is None else record.clock).now(self._wall())

    def _tenant(self, tenant: str) -> Tenant:
        record = self._tenants.get(tenant)
        if record is None:
            record = self._tenants[tenant] = self._make_tenant()
        return record

    def _make_tenant(self) -> Tenant:
        return Tenant(self._default_clock, Outbox(self._deliveries), Rulebook(self._rules), self._archive.open())

    def _end(self, record: Tenant, job: Job, interruption: Interruption) -> Job:
        job = job.interrupt(interruption)
        record.put(job)
        provider = job.submission.provider
        record.wallets[provider].expect(job)
        self._reschedule(record, provider, interruption.at)
        record.polled.pop(job.id, None)
        record.wake()
        record.listeners.wake()
        self._couriers.wake()
        return job

    def _go_on(self, record: Tenant) -> None:
        if record.hurry_on(self._wall()):
            self._couriers.wake()

    def _reschedule(self, record: Tenant, provider: str, now: int) -> None:
        """Gives every queued job of a provider the start that the capacity allows it."""
        wallet = record.wallets[provider]
        record.prune(now)
        if wallet.capacity is None:
            return
        going = [job for job in record.going.values() if job.submission.provider == provider]
        for job in schedule(going, wallet.capacity, now):
            record.put(job)
            wallet.expect(job)

    def _make_room(self) -> None:
        """Drops a hundredth of a bound at once, so that the search for finished jobs is paid for rarely."""
        count, weight = len(self._owners) - self._bound, self._weight - self._pictures
        moments = {tenant: self._now(tenant) for tenant in self._tenants}
        finished = (
            job
            for job in self._all()
            if job.at(moments[job.tenant]).ended and not self._tenants[job.tenant].outbox.waits(job.id)
        )
        more = (self._bound // 100 if count > 0 else 0, self._pictures // 100 if weight > 0 else 0)
        leaving = oldest(finished, count + more[0], weight + more[1]) or oldest(self._all(), count, weight)
        for job in leaving:
            record = self._tenants[self._owners.pop(job.id)]
            del record.jobs[job.id]
            record.going.pop(job.id, None)
            record.outbox.drop(job.id)
            record.polled.pop(job.id, None)
            self._weight -= weight_of(job)

    def _all(self) -> Iterator[Job]:
        return (self._tenants[owner].jobs[job_id] for job_id, owner in self._owners.items())
