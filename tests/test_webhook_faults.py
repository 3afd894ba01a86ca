"""What rules make of webhooks: lost, late, doubled, out of order, forged, stale; on every kind of clock."""

from __future__ import annotations

import dataclasses
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import Received, Receiver, WatchedStore, fits, get, on_loop, receiving, serving, settings, submit

from understudy.mockserver.clock import Clock, wall
from understudy.mockserver.jobs import Hook, Job, Phase, Plan, Submission, Twists, WebhookTwist
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.rules import JobEffect, Rule
from understudy.mockserver.webhooks import PATIENCE, RETRIES, Attempt, Delivery, Outcome, expected

START = 1_767_225_600_000
DONE = 2_500
CLOCKS = pytest.mark.parametrize("clock", ["manual", "auto", "2x", "real"])
QUICK = {"queue_time": 0, "run_time": 1, "webhook_backoff": 1}
REFUSED, ACCEPTED = Attempt(0, 500), Attempt(0, 204)


def clock_of(name: str) -> Clock:
    return {
        "manual": Clock.manual(START),
        "auto": Clock(reading=START, rate=0, auto=True),
        "2x": Clock.scaled(2, wall()()),
        "real": Clock.real(),
    }[name]


async def hooked(origin: str, store: WatchedStore, receiver: Receiver, path: str = "", **twist: Any) -> str:
    """A job's id, whose webhook goes wrong that way."""
    if twist:
        await store.add_rules("key", [Rule("", webhook=WebhookTwist(**twist), times=1)], first=True)
    answer = await submit(origin, "?webhook=" + quote(receiver.origin + path, safe=""))
    return str(answer.body["data"]["id"])


async def secret_of(origin: str) -> str:
    return str((await get(f"{origin}/api/v3/webhook/secret")).json()["data"]["secret"])


def age(received: Received) -> float:
    return time.time() - int(received.headers["webhook-timestamp"])


async def go_on(store: WatchedStore, clock: str) -> None:
    if clock == "manual":
        await store.advance(DONE)


@CLOCKS
@on_loop
async def test_a_lost_webhook_is_never_sent_and_on_record_as_lost(clock: str) -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(clock_of(clock)), settings(**QUICK)) as origin:
            await hooked(origin, store, receiver, "/lost", lost=True)
            await hooked(origin, store, receiver, "/next")
            await go_on(store, clock)
            first = await receiver.next()
            await store.settled.get()
            lost, told = await store.deliveries("key")
            assert {} == await store.undelivered()
    assert ("/next", 0) == (first.path, receiver.waiting)
    assert (Outcome.LOST, None, (), Outcome.DELIVERED) == (lost.outcome, lost.due, lost.attempts, told.outcome)


@on_loop
async def test_a_lost_webhook_of_a_job_that_tells_nothing_is_untold() -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore()) as origin:
            await store.add_rules("key", [Rule("", job=JobEffect(end=Phase.CANCELLED))])
            await hooked(origin, store, receiver, lost=True)
            (kept,) = await store.deliveries("key")
    assert Outcome.UNTOLD is kept.outcome


@on_loop
async def test_a_late_webhook_comes_that_much_after_the_end_and_its_retries_after_that() -> None:
    with receiving(500) as receiver:
        async with serving(store := WatchedStore(), settings()) as origin:
            await hooked(origin, store, receiver, late=60_000)
            await store.advance(DONE + 59_999)
            assert [START + DONE + 60_000] == await store.ahead("key")
            await store.advance(1)
            await receiver.next()
            await store.settled.get()
            await store.advance(1_000)
            received = await receiver.next()
            assert fits(received, await secret_of(origin))
            await store.settled.get()
            (kept,) = await store.deliveries("key")
    end = START + DONE + 60_000
    assert ((end, 500), (end + 1_000, 204)) == tuple((one.at, one.status) for one in kept.attempts)


@pytest.mark.parametrize("clock", ["auto", "2x", "real"])
@on_loop
async def test_a_late_webhook_comes_by_itself_on_a_clock_that_goes_on(clock: str) -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(clock_of(clock)), settings(**QUICK)) as origin:
            await hooked(origin, store, receiver, late=5)
            await receiver.next()
            await store.settled.get()
            (kept,) = await store.deliveries("key")
    assert kept.job.ends is not None
    assert kept.job.ends + 5 <= kept.attempts[0].at


