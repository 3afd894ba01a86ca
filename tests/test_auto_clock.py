"""The automatic clock: time goes on to what happens next when somebody waits for it, and at no other moment."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
import wavespeed
from live import RUNCOMFY, WAVESPEED, Live, MakeLive
from serving import MODEL, WatchedStore, get, on_loop, receiving, result, serving, settings, submit
from test_webhook_faults import clock_of, put

from understudy.mockserver.clock import Clock
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.images import ImageSpec
from understudy.mockserver.jobs import Phase
from understudy.mockserver.journal import Entry
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.rules import AnswerEffect, JobEffect, Rule, When
from understudy.mockserver.webhooks import Attempt, Outcome

START = 1_767_225_600_000
FIVE_MINUTES = 300_000
AUTO = Clock(rate=0, reading=START, auto=True)


def for_(milliseconds: int) -> DurationRange:
    return DurationRange(milliseconds, milliseconds)


@pytest.fixture
def auto(make_live: MakeLive) -> Live:
    """A server on which jobs take five minutes, and time goes on by itself."""
    return make_live(AUTO, run_time=for_(FIVE_MINUTES))


def now(live: Live, tenant: str = "key") -> int:
    """What a tenant's clock shows, from where it began."""
    return live.server.call(live.store.clock(tenant)).reading - START


def polls(live: Live) -> int:
    return sum(entry.operation in ("result", "status") for entry in live.journal())


# One client that polls.


def test_the_wavespeed_sdk_with_its_own_poll_interval_sees_a_five_minute_job_through_in_two_polls(auto: Live) -> None:
    client = wavespeed.Client(api_key="key", base_url=auto.origin)

    outputs = client.run(MODEL, {"prompt": "A shoe", "max_images": 2}, poll_interval=1.0)["outputs"]

    assert (2, 2, 500 + FIVE_MINUTES) == (len(outputs), polls(auto), now(auto))


def test_runcomfys_status_and_result_move_time_and_each_poll_by_one_event(auto: Live) -> None:
    job = auto.submit_runcomfy()
    urls = [job["status_url"], job["status_url"], job["result_url"]]

    told = [(auto.client.get(url).json()["status"], now(auto)) for url in urls]

    assert [("in_progress", 500), ("completed", 300_500), ("succeeded", 300_500)] == told


def test_nothing_but_a_poll_moves_time(auto: Live) -> None:
    auto.submit_runcomfy()
    auto.submit_wavespeed()
    auto.client.get("/api/v3/balance").raise_for_status()
    auto.client.post("/api/v3/predictions", json={}).raise_for_status()
    auto.client.get("/api/v3/predictions/" + 32 * "0" + "/result")

    assert 0 == now(auto)


def test_the_poll_of_a_job_that_has_ended_moves_nothing_though_others_go_on(auto: Live) -> None:
    auto.server.call(auto.store.add_rules("key", [Rule("", job=JobEffect(latency=for_(0)), times=1)]))
    done = auto.submit_wavespeed()
    auto.submit_wavespeed()

    assert "completed" == auto.client.get(done["urls"]["get"]).json()["data"]["status"]
    assert 0 == now(auto)


def test_nobody_moves_the_time_of_another(auto: Live) -> None:
    job = auto.submit_wavespeed()

    with auto.client_of("other") as other:
        other.post(WAVESPEED, json={"prompt": "x", "images": ["https://example.com/a.png"]}).raise_for_status()
        assert other.get(job["urls"]["get"]).is_client_error

    assert (0, 0) == (now(auto), now(auto, "other"))


@pytest.mark.parametrize("where", [Phase.QUEUED, Phase.RUNNING])
def test_a_job_that_hangs_for_ever_is_polled_without_time_going_on(auto: Live, where: Phase) -> None:
    auto.add_rules(Rule("", job=JobEffect(hang=where)))
    job = auto.submit_wavespeed()

    told = [auto.client.get(job["urls"]["get"]).json()["data"]["status"] for _ in range(5)]

    assert ["created" if where is Phase.QUEUED else "processing"] * 5 == told
    assert (0 if where is Phase.QUEUED else 500) == now(auto)


