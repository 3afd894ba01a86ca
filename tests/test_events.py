"""What happens, as server-sent events: over a socket, while it happens."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from controlling import Remote
from live import Live
from serving import WatchedStore, get, on_loop, receiving, serving, settings, submit

from understudy.mockserver.app import create_app
from understudy.mockserver.clock import MANUAL_START, Clock
from understudy.mockserver.event_stream import HEARTBEAT, stream
from understudy.mockserver.events import Cursor, Events, parse_cursor
from understudy.mockserver.jobs import Failure, Phase
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.server import Server

PROVIDERS = ("wavespeed", "runcomfy")
GOING = frozenset({Phase.QUEUED, Phase.RUNNING})


class Listener:
    """A client of the stream: events one by one."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.last = ""

    async def next(self) -> Any:
        content = None
        async for line in self._lines:
            if line.startswith("id: "):
                self.last = line[4:]
            elif line.startswith("data: "):
                content = json.loads(line[6:])
            elif not line and content is not None:
                return content
        raise AssertionError("The stream has ended.")

    async def kinds(self, count: int) -> list[tuple[str, Any]]:
        """So many events in short: of each its kind and what tells it from others."""
        told = [await self.next() for _ in range(count)]
        return [(one["kind"], one.get("number", one.get("state", one.get("status", one.get("mode"))))) for one in told]


@asynccontextmanager
async def listening(origin: str, key: str = "key", query: str = "", **headers: str) -> AsyncIterator[Listener]:
    sent = {"Authorization": f"Bearer {key}", **headers}
    async with (
        httpx.AsyncClient(base_url=origin, trust_env=False, headers=sent, timeout=20) as client,
        client.stream("GET", f"/_understudy/events{query}") as answer,
    ):
        assert (200, "text/event-stream") == (answer.status_code, answer.headers["content-type"])
        yield Listener(answer.aiter_lines())


@on_loop
async def test_exchanges_jobs_webhooks_and_the_clock_are_told_as_they_happen() -> None:
    store = WatchedStore()
    with receiving(500) as receiver:
        async with serving(store) as origin, listening(origin) as listener:
            assert {
                "kind": "clock",
                "at": MANUAL_START,
                "mode": "manual",
                "now": MANUAL_START,
                "time": "2026-01-01T00:00:00.000Z",
            } == await listener.next()
            job = (await submit(origin, f"?webhook={receiver.origin}/hook")).body["data"]["id"]
            exchange = await listener.next()
            assert ("exchange", 1, job, "submit") == tuple(
                exchange[name] for name in ("kind", "number", "job", "operation")
            )
            assert {"kind": "job", "at": MANUAL_START, "job": job, "state": "queued"} == await listener.next()
            await store.advance(500)
            assert [("job", "running"), ("clock", "manual")] == await listener.kinds(2)
            await store.advance(2_000)
            # The webhook is on its way when the first of these are told, or over.
            told = [await listener.next() for _ in range(3)]
            assert ["clock", "job", "webhook"] == sorted(one["kind"] for one in told)
            assert {
                "kind": "webhook",
                "at": MANUAL_START + 2_500,
                "job": job,
                "attempt": 1,
                "status": 500,
                "error": None,
            } == next(one for one in told if one["kind"] == "webhook")
            await get(f"{origin}/api/v3/predictions/{job}/result")
            assert [("exchange", 2)] == await listener.kinds(1)


@on_loop
async def test_a_job_that_ends_on_a_running_clock_is_told_by_itself() -> None:
    store = WatchedStore(Clock.real())
    async with serving(store, settings(10, 20)) as origin, listening(origin) as listener:
        await listener.next()
        await submit(origin)
        assert ["queued", "running", "succeeded"] == [
            one["state"] for one in [await listener.next() for _ in range(4)] if one["kind"] == "job"
        ]


@on_loop
async def test_an_interruption_and_another_mode_are_told() -> None:
    store = WatchedStore()
    async with serving(store) as origin:
        job = (await submit(origin)).body["data"]["id"]
        async with listening(origin) as listener:
            assert "clock" == (await listener.next())["kind"]
            await store.interrupt("key", job, Phase.FAILED, only_in=GOING, failure=Failure())
            assert [("job", "failed")] == await listener.kinds(1)
            await store.set_clock("key", lambda clock, wall: clock.at_rate(0, wall, auto=True))
            assert [("clock", "auto")] == await listener.kinds(1)


