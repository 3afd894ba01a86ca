"""A small application: has a set of images made from one prompt. Three ways to the same provider, as people write
them."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import httpx

MODEL = "bytedance/seedream-v4/edit-sequential"
API = "https://api.wavespeed.ai/api/v3"


class ShootFailed(Exception):
    """No images: the message is the provider's."""


def with_package(prompt: str, source: str, count: int, pause: float = 1.0) -> list[bytes]:
    """The images, in order, by way of WaveSpeed's own package. Raises ShootFailed."""
    import wavespeed

    try:
        done = wavespeed.run(MODEL, inputs(prompt, source, count), poll_interval=pause)
    except RuntimeError as error:
        raise ShootFailed(str(error)) from error
    return [httpx.get(url).raise_for_status().content for url in done["outputs"]]


def with_httpx(prompt: str, source: str, count: int, pause: float = 1.0) -> list[bytes]:
    """The same with a few lines of httpx."""
    with httpx.Client(headers=headers(), timeout=30) as client:
        prediction = data(client.post(f"{API}/{MODEL}", json=inputs(prompt, source, count)))
        while prediction["status"] in ("created", "processing"):
            time.sleep(pause)
            prediction = data(client.get(prediction["urls"]["get"]))
        return [client.get(url).raise_for_status().content for url in outputs(prediction)]


async def with_async_httpx(prompt: str, source: str, count: int, pause: float = 1.0) -> list[bytes]:
    """The same for an application that is asynchronous: the images are fetched side by side."""
    async with httpx.AsyncClient(headers=headers(), timeout=30) as client:
        prediction = data(await client.post(f"{API}/{MODEL}", json=inputs(prompt, source, count)))
        while prediction["status"] in ("created", "processing"):
            await asyncio.sleep(pause)
            prediction = data(await client.get(prediction["urls"]["get"]))
        answers = await asyncio.gather(*(client.get(url) for url in outputs(prediction)))
        return [answer.raise_for_status().content for answer in answers]


def headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {os.environ['WAVESPEED_API_KEY']}"}


def inputs(prompt: str, source: str, count: int) -> dict[str, Any]:
    return {"prompt": prompt, "images": [source], "max_images": count}


def data(answer: httpx.Response) -> dict[str, Any]:
    content = answer.json()
    if answer.is_error:
        raise ShootFailed(content["message"])
    return dict(content["data"])


def outputs(prediction: dict[str, Any]) -> list[str]:
    if prediction["status"] != "completed":
        raise ShootFailed(prediction["error"])
    return list(prediction["outputs"])
