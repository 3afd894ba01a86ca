"""What only the shared store does: several processes in each other's way, and what each of them remembers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis_server import RedisServer, new_prefix
from test_cli import CLEAN
from test_store import FAILS, GOING, making, submit

from understudy.mockserver.app import create_app
from understudy.mockserver.clock import Clock
from understudy.mockserver.files import StoredFile
from understudy.mockserver.jobs import Hook, Job, Phase, Plan
from understudy.mockserver.redis_codec import dump, load
from understudy.mockserver.redis_store import RedisStore
from understudy.mockserver.rules import JobEffect, Rule
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import Turn
from understudy.mockserver.webhooks import Attempt, Outcome

HOOK = Hook("http://127.0.0.1:1/", "http://here")
FEWER = JobEffect(images=1)
AT_ONCE = Plan(0, 0, Phase.SUCCEEDED, 1)
MakeStores = Callable[..., tuple[RedisStore, RedisStore]]


@pytest.fixture
def make_stores(redis_cluster: RedisServer) -> MakeStores:
    def make(clock: Clock | None = None, **bounds: Any) -> tuple[RedisStore, RedisStore]:
        prefix, clock = new_prefix(), clock or Clock.manual(0)
        one, other = (RedisStore(redis_cluster.url, clock, prefix=prefix, **bounds) for _ in range(2))
        return one, other

    return make


@pytest.fixture
def stores(make_stores: MakeStores) -> tuple[RedisStore, RedisStore]:
    """Two processes' stores, tenants on manual clocks that start at 0."""
    return make_stores(balance=1_000)


def run(work: Callable[[], Awaitable[None]], *stores: RedisStore) -> None:
    async def main() -> None:
        async with asyncio.timeout(30):
            await work()
            for store in stores:
                await store.close()

    asyncio.run(main())


def test_a_submission_that_another_process_came_before_is_made_again(stores: tuple[RedisStore, RedisStore]) -> None:
    one, other = stores

    async def work() -> None:
        for number in range(3):
            await submit(one, f"one-{number}")
            await submit(other, f"other-{number}")
        jobs = (await one.account("key", "wavespeed")).jobs

        assert [0, 1, 2, 3, 4, 5] == [job.seed for job in jobs]
        assert ["one-0", "other-0", "one-1", "other-1", "one-2", "other-2"] == [job.id for job in jobs]
        assert 0 < one.conflicts + other.conflicts <= 5

    run(work, *stores)


def test_what_is_refused_for_what_another_process_has_changed_since_is_looked_at_anew(
    stores: tuple[RedisStore, RedisStore],
) -> None:
    one, other = stores
    seen: list[int] = []

    def make(turn: Turn) -> Job:
        seen.append(turn.balance)
        if turn.balance < 900:
            raise RuntimeError("no money")
        return making("last")(turn)

    async def work() -> None:
        await submit(one, "first")
        await submit(one, "second", plan=FAILS)
        assert await other.interrupt("key", "second", Phase.CANCELLED, only_in=GOING) is not None
        await one.submit("key", "wavespeed", make)
        with pytest.raises(RuntimeError, match="no money"):
            await one.submit("key", "wavespeed", make)

        assert [800, 900, 800, 800] == seen

    run(work, *stores)


def test_rules_added_by_two_processes_at_once_are_all_there_under_names_of_their_own(
    stores: tuple[RedisStore, RedisStore],
) -> None:
    one, other = stores

    async def work() -> None:
        added = await asyncio.gather(
            *(store.add_rules("key", [Rule("", job=FEWER), Rule("", job=FEWER)]) for store in (one, other, one, other))
        )

        names = [rule.id for rules in added for rule in rules]
        assert {f"rule-{number}" for number in range(1, 9)} == set(names)
        assert sorted(names) == sorted(rule.id for rule, _ in await one.rules("key"))

    run(work, *stores)


def test_a_rule_that_lasts_is_over_by_the_store_s_own_time(make_stores: MakeStores) -> None:
    one, other = make_stores(Clock.scaled(1_000, 0))

    async def act(store: RedisStore) -> int:
        await store.enter("key")
        return len(await store.act("key", ["rule"], frozenset(), lambda name, number: 0.0))

    async def work() -> None:
        await one.add_rules("key", [Rule("rule", job=FEWER, lasts=600_000)])
        assert [1, 1, 1] == [await act(one), await act(other), await act(one)]
        await other.set_clock("key", lambda clock, _: clock.advance(600_000))
        assert [0, 0] == [await act(one), await act(other)]

    run(work, one, other)


def test_files_put_by_two_processes_at_once_are_counted_one_by_one(stores: tuple[RedisStore, RedisStore]) -> None:
    one, other = stores

    def make(now: int, count: int) -> StoredFile:
        return StoredFile(f"file-{count}", "key", "a", "b", 1, now)

    async def work() -> None:
        files = await asyncio.gather(*(store.put_file("key", make) for store in (one, other, one, other)))

        assert {f"file-{number}" for number in range(4)} == {file.id for file in files}
        assert [True, False, False] == [
            await other.fill_file("file-0", b"x"),
            await one.fill_file("file-0", b"y"),
            await one.fill_file("none", b"z"),
        ]
        assert await one.get_file("none") is None

    run(work, *stores)


def test_two_advances_at_once_come_to_their_sum(stores: tuple[RedisStore, RedisStore]) -> None:
    async def work() -> None:
        await asyncio.gather(
            *(store.set_clock("key", lambda clock, _: clock.advance(5)) for store in (*stores, *stores))
        )

        assert 20 == await stores[0].now("key")

    run(work, *stores)


