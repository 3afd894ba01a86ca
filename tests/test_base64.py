"""Images inside the answer, as plain base64."""

import asyncio
from base64 import b64decode
from typing import Any

import pytest
import requests
from serving import MODEL, WatchedStore, get, on_loop, result, serving, settings, submit

from understudy.contracts import catalogue
from understudy.contracts.compare import differences

SAMPLES = {sample.name: sample for sample in catalogue.samples("wavespeed")}
INPUTS: dict[str, Any] = {"max_images": 2, "size": "1024*1024"}


async def outputs(**inputs: Any) -> list[str]:
    """Those of the first job of a fresh server: the same job on each, since the seed is the same."""
    async with serving(of=settings(0, 0)) as origin:
        _, body = await submit(origin, **INPUTS, **inputs)
        found: list[str] = (await result(origin, body["data"]["id"]))["outputs"]
        return [(await get(url)).content.hex() for url in found] if "enable_base64_output" not in inputs else found


@on_loop
async def test_each_output_is_the_file_that_the_url_form_gives() -> None:
    files = await outputs()
    assert files == [b64decode(text, validate=True).hex() for text in await outputs(enable_base64_output=True)]
    assert 2 == len(set(files))


@on_loop
async def test_the_poll_and_the_answer_in_sync_mode_are_equal() -> None:
    async with serving(of=settings(0, 10)) as origin:
        status, body = await submit(origin, **INPUTS, enable_base64_output=True, enable_sync_mode=True)
        assert (200, body["data"]) == (status, await result(origin, body["data"]["id"]))


@pytest.mark.parametrize("name", ["sync-completed-base64", "result-completed-base64"])
@on_loop
async def test_the_answer_has_the_documented_form(name: str) -> None:
    async with serving(of=settings(0, 10)) as origin:
        _, body = await submit(origin, **INPUTS, enable_base64_output=True, enable_sync_mode=True)
    assert [] == differences(SAMPLES[name], body, origin=origin)


@on_loop
async def test_there_are_no_outputs_before_the_end_or_after_a_failure() -> None:
    async with serving(store := WatchedStore(), settings(failure_rate=1.0)) as origin:
        job_id = (await submit(origin, enable_base64_output=True)).body["data"]["id"]
        before = await result(origin, job_id)
        await store.advance(2_500)
        after = await result(origin, job_id)
    assert [("created", []), ("failed", [])] == [(one["status"], one["outputs"]) for one in (before, after)]


@on_loop
async def test_a_webhook_and_base64_together_are_refused_as_documented() -> None:
    async with serving(store := WatchedStore()) as origin:
        query = "?webhook=http%3A%2F%2F127.0.0.1%3A9000%2Fhook"
        status, body = await submit(origin, query, enable_base64_output=True)
        assert 0 == len((await store.account("key", "wavespeed")).jobs)
    sample = SAMPLES["submit-webhook_base64"]
    assert (sample.response["status"], sample.body) == (status, body)


@on_loop
async def test_a_model_without_the_field_ignores_it() -> None:
    async with serving(of=settings(0, 0)) as origin:

        def run() -> Any:
            session = requests.Session()
            session.headers["authorization"] = "Bearer key"
            inputs = {"prompt": "A shoe", "enable_base64_output": True, "enable_sync_mode": True}
            url = f"{origin}/v1/models/bytedance/seedream-4-0/text-to-image"
            submitted = session.post(url, json=inputs, timeout=10).json()
            return session.get(submitted["result_url"], timeout=10).json()

        body = await asyncio.to_thread(run)
    assert [origin] == [url[: len(origin)] for url in body["output"]["images"]]


def test_the_models_of_this_file_have_the_field() -> None:
    assert "enable_base64_output" in catalogue.models("wavespeed")[MODEL].input_schema["properties"]
