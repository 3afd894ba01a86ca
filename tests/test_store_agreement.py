"""Whatever is done to them, the store in memory and two processes' shared store answer alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis_server import RedisServer, new_prefix

from understudy.mockserver.clock import Clock
from understudy.mockserver.images import Reference
from understudy.mockserver.jobs import Failure, Hook, Job, Phase, Plan, Submission, Twists, WebhookTwist
from understudy.mockserver.journal import Entry
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.redis_store import RedisStore
from understudy.mockserver.rules import AnswerEffect, JobEffect, Rule, When
from understudy.mockserver.store import Store, Turn
from understudy.mockserver.webhooks import Attempt

SUBMISSION = Submission("wavespeed", "model", "prompt", "digest", 2, 64, 64, "jpeg", price=100)
TIMES = st.sampled_from([None, 0, 1, 5, 10, 30])
PROVIDERS = st.sampled_from(["wavespeed", "runcomfy"])
JOBS = st.integers(0, 12).map(lambda number: f"job-{number}")
BOUNDS: dict[str, Any] = {"jobs": 8, "balance": 5_000, "pictures": 1_000, "deliveries": 4, "journal": 3}
PHASES = st.frozensets(st.sampled_from(Phase))
LONG = 10**9

ENDS = st.one_of(
    st.tuples(st.just(Phase.SUCCEEDED), st.none()),
    st.tuples(st.just(Phase.FAILED), st.builds(Failure, text=st.sampled_from([None, "no"]))),
    st.tuples(st.sampled_from([Phase.CANCELLED, Phase.TIMED_OUT]), st.none()),
)
WEBHOOKS = st.builds(
    WebhookTwist,
    lost=st.sampled_from([False, False, False, True]),
    late=st.sampled_from([0, 0, 7]),
    copies=st.sampled_from([1, 1, 2]),
    after_next=st.booleans(),
)
PLANS = st.builds(
    lambda queue, run, end, twists: Plan(queue, run, end[0], 2, end[1], twists=twists),
    TIMES,
    TIMES,
    ENDS,
    st.builds(Twists, polls=st.sampled_from([None, None, 1, 2]), webhook=st.none() | WEBHOOKS),
)
SUBMISSIONS = st.builds(
    lambda provider, price, hook, weight: replace(
        SUBMISSION,
        provider=provider,
        price=price,
        webhook=Hook("http://127.0.0.1:1/", "http://here") if hook else None,
        pictures=(Reference("digest", 64, 64, bytes(weight)),) if weight else (),
    ),
    PROVIDERS,
    st.sampled_from([0, 100, 700]),
    st.booleans(),
    st.sampled_from([0, 0, 300]),
)
RULES = st.builds(
    Rule,
    st.sampled_from(["", "", "a", "b"]),
    st.builds(When, nth=st.sampled_from([None, 2]), probability=st.sampled_from([None, 0.5])),
    st.sampled_from([None, JobEffect(images=1)]),
    st.sampled_from([None, AnswerEffect(status=500)]),
    times=st.sampled_from([None, 1]),
    lasts=st.sampled_from([None, 10]),
    next=st.booleans(),
)

ENTRY = Entry(1, 2, 3, "wavespeed", "submit", "POST", "/", None, None, 200, request=b"\x00\xff")

STEPS = st.one_of(
    st.tuples(st.just("submit"), SUBMISSIONS, PLANS, st.sampled_from([None, None, 1, 2])),
    st.tuples(st.just("advance"), st.sampled_from([0, 1, 5, 10, 100, 60_000])),
    st.tuples(st.just("auto"), st.booleans()),
    st.tuples(st.just("poll"), JOBS),
    st.tuples(st.just("interrupt"), JOBS, ENDS, PHASES),
    st.tuples(st.just("erase"), st.lists(JOBS, max_size=3)),
    st.tuples(st.just("before"), JOBS),
    st.tuples(st.just("deliver"), st.sampled_from([204, 500, None])),
    st.tuples(st.just("enter")),
    st.tuples(st.just("leave")),
    st.tuples(st.just("add_rules"), st.lists(RULES, max_size=2), st.booleans()),
    st.tuples(st.just("remove_rules"), st.sampled_from([None, ["a"], ["rule-1", "none"]])),
    st.tuples(st.just("act"), st.frozensets(st.sampled_from(["a", "b", "rule-1", "rule-2"]))),
    st.tuples(st.just("quiet")),
    st.tuples(st.just("reset")),
)


class Driver:
    """Does the same to one tenant of a store as another driver does to another store's."""

    def __init__(self, *processes: Store) -> None:
        self._processes = processes
        self._turns = 0
        self._made = 0
        self.under_way = 0

    @property
    def store(self) -> Store:
        """Each operation is another process's."""
        self._turns += 1
        return self._processes[self._turns % len(self._processes)]

    async def do(self, step: tuple[Any, ...]) -> Any:
        """What comes of a step; an error of the store's counts as its text."""
        name, *given = step
        try:
            return await getattr(self, name)(*given)
        except ValueError as error:
            return str(error)

    async def submit(self, submission: Submission, plan: Plan, capacity: int | None) -> Any:
        name, turns = f"job-{self._made}", list[Turn]()

        def make(turn: Turn) -> Job:
            turns.append(turn)
            if submission.price > turn.balance:
                raise ValueError(f"{turn.balance} are left")
            return Job(name, "key", submission, turn.now, plan, turn.ordinal)

        self._made += 1
        found = await self.store.submit("key", submission.provider, make, capacity=capacity)
        return found, turns[-1]

    async def advance(self, milliseconds: int) -> Any:
        return await self.store.set_clock("key", lambda clock, _: clock.advance(milliseconds))

    async def auto(self, auto: bool) -> Any:
        return await self.store.set_clock("key", lambda clock, _: replace(clock, auto=auto))

    async def poll(self, job: str) -> Any:
        return await self.store.poll("key", job)

    async def interrupt(self, job: str, end: tuple[Phase, Failure | None], only_in: frozenset[Phase]) -> Any:
        return await self.store.interrupt("key", job, end[0], only_in=only_in, failure=end[1])

    async def erase(self, jobs: list[str]) -> Any:
        return await self.store.erase("key", jobs)

    async def before(self, job: str) -> Any:
        there = await self.store.find("key", job)
        return None if there is None else await self.store.before("key", job)

    async def add_rules(self, rules: list[Rule], first: bool) -> Any:
        return list(await self.store.add_rules("key", rules, first=first))

    async def remove_rules(self, ids: list[str] | None) -> Any:
        return await self.store.remove_rules("key", ids)

    async def act(self, fitting: frozenset[str]) -> Any:
        return list(await self.store.act("key", fitting, frozenset(), lambda name, number: number % 2 * 0.9))

    async def enter(self) -> Any:
        self.under_way += 1
        entrance = await self._processes[-1].enter("key")
        return entrance.now, list(entrance.rules)

    async def leave(self) -> Any:
        if self.under_way:
            self.under_way -= 1
            await self._processes[-1].leave("key", ENTRY)

    async def reset(self) -> Any:
        self._made = 0  # ids come again
        await self.store.reset("key")

    async def quiet(self, seconds: float) -> bool:
        """Whether nothing of the tenant is under way, or goes on after that time."""
        try:
            async with asyncio.timeout(seconds):
                await self.store.quiet("key")
        except TimeoutError:
            return False
        return True

    async def state(self) -> Any:
        """All that can be asked of the tenant."""
        return {
            "clock": await self.store.clock("key"),
            "now": await self.store.now("key"),
            "ahead": list(await self.store.ahead("key")),
            "awaited": await self.store.awaited("key"),
            "accounts": [await self.store.account("key", provider) for provider in ("wavespeed", "runcomfy")],
            "found": [await self.store.find("other", f"job-{number}") for number in range(self._made)],
            "located": await self.store.locate("job-0"),
            "deliveries": list(await self.store.deliveries("key")),
            "rules": list(await self.store.rules("key")),
            "journal": await self.store.journal("key", 1),
            "undelivered": dict(await self.store.undelivered()),
        }