@CLOCKS
@on_loop
async def test_copies_are_the_same_webhook_once_more_and_each_is_on_record(clock: str) -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(clock_of(clock)), settings(**QUICK)) as origin:
            job_id = await hooked(origin, store, receiver, copies=3)
            await go_on(store, clock)
            copies = [await receiver.next() for _ in range(3)]
            for _ in range(3):
                await store.settled.get()
            secret = await secret_of(origin)
            (kept,) = await store.deliveries("key")
    assert [(job_id[:25], copies[0].body, True)] * 3 == [
        (copy.headers["webhook-id"], copy.body, fits(copy, secret)) for copy in copies
    ]
    assert (Outcome.DELIVERED, [204] * 3, 0) == (kept.outcome, [one.status for one in kept.attempts], receiver.waiting)


@CLOCKS
@on_loop
async def test_a_copy_that_fails_is_tried_again_before_the_next_one(clock: str) -> None:
    with receiving(204, 500, 500) as receiver:
        async with serving(store := WatchedStore(clock_of(clock)), settings(**QUICK)) as origin:
            await hooked(origin, store, receiver, copies=2)
            for _ in range(4):
                await go_on(store, clock)
                await receiver.next()
                await store.settled.get()
            (kept,) = await store.deliveries("key")
    assert (Outcome.DELIVERED, [204, 500, 500, 204]) == (kept.outcome, [one.status for one in kept.attempts])


@CLOCKS
@on_loop
async def test_a_webhook_out_of_order_comes_behind_the_tenants_next_one(clock: str) -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(clock_of(clock)), settings(**QUICK)) as origin:
            await hooked(origin, store, receiver, "/first", after_next=True)
            await go_on(store, clock)
            await hooked(origin, store, receiver, "/second")
            await go_on(store, clock)
            paths = [(await receiver.next()).path for _ in range(2)]
    assert ["/second", "/first"] == paths


@on_loop
async def test_behind_the_next_one_means_behind_its_first_attempt_whatever_comes_of_that() -> None:
    with receiving(500) as receiver:
        async with serving(store := WatchedStore(), settings()) as origin:
            await hooked(origin, store, receiver, "/first", after_next=True)
            await hooked(origin, store, receiver, "/second")
            await store.advance(DONE)
            paths = [(await receiver.next()).path for _ in range(2)]
            for _ in range(2):
                await store.settled.get()
            await store.advance(1_000)
            paths.append((await receiver.next()).path)
    assert ["/second", "/first", "/second"] == paths


@on_loop
async def test_a_webhook_out_of_order_that_no_other_follows_goes_out_after_a_minute() -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(), settings()) as origin:
            await hooked(origin, store, receiver, after_next=True)
            await store.advance(DONE)
            assert [START + DONE + PATIENCE] == await store.ahead("key")
            await store.advance(PATIENCE)
            await receiver.next()
            await store.settled.get()
            (kept,) = await store.deliveries("key")
    assert (60_000, START + DONE + PATIENCE, Outcome.DELIVERED) == (PATIENCE, kept.attempts[0].at, kept.outcome)


@on_loop
async def test_another_tenants_webhook_is_not_the_next_one() -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(), settings()) as origin:
            await hooked(origin, store, receiver, "/held", after_next=True)
            await submit(origin, "?webhook=" + quote(receiver.origin + "/other"), key="other")
            await store.advance(DONE)
            await store.advance(DONE, "other")
            assert "/other" == (await receiver.next()).path
            await store.settled.get()
            (kept,) = await store.deliveries("key")
    assert (START + DONE + PATIENCE, True) == (kept.due, kept.held)


@on_loop
async def test_an_automatic_clock_does_not_go_on_for_a_webhook_that_waits_for_another() -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(clock_of("auto")), settings()) as origin:
            job_id = await hooked(origin, store, receiver, after_next=True)
            assert START == (await store.clock("key")).reading
            while (await get(f"{origin}/api/v3/predictions/{job_id}")).json()["data"]["status"] != "completed":
                pass
    assert START + DONE == (await store.clock("key")).reading