def test_a_job_that_ends_on_a_poll_does_so_while_time_goes_on_for_the_others(auto: Live) -> None:
    auto.add_rules(Rule("", job=JobEffect(polls=3), times=1))
    counted, other = auto.submit_wavespeed()["urls"]["get"], auto.submit_wavespeed()["urls"]["get"]

    told = [auto.client.get(counted).json()["data"]["status"] for _ in range(3)]

    assert ["processing", "processing", "completed"] == told
    assert "completed" == auto.client.get(other).json()["data"]["status"]


def test_jobs_with_a_capacity_come_to_their_ends_one_after_the_other(make_live: MakeLive) -> None:
    live = make_live(AUTO, run_time=for_(FIVE_MINUTES), capacity=1)
    jobs = [live.submit_runcomfy() for _ in range(3)]

    for job in jobs:
        while live.client.get(job["status_url"]).json()["status"] != "completed":
            pass

    # The end of one is the start of the next.
    assert (3 * FIVE_MINUTES + 500, 4) == (now(live), polls(live))


def test_several_clients_of_one_tenant_that_poll_at_once_all_come_to_an_end(auto: Live) -> None:
    def see_through(provider: str) -> str:
        with auto.client_of("key") as client:
            if provider == "wavespeed":
                body = client.post(WAVESPEED, json={"prompt": "x", "images": ["https://example.com/a.png"]}).json()
                url = body["data"]["urls"]["get"]
            else:
                body = client.post(RUNCOMFY, json={"text": "x", "images": ["https://example.com/a.png"]}).json()
                url = body["result_url"]
            while True:
                body = client.get(url).json()
                status = str(body.get("data", body)["status"])
                if status in ("completed", "succeeded"):
                    return status

    with ThreadPoolExecutor(max_workers=8) as pool:
        ends = list(pool.map(see_through, ["wavespeed", "runcomfy"] * 4))

    assert ["completed", "succeeded"] * 4 == ends


# Clients that wait.


@on_loop
async def test_in_sync_mode_a_five_minute_job_is_waited_for_to_its_end_and_not_beyond() -> None:
    async with serving(store := WatchedStore(AUTO), settings(500, 20_000, sync_limit=60_000)) as origin:
        status, body = await submit(origin, enable_sync_mode=True)
    assert (200, "completed", START + 20_500) == (status, body["data"]["status"], (await store.clock("key")).reading)


@pytest.mark.parametrize("effect", [JobEffect(hang=Phase.RUNNING), JobEffect(hang=Phase.QUEUED), JobEffect(polls=1)])
@on_loop
async def test_in_sync_mode_a_job_that_never_ends_is_waited_for_until_the_limit(effect: JobEffect) -> None:
    async with serving(store := WatchedStore(AUTO), settings(sync_limit=60_000)) as origin:
        await store.add_rules("key", [Rule("", job=effect)])
        _, body = await submit(origin, enable_sync_mode=True)
    assert (5004, START + 60_000) == (body["data"]["code"], (await store.clock("key")).reading)


@on_loop
async def test_a_delay_passes_at_once_unless_another_event_comes_first() -> None:
    async with serving(store := WatchedStore(AUTO), settings(500, 20_000)) as origin:
        effect = AnswerEffect(delay=for_(5_000), status=503)
        await store.add_rules("key", [Rule("", When(operation="balance"), answer=effect)])
        await submit(origin)
        assert 503 == (await get(f"{origin}/api/v3/balance")).status_code
        assert START + 5_000 == (await store.clock("key")).reading


class Dwelling(WatchedStore):
    """A store whose tenant `key` has an exchange under way until `finish` is called."""

    async def dwell(self) -> None:
        await self.enter("key")

    async def finish(self) -> None:
        entry = Entry(0, 0, 0, "wavespeed", "upload", "POST", "/", None, None, 200)
        await self.leave("key", entry)


@on_loop
async def test_time_stands_still_for_polls_and_waits_while_another_exchange_is_under_way() -> None:
    async with serving(store := Dwelling(AUTO), settings(500, 20_000, sync_limit=60_000)) as origin:
        job = (await submit(origin)).body["data"]["id"]
        await store.dwell()
        waiting = asyncio.create_task(submit(origin, enable_sync_mode=True))
        await store.began.get()
        told = [(await result(origin, job))["status"] for _ in range(3)]
        assert (["created"] * 3, START) == (told, (await store.clock("key")).reading)
        await store.finish()
        assert "completed" == (await waiting).body["data"]["status"]


