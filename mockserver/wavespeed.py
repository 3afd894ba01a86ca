"""WaveSpeedAI's words: paths, envelope, prediction object, errors."""

from __future__ import annotations

import json
from typing import Any

import orjson
from understudy.mockserver import (
    wavespeed_account,
    wavespeed_billing,
    wavespeed_catalogue,
    wavespeed_media,
    wavespeed_predictions,
)
from understudy.mockserver.bodies import Bodies
from understudy.mockserver.desk import Desk
from understudy.mockserver.dialect import Operation
from understudy.mockserver.exchange import Call, Reply, json_reply
from understudy.mockserver.jobs import Cause, Failure, Job, Phase
from understudy.mockserver.moments import format_second
from understudy.mockserver.outputs import output_urls
from understudy.mockserver.refusals import (
    FileTooLarge,
    ForeignJob,
    InsufficientCredits,
    Invalid,
    Malformed,
    Problem,
    RateLimited,
    Refusal,
    TooLarge,
    Unauthenticated,
    UnknownJob,
    UnknownModel,
    UnknownRoute,
)
from understudy.mockserver.settings import Settings
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
BOUNDS = {"minimum": "least", "minItems": "least", "minLength": "least"} | dict.fromkeys(
    ("maximum", "maxItems", "maxLength"), "most"
)
CREDITS = {
    "short": "Insufficient credits. Please top up.",
    "long": "Insufficient credits. Please top up your account to continue.",
}
BAD_KEY = "Invalid API key. Verify the key on your dashboard's API Keys page, or contact support@wavespeed.ai."


class WaveSpeed:
    """The dialect of https://api.wavespeed.ai."""

    name = "wavespeed"
    prefix = "/api/v3"
    other_prefixes: tuple[str, ...] = ("/api/v2",)
    dashed_ids = False

    def __init__(self, switches: Switches) -> None:
        self.flags_images = switches["wavespeed.nsfw"] == "flags"
        self._bodies = Bodies()
        self.shows_erased = switches["wavespeed.deleted"] == "deleted"
        self._switches = switches
        self._credits = int(switches["wavespeed.insufficient_credits"]), CREDITS[switches["wavespeed.credits_text"]]
        self._cancels = switches.on("wavespeed.cancel")

    def operations(self, desk: Desk, settings: Settings) -> tuple[Operation, ...]:
        async def submit(tenant: str, call: Call) -> Reply:
            job, _ = await desk.submit(tenant, call)
            return Reply(200, _submitted(job, Phase.QUEUED, call.origin))

        async def result(tenant: str, call: Call) -> Reply:
            job, now = await desk.find(tenant, call)
            return Reply(200, self._bodies.get("result", job, job.at(now), call.origin, _result))

        async def cancel(tenant: str, call: Call) -> Reply:
            job, now, _ = await desk.cancel(tenant, call, frozenset({Phase.QUEUED, Phase.RUNNING}))
            return Reply(200, self._bodies.get("result", job, job.at(now), call.origin, _result))

        return (
            Operation("result", "GET", "/api/v3/predictions/{id}/result", result),
            Operation("result", "GET", "/api/v3/predictions/{id}", result),
            # Clients of the second generation still poll, upload and submit under its prefix (inferred).
            Operation("result", "GET", "/api/v2/predictions/{id}/result", result),
            # No source knows a cancel endpoint: without the switch this path is a model that does not exist.
            *([Operation("cancel", "POST", "/api/v3/predictions/{id}/cancel", cancel)] if self._cancels else []),
            *wavespeed_account.operations(desk),
            *wavespeed_billing.operations(desk, _word_of),
            *wavespeed_catalogue.operations(desk),
            *wavespeed_media.operations(desk, settings, self._switches),
            *wavespeed_predictions.operations(desk, self._switches, prediction, _word_of),
            Operation("submit", "POST", "/api/v3/{model_id:path}", submit),
            Operation("submit", "POST", "/api/v2/{model_id:path}", submit),
        )

    def refuse(self, refusal: Refusal) -> Reply:
        status, message = self._credits if isinstance(refusal, InsufficientCredits) else _word(refusal)
        return json_reply(status, {"code": status, "message": message})


