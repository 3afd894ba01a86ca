"""What every store does, whichever it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from redis_server import RedisServer, new_prefix

from understudy.mockserver.clock import Clock
from understudy.mockserver.files import StoredFile
from understudy.mockserver.images import Reference
from understudy.mockserver.jobs import Failure, Hook, Job, Phase, Plan, Submission, Twists, WebhookTwist
from understudy.mockserver.journal import Entry
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.redis_store import RedisStore
from understudy.mockserver.rules import JobEffect, Rule
from understudy.mockserver.store import Store, Turn
from understudy.mockserver.webhooks import Attempt

SUBMISSION = Submission("wavespeed", "model", "prompt", "digest", 2, 64, 64, "jpeg", price=100)
PLAN = Plan(10, 20, Phase.SUCCEEDED, 2)
FAILS = Plan(10, 20, Phase.FAILED, 2, Failure())
GOING = frozenset({Phase.QUEUED, Phase.RUNNING})

ENTRY = Entry(1, 2, 3, "wavespeed", "submit", "POST", "/", None, None, 200)

MakeStore = Callable[..., Store]


@pytest.fixture(params=["memory", "redis"])
def make_store(request: pytest.FixtureRequest) -> MakeStore:
    """Makes stores of one kind, their tenants on manual clocks that start at 0."""
    if request.param == "memory":
        return lambda **bounds: MemoryStore(Clock.manual(0), **bounds)
    cluster: RedisServer = request.getfixturevalue("redis_cluster")
    return lambda **bounds: RedisStore(cluster.url, Clock.manual(0), prefix=new_prefix(), **bounds)


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store(jobs=100, balance=1000)


def run(work: Awaitable[None]) -> None:
    async def main() -> None:
        await work

    asyncio.run(main())


def making(name: str, tenant: str = "key", plan: Plan = PLAN, **asked: Any) -> Callable[[Turn], Job]:
    return lambda turn: Job(name, tenant, replace(SUBMISSION, **asked), turn.now, plan, turn.ordinal)


async def submit(store: Store, name: str, tenant: str = "key", plan: Plan = PLAN, capacity: int | None = None) -> Job:
    return (await store.submit(tenant, "wavespeed", making(name, tenant, plan), capacity=capacity)).job


async def advance(store: Store, milliseconds: int, tenant: str = "key") -> None:
    await store.set_clock(tenant, lambda clock, _: clock.advance(milliseconds))


def test_a_job_is_found_again_with_the_time_of_whoever_asks(store: Store) -> None:
    async def work() -> None:
        job = await submit(store, "one")
        await advance(store, 5, "other")

        assert (job, 0) == await store.find("key", "one")
        assert (job, 5) == await store.find("other", "one")
        assert (job, 0) == await store.locate("one")

    run(work())


def test_what_was_never_submitted_is_not_found(store: Store) -> None:
    async def work() -> None:
        assert await store.find("key", "none") is None
        assert await store.locate("none") is None
        assert await store.interrupt("key", "none", Phase.CANCELLED, only_in=GOING) is None

    run(work())


def test_submissions_are_counted_per_tenant(store: Store) -> None:
    async def work() -> None:
        jobs = [await submit(store, f"{tenant}{number}", tenant) for tenant in "ab" for number in range(3)]

        assert [0, 1, 2, 0, 1, 2] == [job.seed for job in jobs]

    run(work())


def test_a_submission_that_is_refused_changes_nothing(store: Store) -> None:
    def refuse(turn: Turn) -> Job:
        raise RuntimeError("no")

    async def work() -> None:
        with pytest.raises(RuntimeError, match="no"):
            await store.submit("key", "wavespeed", refuse)
        assert (await submit(store, "one")).seed == 0
        assert (await store.account("key", "wavespeed")).balance == 900

    run(work())


def test_an_interruption_ends_a_job_where_it_stands(store: Store) -> None:
    async def work() -> None:
        await submit(store, "one")
        await advance(store, 15)
        interrupted = await store.interrupt("key", "one", Phase.CANCELLED, only_in=GOING)

        assert interrupted is not None
        assert interrupted.effective
        assert ((10, Phase.RUNNING), (15, Phase.CANCELLED)) == interrupted.job.marks[1:]
        assert interrupted.job == (await store.find("key", "one"))[0]  # type: ignore[index]  # it is there

    run(work())


@pytest.mark.parametrize("only_in", [frozenset({Phase.QUEUED}), frozenset({Phase.SUCCEEDED}), frozenset[Phase]()])
def test_an_interruption_in_another_phase_has_no_effect(store: Store, only_in: frozenset[Phase]) -> None:
    async def work() -> None:
        job = await submit(store, "one")
        await advance(store, 30 if Phase.SUCCEEDED in only_in else 15)
        interrupted = await store.interrupt("key", "one", Phase.CANCELLED, only_in=only_in)

        assert interrupted is not None
        assert not interrupted.effective
        assert job == interrupted.job

    run(work())


def test_nobody_interrupts_the_job_of_another(store: Store) -> None:
    async def work() -> None:
        await submit(store, "one")
        await submit(store, "two", "other")

        assert await store.interrupt("other", "one", Phase.CANCELLED, only_in=GOING) is None

    run(work())


def test_a_job_is_charged_at_once_and_given_back_when_it_fails(store: Store) -> None:
    async def work() -> None:
        await submit(store, "good")
        await submit(store, "bad", plan=FAILS)
        balances = []
        for _ in range(2):
            balances.append((await store.account("key", "wavespeed")).balance)
            await advance(store, 30)
        balances.append((await store.account("key", "wavespeed")).balance)

        assert [800, 900, 900] == balances

    run(work())


def test_what_is_cancelled_is_given_back_at_once_and_only_once(store: Store) -> None:
    async def work() -> None:
        await submit(store, "one", plan=FAILS)
        await advance(store, 5)
        await store.interrupt("key", "one", Phase.CANCELLED, only_in=GOING)
        at_once = (await store.account("key", "wavespeed")).balance
        await advance(store, 100)

        assert (1000, 1000) == (at_once, (await store.account("key", "wavespeed")).balance)

    run(work())


def test_a_failing_job_that_is_finished_from_outside_stays_paid(store: Store) -> None:
    async def work() -> None:
        await submit(store, "one", plan=FAILS)
        await store.interrupt("key", "one", Phase.SUCCEEDED, only_in=GOING)
        await advance(store, 100)

        assert (await store.account("key", "wavespeed")).balance == 900

    run(work())


def test_each_submission_learns_the_balance_and_the_images_of_its_minute(store: Store) -> None:
    turns: list[Turn] = []

    def make(turn: Turn) -> Job:
        turns.append(turn)
        return making(f"job{len(turns)}")(turn)

    async def work() -> None:
        for pause in (0, 59_999, 1):
            await advance(store, pause)
            await store.submit("key", "wavespeed", make)

        assert [(1000, 0), (900, 2), (800, 0)] == [(turn.balance, turn.images) for turn in turns]

    run(work())


def test_an_account_has_the_jobs_of_one_provider_oldest_first(store: Store) -> None:
    async def work() -> None:
        await submit(store, "one")
        await store.submit("key", "runcomfy", making("two", provider="runcomfy"))
        await submit(store, "three")

        assert ["one", "three"] == [job.id for job in (await store.account("key", "wavespeed")).jobs]
        assert ((), 1000, 0) == await store.account("nobody", "wavespeed")
        assert ((), 1000, 0) == await store.account("key", "another")

    run(work())


def test_erased_jobs_stay_but_are_marked(store: Store) -> None:
    async def work() -> None:
        for name in ("one", "two"):
            await submit(store, name)

        assert await store.erase("key", ["one", "none"]) == 1
        assert await store.erase("key", ["one"]) == 0
        assert await store.erase("other", ["two"]) == 0
        assert [True, False] == [job.erased for job in (await store.account("key", "wavespeed")).jobs]

    run(work())


def test_the_jobs_ahead_are_those_queued_before_it_at_the_same_provider(store: Store) -> None:
    async def work() -> None:
        await submit(store, "first")
        await advance(store, 5)
        await store.submit("key", "runcomfy", making("elsewhere", provider="runcomfy"))
        await submit(store, "second")
        await submit(store, "third")

        assert [0, 1, 2] == [await store.before("key", name) for name in ("first", "second", "third")]
        await advance(store, 5)
        assert await store.before("key", "third") == 1
        await store.interrupt("key", "second", Phase.CANCELLED, only_in=GOING)
        assert await store.before("key", "third") == 0

    run(work())


def test_with_a_capacity_jobs_wait_for_those_before_them(store: Store) -> None:
    async def work() -> None:
        jobs = [await submit(store, name, capacity=1) for name in ("one", "two", "three")]

        assert [10, 30, 50] == [job.starts for job in jobs]

    run(work())


def test_a_cancelled_job_lets_those_behind_it_start_earlier(store: Store) -> None:
    async def work() -> None:
        for name in ("one", "two", "three"):
            await submit(store, name, capacity=1)
        await advance(store, 15)
        await store.interrupt("key", "two", Phase.CANCELLED, only_in=GOING)
        third = await store.find("key", "three")

        assert third is not None
        assert third.job.starts == 30

    run(work())


def test_the_oldest_finished_jobs_go_first_when_there_are_too_many(make_store: MakeStore) -> None:
    async def work() -> None:
        store = make_store(jobs=3)
        await submit(store, "hangs", plan=Plan(None, None, Phase.SUCCEEDED, 1))
        for name in ("old", "newer", "newest"):
            await submit(store, name)
            await advance(store, 100)
        await submit(store, "last")

        assert [True, False, False, True, True] == [
            await store.locate(name) is not None for name in ("hangs", "old", "newer", "newest", "last")
        ]

    run(work())


def test_the_oldest_go_when_none_has_finished(make_store: MakeStore) -> None:
    async def work() -> None:
        store = make_store(jobs=2)
        for name in ("one", "two", "three"):
            await submit(store, name, plan=Plan(None, None, Phase.SUCCEEDED, 1))

        assert [False, True, True] == [await store.locate(name) is not None for name in ("one", "two", "three")]

    run(work())


def test_the_input_images_of_jobs_are_bounded_in_bytes_too(make_store: MakeStore) -> None:
    picture = Reference("digest", 64, 64, bytes(100))

    async def work() -> None:
        store = make_store(pictures=500)
        await submit(store, "plain")
        for number in range(4):
            await store.submit("key", "wavespeed", making(f"seen{number}", pictures=(picture, picture)))
            await advance(store, 100)

        assert [False, False, False, True, True] == [
            await store.locate(name) is not None for name in ("plain", "seen0", "seen1", "seen2", "seen3")
        ]

    run(work())


def test_a_job_that_leaves_takes_nothing_from_the_ledger(make_store: MakeStore) -> None:
    async def work() -> None:
        store = make_store(jobs=1, balance=1000)
        await submit(store, "bad", plan=FAILS)
        await submit(store, "good")
        await advance(store, 100)

        assert (await store.account("key", "wavespeed")).balance == 900

    run(work())


def test_tenants_do_not_share_a_clock(store: Store) -> None:
    async def work() -> None:
        await advance(store, 7, "one")

        assert 7 == (await store.clock("one")).now(0)
        assert 0 == (await store.clock("two")).now(0)

    run(work())


def test_a_clock_is_not_turned_back(store: Store) -> None:
    async def work() -> None:
        await advance(store, 7)
        with pytest.raises(ValueError, match="A tenant's clock does not go back"):
            await store.set_clock("key", lambda clock, _: Clock.manual(6))
        assert 7 == (await store.clock("key")).now(0)

    run(work())


def test_a_wait_ends_when_the_clock_arrives(store: Store) -> None:
    async def work() -> None:
        waiting = asyncio.create_task(store.wait("key", 10))
        await asyncio.sleep(0)
        await advance(store, 10)

        assert await waiting == 10
        assert await store.wait("key", 10) == 10

    run(work())


def test_a_wait_ends_early_when_a_job_is_interrupted(store: Store) -> None:
    async def work() -> None:
        await submit(store, "one")
        waiting = asyncio.create_task(store.wait("key", 10))
        await asyncio.sleep(0)
        await store.interrupt("key", "one", Phase.CANCELLED, only_in=GOING)

        assert await waiting == 0

    run(work())


def test_a_wait_on_a_running_clock_ends_by_itself() -> None:
    async def work() -> None:
        store = MemoryStore(Clock.scaled(1000, 0), wall_clock=lambda: asyncio_milliseconds())
        start = await store.wait("key", 0)

        assert start + 5000 <= await store.wait("key", start + 5000)

    def asyncio_milliseconds() -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    run(work())


def test_many_finished_jobs_are_not_kept_among_those_that_go_on(make_store: MakeStore) -> None:
    async def work() -> None:
        store = make_store(jobs=1000)
        for number in range(300):
            await submit(store, str(number))
            await advance(store, 100)
        await submit(store, "last")

        assert await store.before("key", "last") == 0

    run(work())


async def under_way(store: Store, tenant: str = "key") -> bool:
    """Whether something of the tenant's is under way that does not wait, and goes on for a moment."""
    over = asyncio.ensure_future(store.quiet(tenant))
    await asyncio.wait({over}, timeout=0.1)
    over.cancel()
    await asyncio.wait({over})
    return over.cancelled()


