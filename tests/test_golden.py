"""The wire, sample by sample: what the server answers in each state is what is on record, field by field, in order."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import httpx
import jsonschema_rs
import pytest
from live import IMAGE, RUNCOMFY, WAVESPEED, Live, MakeLive

from understudy.contracts import catalogue
from understudy.contracts.catalogue import Sample
from understudy.contracts.compare import differences
from understudy.mockserver.jobs import Phase

JOB_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
NOBODY = re.compile(r"0{32}|0{8}-0000-4000-8000-0{12}")
PROMPT = "Generate 2 images of the shoe: one in navy, one in forest green"
INPUTS = {
    "wavespeed": {"prompt": PROMPT, "images": [IMAGE], "size": "2048*2048", "max_images": 2},
    "runcomfy": {
        "images": [IMAGE],
        "text": PROMPT,
        "image_size": "2048:2048 (1:1)",
        "sequential_image_generation_options": 2,
    },
}


def png_header(width: int, height: int) -> bytes:
    """The start of a PNG file, which is all that is looked at."""
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes(5)


QUEUED, RUNNING, DONE = 0, 500, 2500
MOMENTS = {
    "created": QUEUED,
    "in_queue": QUEUED,
    "processing": RUNNING,
    "in_progress": RUNNING,
    "completed": DONE,
    "succeeded": DONE,
    "failed": DONE,
    "flagged": DONE,
}
INTERRUPTED = {"cancelled": Phase.CANCELLED, "timeout": Phase.TIMED_OUT}
# The URLs in these samples are not fetched by a fake, so images that fail are sent inside of the request.
FAILS_BY_ITSELF = ("result-failed-unreadable_media", "result-failed-validation", "result-failed-invalid_input")
UNREADABLE = "data:text/plain,not%20an%20image"
TOO_WIDE = "data:image/png;base64," + b64encode(png_header(4000, 100)).decode()
SECOND_IS_FLAGGED = 4
OPERATIONS = ("submit", "status", "result", "cancel")
SAMPLES = [
    sample
    for provider in catalogue.PROVIDERS
    for sample in catalogue.samples(provider)
    if sample.operation in OPERATIONS
]


@dataclass
class Stage:
    """A server brought into the state of a sample."""

    live: Live
    sample: Sample

    def answer(self) -> httpx.Response:
        request = self.sample.request
        # Space at a header's end is no part of its value, and httpx refuses to send it.
        headers = {name: text.strip() for name, text in request.get("headers", {}).items()}
        if headers.get("Authorization") == "Bearer any-key":
            headers["Authorization"] = "Bearer key"
        body = request.get("body")
        given = {"content": body} if isinstance(body, str) else {} if body is None else {"json": body}
        with self.live.client_of(None) as client:
            return client.request(request["method"], self._path(), headers=headers, **given)

    def _path(self) -> str:
        path: str = self.sample.request["path"]
        if self.sample.operation == "submit" or NOBODY.search(path):
            return path
        return JOB_ID.sub(self._job(), path)

    def _job(self) -> str:
        """A job in the state that the sample is of; its id."""
        sample = self.sample
        foreign = sample.state == "foreign id"
        with self.live.client_of("somebody else" if foreign else "key") as client:
            url = WAVESPEED if sample.provider == "wavespeed" else RUNCOMFY
            inputs = dict(sample.inputs or INPUTS[sample.provider])
            if sample.name == "result-failed-validation":
                inputs["images"] = [TOO_WIDE]
            if sample.name == "result-failed-unreadable_media":
                inputs["images"] = [UNREADABLE]
            answer = client.post(url, json=inputs).raise_for_status().json()
        job_id = str(answer["data"]["id"] if sample.provider == "wavespeed" else answer["request_id"])
        self.live.advance(MOMENTS.get(sample.state, QUEUED))
        phase = INTERRUPTED.get(sample.state)
        if phase is not None and (sample.operation, sample.provider) != ("cancel", "wavespeed"):
            self.live.interrupt(job_id, phase)
        if sample.state == "deleted":
            self.live.server.call(self.live.store.erase("key", [job_id]))
        return job_id


def settings_of(sample: Sample) -> dict[str, Any]:
    settings: dict[str, Any] = {"assume": dict(sample.assume), "seed": SECOND_IS_FLAGGED}
    if sample.state == "failed" and sample.name not in FAILS_BY_ITSELF:
        settings["failure_rate"] = 1.0
    if sample.state == "flagged":
        settings["nsfw_rate"] = 1.0
    if sample.state.startswith("insufficient"):
        settings["balance"] = 0
    if sample.state.startswith("bad"):
        settings["keys"] = frozenset({"key"})
    return settings


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.provider}:{sample.name}")
def test_an_answer_is_the_sample_on_record(sample: Sample, make_live: MakeLive) -> None:
    live = make_live(**settings_of(sample))

    answer = Stage(live, sample).answer()

    assert sample.response["status"] == answer.status_code
    assert answer.headers["content-type"] == "application/json"
    assert [] == differences(sample, answer.json(), origin=live.origin)
    schema = catalogue.response_schema(sample.provider, sample.schema, sample.assume)
    jsonschema_rs.Draft202012Validator(schema).validate(answer.json())
