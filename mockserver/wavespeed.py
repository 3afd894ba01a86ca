"""WaveSpeedAI's words: paths, envelope, prediction object, errors."""

from __future__ import annotations

from typing import Any

import orjson
from understudy.mockserver.desk import Desk
from understudy.mockserver.dialect import Operation
from understudy.mockserver.exchange import Call, Reply, json_reply
from understudy.mockserver.jobs import Cause, Failure, Job, Phase
from understudy.mockserver.moments import format_second
from understudy.mockserver.outputs import output_urls
from understudy.mockserver.refusals import (
    ForeignJob,
    Invalid,
    Malformed,
    Problem,
    Refusal,
    TooLarge,
    Unauthenticated,
    UnknownJob,
    UnknownModel,
    UnknownRoute,
)
from understudy.mockserver.switches import Switches
from understudy.mockserver.validation import json_type

WORDS = {
    Phase.QUEUED: "created",
    Phase.RUNNING: "processing",
    Phase.SUCCEEDED: "completed",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
    Phase.TIMED_OUT: "timeout",
}
# Task-level codes are documented; the text for moderation is observed, the others are assumed.
FAILURES = {
    Cause.ERROR: (1405, "Task failed. Please try again."),
    Cause.MODERATION: (1200, "Content flagged as potentially sensitive. Please try different prompts or images."),
    Cause.INPUT: (1402, "Failed to read the input media."),
}
BAD_KEY = "Invalid API key. Verify the key on your dashboard's API Keys page, or contact support@wavespeed.ai."


class WaveSpeed:
    """The dialect of https://api.wavespeed.ai."""

    name = "wavespeed"
    prefix = "/api/v3"
    dashed_ids = False

    def __init__(self, switches: Switches) -> None:
        self.flags_images = switches["wavespeed.nsfw"] == "flags"
        self._cancels = switches.on("wavespeed.cancel")

    def operations(self, desk: Desk) -> tuple[Operation, ...]:
        async def submit(tenant: str, call: Call) -> Reply:
            job, _ = await desk.submit(tenant, call)
            return self._answer("submit", job, Phase.QUEUED, call.origin)

        async def result(tenant: str, call: Call) -> Reply:
            job, now = await desk.find(tenant, call)
            return self._answer("result", job, job.at(now), call.origin)

        async def cancel(tenant: str, call: Call) -> Reply:
            job, now, _ = await desk.cancel(tenant, call, frozenset({Phase.QUEUED, Phase.RUNNING}))
            return self._answer("result", job, job.at(now), call.origin)

        return (
            Operation("result", "GET", "/api/v3/predictions/{id}/result", result),
            Operation("result", "GET", "/api/v3/predictions/{id}", result),
            # No source knows a cancel endpoint: without the switch this path is a model that does not exist.
            *([Operation("cancel", "POST", "/api/v3/predictions/{id}/cancel", cancel)] if self._cancels else []),
            Operation("submit", "POST", "/api/v3/{model_id:path}", submit),
        )

    def refuse(self, refusal: Refusal) -> Reply:
        status, message = _word(refusal)
        return json_reply(status, {"code": status, "message": message})

    def _answer(self, operation: str, job: Job, phase: Phase, origin: str) -> Reply:
        """A job in a phase, encoded once for each origin: it never changes."""
        key = (operation, phase, origin)
        body = job.bodies.get(key)
        if body is None:
            body = _encode(prediction(job, phase, origin, submitting=operation == "submit"))
            job.keep_body(key, body)
        return Reply(200, body)


def _encode(data: object) -> bytes:
    return orjson.dumps({"code": 200, "message": "success", "data": data})