@on_loop
async def test_who_comes_back_hears_what_it_missed() -> None:
    store = WatchedStore()
    async with serving(store) as origin:
        async with listening(origin) as listener:
            await listener.next()
            job = (await submit(origin)).body["data"]["id"]
            assert [("exchange", 1), ("job", "queued")] == await listener.kinds(2)
            last = listener.last
        await store.advance(10_000)
        await get(f"{origin}/api/v3/predictions/{job}/result")
        expected = [("job", "running"), ("job", "succeeded"), ("exchange", 2), ("clock", "manual")]
        for query, headers in (
            (f"?after={last}", {}),
            ("", {"Last-Event-ID": last}),
            ("?after=9", {"Last-Event-ID": last}),
        ):
            async with listening(origin, query=query, **headers) as again:
                # What was at the very instant that it knows may come once more.
                assert [("job", "queued"), *expected] == await again.kinds(5)
        async with listening(origin, query="?after=1") as again:
            assert [("exchange", 2), ("clock", "manual")] == await again.kinds(2)
        async with listening(origin, query="?after=0") as again:
            assert [("exchange", 1), ("job", "queued"), *expected] == await again.kinds(6)


@on_loop
async def test_a_webhook_is_told_again_to_who_was_away() -> None:
    store = WatchedStore()
    with receiving() as receiver:
        async with serving(store) as origin:
            await submit(origin, f"?webhook={receiver.origin}/hook")
            await store.advance(2_500)
            await store.quiet("key")
            async with listening(origin, query=f"?after=1-{MANUAL_START + 2_500}") as listener:
                assert [("job", "succeeded"), ("webhook", 204), ("clock", "manual")] == await listener.kinds(3)
            await store.advance(1)
            async with listening(origin, query=f"?after=1-{MANUAL_START + 2_501}") as listener:
                assert [("clock", "manual")] == await listener.kinds(1)


@on_loop
async def test_one_key_hears_nothing_of_another_and_each_listener_all_of_its_own() -> None:
    store = WatchedStore()
    async with (
        serving(store) as origin,
        listening(origin, "other") as stranger,
        listening(origin) as one,
        listening(origin) as two,
    ):
        for listener in (stranger, one, two):
            await listener.next()
        await submit(origin)
        await submit(origin, key="other")
        for listener in (stranger, one, two):
            assert [("exchange", 1), ("job", "queued")] == await listener.kinds(2)


@on_loop
async def test_a_reset_is_told_and_what_comes_after_it() -> None:
    store = WatchedStore()
    async with serving(store) as origin, listening(origin) as listener:
        await listener.next()
        await submit(origin)
        await store.advance(600)
        await listener.kinds(4)
        await store.reset("key")
        assert [("reset", None), ("clock", "manual")] == await listener.kinds(2)
        await submit(origin)
        assert [("exchange", 1), ("job", "queued")] == await listener.kinds(2)
        assert f"1-{MANUAL_START}" == listener.last


@on_loop
async def test_a_reset_is_told_on_a_clock_that_goes_on() -> None:
    store = WatchedStore(Clock.real())
    async with serving(store) as origin, listening(origin) as listener:
        await listener.next()
        await submit(origin)
        await listener.kinds(2)
        await store.reset("key")
        assert ("reset", None) in await listener.kinds(1)


@on_loop
async def test_a_reset_is_told_when_there_are_as_many_exchanges_again_before_anybody_looks() -> None:
    store = WatchedStore()
    async with serving(store) as origin:
        await submit(origin)
        events = Events(store, PROVIDERS, "key")
        heard = events.listen()
        assert ["clock"] == [event.content["kind"] for event in await anext(heard)]
        await store.reset("key")
        await submit(origin)
        assert ["reset", "exchange", "job", "clock"] == [event.content["kind"] for event in await anext(heard)]
        await heard.aclose()


@on_loop
async def test_who_comes_back_after_a_reset_loses_nothing_of_what_came_after_it() -> None:
    store = WatchedStore(Clock.real())
    async with serving(store, settings(10**6)) as origin:
        async with listening(origin) as listener:
            await submit(origin)
            while not listener.last.startswith("1-"):
                await listener.next()
        await store.reset("key")
        await asyncio.sleep(0.002)
        for _ in range(2):
            await submit(origin)
        async with listening(origin, query=f"?after={listener.last}") as again:
            told = await again.kinds(4)
        assert [("reset", None), ("exchange", 1)] == told[:2]
        assert ("exchange", 2) in told


@on_loop
async def test_a_journal_that_keeps_nothing_was_not_reset() -> None:
    store = WatchedStore(journal=0)
    async with serving(store) as origin:
        await submit(origin)
        async with listening(origin) as listener:
            await listener.next()
            await submit(origin)
            assert [("job", "queued")] == await listener.kinds(1)


@on_loop
async def test_who_reads_slowly_is_told_how_much_it_missed() -> None:
    store = WatchedStore(journal=2)
    async with serving(store) as origin:
        for _ in range(5):
            await get(f"{origin}/api/v3/balance")
        async with listening(origin, query="?after=1") as listener:
            missed = await listener.next()
            assert ("missed", 2) == (missed["kind"], missed["exchanges"])
            assert [("exchange", 4), ("exchange", 5), ("clock", "manual")] == await listener.kinds(3)


