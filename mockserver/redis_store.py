"""The store in Redis or Valkey, for several processes and machines: the layout of its keys is in docs/redis.md."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from understudy.mockserver.clock import Clock
from understudy.mockserver.files import Content, FoundFile, StoredFile
from understudy.mockserver.jobs import Failure, Interruption, Job, Phase
from understudy.mockserver.journal import Entry, Logged
from understudy.mockserver.outbox import AT_ONCE
from understudy.mockserver.redis_codec import dump, load
from understudy.mockserver.redis_jobs import (
    PLANNED,
    KnownJobs,
    attempt_words,
    delivery_of,
    failure_word,
    words_of,
)
from understudy.mockserver.redis_keys import Keys
from understudy.mockserver.redis_link import Word
from understudy.mockserver.redis_links import Links
from understudy.mockserver.redis_news import Listener, News
from understudy.mockserver.redis_rules import KnownRules, Standing, use_words
from understudy.mockserver.redis_rules import words_of as words_of_rules
from understudy.mockserver.redis_scripts import TENANT, Script
from understudy.mockserver.redis_turns import SharedWall, Turns, clock_of
from understudy.mockserver.rulebook import Rulebook
from understudy.mockserver.rules import Luck, Rule, Use, choose
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import BEYOND, Account, Entrance, Found, Interrupted, StoreAway, Turn, made_with
from understudy.mockserver.tenant_names import name_of
from understudy.mockserver.webhooks import PATIENCE, RETRIES, Attempt, Delivery

T = TypeVar("T")

DAY = 86_400_000

KNOWN = 8_192
"""Tenants of whom, and jobs of which, something is remembered here, so that it need not be asked for."""

LOOK = 2_000
"""Milliseconds after which whoever waits looks for themselves, in case that nobody is left to tell them."""

SWEEP = 2_000
"""Milliseconds after which a courier looks at a tenant with deliveries, told or not."""

LEASE = 8_000
"""Milliseconds after which what a process said of its exchanges and of who waits in it counts no more."""

LATE = 1_000
"""Milliseconds that a submission may be on its way and still be of the instant that it was made."""

AGAIN = 0.5
"""Seconds between attempts of whoever goes on until the store is back."""


class RedisStore:
    """Keeps everything in a server that several processes use; the wall is that server's, so all agree on the time.

    The bounds are those of MemoryStore, each for one tenant; what has not been written for `kept` milliseconds goes.
    A command that has no answer within `timeout` seconds has failed. Belongs to the event loop that it is used on.
    Of so many tenants and jobs something is `known` here without asking. `conflicts` counts submissions that had to be
    made again since another process had come between.
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
        clock = default_clock or Clock.real()
        self._default_clock = f"{clock.rate} {clock.origin} {clock.reading} {int(clock.auto)}"
        self._balance = balance
        self._kept = kept
        self._keys = Keys(prefix)
        self._worker = f"{os.getpid():x}-{secrets.token_hex(4)}"
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
        self._script = Script.of(TENANT, constants)
        self._senders = Script.of(("senders",), {"TTL": kept, "SWEEP": SWEEP})
        self._link = Links(url, (self._script, self._senders), timeout=timeout)
        self._news = News(url)
        self._wall = SharedWall()
        self._known = known
        self._jobs = KnownJobs(known)
        self._rules = KnownRules(rules, known)
        self._turns: dict[str, Turns] = {}
        self._standings: dict[str, Standing] = {}
        self._tenant_keys: dict[str, str] = {}
        self._under_way: dict[str, int] = {}
        self._tokens = itertools.count()
        self._leases: dict[tuple[str, str], bytes] = {}
        self.conflicts = 0

    @classmethod
    def of(cls, url: str, settings: Settings, default_clock: Clock | None = None, **others: Any) -> RedisStore:
        """A store with the bounds and the balance of the settings."""
        return cls(url, **{**made_with(settings, default_clock), "kept": settings.store_kept, **others})

    async def open(self, seed: int | None) -> int:
        """Makes sure that the server is there; the seed that all who share it have: the one given, or else the first
        that anybody drew. Raises StoreAway."""
        word = secrets.randbits(32) if seed is None else seed
        return int(await self._global("seed", word, int(seed is not None)))

    async def close(self) -> None:
        """Ends the connections."""
        await self._news.close()
        await self._link.close()

    async def enter(self, tenant: str) -> Entrance:
        count = self._count(tenant, 1)
        try:
            now, shown, version, rules, known = await self._do(tenant, "enter", count, self._rules.version(tenant))
        except BaseException:
            self._count(tenant, -1)
            raise
        self._wall.heard(shown)
        return Entrance(int(now), shown, self._rules.learn(tenant, version, rules), known)

    async def act(
        self, tenant: str, fitting: Collection[str], directed: frozenset[str], luck: Luck
    ) -> Sequence[tuple[Rule, Use]]:
        known = self._standings.pop(tenant, None)
        standing = await self._standing(tenant) if known is None else known.later(self._wall)
        while True:
            acting, changed = choose(standing.rules, standing.uses, fitting, directed, standing.now, luck)
            if not changed and known is None:
                return acting
            if not changed:  # as far as is known here, and that may be long ago
                standing, known = await self._standing(tenant), None
                continue
            reply = await self._do(tenant, "act", *standing.versions, *use_words(changed))
            if reply[0]:
                if len(self._standings) > self._known:
                    self._standings.clear()
                self._standings[tenant] = standing.used(changed, reply[1])
                return acting
            standing = self._rules.standing(tenant, reply)

    async def leave(self, tenant: str, entry: Entry) -> None:
        await self._do(tenant, "leave", self._count(tenant, -1), dump(entry))

    async def known(self, names: Collection[str]) -> Sequence[str]:
        there = await asyncio.gather(*(self._link.ask("HEXISTS", self._keys.tenant(name), "rate") for name in names))
        return sorted(name for name, exists in zip(names, there, strict=True) if exists)

    async def journal(self, tenant: str, after: int = 0) -> Logged:
        number, entries = await self._do(tenant, "journal", after)
        return Logged(number, tuple(load(Entry, entry) for entry in entries))

    async def heard(self, tenant: str, after: int) -> None:
        asked = self._ask(tenant, "count")
        with self._listening(tenant, "j", "g", "s") as news:
            count, before = await self._outcome(tenant, asked)
            await news.hears(LOOK / 1000)
            while count <= after:
                count, told = await self._do(tenant, "count")
                if told != before:
                    return
                if count <= after:
                    await news.sleep(LOOK / 1000)

    async def rules(self, tenant: str) -> Sequence[tuple[Rule, Use]]:
        standing = await self._standing(tenant)
        return Rulebook(standing.rules, standing.uses).uses()

    async def add_rules(self, tenant: str, rules: Sequence[Rule], *, first: bool = False) -> Sequence[Rule]:
        return await self._change_rules(tenant, lambda book: book.add(rules, first=first))

    async def remove_rules(self, tenant: str, ids: Collection[str] | None = None) -> int:
        return await self._change_rules(tenant, lambda book: book.remove(ids))

    async def reset(self, tenant: str) -> None:
        jobs, files = await self._do(tenant, "reset")
        self._turns.pop(tenant, None)
        if name_of(tenant) != tenant:  # another key of this name may have the ids now
            gone = [self._keys.owner("job", job.decode()) for job in jobs]
            gone += [self._keys.owner("file", file.decode()) for file in files]
            await asyncio.gather(*(self._link.ask("DEL", name) for name in gone))

    async def submit(
        self, tenant: str, provider: str, make: Callable[[Turn], Job], *, capacity: int | None = None
    ) -> Found:
        turns = self._turns.get(tenant)
        while True:
            turn = turns.turn(provider, self._balance, self._wall) if turns is not None else None
            if turn is None or turns is None:
                turns = await self._ask_turn(tenant, provider)
                continue
            fresh = turns.fresh
            try:
                job = make(turn)
            except Exception:
                if fresh:
                    raise
                turns = await self._ask_turn(tenant, provider)  # what was guessed may have been less than there is
                continue
            ordinal, gen = turns.ordinal, turns.gen
            turns.taken(provider, turn, job)
            self._keep_turns(tenant, turns)
            named = name_of(tenant) != tenant
            try:
                while named and not await self._claim(tenant, "job", job.id):
                    turn = turn._replace(again=turn.again + 1)
                    job = make(turn)
                owner = None if named else self._own_name(tenant, "job", job.id)
                words = words_of(job, capacity)
                written, told, *shown = await self._do(tenant, "submit", provider, ordinal, gen, *words)
                if owner is not None:
                    await owner
            except BaseException:
                self._turns.pop(tenant, None)
                raise
            if written:
                return Found(self._jobs.read(job.id, shown[0]), turn.now)
            self.conflicts += 1
            if named:
                self._link.ask("DEL", self._keys.owner("job", job.id))
            # Whoever finds first that the run has been broken begins the next one, and the others go on with that.
            if self._turns.get(tenant) is turns:
                self._turns[tenant] = self._told(provider, told)
            turns = self._turns.get(tenant)

    async def find(self, tenant: str, job_id: str) -> Found | None:
        return await self._find(tenant, job_id, 0)

    async def poll(self, tenant: str, job_id: str) -> Found | None:
        return await self._find(tenant, job_id, 1)

    async def locate(self, job_id: str) -> Found | None:
        owner = await self._owner("job", job_id)
        if owner is None:
            return None
        now, job = await self._own(owner, job_id, 0)
        return None if job is None else Found(job, now)

    async def interrupt(
        self, tenant: str, job_id: str, phase: Phase, *, only_in: frozenset[Phase], failure: Failure | None = None
    ) -> Interrupted | None:
        Interruption(0, phase, failure)  # which says what cannot be
        allowed = "".join(str(int(one)) for one in only_in)
        reply = await self._do(tenant, "interrupt", job_id, int(phase), failure_word(failure), allowed)
        if reply is None:
            return None
        now, effective, shown = reply
        self._turns.pop(tenant, None)
        return Interrupted(self._jobs.read(job_id, shown), int(now), bool(effective))

    async def erase(self, tenant: str, job_ids: Collection[str]) -> int:
        return int(await self._do(tenant, "erase", *job_ids))

    async def before(self, tenant: str, job_id: str) -> int:
        return int(await self._do(tenant, "before", job_id))

    async def account(self, tenant: str, provider: str) -> Account:
        now, spent, found = await self._do(tenant, "account", provider)
        jobs = tuple(self._jobs.read(shown[7].decode(), shown) for shown in found)
        return Account(jobs, self._balance - int(spent), int(now))

    async def put_file(self, tenant: str, make: Callable[[int, int], StoredFile]) -> StoredFile:
        _, now, count, gen = await self._do(tenant, "put_file", "", "")
        while True:
            number = count
            file = make(int(now), number)
            if name_of(tenant) == tenant:
                await self._own_name(tenant, "file", file.id)
            else:
                while not await self._claim(tenant, "file", file.id):
                    number += BEYOND
                    file = make(int(now), number)
            data = () if file.data is None else (bytes(file.data),)
            about = dump(dataclasses.replace(file, data=None))
            written, *told = await self._do(tenant, "put_file", count, gen, file.id, about, *data)
            if written:
                return file
            now, count, gen = told

    async def fill_file(self, file_id: str, data: Content) -> bool:
        owner = await self._owner("file", file_id)
        return owner is not None and bool(await self._do(owner, "fill_file", file_id, bytes(data)))

    async def get_file(self, file_id: str) -> FoundFile | None:
        owner = await self._owner("file", file_id)
        if owner is None:
            return None
        now, about, data = await self._do(owner, "get_file", file_id)
        return None if about is None else FoundFile(dataclasses.replace(load(StoredFile, about), data=data), int(now))

    async def wait(self, tenant: str, until: int) -> int:
        token = f"{self._worker}-{next(self._tokens)}"
        begun = self._ask(tenant, "begin_wait", self._under_way.get(tenant, 0), token, until)
        waits = 1
        try:
            now, waits, rate = await self._outcome(tenant, begun)
            if waits:
                with self._listening(tenant, "g") as news:
                    await news.hears(LOOK / 1000)
                    while waits:
                        now, waits, rate = await self._do(tenant, "go_on", self._under_way.get(tenant, 0), token)
                        if waits:
                            await news.sleep(_pause(until - int(now), int(rate)) / 1000)
        finally:
            if waits:
                self._ask(tenant, "end_wait", "", token)
        return int(now)

    async def next_delivery(self, lease: int) -> Delivery:
        with self._news.listening(self._keys.couriers) as news:
            while True:
                try:
                    await news.hears(SWEEP / 1000)
                    delivery, pause = await self._take(lease)
                    if delivery is not None:
                        return delivery
                    await news.sleep(pause / 1000)
                except StoreAway:
                    await asyncio.sleep(AGAIN)

    async def settle(self, delivery: Delivery, attempt: Attempt, backoff: int) -> None:
        job = delivery.job
        lease = self._leases.pop((job.tenant, job.id), b"")
        words = job.id, lease, backoff, int(attempt.accepted), attempt_words(attempt)
        await self._do(job.tenant, "settle", *words)

    async def deliveries(self, tenant: str) -> Sequence[Delivery]:
        found = await self._do(tenant, "deliveries")
        return tuple(delivery_of(self._jobs.read(name.decode(), shown), kept) for name, shown, kept in found)

    async def undelivered(self) -> Mapping[str, int]:
        tenants = [tenant_of(word) for word in await self._global("senders")]
        counts = await asyncio.gather(*(self._do(tenant, "waiting") for tenant in tenants))
        return {tenant: count for tenant, count in zip(tenants, counts, strict=True) if count}

    async def ahead(self, tenant: str) -> Sequence[int]:
        return sorted(int(moment) for moment in await self._do(tenant, "ahead"))

    async def awaited(self, tenant: str) -> int | None:
        moment = await self._do(tenant, "awaited")
        return None if moment is None else int(moment)

    async def quiet(self, tenant: str) -> None:
        with self._listening(tenant, "g", "j", "s", "w") as news:
            await news.hears(LOOK / 1000)
            while await self._do(tenant, "acting"):
                await news.sleep(LOOK / 1000)

    async def now(self, tenant: str) -> int:
        return int(await self._do(tenant, "now"))

    async def clock(self, tenant: str) -> Clock:
        _, _, words = await self._do(tenant, "clock")
        return clock_of(words)

    async def set_clock(self, tenant: str, change: Callable[[Clock, int], Clock]) -> int:
        while True:
            shown, gen, words = await self._do(tenant, "clock")
            changed = change(clock_of(words), shown)
            reply = await self._do(
                tenant, "set_clock", gen, shown, changed.rate, changed.origin, changed.reading, int(changed.auto)
            )
            if reply[0] == 2:
                raise ValueError("A tenant's clock does not go back: start a new tenant, or reset this one.")
            if reply[0] == 1:
                self._turns.pop(tenant, None)
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

    async def _standing(self, tenant: str) -> Standing:
        return self._rules.standing(tenant, await self._do(tenant, "act", self._rules.version(tenant), "", ""))

    async def _change_rules(self, tenant: str, change: Callable[[Rulebook], T]) -> T:
        while True:
            standing = await self._standing(tenant)
            book = Rulebook(standing.rules, standing.uses, standing.named)
            result = change(book)
            left = {rule.id for rule in book.rules}
            gone = [rule.id for rule in standing.rules if rule.id not in left]
            if await self._do(tenant, "set_rules", standing.versions[0], words_of_rules(book.rules), book.made, *gone):
                return result

    async def _ask_turn(self, tenant: str, provider: str) -> Turns:
        _, told = await self._do(tenant, "submit", provider, "", "")
        return self._told(provider, told)

    def _told(self, provider: str, told: Sequence[Any]) -> Turns:
        self._wall = SharedWall()  # anew, in case that the server's own clock was set back
        self._wall.heard(told[1])
        return Turns.told(provider, told)

    def _keep_turns(self, tenant: str, turns: Turns) -> None:
        if len(self._turns) > self._known and tenant not in self._turns:
            self._turns.clear()
        self._turns[tenant] = turns

    async def _find(self, tenant: str, job_id: str, polled: int) -> Found | None:
        now, job = await self._own(tenant, job_id, polled)
        if job is None:
            owner = await self._owner("job", job_id)
            if owner is None or owner == tenant:
                return None
            _, job = await self._own(owner, job_id, 0)
        return None if job is None else Found(job, now)

    async def _own(self, tenant: str, job_id: str, polled: int) -> tuple[int, Job | None]:
        known = self._jobs.get(tenant, job_id)
        now, shown = await self._do(tenant, "find", job_id, b"" if known is None else known.made, polled)
        return int(now), None if shown is None else self._jobs.read(job_id, shown, known)

    def _own_name(self, tenant: str, kind: str, name: str) -> asyncio.Future[Any]:
        """Writes down whose a job or a file is, whoever had the name before."""
        return self._link.ask("SET", self._keys.owner(kind, name), word_of(tenant), "PX", self._kept)

    async def _claim(self, tenant: str, kind: str, name: str) -> bool:
        """The same unless somebody else has the name. Whether it is the tenant's now."""
        key, word = self._keys.owner(kind, name), word_of(tenant)
        if await self._link.ask("SET", key, word, "NX", "PX", self._kept) is not None:
            return True
        return bool(await self._link.ask("GET", key) == word)

    async def _owner(self, kind: str, name: str) -> str | None:
        word = await self._link.ask("GET", self._keys.owner(kind, name))
        return None if word is None else tenant_of(word)

    async def _take(self, lease: int) -> tuple[Delivery | None, int]:
        """A delivery that is due, or how many milliseconds to wait for one at most."""
        word, score, shown = await self._global("claim")
        if not word:
            return None, min(SWEEP, int(score) - shown) if score else SWEEP
        tenant = tenant_of(word)
        name, when, *taken = await self._do(tenant, "take", lease)
        # Whoever dies between the two has hidden the tenant from other couriers for two sweeps, no longer.
        if when == b"never":
            await self._global("dismiss", word, score)
        else:
            await self._global("summon", word, when)
        if not name:
            return None, 0
        shown, kept, held = taken
        delivery = delivery_of(self._jobs.read(name.decode(), shown), kept)
        self._leases[tenant, delivery.job.id] = held
        return delivery, 0

    def _global(self, operation: str, *words: Word) -> asyncio.Future[Any]:
        return self._link.run(self._senders, (self._keys.senders, self._keys.seed), operation, *words)

    async def _do(self, tenant: str, operation: str, *words: Word) -> Any:
        """What comes of an operation on a tenant."""
        return await self._outcome(tenant, self._ask(tenant, operation, *words))

    def _ask(self, tenant: str, operation: str, *words: Word) -> asyncio.Future[Any]:
        """Asks for an operation at once: before anything that is asked for later."""
        key = self._tenant_keys.get(tenant)
        if key is None:
            if len(self._tenant_keys) > self._known:
                self._tenant_keys.clear()
            key = self._tenant_keys[tenant] = self._keys.tenant(tenant)
        return self._link.run(self._script, (key,), operation, self._default_clock, self._worker, *words)

    async def _outcome(self, tenant: str, asked: asyncio.Future[Any]) -> Any:
        """The answer, once couriers know when they should look at the tenant if that has changed."""
        try:
            answer, when = await asked
        except asyncio.CancelledError:
            # Whoever asked has gone, and with them what a courier should have been told.
            self._ask(tenant, "look").add_done_callback(lambda looked: self._summon(tenant, looked))
            raise
        if when and when != b"never":
            await self._global("summon", word_of(tenant), when)
        return answer

    def _summon(self, tenant: str, looked: asyncio.Future[Any]) -> None:
        if not looked.cancelled() and looked.exception() is None and looked.result()[1] not in (b"", b"never"):
            self._global("summon", word_of(tenant), looked.result()[1])


def _pause(left: int, rate: int) -> float:
    """Milliseconds until a clock of that rate has arrived, one more than that so that it has not almost, or until
    somebody who waits looks in any case."""
    return LOOK if rate == 0 else min(left / rate + 1, LOOK)


def word_of(tenant: str) -> bytes:
    return tenant.encode("utf-8", "surrogateescape")


def tenant_of(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")