def test_a_clock_that_runs_is_stopped_without_going_back(make_stores: MakeStores) -> None:
    one, other = make_stores(Clock.scaled(60_000, 0))

    async def work() -> None:
        await one.enter("key")
        for store in (one, other) * 5:
            shown = await store.now("key")
            assert shown <= await store.set_clock("key", lambda clock, wall_now: clock.at_rate(0, wall_now))
            await store.set_clock("key", lambda clock, wall_now: clock.at_rate(60_000, wall_now))

    run(work, one, other)


def test_the_webhook_of_somebody_who_left_while_it_was_written_down_comes(make_stores: MakeStores) -> None:
    one, other = make_stores(Clock.real())

    async def work() -> None:
        await one.now("key")
        await submit(one, "before")
        leaving = asyncio.ensure_future(one.submit("key", "wavespeed", making("left", plan=AT_ONCE, webhook=HOOK)))
        await asyncio.wait({leaving}, timeout=0)
        leaving.cancel()
        delivery = await other.next_delivery(1_000)
        await other.settle(delivery, Attempt(0, 204), 7)

        assert "left" == delivery.job.id
        assert [Outcome.DELIVERED] == [delivery.outcome for delivery in await one.deliveries("key")]

    run(work, one, other)


def test_a_delivery_that_nobody_settles_goes_to_another_process(make_stores: MakeStores) -> None:
    one, other = make_stores(Clock.real())

    async def work() -> None:
        await one.submit("key", "wavespeed", making("job", plan=AT_ONCE, webhook=HOOK))
        lost = await one.next_delivery(100)
        taken = await other.next_delivery(60_000)
        await one.settle(lost, Attempt(0, 500), 7)
        await other.settle(taken, Attempt(0, 204), 7)
        (delivery,) = await one.deliveries("key")

        assert ("job", "job") == (lost.job.id, taken.job.id)
        assert [204] == [attempt.status for attempt in delivery.attempts]

    run(work, one, other)


def test_a_courier_that_has_nothing_to_do_asks_for_nothing(make_stores: MakeStores, redis_cluster: RedisServer) -> None:
    one, other = make_stores()

    async def work() -> None:
        await one.submit("key", "wavespeed", making("job", webhook=HOOK))
        await one.set_clock("key", lambda clock, _: clock.advance(100))
        await one.settle(await one.next_delivery(1_000), Attempt(0, 204), 7)
        waiting = asyncio.ensure_future(other.next_delivery(1_000))
        while await one.undelivered() or one_sender():
            await asyncio.wait({waiting}, timeout=0.05)
        waiting.cancel()
        await asyncio.wait({waiting})

    def one_sender() -> int:
        return int(redis_cluster.client.zcard(one._keys.senders))

    run(work, one, other)


def test_whoever_waits_goes_on_when_a_process_that_was_under_way_says_nothing_more(make_stores: MakeStores) -> None:
    one, other = make_stores(Clock(0, 0, 0, True))

    async def work() -> None:
        await one.enter("key")
        await other.enter("key")
        waiting = asyncio.ensure_future(other.wait("key", 10))
        await other.now("key")
        assert not waiting.done()
        await one.close()  # and never leaves
        assert 10 == await waiting

    run(work, other)


def test_what_is_remembered_is_bounded(make_stores: MakeStores) -> None:
    one, other = make_stores(known=1)

    async def work() -> None:
        for _ in range(2):
            for tenant in ("a", "b", "c"):
                await one.add_rules(tenant, [Rule("", job=FEWER)])
                await one.enter(tenant)
                await one.act(tenant, ["rule-1"], frozenset(), lambda name, number: 0.0)
                number = len((await one.account(tenant, "wavespeed")).jobs)
                job = await submit(one, f"{tenant}-{number}", tenant)
                found = await one.find(tenant, job.id)
                assert found is not None
                assert job == found.job
        assert [2, 2, 2] == [(await other.rules(tenant))[0][1].acted for tenant in ("a", "b", "c")]
        assert 1 >= len(one._submissions._turns) - 1

    run(work, one, other)


def test_half_a_surrogate_pair_is_kept_as_it_is() -> None:
    rule = Rule("half \ud83d")
    assert rule == load(Rule, dump(rule))


def test_the_client_is_missing_and_that_is_said() -> None:
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "from understudy.mockserver.cli import main; main(['serve', '--store', 'redis://127.0.0.1:1/0'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=CLEAN, check=False)

    message = (
        "Error: store: redis://127.0.0.1:1/0 needs the Redis client, which is not installed: pip install "
        "'understudy[redis]'.\n"
    )
    assert (1, message) == (ended.returncode, ended.stderr)


def test_an_application_finds_its_store_by_the_settings() -> None:
    app = create_app(Settings(store="redis://127.0.0.1:1/0"))
    assert isinstance(app.state.store, RedisStore)
    asyncio.run(app.state.store.close())


def test_a_server_with_its_store_in_memory_imports_nothing_of_the_client() -> None:
    code = (
        "import sys; from understudy.mockserver.app import create_app; create_app()\n"
        "print(sorted(name for name in sys.modules if name.split('.')[-1].startswith('redis')))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=CLEAN, check=True)
    assert "[]\n" == ended.stdout


def test_a_rule_is_used_up_by_what_it_did_at_other_processes(stores: tuple[RedisStore, RedisStore]) -> None:
    one, other = stores

    async def act(store: RedisStore) -> int:
        return len(await store.act("key", ["rule"], frozenset(), lambda name, number: 0.0))

    async def work() -> None:
        await one.add_rules("key", [Rule("rule", job=FEWER, times=2)])
        assert [1, 1, 0, 0] == [await act(one), await act(other), await act(one), await act(other)]

    run(work, *stores)
