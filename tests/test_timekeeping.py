"""Setting a clock forward: in which order things happen on the way, and what is told of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import WatchedStore, on_loop, receiving, result, serving, settings, submit

from understudy.mockserver.clock import MANUAL_START, Clock
from understudy.mockserver.happenings import Happening, JobMark, Told
from understudy.mockserver.jobs import Hook, Job, Phase, Plan, Submission
from understudy.mockserver.journal import Entry
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.store import Store, Turn
from understudy.mockserver.timekeeping import Passage, Timekeeper
from understudy.mockserver.webhooks import Attempt

PROVIDERS = ("wavespeed", "runcomfy")
SUBMISSION = Submission("wavespeed", "model", "prompt", "digest", 1, 64, 64, "jpeg")
HOOK = Hook("http://127.0.0.1:1/", "http://here")
ENTRY = Entry(0, 0, 0, "wavespeed", "submit", "POST", "/", None, None, 200)

times = st.integers(0, 50)
plans = st.builds(Plan, st.none() | times, st.none() | times, st.just(Phase.SUCCEEDED), st.just(1))


def keeper(store: Store, patience: int = 5_000, **bounds: int) -> Timekeeper:
    return Timekeeper(store, PROVIDERS, patience, **bounds)


def making(name: str, plan: Plan, submission: Submission = SUBMISSION) -> Callable[[Turn], Job]:
    return lambda turn: Job(name, "key", submission, turn.now, plan, 0)


async def put(store: Store, name: str, queue_time: int | None, run_time: int | None, **asked: object) -> Job:
    submission = replace(SUBMISSION, **asked)  # type: ignore[arg-type]
    plan = Plan(queue_time, run_time, Phase.SUCCEEDED, 1)
    return (await store.submit("key", submission.provider, making(name, plan, submission))).job


def told(passage: Passage, start: int = 0) -> list[tuple[int, str, str]]:
    return [
        (one.at - start, one.job, one.phase.name if isinstance(one, JobMark) else "told") for one in passage.happenings
    ]


@given(st.lists(plans, max_size=8), st.lists(times, max_size=6))
def test_whatever_the_steps_each_change_is_told_once_and_in_order(drawn: list[Plan], steps: list[int]) -> None:
    async def passed(lengths: list[int]) -> list[Happening]:
        store = MemoryStore(Clock.manual(0))
        for number, plan in enumerate(drawn):
            submission = replace(SUBMISSION, provider=PROVIDERS[number % 2])
            await store.submit("key", submission.provider, making(str(number), plan, submission))
        return [one for length in lengths for one in (await keeper(store).advance("key", length)).happenings]

    end = sum(steps)
    jobs = [Job(str(number), "key", SUBMISSION, 0, plan, 0) for number, plan in enumerate(drawn)]
    expected = sorted(JobMark(mark.at, job.id, mark.phase) for job in jobs for mark in job.marks if 0 < mark.at <= end)
    stepwise, at_once = asyncio.run(passed(steps)), asyncio.run(passed([end]))
    assert [one.at for one in expected] == [one.at for one in stepwise] == [one.at for one in at_once]
    assert set(expected) == set(stepwise) == set(at_once)
    assert len(expected) == len(stepwise) == len(at_once)


@on_loop
async def test_who_waits_acts_when_its_time_comes_and_not_when_all_of_it_has_passed() -> None:
    store = MemoryStore(Clock.manual(0))

    async def client() -> None:
        await store.enter("key")
        now = await store.wait("key", 1_000)
        await put(store, "later", 100, 200)
        now = await store.wait("key", now + 2_000)
        await put(store, "last", 0, 10_000)
        await store.leave("key", ENTRY)

    waiting = asyncio.ensure_future(client())
    await asyncio.sleep(0)
    passage = await keeper(store).advance("key", 5_000)
    assert [
        (1_000, "later", "QUEUED"),
        (1_100, "later", "RUNNING"),
        (1_300, "later", "SUCCEEDED"),
        (3_000, "last", "QUEUED"),
        (3_000, "last", "RUNNING"),
    ] == told(passage)
    assert waiting.done()


@on_loop
async def test_a_submission_in_sync_mode_is_answered_before_the_clock_goes_on() -> None:
    store = WatchedStore()
    async with serving(store) as origin:
        answer = asyncio.ensure_future(submit(origin, enable_sync_mode=True))
        await store.began.get()
        passage = await keeper(store).advance("key", 60_000)
        entry = (await store.journal("key")).entries[0]
        assert (200, Phase.SUCCEEDED) == (entry.status, entry.phase)
        assert MANUAL_START + 60_000 == passage.now
        assert "completed" == (await answer).body["data"]["status"]


@on_loop
async def test_webhooks_and_their_retries_are_part_of_what_happens() -> None:
    store = WatchedStore()
    with receiving(500, 503) as receiver:
        async with serving(store) as origin:
            job = (await submit(origin, f"?webhook={receiver.origin}/hook")).body["data"]["id"]
            passage = await keeper(store).advance("key", 5_499)
            assert [
                JobMark(MANUAL_START + 500, job, Phase.RUNNING),
                JobMark(MANUAL_START + 2_500, job, Phase.SUCCEEDED),
                Told(MANUAL_START + 2_500, job, 1, 500, ""),
                Told(MANUAL_START + 3_500, job, 2, 503, ""),
            ] == passage.happenings
            last = await keeper(store).advance("key", 1)
            assert [Told(MANUAL_START + 5_500, job, 3, 204, "")] == last.happenings
            assert ["/hook"] * 3 == [(await receiver.next()).path for _ in range(3)]


@on_loop
async def test_a_receiver_that_asks_back_is_answered_as_of_the_time_of_its_webhook() -> None:
    store = WatchedStore()
    seen: list[int] = []

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        seen.append(await store.now("key") - MANUAL_START)
        writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(receive, "127.0.0.1", 0) as server, serving(store) as origin:
        await submit(origin, f"?webhook=http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await keeper(store).advance("key", 60_000)
    assert [2_500, 3_500, 5_500, 9_500] == seen


@on_loop
async def test_everything_ends_but_for_what_hangs() -> None:
    store = WatchedStore()
    with receiving(500, 500, 500, 500) as receiver:
        async with serving(store) as origin:
            await submit(origin, f"?webhook={receiver.origin}/hook")
            await put(store, "hangs", 1_000, None)
            await put(store, "queued", None, 5, provider="runcomfy")
            passage = await keeper(store).run_until_idle("key")
            # The job, three retries after 1, 2 and 4 seconds.
            assert MANUAL_START + 2_500 + 7_000 == passage.now
            assert 4 == sum(isinstance(one, Told) for one in passage.happenings)
            assert ["hangs", "queued"] == await keeper(store).hanging("key")
            again = await keeper(store).run_until_idle("key")
            assert (passage.now, [], ()) == again


@on_loop
async def test_ten_thousand_jobs_are_one_step() -> None:
    store = WatchedStore(Clock.manual(0))
    for number in range(10_000):
        await put(store, str(number), number, 10_000)
    began = perf_counter()
    passage = await keeper(store).advance("key", 30_000)
    took = perf_counter() - began
    assert 20_000 - 1 == len(passage.happenings)  # one began to run when it was submitted
    assert took < 1.0
    assert sorted(passage.happenings, key=lambda one: one.at) == passage.happenings


@pytest.mark.parametrize("rate", [1, 60])
@on_loop
async def test_a_clock_that_runs_is_set_forward_too(rate: int) -> None:
    wall = 1_000_000
    store = MemoryStore(Clock.scaled(rate, wall), wall_clock=lambda: wall)
    await put(store, "one", 500, 2_000)
    passage = await keeper(store).advance("key", 30_000)
    assert wall + 30_000 == passage.now == await store.now("key")
    assert [(500, "one", "RUNNING"), (2_500, "one", "SUCCEEDED")] == told(passage, wall)
    assert rate == (await store.clock("key")).rate
    await put(store, "two", 0, 700)
    assert passage.now + 700 == (await keeper(store).run_until_idle("key")).now


@on_loop
async def test_a_clock_that_came_to_a_stop_by_itself_is_set_forward_by_what_was_asked() -> None:
    wall = 0

    class Running(MemoryStore):
        async def awaited(self, tenant: str) -> int | None:
            nonlocal wall
            stop = await super().awaited(tenant)
            wall += 20  # more than the webhook is away
            return stop

    store = Running(Clock.real(), wall_clock=lambda: wall)
    await put(store, "one", 0, 10, webhook=HOOK)

    async def courier() -> None:
        delivery = await store.next_delivery(1_000)
        await store.settle(delivery, Attempt(0, 200), 0)

    carrying = asyncio.ensure_future(courier())
    passage = await keeper(store).advance("key", 1_000)
    assert 1_000 + wall == passage.now
    assert carrying.done()


@on_loop
async def test_two_who_set_a_clock_forward_do_so_one_after_the_other() -> None:
    store = WatchedStore()
    with receiving(500) as receiver:
        async with serving(store, settings(0, 1_000)) as origin:
            await submit(origin, f"?webhook={receiver.origin}/hook")
            keeping = keeper(store)
            one, other = await asyncio.gather(keeping.advance("key", 1_500), keeping.advance("key", 1_500))
    assert [1_500, 3_000] == [one.now - MANUAL_START, other.now - MANUAL_START]
    assert [1_000, 1_000] == [each.at - MANUAL_START for each in one.happenings]
    assert [2_000] == [each.at - MANUAL_START for each in other.happenings]


@on_loop
async def test_clients_that_poll_meanwhile_see_time_go_forward_only() -> None:
    store = WatchedStore()
    with receiving() as receiver:
        async with serving(store) as origin:
            job = (await submit(origin, f"?webhook={receiver.origin}/hook")).body["data"]["id"]
            passing = asyncio.ensure_future(keeper(store).advance("key", 60_000))
            seen = [(await result(origin, job))["status"]]
            while not passing.done():
                seen.append((await result(origin, job))["status"])
            seen.append((await result(origin, job))["status"])
    order = ["created", "processing", "completed"]
    assert sorted(seen, key=order.index) == seen
    assert "completed" == seen[-1]
    assert () == (await passing).notes


@on_loop
async def test_a_receiver_that_hangs_costs_no_more_than_it_is_allowed() -> None:
    store = WatchedStore()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with serving(store, settings(0, 10, webhook_timeout=20)) as origin:
            await submit(origin, f"?webhook=http://127.0.0.1:{port}/")
            passage = await keeper(store).run_until_idle("key")
    attempts = [one for one in passage.happenings if isinstance(one, Told)]
    assert ["no answer within 20ms"] * 4 == [one.error for one in attempts]
    assert () == passage.notes


@on_loop
async def test_webhooks_that_nobody_carries_are_waited_for_once() -> None:
    store = MemoryStore(Clock.manual(0))
    await put(store, "one", 0, 10, webhook=HOOK)
    await put(store, "two", 0, 20, webhook=HOOK)
    passage = await keeper(store, 3, moment=1).advance("key", 1_000)
    note = "webhooks that are due (1) were not delivered within 3ms: the clock went on without waiting for it"
    assert (1_000, (note,)) == (passage.now, passage.notes)
    assert [10, 20] == [one.at for one in passage.happenings if one.at]


@on_loop
async def test_a_call_that_takes_long_is_waited_for_once() -> None:
    store = MemoryStore(Clock.manual(0))
    await store.enter("key")
    passage = await keeper(store, moment=1).advance("key", 1_000)
    note = "a call was still under way after 2ms: the clock went on without waiting for it"
    assert (1_000, (note,)) == (passage.now, passage.notes)


@on_loop
async def test_webhooks_are_waited_for_as_long_as_one_after_the_other_gets_through() -> None:
    class Slow(MemoryStore):
        """In each moment in which somebody waits for it, one delivery is made."""

        async def quiet(self, tenant: str) -> None:
            if await self.now(tenant) == 10 and await self.undelivered():
                await self.settle(await self.next_delivery(1_000), Attempt(0, 200), 0)
                raise TimeoutError

    store = Slow(Clock.manual(0))
    for number in range(9):
        await put(store, str(number), 0, 10, webhook=HOOK)
    passage = await keeper(store, 2_000).advance("key", 10)
    assert () == passage.notes
    assert 9 == sum(isinstance(one, Told) for one in passage.happenings)


@on_loop
async def test_a_client_that_submits_for_ever_is_told_of() -> None:
    store = MemoryStore(Clock.manual(0))

    async def client() -> None:
        await store.enter("key")
        now = 0
        while True:
            now = await store.wait("key", now + 10)

    waiting = asyncio.ensure_future(client())
    await asyncio.sleep(0)
    passage = await keeper(store, stops=5).run_until_idle("key")
    assert 50 == passage.now
    assert ("after 5 stops something still lay ahead: does a client submit for ever?",) == passage.notes
    waiting.cancel()


@on_loop
async def test_nothing_is_kept_of_who_has_had_a_turn() -> None:
    keeping = keeper(MemoryStore(Clock.manual(0)))
    for number in range(3):
        await keeping.advance(str(number), 1)
    assert 0 == len(keeping._turns)


@on_loop
async def test_an_automatic_clock_can_be_set_forward_beside() -> None:
    store = WatchedStore(replace(Clock.manual(), auto=True))
    async with serving(store) as origin:
        job = (await submit(origin)).body["data"]["id"]
        assert MANUAL_START + 100 == (await keeper(store).advance("key", 100)).now
        assert "processing" == (await result(origin, job))["status"]
        assert MANUAL_START + 500 == await store.now("key")


@on_loop
async def test_a_tenant_that_is_not_there_has_nothing_ahead() -> None:
    store = MemoryStore(Clock.manual(0))
    assert await store.awaited("key") is None
    assert (0, [], ()) == await keeper(store).run_until_idle("key")
