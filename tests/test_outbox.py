"""Deliveries in the store: who gets which, when, and what is kept of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from serving import WatchedStore, on_loop, receiving, settings

from understudy.mockserver.app import create_app
from understudy.mockserver.clock import Clock
from understudy.mockserver.jobs import Hook, Job, Phase, Plan, Submission
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.outbox import AT_ONCE
from understudy.mockserver.webhook_hosts import parse_hosts
from understudy.mockserver.webhooks import Attempt, Outcome

HOOK = Hook("http://127.0.0.1:1/", "http://here")
SUBMISSION = Submission("wavespeed", "model", "prompt", "digest", 1, 64, 64, "jpeg", webhook=HOOK)
PLAN = Plan(0, 10, Phase.SUCCEEDED, 1)
REFUSED = Attempt(0, 500)
ACCEPTED = Attempt(0, 200)


class Wall:
    """A wall clock that shows what it is told."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


async def put(store: MemoryStore, name: str, tenant: str = "key", plan: Plan = PLAN) -> None:
    await store.submit(tenant, "wavespeed", lambda turn: Job(name, tenant, SUBMISSION, turn.now, plan, 0))


async def taken(store: MemoryStore, lease: int = 1_000) -> str:
    async with asyncio.timeout(5):
        return (await store.next_delivery(lease)).job.id


@on_loop
async def test_of_all_tenants_deliveries_the_one_that_is_due_first_is_handed_out_first() -> None:
    wall = Wall()
    store = MemoryStore(Clock.real(), wall_clock=wall)
    await put(store, "late", "a", replace(PLAN, run_time=30))
    await put(store, "early", "b")
    await put(store, "middle", "a", replace(PLAN, run_time=20))
    wall.now = 100
    assert ["early", "middle", "late"] == [await taken(store) for _ in range(3)]


@on_loop
async def test_a_delivery_that_nobody_settles_is_handed_out_again_when_its_lease_is_over() -> None:
    wall = Wall()
    store = MemoryStore(Clock.real(), wall_clock=wall)
    await put(store, "one")
    wall.now = 10
    first = await store.next_delivery(1_000)
    wall.now = 1_010
    second = await store.next_delivery(1_000)
    assert first == second
    await store.settle(second, REFUSED, 1_000)
    await store.settle(first, ACCEPTED, 1_000)
    (kept,) = await store.deliveries("key")
    assert (Outcome.WAITING, 2_010, (Attempt(1_010, 500),)) == (kept.outcome, kept.due, kept.attempts)


@on_loop
async def test_the_backoff_counts_from_when_the_failure_was_known_on_a_clock_that_runs() -> None:
    wall = Wall()
    store = MemoryStore(Clock.scaled(60, 0), wall_clock=wall)
    await put(store, "one", plan=replace(PLAN, run_time=600))
    wall.now = 10
    delivery = await store.next_delivery(1_000)
    wall.now = 15
    await store.settle(delivery, REFUSED, 1_000)
    (kept,) = await store.deliveries("key")
    assert (600, 1_900) == (kept.attempts[0].at, kept.due)


@on_loop
async def test_a_manual_clock_hands_out_one_after_the_other_and_others_do_not_wait_for_it() -> None:
    store = MemoryStore(Clock.manual(0))
    for name in ("one", "two"):
        await put(store, name)
    await put(store, "other", "other")
    await store.set_clock("key", lambda clock, _: clock.advance(10))
    first = await store.next_delivery(60_000)
    waiting = asyncio.ensure_future(taken(store))
    await store.set_clock("other", lambda clock, _: clock.advance(10))
    assert ("one", "other") == (first.job.id, await waiting)
    waiting = asyncio.ensure_future(taken(store))
    await store.settle(first, ACCEPTED, 1_000)
    assert "two" == await waiting


@on_loop
async def test_of_one_tenants_deliveries_so_many_are_under_way_and_no_more() -> None:
    wall = Wall()
    store = MemoryStore(Clock.real(), wall_clock=wall)
    for number in range(AT_ONCE + 1):
        await put(store, str(number))
    await put(store, "other", "other", replace(PLAN, run_time=20))
    wall.now = 100
    hung = [await store.next_delivery(1_000) for _ in range(AT_ONCE)]
    assert "other" == await taken(store)
    await store.settle(hung[0], ACCEPTED, 1_000)
    assert str(AT_ONCE) == await taken(store)


@on_loop
async def test_a_courier_wakes_when_something_becomes_due_on_a_real_clock() -> None:
    store = MemoryStore()
    waiting = asyncio.ensure_future(taken(store))
    await put(store, "one", plan=replace(PLAN, run_time=20))
    assert "one" == await waiting


@on_loop
async def test_a_lease_that_runs_out_wakes_whoever_waits() -> None:
    store = MemoryStore(Clock.manual(0))
    await put(store, "one", plan=replace(PLAN, run_time=0))
    assert ["one", "one"] == [await taken(store, 20), await taken(store, 20)]


@on_loop
async def test_a_job_whose_end_moves_is_told_of_when_it_ends() -> None:
    store = MemoryStore(Clock.manual(0))
    await put(store, "one", plan=replace(PLAN, run_time=None))
    assert [None] == [delivery.due for delivery in await store.deliveries("key")]
    await put(store, "two")
    await store.interrupt("key", "one", Phase.SUCCEEDED, only_in=frozenset({Phase.RUNNING}))
    assert ["one", 0] == [await taken(store), (await store.deliveries("key"))[0].due]


