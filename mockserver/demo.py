"""A tour of both providers, for whoever has just installed this: real requests over a real socket."""

from __future__ import annotations

import http.client
import json
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from understudy.mockserver.app import create_app
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings

WAVESPEED_MODEL = "bytedance/seedream-v4/edit-sequential"
RUNCOMFY_MODEL = "bytedance/seedream-4-0/edit-sequential"
PROMPT = "Generate a series of 3 edited images (Panels 1-3) of the same shoe in 3 colourways."
REFERENCE = "https://example.com/shoe.png"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was done and what came of it."""

    provider: str
    story: str
    states: str
    outcome: str


def run_demo(folder: str | None, say: Callable[[str], object]) -> None:
    """Drives three servers (a good one, one where jobs fail, one where they are flagged) and prints a table."""
    place = Path(folder or tempfile.mkdtemp(prefix="understudy-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    quick = Settings(queue_time=DurationRange(200, 200), run_time=DurationRange(300, 300), seed=4)
    rows: list[Row] = []
    with running(create_app(quick)) as origin:
        rows.append(_wavespeed(origin, "four images", place))
        rows.append(_runcomfy(origin, "three images", place))
        rows.append(_cancel(origin))
    with running(create_app(replace(quick, failure_rate=1.0))) as origin:
        rows.append(_wavespeed(origin, "a failed job", place))
        rows.append(_runcomfy(origin, "a failed job", place))
    with running(create_app(replace(quick, nsfw_rate=1.0))) as origin:
        rows.append(_wavespeed(origin, "flagged content", place))
        rows.append(_runcomfy(origin, "flagged content", place))
    _print_table(rows, say)
    say(f"\nThe images are in {place}")


def _wavespeed(origin: str, story: str, place: Path) -> Row:
    body = {"prompt": PROMPT, "images": [REFERENCE], "max_images": 4, "size": "1024*1024"}
    data = _call("POST", f"{origin}/api/v3/{WAVESPEED_MODEL}", body)["data"]
    states = [data["status"]]
    while data["status"] in ("created", "processing"):
        time.sleep(0.05)
        data = _call("GET", data["urls"]["get"])["data"]
        states.append(data["status"])
    outcome = data["error"] or _download(data["outputs"], place, "wavespeed")
    return Row("WaveSpeed", story, _path_of(states), outcome)


def _runcomfy(origin: str, story: str, place: Path) -> Row:
    body = {"text": PROMPT, "images": [REFERENCE]}
    job = _call("POST", f"{origin}/v1/models/{RUNCOMFY_MODEL}", body)
    states: list[str] = []
    while not states or states[-1] in ("in_queue", "in_progress"):
        time.sleep(0.05)
        states.append(_call("GET", job["status_url"])["status"])
    result = _call("GET", job["result_url"])
    outcome = result.get("error") or _download(result["output"]["images"], place, "runcomfy")
    return Row("RunComfy", story, _path_of(states), f"{result['status']}: {outcome}")


def _cancel(origin: str) -> Row:
    body = {"text": PROMPT, "images": [REFERENCE]}
    job = _call("POST", f"{origin}/v1/models/{RUNCOMFY_MODEL}", body)
    states = [_call("GET", job["status_url"])["status"]]
    outcome = _call("POST", job["cancel_url"])["outcome"]
    states.append(_call("GET", job["status_url"])["status"])
    return Row("RunComfy", "cancelled while queued", _path_of(states), outcome)


def _call(method: str, url: str, body: dict[str, Any] | None = None) -> Any:
    headers = {"Authorization": "Bearer demo", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with _open(urllib.request.Request(url, data, headers, method=method)) as answer:
        return json.load(answer)


def _open(request: urllib.request.Request) -> http.client.HTTPResponse:
    """Without the proxies of the environment, which cannot reach this machine's loopback."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answer: http.client.HTTPResponse = opener.open(request, timeout=30)
    return answer


def _download(urls: list[str], place: Path, name: str) -> str:
    for index, url in enumerate(urls, 1):
        with _open(urllib.request.Request(url)) as answer:
            (place / f"{name}-{index}.{url.rpartition('.')[2]}").write_bytes(answer.read())
    return f"{len(urls)} images"


def _path_of(states: list[str]) -> str:
    return " > ".join(state for before, state in zip(["", *states], states, strict=False) if state != before)


def _print_table(rows: list[Row], say: Callable[[str], object]) -> None:
    table = [
        ("provider", "what", "states seen", "came out"),
        *((r.provider, r.story, r.states, r.outcome) for r in rows),
    ]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for number, row in enumerate(table):
        say("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))
        if number == 0:
            say("  ".join("-" * width for width in [*widths, 20]))