def test_an_exchange_is_under_way_until_it_is_left_or_waits(store: Store) -> None:
    async def work() -> None:
        seen = [await under_way(store)]
        assert ((0, 0), (0, 0)) == ((await store.enter("key"))[0::3], (await store.enter("key"))[0::3])
        await store.leave("key", ENTRY)
        assert 1 == (await store.enter("key")).known
        await store.leave("key", ENTRY)
        seen.append(await under_way(store))
        waiting = asyncio.ensure_future(store.wait("key", 10))
        while await store.awaited("key") is None:
            await asyncio.wait({waiting}, timeout=0)
        seen.append(await under_way(store))
        await advance(store, 5)
        assert 5 == await waiting
        seen.append(await under_way(store))
        await store.leave("key", ENTRY)
        seen.append(await under_way(store))

        assert [False, True, False, True, False] == seen

    run(work())


def test_who_has_been_here_is_known(store: Store) -> None:
    async def work() -> None:
        for tenant in ("one", "two"):
            await store.enter(tenant)

        assert ["one", "two"] == list(await store.known(["two", "nobody", "one"]))

    run(work())


def test_what_a_wait_is_for_is_awaited_and_no_more_once_it_is_given_up(store: Store) -> None:
    async def work() -> None:
        await store.enter("key")
        waiting = asyncio.ensure_future(store.wait("key", 10))
        while await store.awaited("key") is None:
            await asyncio.wait({waiting}, timeout=0)
        assert ([10], 10) == (list(await store.ahead("key")), await store.awaited("key"))
        waiting.cancel()
        await asyncio.wait({waiting})

        assert ([], None) == (list(await store.ahead("key")), await store.awaited("key"))

    run(work())


