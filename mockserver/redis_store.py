"""The store in Redis or Valkey, for several processes and machines: the layout of its keys is in docs/redis.md."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from understudy.mockserver.clock import Clock
from understudy.mockserver.files import Content, FoundFile, StoredFile
from understudy.mockserver.jobs import Failure, Interruption, Job, Phase
from understudy.mockserver.journal import Entry, Logged
from understudy.mockserver.outbox import AT_ONCE
from understudy.mockserver.redis_codec import dump, load
from understudy.mockserver.redis_jobs import PLANNED, KnownJobs, failure_word
from understudy.mockserver.redis_keys import Keys
from understudy.mockserver.redis_links import Links
from understudy.mockserver.redis_news import Listener, News
from understudy.mockserver.redis_operations import Operations
from understudy.mockserver.redis_outboxes import SWEEP, Outboxes
from understudy.mockserver.redis_owners import Owners
from understudy.mockserver.redis_rulebooks import Rulebooks
from understudy.mockserver.redis_rules import KnownRules
from understudy.mockserver.redis_scripts import TENANT, Script
from understudy.mockserver.redis_submissions import Submissions
from understudy.mockserver.redis_turns import SharedWall, clock_of
from understudy.mockserver.rules import Luck, Rule, Use
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import BEYOND, Account, Entrance, Found, Interrupted, Turn, made_with
from understudy.mockserver.tenant_names import name_of
from understudy.mockserver.webhooks import PATIENCE, RETRIES, Attempt, Delivery

DAY = 86_400_000

KNOWN = 8_192
"""Tenants of whom, and jobs of which, something is remembered here, so that it need not be asked for."""

LOOK = 2_000
"""Milliseconds after which whoever waits looks for themselves, in case that nobody is left to tell them."""

LEASE = 8_000
"""Milliseconds after which what a process said of its exchanges and of who waits in it counts no more."""

LATE = 1_000
"""Milliseconds that a submission may be on its way and still be of the instant that it was made."""


class RedisStore:
    """Keeps everything in a server that several processes use; the wall is that server's, so all agree on the time.

    The bounds are those of MemoryStore, each for one tenant; what has not been written for `kept` milliseconds goes.
    A command that has no answer within `timeout` seconds has failed. Belongs to the event loop that it is used on.
    Of so many tenants and jobs something is `known` here without asking.
    """

    def __init__(
        self,
        url: str,
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
        prefix: str = "understudy",
        kept: int = DAY,
        timeout: float = 2.0,
        known: int = KNOWN,
    ) -> None:
        keys = self._keys = Keys(prefix)
        constants: dict[str, int | str] = {
            "TTL": kept,
            "JOBS": jobs,
            "PICTURES": pictures,
            "DELIVERIES": deliveries,
            "JOURNAL": journal,
            "JOURNAL_STORE": journal_store,
            "FILES": files,
            "RETRIES": RETRIES,
            "PATIENCE": PATIENCE,
            "AT_ONCE": AT_ONCE,
            "LEASE": LEASE,
            "LATE": LATE,
            "PLANNED": PLANNED.decode(),
        }
        script, senders = Script.of(TENANT, constants), Script.of(("senders",), {"TTL": kept, "SWEEP": SWEEP})
        self._balance = balance
        self._links = Links(url, (script, senders), timeout=timeout)
        self._news = News(url)
        self._wall = SharedWall()
        self._jobs = KnownJobs(known)
        self._rules = KnownRules(rules, known)
        clock = default_clock or Clock.real()
        operations = self._operations = Operations(self._links, script, senders, keys, clock, known)
        self._owners = Owners(self._links, keys, kept)
        self._rulebooks = Rulebooks(operations, self._rules, self._wall, known)
        self._submissions = Submissions(operations, self._owners, self._jobs, self._wall, balance, known)
        self._outboxes = Outboxes(operations, self._jobs, self._news, keys)
        self._under_way: dict[str, int] = {}
        self._tokens = itertools.count()

    @property
    def conflicts(self) -> int:
        """How many submissions had to be made again since another process had come between."""
        return self._submissions.conflicts

    @classmethod
    def of(cls, url: str, settings: Settings, default_clock: Clock | None = None, **others: Any) -> RedisStore:
        """A store with the bounds and the balance of the settings."""
        return cls(url, **{**made_with(settings, default_clock), "kept": settings.store_kept, **others})

    async def open(self, seed: int | None) -> int:
        """Makes sure that the server is there; the seed that all who share it have: the one given, or else the first
        that anybody drew. Raises StoreAway."""
        word = secrets.randbits(32) if seed is None else seed
        return int(await self._operations.share("seed", word, int(seed is not None)))

    async def close(self) -> None:
        """Ends the connections."""
        await self._news.close()
        await self._links.close()

    async def enter(self, tenant: str) -> Entrance:
        count = self._count(tenant, 1)
        try:
            now, shown, version, rules, known = await self._operations.do(
                tenant, "enter", count, self._rules.version(tenant)
            )
        except BaseException:
            self._count(tenant, -1)
            raise
        self._wall.heard(shown)
        return Entrance(int(now), shown, self._rules.learn(tenant, version, rules), known)

    async def act(
        self, tenant: str, fitting: Collection[str], directed: frozenset[str], luck: Luck
    ) -> Sequence[tuple[Rule, Use]]:
        return await self._rulebooks.act(tenant, fitting, directed, luck)

    async def leave(self, tenant: str, entry: Entry) -> None:
        await self._operations.do(tenant, "leave", self._count(tenant, -1), dump(entry))

    async def known(self, names: Collection[str]) -> Sequence[str]:
        there = await asyncio.gather(*(self._links.ask("HEXISTS", self._keys.tenant(name), "rate") for name in names))
        return sorted(name for name, exists in zip(names, there, strict=True) if exists)

    async def journal(self, tenant: str, after: int = 0) -> Logged:
        number, entries = await self._operations.do(tenant, "journal", after)
        return Logged(number, tuple(load(Entry, entry) for entry in entries))

    async def heard(self, tenant: str, after: int) -> None:
        asked = self._operations.ask(tenant, "count")
        with self._listening(tenant, "j", "g", "s") as news:
            count, before = await self._operations.outcome(tenant, asked)
            await news.hears(LOOK / 1000)
            while count <= after:
                count, told = await self._operations.do(tenant, "count")
                if told != before:
                    return
                if count <= after:
                    await news.sleep(LOOK / 1000)

    async def rules(self, tenant: str) -> Sequence[tuple[Rule, Use]]:
        return await self._rulebooks.uses(tenant)

    async def add_rules(self, tenant: str, rules: Sequence[Rule], *, first: bool = False) -> Sequence[Rule]:
        return await self._rulebooks.change(tenant, lambda book: book.add(rules, first=first))

    async def remove_rules(self, tenant: str, ids: Collection[str] | None = None) -> int:
        return await self._rulebooks.change(tenant, lambda book: book.remove(ids))

    async def reset(self, tenant: str) -> None:
        jobs, files = await self._operations.do(tenant, "reset")
        self._submissions.forget(tenant)
        if name_of(tenant) != tenant:  # another key of this name may have the ids now
            gone = [("job", job) for job in jobs] + [("file", file) for file in files]
            await asyncio.gather(*(self._owners.free(kind, name.decode()) for kind, name in gone))

    async def submit(
        self, tenant: str, provider: str, make: Callable[[Turn], Job], *, capacity: int | None = None
    ) -> Found:
        return await self._submissions.submit(tenant, provider, make, capacity)

    async def find(self, tenant: str, job_id: str) -> Found | None:
        return await self._find(tenant, job_id, 0)

    async def poll(self, tenant: str, job_id: str) -> Found | None:
        return await self._find(tenant, job_id, 1)

    async def locate(self, job_id: str) -> Found | None:
        owner = await self._owners.find("job", job_id)
        if owner is None:
            return None
        now, job = await self._own(owner, job_id, 0)
        return None if job is None else Found(job, now)

    async def interrupt(
        self, tenant: str, job_id: str, phase: Phase, *, only_in: frozenset[Phase], failure: Failure | None = None
    ) -> Interrupted | None:
        Interruption(0, phase, failure)  # which says what cannot be
        allowed = "".join(str(int(one)) for one in only_in)
        reply = await self._operations.do(tenant, "interrupt", job_id, int(phase), failure_word(failure), allowed)
        if reply is None:
            return None
        now, effective, shown = reply
        self._submissions.forget(tenant)
        return Interrupted(self._jobs.read(job_id, shown), int(now), bool(effective))

    async def erase(self, tenant: str, job_ids: Collection[str]) -> int:
        return int(await self._operations.do(tenant, "erase", *job_ids))

    async def before(self, tenant: str, job_id: str) -> int:
        return int(await self._operations.do(tenant, "before", job_id))

    async def account(self, tenant: str, provider: str) -> Account:
        now, spent, found = await self._operations.do(tenant, "account", provider)
        jobs = tuple(self._jobs.read(shown[7].decode(), shown) for shown in found)
        return Account(jobs, self._balance - int(spent), int(now))

    async def put_file(self, tenant: str, make: Callable[[int, int], StoredFile]) -> StoredFile:
        _, now, count, gen = await self._operations.do(tenant, "put_file", "", "")
        while True:
            number = count
            file = make(int(now), number)
            if name_of(tenant) == tenant:
                await self._owners.give(tenant, "file", file.id)
            else:
                while not await self._owners.claim(tenant, "file", file.id):
                    number += BEYOND
                    file = make(int(now), number)
            data = () if file.data is None else (bytes(file.data),)
            about = dump(dataclasses.replace(file, data=None))
            written, *told = await self._operations.do(tenant, "put_file", count, gen, file.id, about, *data)
            if written:
                return file
            now, count, gen = told

    async def fill_file(self, file_id: str, data: Content) -> bool:
        owner = await self._owners.find("file", file_id)
        return owner is not None and bool(await self._operations.do(owner, "fill_file", file_id, bytes(data)))

    async def get_file(self, file_id: str) -> FoundFile | None:
        owner = await self._owners.find("file", file_id)
        if owner is None:
            return None
        now, about, data = await self._operations.do(owner, "get_file", file_id)
        return None if about is None else FoundFile(dataclasses.replace(load(StoredFile, about), data=data), int(now))

    async def wait(self, tenant: str, until: int) -> int:
        token = f"{self._operations.worker}-{next(self._tokens)}"
        begun = self._operations.ask(tenant, "begin_wait", self._under_way.get(tenant, 0), token, until)
        waits = 1
        try:
            now, waits, rate = await self._operations.outcome(tenant, begun)
            if waits:
                with self._listening(tenant, "g") as news:
                    await news.hears(LOOK / 1000)
                    while waits:
                        now, waits, rate = await self._operations.do(
                            tenant, "go_on", self._under_way.get(tenant, 0), token
                        )
                        if waits:
                            await news.sleep(_pause(until - int(now), int(rate)) / 1000)
        finally:
            if waits:
                self._operations.ask(tenant, "end_wait", "", token)
        return int(now)

    async def next_delivery(self, lease: int) -> Delivery:
        return await self._outboxes.next(lease)

    async def settle(self, delivery: Delivery, attempt: Attempt, backoff: int) -> None:
        await self._outboxes.settle(delivery, attempt, backoff)

    async def deliveries(self, tenant: str) -> Sequence[Delivery]:
        return await self._outboxes.of(tenant)

    async def undelivered(self) -> Mapping[str, int]:
        return await self._outboxes.waiting()

    async def ahead(self, tenant: str) -> Sequence[int]:
        return sorted(int(moment) for moment in await self._operations.do(tenant, "ahead"))

    async def awaited(self, tenant: str) -> int | None:
        moment = await self._operations.do(tenant, "awaited")
        return None if moment is None else int(moment)

    async def quiet(self, tenant: str) -> None:
        with self._listening(tenant, "g", "j", "s", "w") as news:
            await news.hears(LOOK / 1000)
            while await self._operations.do(tenant, "acting"):
                await news.sleep(LOOK / 1000)

    async def now(self, tenant: str) -> int:
        return int(await self._operations.do(tenant, "now"))

    async def clock(self, tenant: str) -> Clock:
        _, _, words = await self._operations.do(tenant, "clock")
        return clock_of(words)

    async def set_clock(self, tenant: str, change: Callable[[Clock, int], Clock]) -> int:
        while True:
            shown, gen, words = await self._operations.do(tenant, "clock")
            changed = change(clock_of(words), shown)
            reply = await self._operations.do(
                tenant, "set_clock", gen, shown, changed.rate, changed.origin, changed.reading, int(changed.auto)
            )
            if reply[0] == 2:
                raise ValueError("A tenant's clock does not go back: start a new tenant, or reset this one.")
            if reply[0] == 1:
                self._submissions.forget(tenant)
                return int(reply[1])

    def _count(self, tenant: str, change: int) -> int:
        """How many exchanges of a tenant are under way here, and do not wait, after this change."""
        count = self._under_way.get(tenant, 0) + change
        if count:
            self._under_way[tenant] = count
        else:
            self._under_way.pop(tenant, None)
        return count

    def _listening(self, tenant: str, *kinds: str) -> AbstractContextManager[Listener]:
        return self._news.listening(*(self._keys.news(tenant, kind) for kind in kinds))

    async def _find(self, tenant: str, job_id: str, polled: int) -> Found | None:
        now, job = await self._own(tenant, job_id, polled)
        if job is None:
            owner = await self._owners.find("job", job_id)
            if owner is None or owner == tenant:
                return None
            _, job = await self._own(owner, job_id, 0)
        return None if job is None else Found(job, now)

    async def _own(self, tenant: str, job_id: str, polled: int) -> tuple[int, Job | None]:
        known = self._jobs.get(tenant, job_id)
        now, shown = await self._operations.do(tenant, "find", job_id, b"" if known is None else known.made, polled)
        return int(now), None if shown is None else self._jobs.read(job_id, shown, known)


def _pause(left: int, rate: int) -> float:
    """Milliseconds until a clock of that rate has arrived, one more than that so that it has not almost, or until
    somebody who waits looks in any case."""
    return LOOK if rate == 0 else min(left / rate + 1, LOOK)