@on_loop
async def test_one_client_waits_in_sync_mode_while_another_polls_and_both_see_their_ends() -> None:
    async with serving(store := Dwelling(AUTO), settings(500, 20_000, sync_limit=60_000)) as origin:
        job = (await submit(origin)).body["data"]["id"]
        await store.dwell()
        waiting = asyncio.create_task(submit(origin, enable_sync_mode=True))
        await store.began.get()
        await store.finish()
        while (await result(origin, job))["status"] != "completed":
            pass
        assert "completed" == (await waiting).body["data"]["status"]
    assert START + 20_500 == (await store.clock("key")).reading


def test_time_stands_still_while_a_picture_is_drawn_for_the_tenant(make_live: MakeLive) -> None:
    begun, may_go = threading.Event(), threading.Event()

    def draw(spec: ImageSpec) -> bytes:
        begun.set()
        assert may_go.wait(30), "Nobody lets the drawing go on."
        return b"picture"

    live = make_live(AUTO, draw=draw)
    first, second = live.submit_wavespeed()["urls"]["get"], live.submit_wavespeed
    while not (outputs := live.client.get(first).json()["data"]["outputs"]):
        pass
    job, before = second()["urls"]["get"], now(live)

    with ThreadPoolExecutor(max_workers=1) as pool, live.client_of(None) as anybody:
        fetch = pool.submit(anybody.get, outputs[0])
        assert begun.wait(30), "Nothing is drawn."
        told = [live.client.get(job).json()["data"]["status"] for _ in range(3)]
        during = now(live)
        may_go.set()
        assert b"picture" == fetch.result().content

    assert (["created"] * 3, before) == (told, during)
    assert "processing" == live.client.get(job).json()["data"]["status"]


@on_loop
async def test_a_client_that_hangs_up_while_it_waits_moves_no_time_any_more() -> None:
    async with serving(store := Dwelling(AUTO), settings(500, 20_000, sync_limit=60_000)) as origin:
        await store.dwell()
        host, _, port = origin.removeprefix("http://").partition(":")
        body = b'{"prompt": "x", "images": ["https://example.com/a.png"], "enable_sync_mode": true}'
        with socket.create_connection((host, int(port))) as client:
            client.sendall(
                b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\nContent-Length: %d\r\n\r\n%s"
                % (WAVESPEED.encode(), len(body), body)
            )
            await store.began.get()
        await store.ended.get()
        await store.heard("key", 0)
        await store.finish()
        assert [START + 500, START + 20_500] == await store.ahead("key")
        assert (START, 0) == ((await store.clock("key")).reading, store._tenants["key"].busy)


@on_loop
async def test_a_wait_that_a_cancellation_ends_does_not_run_on_to_the_end_that_will_not_be() -> None:
    switches = {"wavespeed.cancel": "on"}
    async with serving(store := Dwelling(AUTO), settings(500, 20_000, assume=switches, sync_limit=60_000)) as origin:
        await store.dwell()
        waiting = asyncio.create_task(submit(origin, enable_sync_mode=True))
        await store.began.get()
        (job,) = (await store.account("key", "wavespeed")).jobs
        await store.interrupt("key", job.id, Phase.CANCELLED, only_in=frozenset({Phase.QUEUED}))
        await store.finish()
        assert "cancelled" == (await waiting).body["data"]["status"]
    assert START == (await store.clock("key")).reading


@on_loop
async def test_those_who_wait_go_on_when_the_clock_becomes_automatic() -> None:
    async with serving(store := WatchedStore(), settings(500, 20_000, sync_limit=60_000)) as origin:
        waiting = asyncio.create_task(submit(origin, enable_sync_mode=True))
        await store.began.get()
        await store.set_clock("key", lambda clock, wall: clock.at_rate(0, wall, auto=True))
        assert "completed" == (await waiting).body["data"]["status"]


@on_loop
async def test_whoever_waits_lives_through_a_reset_and_waits_no_longer_than_its_limit() -> None:
    async with serving(store := Dwelling(AUTO), settings(500, 20_000, sync_limit=60_000)) as origin:
        await store.dwell()
        waiting = asyncio.create_task(submit(origin, enable_sync_mode=True))
        await store.began.get()
        await store.reset("key")
        await store.finish()
        assert 200 == (await waiting).status
        assert 0 == store._tenants["key"].busy