@on_loop
async def test_what_ended_late_is_told_after_what_ended_before_it() -> None:
    """A submission in sync mode begins first and ends last: its number is the greater one."""
    store = WatchedStore()
    async with serving(store) as origin:
        waiting = asyncio.ensure_future(submit(origin, enable_sync_mode=True))
        await store.began.get()
        await store.advance(1_000)
        await get(f"{origin}/api/v3/balance")
        await store.advance(1_500)
        await waiting
        async with listening(origin, query="?after=0") as listener:
            told = [await listener.next() for _ in range(6)]
        assert [1, 2] == [one["number"] for one in told if one["kind"] == "exchange"]
        assert [0, 500, 1_000, 1_000, 2_500, 2_500] == [
            max(one["at"] - MANUAL_START, 1_000) if one["kind"] == "exchange" else one["at"] - MANUAL_START
            for one in told
        ]


@on_loop
async def test_a_listener_that_goes_away_leaves_nothing_behind() -> None:
    left: asyncio.Queue[None] = asyncio.Queue()

    class Hearing(WatchedStore):
        async def heard(self, tenant: str, after: int) -> None:
            try:
                await super().heard(tenant, after)
            finally:
                left.put_nowait(None)

    store = Hearing()
    async with serving(store) as origin:
        for _ in range(3):
            async with listening(origin) as listener:
                await listener.next()
            await left.get()
        assert not store._tenants["key"].listeners
    gc.collect()
    assert [] == [one for one in gc.get_objects() if isinstance(one, Events)]


@on_loop
async def test_a_server_with_listeners_stops_at_once() -> None:
    server = Server(create_app(settings(), WatchedStore()))
    await server.start()
    async with listening(server.origin) as listener:
        await listener.next()
        async with asyncio.timeout(1):
            await server.stop()


@on_loop
async def test_a_listener_hears_something_now_and_then_though_nothing_happens() -> None:
    store = MemoryStore(Clock.manual())
    sent: list[bytes] = []
    enough = asyncio.Event()

    async def receive() -> Any:
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if sent.count(HEARTBEAT) == 2:
            enough.set()

    await stream(Events(store, PROVIDERS, "key", heartbeat=0.001), {"type": "http", "method": "GET"}, receive, send)
    assert [HEARTBEAT, HEARTBEAT] == sent[2:4]


@on_loop
async def test_for_one_that_does_not_read_nothing_piles_up() -> None:
    """While one event waits to go out, nobody looks for others."""
    looked = 0

    class Counting(MemoryStore):
        async def journal(self, tenant: str, after: int = 0) -> Any:
            nonlocal looked
            looked += 1
            return await super().journal(tenant, after)

    store = Counting(Clock.manual())
    stuck, gone = asyncio.Event(), asyncio.Event()

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message.get("body"):
            stuck.set()
            await asyncio.Event().wait()

    streaming = asyncio.ensure_future(stream(Events(store, PROVIDERS, "key"), {"method": "GET"}, receive, send))
    await stuck.wait()
    before = looked
    for _ in range(100):
        await store.set_clock("key", lambda clock, _: clock.advance(1))
        await asyncio.sleep(0)
    assert before == looked
    gone.set()
    await streaming


@on_loop
async def test_what_goes_wrong_while_looking_is_not_swallowed() -> None:
    class Broken(MemoryStore):
        async def clock(self, tenant: str) -> Clock:
            raise RuntimeError("no clock")

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        pass

    with pytest.raises(RuntimeError, match="no clock"):
        await stream(Events(Broken(Clock.manual()), PROVIDERS, "key"), {"method": "GET"}, receive, send)


def test_head_tells_what_kind_of_stream_it_is(live: Live) -> None:
    answer = live.client.head("/_understudy/events")
    assert (200, "text/event-stream") == (answer.status_code, answer.headers["content-type"])


def test_a_stream_has_no_other_parameters(live: Live) -> None:
    error = Remote(live.client).wrong(422, "GET", "events", since="1")
    assert "There is no parameter 'since' here." == error["message"]


def test_a_cursor_is_read_as_it_is_written() -> None:
    for cursor in (Cursor(3), Cursor(3, 5)):
        assert cursor == parse_cursor(str(cursor))
    for text in ("", "-1", "1-", "1-x", "٣", "1" * 16):
        assert parse_cursor(text) is None


@on_loop
async def test_an_automatic_clock_that_goes_on_is_told() -> None:
    store = WatchedStore(replace(Clock.manual(), auto=True))
    async with serving(store) as origin:
        job = (await submit(origin)).body["data"]["id"]
        async with listening(origin) as listener:
            await listener.next()
            await get(f"{origin}/api/v3/predictions/{job}/result")
            told = [await listener.next() for _ in range(3)]
            assert {"job", "clock", "exchange"} == {one["kind"] for one in told}