@pytest.mark.parametrize("change", ["entry", "clock", "interruption", "reset"])
def test_a_listener_hears_of_what_happens(store: Store, change: str) -> None:
    async def work() -> None:
        await submit(store, "one")
        await store.enter("key")
        hearing = asyncio.ensure_future(store.heard("key", 0))
        await asyncio.sleep(0)
        await store.now("key")
        assert not hearing.done()
        if change == "entry":
            await store.leave("key", ENTRY)
        elif change == "clock":
            await advance(store, 1)
        elif change == "interruption":
            await store.interrupt("key", "one", Phase.CANCELLED, only_in=GOING)
        else:
            await store.reset("key")

        await hearing

    run(work())


def test_automatic_time_goes_to_what_is_next_for_whoever_waits(make_store: MakeStore) -> None:
    async def work() -> None:
        store = make_store()
        await store.set_clock("key", lambda clock, _: replace(clock, auto=True))
        await submit(store, "one")
        await store.enter("key")
        waits = [await store.wait("key", 25), await store.wait("key", 25)]
        await store.enter("key")
        other = asyncio.ensure_future(store.wait("key", 1_000))
        await asyncio.sleep(0)
        assert (25, False) == (await store.now("key"), other.done())
        assert await store.wait("key", 40) == 40

        assert [25, 25] == waits
        other.cancel()

    run(work())


