"""Real clients, unmodified, on a real clock: the official WaveSpeed SDK, and a small RunComfy client from examples/."""

from __future__ import annotations

import io
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import wavespeed
from live import IMAGE, Live, MakeLive
from PIL import Image

from understudy.mockserver.clock import Clock, wall

MODEL = "bytedance/seedream-v4/edit-sequential"
INPUTS = {"prompt": "A series of 4 images of the same shoe", "images": [IMAGE], "max_images": 4, "size": "1408*1152"}

Sdk = Callable[..., Any]


@pytest.fixture
def quick(make_live: MakeLive) -> Callable[..., Live]:
    """A server on which time passes 100 times as fast."""
    return lambda **settings: make_live(Clock.scaled(100, wall()()), **settings)


def sdk(live: Live, key: str = "key") -> wavespeed.Client:
    return wavespeed.Client(api_key=key, base_url=live.origin, max_connection_retries=0)


def test_the_wavespeed_sdk_gets_four_images_of_the_size_asked_for(quick: Sdk) -> None:
    live = quick()

    outputs = sdk(live).run(MODEL, INPUTS, poll_interval=0.005)["outputs"]

    assert len(outputs) == 4
    assert len(set(outputs)) == 4
    pictures = [httpx.get(url, trust_env=False).raise_for_status() for url in outputs]
    assert {"image/jpeg"} == {picture.headers["content-type"] for picture in pictures}
    for picture in pictures:
        with Image.open(io.BytesIO(picture.content)) as image:
            assert ("JPEG", (1408, 1152)) == (image.format, image.size)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"failure_rate": 1.0}, "Task failed. Please try again."),
        ({"nsfw_rate": 1.0}, "Content flagged as potentially sensitive. Please try different prompts or images."),
    ],
)
def test_the_wavespeed_sdk_shows_the_providers_text_when_a_run_fails(
    quick: Sdk, settings: dict[str, float], text: str
) -> None:
    with pytest.raises(RuntimeError, match=text):
        sdk(quick(**settings)).run(MODEL, INPUTS, poll_interval=0.005)


def test_the_wavespeed_sdk_shows_the_providers_text_when_the_key_is_wrong(quick: Sdk) -> None:
    live = quick(keys=frozenset({"right"}))

    with pytest.raises(RuntimeError, match=r"HTTP 401: .*Invalid API key\. Verify the key"):
        sdk(live, "wrong").run(MODEL, INPUTS)


def test_the_body_of_the_wavespeed_page_works_once_the_missing_prompt_is_added(live: Live) -> None:
    printed = {"size": "2048*2048", "max_images": 1, "enable_base64_output": False, "enable_sync_mode": False}

    refused = live.client.post(f"/api/v3/{MODEL}", json=printed)
    taken = live.client.post(f"/api/v3/{MODEL}", json={**printed, "prompt": "a shoe"})

    assert (400, 'field "prompt" is required but missing; please provide it') == (
        refused.status_code,
        refused.json()["message"],
    )
    assert taken.status_code == 200


def test_the_body_of_the_runcomfy_page_works_once_an_image_is_added(live: Live) -> None:
    printed = {"images": [], "text": "Generate 3 images of a beautiful sunset over a calm ocean."}
    url = "/v1/models/bytedance/seedream-4-0/edit-sequential"

    refused = live.client.post(url, json=printed)
    taken = live.client.post(url, json={**printed, "images": [IMAGE]})

    assert refused.status_code == 422
    assert "images: must have at least 1 item" in refused.json()["error_message"]
    assert taken.status_code == 200


@pytest.fixture
def example() -> dict[str, Any]:
    """The names that examples/runcomfy_client.py defines."""
    return runpy.run_path(str(Path(__file__).parent.parent / "examples" / "runcomfy_client.py"))


RUNCOMFY_MODEL = "bytedance/seedream-4-0/edit-sequential"
RUNCOMFY_INPUTS = {"text": "Generate 4 images", "images": [IMAGE], "sequential_image_generation_options": 4}


def test_the_runcomfy_client_gets_four_images(quick: Sdk, example: dict[str, Any]) -> None:
    client = example["Client"]("key", quick().origin, poll_interval=0.005)

    urls = client.run(RUNCOMFY_MODEL, RUNCOMFY_INPUTS)

    assert len(set(urls)) == 4
    for url in urls:
        with Image.open(io.BytesIO(httpx.get(url, trust_env=False).content)) as image:
            assert ("JPEG", (2560, 1440)) == (image.format, image.size)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"failure_rate": 1.0}, "failed: Model run failed"),
        ({"nsfw_rate": 1.0}, "failed: The request was refused because its content was flagged"),
        ({"keys": frozenset({"right"})}, "HTTP 401: The API token is missing or not valid"),
    ],
)
def test_the_runcomfy_client_shows_the_providers_text(
    quick: Sdk, example: dict[str, Any], settings: dict[str, Any], text: str
) -> None:
    client = example["Client"]("key", quick(**settings).origin, poll_interval=0.005)

    with pytest.raises(example["RunFailed"], match=text):
        client.run(RUNCOMFY_MODEL, RUNCOMFY_INPUTS)


def test_the_runcomfy_client_cancels_only_what_is_queued(live: Live, example: dict[str, Any]) -> None:
    client = example["Client"]("key", live.origin)
    outcomes = []
    for moment in (0, 500, 2500):
        request_id = client.submit(RUNCOMFY_MODEL, RUNCOMFY_INPUTS)
        live.advance(moment)
        outcomes.append((client.status(request_id), client.cancel(request_id), client.cancel(request_id)))

    assert [("in_queue", True, False), ("in_progress", False, False), ("completed", False, False)] == outcomes