async def deliver(memory: Driver, shared: Driver, status: int | None) -> tuple[Any, Any]:
    """The next delivery in both, if there is one now, and an attempt of it."""
    try:
        async with asyncio.timeout(0.001):
            expected = await memory.store.next_delivery(LONG)
    except TimeoutError:
        return None, None
    courier = shared.store
    async with asyncio.timeout(10):
        taken = await courier.next_delivery(LONG)
    for store, delivery in ((memory.store, expected), (courier, taken)):
        await store.settle(delivery, Attempt(0, status, "" if status else "lost"), 7)
    return expected, taken


@pytest.fixture(scope="module")
def agree(redis_cluster: RedisServer) -> Iterator[Callable[[list[tuple[Any, ...]]], None]]:
    """Takes steps in both stores, and looks at everything after each."""

    async def walk(steps: list[tuple[Any, ...]]) -> None:
        prefix = new_prefix()
        processes = [RedisStore(redis_cluster.url, Clock.manual(0), prefix=prefix, **BOUNDS) for _ in range(2)]
        memory, shared = Driver(MemoryStore(Clock.manual(0), **BOUNDS)), Driver(*processes)
        for step in steps:
            if step[0] == "deliver":
                expected, got = await deliver(memory, shared, step[1])
            elif step[0] == "quiet":
                expected = await memory.quiet(0.001)
                got = await shared.quiet(10 if expected else 0.02)
            else:
                expected, got = await memory.do(step), await shared.do(step)
            assert expected == got, step
            assert await memory.state() == await shared.state(), step
        for process in processes:
            await process.close()

    with asyncio.Runner() as runner:
        yield lambda steps: runner.run(walk(steps))


@settings(max_examples=60)
@given(st.lists(STEPS, min_size=5, max_size=25))
def test_both_stores_answer_alike(agree: Callable[[list[tuple[Any, ...]]], None], steps: list[tuple[Any, ...]]) -> None:
    agree(steps)