def test_a_journal_begins_anew_with_its_tenant(store: Store) -> None:
    async def work() -> None:
        await store.enter("key")
        await store.leave("key", ENTRY)
        await store.reset("key")

        assert (1, ()) == ((await store.journal("key")).first, tuple((await store.journal("key")).entries))

    run(work())


def test_a_rule_that_came_after_the_last_one_acted_acts_too(store: Store) -> None:
    async def acting(*fitting: str) -> list[tuple[str, int]]:
        chosen = await store.act("key", fitting, frozenset(), lambda name, number: 0.0)
        return [(rule.id, use.acted) for rule, use in chosen]

    async def work() -> None:
        await store.add_rules("key", [Rule("first", job=JobEffect(images=1), lasts=10)])
        seen = [await acting("first"), await acting("first")]
        await store.add_rules("key", [Rule("second", job=JobEffect(images=1))])
        seen += [await acting("second"), await acting("first")]
        await advance(store, 10)
        seen += [await acting("first")]
        await store.remove_rules("key", ["second"])
        seen += [await acting("second")]

        assert [[("first", 1)], [("first", 2)], [("second", 1)], [("first", 3)], [], []] == seen

    run(work())


def test_two_keys_of_one_name_have_each_an_id_of_its_own(store: Store) -> None:
    turns: list[Turn] = []

    def make(tenant: str) -> Callable[[Turn], Job]:
        def of(turn: Turn) -> Job:
            turns.append(turn)
            return making(f"job-{turn.ordinal}-{turn.again}", tenant)(turn)

        return of

    async def work() -> None:
        tenants = ["key~1", "key~2", "key~1", "key~2"]
        jobs = [(await store.submit(tenant, "wavespeed", make(tenant))).job for tenant in tenants]
        assert ["job-0-0", "job-0-1", "job-1-0", "job-1-1"] == [job.id for job in jobs]
        assert tenants == [job.tenant for job in jobs]
        assert [0, 0, 1, 0, 0, 1] == [turn.again for turn in turns]
        await store.reset("key~1")
        again = (await store.submit("key~3", "wavespeed", make("key~3"))).job
        assert ("job-0-0", "key~3") == (again.id, again.tenant)
        assert ["key~3", "key~2"] == [
            found.job.tenant for found in [await store.locate(f"job-0-{n}") for n in (0, 1)] if found
        ]

    run(work())


