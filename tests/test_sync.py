"""Sync mode: the answer to a submission is the end of the job, or that the wait is over."""

import asyncio
import json
import logging
import time
from typing import Any

import pytest
import wavespeed
from serving import MODEL, Answer, WatchedStore, get, on_loop, result, serving, settings, submit

from understudy.contracts import catalogue
from understudy.contracts.compare import differences
from understudy.mockserver.app import create_app
from understudy.mockserver.clock import Clock
from understudy.mockserver.jobs import Phase

SAMPLES = {sample.name: sample for sample in catalogue.samples("wavespeed")}


def run_in_sync_mode(origin: str) -> Any:
    client = wavespeed.Client(api_key="key", base_url=origin)
    return client.run(MODEL, {"prompt": "A shoe", "max_images": 2}, enable_sync_mode=True)


@on_loop
async def test_the_sdk_gets_the_outputs_in_the_answer_to_its_submission() -> None:
    async with serving(of=settings(10, 20)) as origin:
        outputs = (await asyncio.to_thread(run_in_sync_mode, origin))["outputs"]
        assert [200, 200] == [(await get(url)).status_code for url in outputs]


@on_loop
async def test_a_job_that_succeeds_answers_with_the_recorded_prediction() -> None:
    sample = SAMPLES["sync-completed"]
    async with serving(of=settings(10, 20)) as origin:
        status, body = await submit(origin, **sample.request["body"])
    assert (200, []) == (status, differences(sample, body, origin=origin))


@on_loop
async def test_a_job_that_is_deleted_meanwhile_answers_as_if_it_were_not() -> None:
    async with serving(store := WatchedStore()) as origin:
        answer = asyncio.create_task(submit(origin, max_images=2, enable_sync_mode=True))
        await store.began.get()
        (job,) = (await store.account("key", "wavespeed")).jobs
        await store.erase("key", [job.id])
        await store.advance(2_500)
        assert [] == differences(SAMPLES["sync-completed"], (await answer).body, origin=origin)
        assert 404 == (await get(f"{origin}/api/v3/predictions/{job.id}/result")).status_code


@on_loop
async def test_a_job_that_fails_answers_with_its_failure() -> None:
    async with serving(of=settings(0, 10, failure_rate=1.0)) as origin:
        status, body = await submit(origin, max_images=2, enable_sync_mode=True)
    assert (200, []) == (status, differences(SAMPLES["sync-failed"], body, origin=origin))


@on_loop
async def test_a_job_that_is_over_at_once_is_not_waited_for() -> None:
    async with serving(store := WatchedStore(), settings(0, 0)) as origin:
        _, body = await submit(origin, max_images=2, enable_sync_mode=True)
        assert ("completed", 0) == (body["data"]["status"], store.began.qsize())


@on_loop
async def test_past_the_limit_the_sdk_raises_with_the_task_and_finds_the_job_finished_later() -> None:
    async with serving(store := WatchedStore(), settings(0, 600_000)) as origin:
        running = asyncio.create_task(asyncio.to_thread(run_in_sync_mode, origin))
        await store.began.get()
        await store.advance(89_999)
        await store.began.get()
        await store.advance(1)
        with pytest.raises(RuntimeError) as raised:
            await running
        job_id = wavespeed.Client._task_id_from_error(raised.value)
        text = "Sync mode timed out after 90 seconds. The prediction is still processing asynchronously."
        assert f"Sync mode timed out (task_id: {job_id}): {text}" in str(raised.value)
        assert "processing" == (await result(origin, job_id))["status"]
        await store.advance(510_000)
        assert "completed" == (await result(origin, job_id))["status"]


async def time_out(assume: dict[str, str], limit: int = 90_000) -> tuple[str, Answer]:
    store = WatchedStore()
    async with serving(store, settings(sync_limit=limit, run_time=600_000, assume=assume)) as origin:
        answer = asyncio.create_task(submit(origin, max_images=2, enable_sync_mode=True))
        await store.began.get()
        await store.advance(limit)
        return origin, await answer


@on_loop
async def test_past_the_limit_the_answer_is_the_recorded_one() -> None:
    origin, (status, body) = await time_out({})
    assert (200, []) == (status, differences(SAMPLES["sync-timeout"], body, origin=origin))