# Webhooks.


@on_loop
async def test_a_webhook_comes_without_anybody_polling_and_its_retries_until_it_is_over() -> None:
    with receiving(*[500] * 4) as receiver:
        async with serving(store := WatchedStore(AUTO), settings(500, FIVE_MINUTES)) as origin:
            await submit(origin, "?webhook=" + quote(receiver.origin, safe=""))
            attempts = [await store.settled.get() for _ in range(4)]
            (kept,) = await store.deliveries("key")
    end = START + 300_500
    assert [500] * 4 == [attempt.status for attempt in attempts]
    assert [end, end + 1_000, end + 3_000, end + 7_000] == [attempt.at for attempt in kept.attempts]
    assert (Outcome.FAILED, end + 7_000) == (kept.outcome, (await store.clock("key")).reading)


@on_loop
async def test_a_webhook_comes_when_the_clock_becomes_automatic() -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(), settings()) as origin:
            job_id = (await submit(origin, "?webhook=" + quote(receiver.origin, safe=""))).body["data"]["id"]
            await store.set_clock("key", lambda clock, wall: clock.at_rate(0, wall, auto=True))
            assert job_id == (await receiver.next()).prediction["id"]


@on_loop
async def test_several_webhooks_come_in_the_order_of_their_jobs_ends() -> None:
    with receiving() as receiver:
        async with serving(store := Dwelling(AUTO), settings()) as origin:
            await store.dwell()
            for number, latency in enumerate((9_000, 3_000, 6_000)):
                await store.add_rules("key", [Rule("", job=JobEffect(latency=for_(latency)), times=1)], first=True)
                await submit(origin, "?webhook=" + quote(f"{receiver.origin}/{number}", safe=""))
            assert START == (await store.clock("key")).reading
            await store.finish()
            paths = [(await receiver.next()).path for _ in range(3)]
    assert ["/1", "/2", "/0"] == paths


@on_loop
async def test_a_webhook_that_never_comes_does_not_move_the_time_of_other_jobs() -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(AUTO), settings()) as origin:
            await store.add_rules("key", [Rule("", job=JobEffect(hang=Phase.RUNNING), times=1)])
            await submit(origin, "?webhook=" + quote(receiver.origin, safe=""))
            await submit(origin)
            await get(f"{origin}/api/v3/balance")
            assert START == (await store.clock("key")).reading


@on_loop
async def test_time_stands_still_while_a_webhook_is_on_its_way() -> None:
    store = MemoryStore(AUTO)
    await put(store, "one", run_time=10)
    await put(store, "two", run_time=20)
    assert START + 10 == (await store.poll("key", "one")).now  # type: ignore[union-attr]  # it is there
    delivery = await store.next_delivery(60_000)
    assert [START + 10] * 2 == [(await store.poll("key", "two")).now for _ in range(2)]  # type: ignore[union-attr]
    await store.settle(delivery, Attempt(0, 204), 1_000)
    assert START + 20 == (await store.clock("key")).reading


@on_loop
async def test_the_sync_answer_and_the_webhook_of_one_job_both_come() -> None:
    with receiving() as receiver:
        async with serving(WatchedStore(clock_of("auto")), settings(500, 20_000, sync_limit=60_000)) as origin:
            answer = await submit(origin, "?webhook=" + quote(receiver.origin, safe=""), enable_sync_mode=True)
            received = await receiver.next()
    assert answer.body["data"] == received.prediction


@on_loop
async def test_a_tenant_on_a_manual_clock_beside_one_on_an_automatic_one_stands_still() -> None:
    async with serving(store := WatchedStore(), settings()) as origin:
        await store.set_clock("auto", lambda clock, wall: clock.at_rate(0, wall, auto=True))
        jobs = {key: (await submit(origin, key=key)).body["data"]["id"] for key in ("key", "auto")}
        told = {key: [(await result(origin, job, key))["status"] for _ in range(3)] for key, job in jobs.items()}
    assert {"key": ["created"] * 3, "auto": ["processing", "completed", "completed"]} == told