def test_two_keys_of_one_name_have_files_of_their_own(store: Store) -> None:
    async def put(tenant: str) -> str:
        file = await store.put_file(
            tenant, lambda now, count: StoredFile(f"file-{count}", tenant, "a", "b", 1, now, b"x")
        )
        return file.id

    async def work() -> None:
        assert ["file-0", "file-4294967296"] == [await put("key~1"), await put("key~2")]
        await store.reset("key~1")
        assert await store.get_file("file-0") is None
        assert "file-0" == await put("key~3")
        assert await store.known(["key~1", "key~2", "key~3"]) == ["key~2", "key~3"]

    run(work())


def test_a_webhook_that_comes_behind_the_next_one_waits_for_it_and_copies_follow_each_other(store: Store) -> None:
    async def hooked(name: str, **twist: Any) -> None:
        plan = replace(PLAN, twists=Twists(webhook=WebhookTwist(**twist)))
        hook = Hook("http://127.0.0.1:1/", "http://here")
        await store.submit("key", "wavespeed", making(name, plan=plan, webhook=hook))

    async def work() -> None:
        await hooked("behind", after_next=True)
        await hooked("twice", copies=2)
        await hooked("lost", lost=True)
        await hooked("late", late=500)
        await advance(store, 100)
        came = []
        for status in (500, 204, 204, 204):
            delivery = await store.next_delivery(10**6)
            came.append((delivery.job.id, delivery.due))
            await store.settle(delivery, Attempt(0, status), 1_000)
            await advance(store, 0 if len(came) > 2 else 1_000)

        assert [("twice", 30), ("behind", 30), ("late", 530), ("twice", 1_030)] == came
        outcomes = {delivery.job.id: delivery.outcome.value for delivery in await store.deliveries("key")}
        assert {"behind": "delivered", "twice": "waiting", "lost": "lost", "late": "delivered"} == outcomes
        assert {"key": 1} == dict(await store.undelivered())

    run(work())