@on_loop
async def test_past_the_limit_the_other_reading_is_a_gateway_timeout() -> None:
    origin, (status, body) = await time_out({"wavespeed.sync_timeout": "504"})
    assert (504, []) == (status, differences(SAMPLES["sync-timeout-504"], body, origin=origin))


@on_loop
async def test_the_text_names_the_limit_that_is_set() -> None:
    _, (_, body) = await time_out({}, limit=1_500)
    assert "Sync mode timed out after 1.5 seconds." in json.dumps(body)


@on_loop
async def test_an_interruption_ends_the_wait_at_once() -> None:
    async with serving(store := WatchedStore()) as origin:
        answer = asyncio.create_task(submit(origin, enable_sync_mode=True))
        await store.began.get()
        (job,) = (await store.account("key", "wavespeed")).jobs
        await store.interrupt("key", job.id, Phase.CANCELLED, only_in=frozenset({Phase.QUEUED}))
        assert "cancelled" == (await answer).body["data"]["status"]


@on_loop
async def test_a_job_that_a_full_store_dropped_meanwhile_ends_as_it_would_have() -> None:
    async with serving(store := WatchedStore(jobs=1)) as origin:
        answer = asyncio.create_task(submit(origin, enable_sync_mode=True))
        await store.began.get()
        await submit(origin)
        await store.advance(2_500)
        body = (await answer).body
        assert "completed" == body["data"]["status"]
        assert 404 == (await get(body["data"]["urls"]["get"])).status_code


@on_loop
async def test_the_wait_is_as_long_as_the_job_on_the_tenants_clock() -> None:
    async with serving(store := WatchedStore()) as origin:
        answer = asyncio.create_task(submit(origin, enable_sync_mode=True))
        ends = await store.began.get()
        assert 2_500 == ends - Clock.manual().now(0)
        await store.advance(2_500)
        assert "completed" == (await answer).body["data"]["status"]


async def hang(origin: str) -> asyncio.StreamWriter:
    """A submission in sync mode whose answer nobody reads."""
    _, writer = await asyncio.open_connection(*origin.removeprefix("http://").split(":"))
    body = b'{"prompt": "A shoe", "enable_sync_mode": true}'
    head = (
        f"POST /api/v3/{MODEL} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer key\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    return writer


@on_loop
async def test_a_client_that_hangs_up_frees_all_that_it_held(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(store := WatchedStore()) as origin:
        before = asyncio.all_tasks()
        writer = await hang(origin)
        await store.began.get()
        assert before < asyncio.all_tasks()
        writer.close()
        await writer.wait_closed()
        await store.ended.get()
        held = asyncio.all_tasks() - before
        if held:
            await asyncio.wait(held)
        assert (before, 0) == (asyncio.all_tasks(), len(store._tenants["key"].waiters))
    assert [] == caplog.records


@on_loop
async def test_a_server_that_stops_ends_the_waits_within_a_tenth_of_a_second(caplog: pytest.LogCaptureFixture) -> None:
    store = WatchedStore()
    caplog.set_level(logging.WARNING)
    before = asyncio.all_tasks()
    async with serving(store) as origin:
        writers = [await hang(origin) for _ in range(5)]
        for _ in writers:
            await store.began.get()
        started = time.monotonic()
    assert 0.1 > time.monotonic() - started
    for writer in writers:
        writer.close()
        await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])
    assert (5, before) == (store.ended.qsize(), asyncio.all_tasks())
    assert [] == caplog.records


@on_loop
async def test_what_a_client_goes_on_sending_is_not_its_departure() -> None:
    store = WatchedStore()
    sent: list[object] = []
    messages: list[dict[str, object]] = [
        {"type": "http.request", "body": b'{"prompt": "A shoe", "enable_sync_mode": true}'}
    ]
    messages += [{"type": "http.request", "body": b""}, {"type": "http.disconnect"}]
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": f"/api/v3/{MODEL}",
        "query_string": b"",
        "headers": [(b"host", b"in.process"), (b"authorization", b"Bearer key")],
    }

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    async def send(message: object) -> None:
        sent.append(message)

    await create_app(settings(), store)(scope, receive, send)
    assert ([], 0, 1) == (messages, len(sent), store.began.qsize())