def prediction(job: Job, phase: Phase, origin: str, *, submitting: bool = False) -> dict[str, Any]:
    """The prediction object, its fields in the order of the documented webhook sample."""
    failure = job.failure if phase is Phase.FAILED else None
    code, error = _failure(failure) if failure else (0, "")
    inference = job.run_time if phase.ended else 0
    finished = phase in (Phase.SUCCEEDED, Phase.FAILED)
    succeeded = phase is Phase.SUCCEEDED
    images = job.plan.images
    return {
        "id": job.id,
        "model": job.submission.model,
        "outputs": output_urls(job, origin) if succeeded else [],
        "urls": {"get": f"{origin}/api/v3/predictions/{job.id}/result"},
        "has_nsfw_contents": [index in job.plan.flagged for index in range(1, images + 1)] if succeeded else [],
        "status": WORDS[phase],
        "created_at": timestamp(job, precise=not submitting),
        "error": error,
        **({"code": code} if code else {}),
        **({"executionTime": inference} if finished else {}),
        "timings": {"inference": inference},
    }


def _failure(failure: Failure) -> tuple[int, str]:
    code, text = FAILURES[failure.cause]
    return failure.code or code, failure.text or text


def timestamp(job: Job, *, precise: bool) -> str:
    """`…Z`: milliseconds at submit, up to nine digits without trailing zeros afterwards (both observed)."""
    second = format_second(job.submitted // 1000)
    fraction = f"{job.submitted % 1000:03d}"
    if precise:
        fraction = (fraction + f"{int(job.id[:5], 16) % 1_000_000:06d}").rstrip("0") or "0"
    return f"{second}.{fraction}Z"


def _word(refusal: Refusal) -> tuple[int, str]:
    """Status and message. The first four are observed, the others follow their grammar and are assumed."""
    match refusal:
        case Unauthenticated():
            return 401, BAD_KEY
        case UnknownModel(model=name):
            return 404, f'Model "{name}" not found. Please check the model identifier.'
        case UnknownJob() | ForeignJob():
            return 404, "Prediction not found."
        case Invalid(problems=problems):
            return 400, _complain(problems[0])
        case Malformed(found=found):
            return 400, f"request body must be a JSON object, got {found}; please send a JSON object"
        case TooLarge(limit=limit):
            return 413, f"request body must be at most {limit} bytes; please send a smaller body"
        case UnknownRoute(method=method, path=path):
            return 404, f"{method} {path} not found. Please check the path and the method."
    raise AssertionError(f"WaveSpeed has no words for {refusal!r}.")


def _complain(problem: Problem) -> str:
    """One problem in the grammar of the enum violation on record."""
    found = f"{json_type(problem.found)} {orjson.dumps(problem.found).decode()}"
    if isinstance(problem.found, list):
        found = f"array with {len(problem.found)} items"
    elif isinstance(problem.found, str) and len(problem.found) > 100:
        found = f"string of {len(problem.found)} characters"
    expected = problem.expected
    must, please = {
        "required": ("is required but missing", "provide it"),
        "enum": (f"must be one of {orjson.dumps(expected).decode()}, got {found}", "use one of the allowed values"),
        "type": (f"must be of type {_types(expected)}, got {found}", "use the expected type"),
        "minimum": (f"must be at least {expected}, got {found}", "use a value in the allowed range"),
        "maximum": (f"must be at most {expected}, got {found}", "use a value in the allowed range"),
        "minItems": (f"must have at least {expected} items, got {found}", "use an allowed number of items"),
        "maxItems": (f"must have at most {expected} items, got {found}", "use an allowed number of items"),
        "minLength": (f"must have at least {expected} characters, got {found}", "use an allowed length"),
        "maxLength": (f"must have at most {expected} characters, got {found}", "use an allowed length"),
        "size": (f"must be WIDTH*HEIGHT with each side from {_span(expected)}, got {found}", "use an allowed size"),
    }.get(problem.rule, (f"must satisfy {problem.rule}, got {found}", "use an allowed value"))
    return f'field "{problem.field}" {must}; please {please}'


def _span(bounds: tuple[int, int]) -> str:
    return f"{bounds[0]} to {bounds[1]}"


def _types(names: list[str]) -> str:
    return " or ".join(names)