@CLOCKS
@on_loop
async def test_a_forged_webhook_has_a_signature_of_the_right_form_that_does_not_fit(clock: str) -> None:
    with receiving(500) as receiver:
        async with serving(store := WatchedStore(clock_of(clock)), settings(**QUICK)) as origin:
            await hooked(origin, store, receiver, forged=True)
            secret = await secret_of(origin)
            forged = []
            for _ in range(2):  # the retry too
                await go_on(store, clock)
                forged.append(await receiver.next())
                await store.settled.get()
            await hooked(origin, store, receiver)
            await go_on(store, clock)
            honest = await receiver.next()
    assert [False, False, True] == [fits(one, secret) for one in (*forged, honest)]
    assert len(honest.headers["webhook-signature"]) == len(forged[0].headers["webhook-signature"])
    assert all(one.headers["webhook-signature"].startswith("v3,") for one in forged)


@CLOCKS
@on_loop
async def test_a_stale_webhook_is_signed_for_the_time_that_it_says_it_is_from(clock: str) -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(clock_of(clock)), settings(**QUICK)) as origin:
            await hooked(origin, store, receiver, age=600_000)
            await go_on(store, clock)
            received = await receiver.next()
            assert fits(received, await secret_of(origin))
    assert 600 <= age(received) < 660


@on_loop
async def test_a_webhook_that_is_stale_by_less_than_a_second_is_so_by_one() -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(clock_of("real")), settings(**QUICK)) as origin:
            await hooked(origin, store, receiver, age=1)
            received = await receiver.next()
            assert fits(received, await secret_of(origin))
    assert age(received) >= 1


@on_loop
async def test_one_webhook_may_go_wrong_in_several_ways() -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(), settings()) as origin:
            await hooked(origin, store, receiver, late=1_000, copies=2, forged=True, age=400_000)
            await store.advance(DONE + 1_000)
            secret = await secret_of(origin)
            copies = [await receiver.next() for _ in range(2)]
    assert [(False, True)] * 2 == [(fits(copy, secret), age(copy) >= 400) for copy in copies]


# In the store, where leases and bounds are seen.


def job_of(name: str, twist: WebhookTwist | None, run_time: int | None = 10, submitted: int = 0) -> Job:
    hook = Hook("http://127.0.0.1:1/", "http://here")
    submission = Submission("wavespeed", "model", "prompt", "digest", 1, 64, 64, "jpeg", webhook=hook)
    plan = Plan(0, run_time, Phase.SUCCEEDED, 1, twists=Twists(webhook=twist))
    return Job(name, "key", submission, submitted, plan, 0)


async def put(store: MemoryStore, name: str, twist: WebhookTwist | None = None, run_time: int | None = 10) -> None:
    await store.submit("key", "wavespeed", lambda turn: job_of(name, twist, run_time, turn.now))


class Wall:
    """A wall clock that shows what it is told."""

    now = 0

    def __call__(self) -> int:
        return self.now


@on_loop
async def test_a_copy_whose_courier_died_is_handed_out_again_and_no_copy_is_lost_or_added() -> None:
    store = MemoryStore(Clock.real(), wall_clock=(clock := Wall()))
    await put(store, "one", WebhookTwist(copies=2))
    clock.now = 10
    dead = await store.next_delivery(1_000)
    clock.now = 1_010
    taken = await store.next_delivery(1_000)
    await store.settle(taken, ACCEPTED, 1_000)
    await store.settle(dead, ACCEPTED, 1_000)
    second = await store.next_delivery(1_000)
    assert (dead, 1) == (taken, len(second.attempts))
    await store.settle(second, ACCEPTED, 1_000)
    (kept,) = await store.deliveries("key")
    assert (Outcome.DELIVERED, 2) == (kept.outcome, len(kept.attempts))


@on_loop
async def test_a_held_webhook_whose_courier_died_goes_out_again_and_others_do_not_disturb_it() -> None:
    store = MemoryStore(Clock.real(), wall_clock=(clock := Wall()))
    await put(store, "held", WebhookTwist(after_next=True))
    clock.now = 10 + PATIENCE
    held = await store.next_delivery(1_000)
    await put(store, "other", run_time=0)
    other = await store.next_delivery(1_000)
    await store.settle(other, ACCEPTED, 1_000)
    await store.settle(held, REFUSED, 1_000)
    one, _ = await store.deliveries("key")
    assert (("held", "other"), 500, PATIENCE + 1_010) == (
        (held.job.id, other.job.id),
        one.attempts[0].status,
        one.due,
    )