@pytest.mark.parametrize(("count", "kept"), [(3, ["0", "1", "2"]), (4, ["1", "2", "3"])])
@on_loop
async def test_so_many_deliveries_that_are_over_are_kept_and_no_more(count: int, kept: list[str]) -> None:
    store = MemoryStore(Clock.manual(0), deliveries=3)
    for number in range(count):
        await put(store, str(number), plan=replace(PLAN, run_time=0))
        await store.settle(await store.next_delivery(1_000), ACCEPTED, 1_000)
    assert kept == [delivery.job.id for delivery in await store.deliveries("key")]


@on_loop
async def test_however_many_wait_each_is_handed_out_and_the_record_shrinks_to_its_bound() -> None:
    store = MemoryStore(Clock.manual(0), deliveries=3)
    for number in range(10):
        await put(store, str(number))
    await store.set_clock("key", lambda clock, _: clock.advance(10))
    for number in range(10):
        delivery = await store.next_delivery(1_000)
        assert str(number) == delivery.job.id
        await store.settle(delivery, ACCEPTED, 1_000)
    assert ["7", "8", "9"] == [delivery.job.id for delivery in await store.deliveries("key")]


@on_loop
async def test_a_delivery_that_waits_goes_with_its_job_which_goes_after_other_finished_ones() -> None:
    store = MemoryStore(Clock.manual(0), jobs=2)
    await put(store, "waits", plan=replace(PLAN, run_time=0))
    await put(store, "over", plan=replace(PLAN, run_time=0))
    await store.settle(await store.next_delivery(1_000), REFUSED, 1_000)
    await store.settle(await store.next_delivery(1_000), ACCEPTED, 1_000)
    await put(store, "new", plan=replace(PLAN, run_time=None))
    assert [True, False] == [await store.locate(name) is not None for name in ("waits", "over")]
    await put(store, "newer", plan=replace(PLAN, run_time=None))
    assert ["over", "new", "newer"] == [delivery.job.id for delivery in await store.deliveries("key")]


@on_loop
async def test_the_setting_bounds_the_record_of_the_store_that_an_application_makes() -> None:
    store = create_app(settings(webhook_records=1)).state.store
    for number in range(2):
        await put(store, str(number), plan=replace(PLAN, outcome=Phase.CANCELLED))
    assert ["1"] == [delivery.job.id for delivery in await store.deliveries("key")]


@on_loop
async def test_what_is_over_goes_and_what_still_waits_stays() -> None:
    store = MemoryStore(Clock.manual(0), deliveries=2)
    await put(store, "waits", plan=replace(PLAN, run_time=None))
    await put(store, "over", plan=replace(PLAN, run_time=0))
    delivery = await store.next_delivery(1_000)
    await store.settle(delivery, ACCEPTED, 1_000)
    await put(store, "new", plan=replace(PLAN, run_time=0))
    assert ["waits", "new"] == [delivery.job.id for delivery in await store.deliveries("key")]
    new = await store.next_delivery(1_000)
    await put(store, "newer")
    assert ["waits", "new", "newer"] == [delivery.job.id for delivery in await store.deliveries("key")]
    await store.settle(new, ACCEPTED, 1_000)
    assert ["waits", "newer"] == [delivery.job.id for delivery in await store.deliveries("key")]


@on_loop
async def test_a_tenant_that_the_store_does_not_know_has_no_deliveries() -> None:
    store = MemoryStore(Clock.manual(0))
    await put(store, "one", plan=replace(PLAN, run_time=0))
    delivery = await store.next_delivery(1_000)
    other = MemoryStore()
    await other.settle(delivery, ACCEPTED, 1_000)
    assert () == await other.deliveries("key")


@pytest.mark.parametrize(("clock", "expected"), [(Clock.scaled(60, 0), 2), (Clock.real(), 61), (Clock.manual(61), 7)])
def test_a_clock_knows_what_the_wall_shows_when_it_shows_an_instant(clock: Clock, expected: int) -> None:
    assert expected == clock.wall_at(61, 7)
    assert clock.now(expected) >= 61


def test_a_manual_clock_does_not_know_when_it_will_be_set() -> None:
    assert Clock.manual(60).wall_at(61, 7) is None


@pytest.mark.parametrize("text", ["", ",", "bad host", "10.0.0.1/99", "-x", "1.2.3.4.5"])
def test_what_names_no_host_is_not_a_list_of_hosts(text: str) -> None:
    with pytest.raises(ValueError, match=r"names no hosts|is none of"):
        parse_hosts(text)


@on_loop
async def test_without_a_lifespan_the_first_webhook_starts_the_courier() -> None:
    store = WatchedStore()
    app = create_app(settings(0, 0), store)
    with receiving() as receiver:
        body = b'{"prompt": "A shoe"}'
        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": "/api/v3/bytedance/seedream-v4/edit-sequential",
            "query_string": f"webhook={receiver.origin}/here".encode(),
            "headers": [(b"host", b"in.process"), (b"authorization", b"Bearer key")],
        }

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body}

        async def send(message: object) -> None: ...

        await app(scope, receive, send)
        received = await receiver.next()
        await store.settled.get()
    assert ("/here", True) == (received.path, received.prediction["urls"]["get"].startswith("http://in.process/"))