def _submitted(job: Job, phase: Phase, origin: str) -> bytes:
    return _encode(prediction(job, phase, origin, submitting=True))


def _result(job: Job, phase: Phase, origin: str) -> bytes:
    return _encode(prediction(job, phase, origin))


def _encode(data: object) -> bytes:
    return orjson.dumps({"code": 200, "message": "success", "data": data})


def prediction(job: Job, phase: Phase, origin: str, *, submitting: bool = False) -> dict[str, Any]:
    """The prediction object, its fields in the order of the documented webhook sample."""
    failure = job.failure if phase is Phase.FAILED and not job.erased else None
    code, error = _failure(failure) if failure else (0, "")
    inference = job.run_time if phase.ended else 0
    finished = phase in (Phase.SUCCEEDED, Phase.FAILED) and not job.erased
    succeeded = phase is Phase.SUCCEEDED and not job.erased
    images = job.plan.images
    return {
        "id": job.id,
        "model": job.submission.model,
        "outputs": output_urls(job, origin) if succeeded else [],
        "urls": {"get": f"{origin}/api/v3/predictions/{job.id}/result"},
        "has_nsfw_contents": [index in job.plan.flagged for index in range(1, images + 1)] if succeeded else [],
        "status": _word_of(job, phase),
        "created_at": timestamp(job, precise=not submitting),
        "error": error,
        **({"code": code} if code else {}),
        **({"executionTime": inference} if finished else {}),
        "timings": {"inference": inference},
    }


def _word_of(job: Job, phase: Phase) -> str:
    return "deleted" if job.erased else WORDS[phase]


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
        case FileTooLarge(limit=limit):
            return 413, f"file must be at most {limit} bytes; please send a smaller file"
        case RateLimited(limit=limit):
            return 429, f"Too Many Requests. The limit is {limit} images per minute; please try again later."
        case UnknownRoute(method=method, path=path):
            return 404, f"{method} {path} not found. Please check the path and the method."
    raise AssertionError(f"WaveSpeed has no words for {refusal!r}.")


def _complain(problem: Problem) -> str:
    """One problem in the grammar of the enum violation on record."""
    expected = problem.expected
    match problem.rule:
        case "required":
            return f'field "{problem.field}" is required but missing; please provide it'
        case "unknown":
            return f'field "{problem.field}" is not allowed, got {_found(problem.found)}; please leave it out'
        case "enum":
            must, please = f"be one of {json.dumps(expected, ensure_ascii=False)}", "use one of the allowed values"
        case "type":
            must, please = f"be of type {' or '.join(expected)}", "use the expected type"
        case "minimum" | "maximum":
            must, please = f"be at {BOUNDS[problem.rule]} {expected}", "use a value in the allowed range"
        case "minItems" | "maxItems":
            must, please = f"have at {BOUNDS[problem.rule]} {expected} items", "use an allowed number of items"
        case "minLength" | "maxLength":
            must, please = f"have at {BOUNDS[problem.rule]} {expected} characters", "use an allowed length"
        case "size":
            must = f"be WIDTH*HEIGHT with each side from {expected[0]} to {expected[1]}"
            please = "use an allowed size"
        case "format":
            must, please = f"be {expected}", "use the expected format"
        case other:
            must, please = f"satisfy {other}", "use an allowed value"
    return f'field "{problem.field}" must {must}, got {_found(problem.found)}; please {please}'


def _found(value: object) -> str:
    """A value and its type, the value left out where it is long."""
    if isinstance(value, list):
        return f"array with {len(value)} items"
    shown = json.dumps(value, ensure_ascii=False)
    return f"{json_type(value)} {shown}" if len(shown) <= 200 else f"{json_type(value)} of {len(shown)} characters"