@on_loop
async def test_a_webhook_that_went_out_before_another_was_ready_lets_that_wait() -> None:
    store = MemoryStore(Clock.manual(0))
    await put(store, "early", run_time=5)
    await put(store, "held", WebhookTwist(after_next=True))
    await put(store, "next", run_time=15)
    await store.set_clock("key", lambda clock, _: clock.advance(100))
    names = []
    for _ in range(3):
        delivery = await store.next_delivery(1_000)
        names.append(delivery.job.id)
        await store.settle(delivery, ACCEPTED, 1_000)
    assert ["early", "next", "held"] == names
    assert 15 == (await store.deliveries("key"))[1].attempts[0].at


@on_loop
async def test_a_webhook_that_has_waited_for_its_turn_does_not_wait_again_when_its_job_is_deleted() -> None:
    store = MemoryStore(Clock.manual(0))
    await put(store, "held", WebhookTwist(after_next=True))
    await put(store, "next")
    await store.set_clock("key", lambda clock, _: clock.advance(10))
    await store.settle(await store.next_delivery(1_000), ACCEPTED, 1_000)
    await store.erase("key", ["held"])
    assert "held" == (await store.next_delivery(1_000)).job.id


@on_loop
async def test_the_moment_of_a_held_webhook_follows_its_job_and_goes_with_it() -> None:
    store = MemoryStore(Clock.manual(0), jobs=1)
    await put(store, "held", WebhookTwist(after_next=True, late=5), None)
    (kept,) = await store.deliveries("key")
    assert (None, False) == (kept.due, kept.held)
    await store.interrupt("key", "held", Phase.SUCCEEDED, only_in=frozenset({Phase.RUNNING}))
    (kept,) = await store.deliveries("key")
    assert (5 + PATIENCE, True) == (kept.due, kept.held)
    await put(store, "next")
    assert ["next"] == [delivery.job.id for delivery in await store.deliveries("key")]
    await store.set_clock("key", lambda clock, _: clock.advance(10))
    await store.settle(await store.next_delivery(1_000), ACCEPTED, 1_000)
    assert [Outcome.DELIVERED] == [delivery.outcome for delivery in await store.deliveries("key")]


@on_loop
async def test_lost_webhooks_make_room_as_those_do_that_are_over() -> None:
    store = MemoryStore(Clock.manual(0), deliveries=3)
    for number in range(10):
        await put(store, str(number), WebhookTwist(lost=True))
    await put(store, "waits")
    assert ["8", "9", "waits"] == [delivery.job.id for delivery in await store.deliveries("key")]


@given(
    st.lists(st.sampled_from([ACCEPTED, REFUSED, Attempt(0, None, "no answer")]), min_size=60, max_size=60),
    st.integers(1, 8),
)
def test_there_are_as_many_copies_as_wanted_each_with_its_own_retries(answers: list[Attempt], copies: int) -> None:
    delivery = expected(job_of("one", WebhookTwist(copies=copies)))
    said = iter(answers)
    runs: list[list[Attempt]] = [[]]
    while delivery.due is not None:
        before, answer = delivery.due, next(said)
        delivery = delivery.tried(answer, before, 1_000)
        runs[-1].append(answer)
        if answer.accepted or len(runs[-1]) == RETRIES + 1:
            assert delivery.due in (before, None)
            runs.append([])
        else:
            assert before + 1_000 * 2 ** (len(runs[-1]) - 1) == delivery.due
    assert (copies, []) == (len(runs) - 1, runs[-1])
    arrived = any(answer.accepted for run in runs for answer in run)
    assert (Outcome.DELIVERED if arrived else Outcome.FAILED) == delivery.outcome


@given(st.integers(0, 100_000), st.integers(0, 100_000), st.integers(0, 100_000))
def test_a_held_delivery_is_released_by_what_begins_once_it_is_ready_and_by_nothing_else(
    late: int, at: int, took: int
) -> None:
    held = expected(job_of("one", WebhookTwist(after_next=True, late=late)))
    straight: Delivery = expected(job_of("two", WebhookTwist(late=late)))

    assert straight is straight.behind(at, at + took)
    if at >= 10 + late:
        assert dataclasses.replace(held, due=at + took) == held.behind(at, at + took)
    else:
        assert held is held.behind(at, at + took)
