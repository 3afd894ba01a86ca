"""Projects of users' for the plugin's tests to run pytest in."""

from __future__ import annotations

import pytest

HEAD = """
import asyncio, os
import httpx, pytest
MODEL = "/api/v3/bytedance/seedream-v4/edit-sequential"
INPUTS = {"prompt": "A shoe", "images": ["https://example.com/shoe.png"]}

def submit(mock, key=None, **query):
    headers = {"Authorization": "Bearer " + (key or mock.api_key)}
    answer = httpx.post(mock.base_url + MODEL, json=INPUTS, headers=headers, params=query)
    return answer.raise_for_status().json()["data"]["id"]

def poll(mock, job_id):
    headers = {"Authorization": "Bearer " + mock.api_key}
    path = f"/api/v3/predictions/{job_id}/result"
    return httpx.get(mock.base_url + path, headers=headers).json().get("data", {}).get("status")
"""
"""What the files of tests begin with."""

ALONE = ("-p", "no:asyncio", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider")
"""Arguments that leave out the plugins of others."""


def run(pytester: pytest.Pytester, *arguments: str, body: str | None = None, seed: int | None = 7) -> pytest.RunResult:
    """Runs pytest over a file with this body, if there is one, in this process and with no plugins but ours."""
    if body is not None:
        pytester.makepyfile(test_it=HEAD + body)
    seeded = () if seed is None else (f"--understudy-seed={seed}",)
    return pytester.runpytest_inprocess(*ALONE, *seeded, *arguments)


def told(result: pytest.RunResult) -> str:
    """All that pytest said."""
    return result.stdout.str() + result.stderr.str()
