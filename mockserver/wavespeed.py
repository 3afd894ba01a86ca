"""WaveSpeedAI's words: paths, envelope, prediction object, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from understudy.mockserver.bodies import Bodies
from understudy.mockserver.desk import Desk
from understudy.mockserver.dialect import Operation
from understudy.mockserver.embedding import embed
from understudy.mockserver.exchange import Call, Reply, json_reply
from understudy.mockserver.jobs import Cause, Failure, Job, Phase
from understudy.mockserver.moments import format_second
from understudy.mockserver.outputs import output_urls
from understudy.mockserver.refusals import (
    BadWebhook,
    ForeignJob,
    HostRefused,
    Invalid,
    Malformed,
    Problem,
    Refusal,
    SyncTimeout,
    TooLarge,
    Unauthenticated,
    UnknownJob,
    UnknownModel,
    UnknownRoute,
    WebhookWithBase64,
)
from understudy.mockserver.store import Found
from understudy.mockserver.switches import Switches
from understudy.mockserver.validation import json_type
from understudy.mockserver.webhook_hosts import URL_LIMIT

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
STILL_PROCESSING = "The prediction is still processing asynchronously."
WITH_BASE64 = "webhook callback does not support base64 output, please use the normal API to use base64 output"
BAD_KEY = "Invalid API key. Verify the key on your dashboard's API Keys page, or contact support@wavespeed.ai."


class WaveSpeed:
    """The dialect of https://api.wavespeed.ai."""

    name = "wavespeed"
    prefix = "/api/v3"
    dashed_ids = False

    def __init__(self, switches: Switches) -> None:
        self.flags_images = switches["wavespeed.nsfw"] == "flags"
        self._bodies = Bodies()
        self._cancels = switches.on("wavespeed.cancel")
        self._bare_secret = switches["wavespeed.webhook_secret"] == "bare"
        self._webhook_in_body = switches.on("wavespeed.webhook_in_body")
        self._gateway_times_out = switches["wavespeed.sync_timeout"] == "504"

    def operations(self, desk: Desk) -> tuple[Operation, ...]:
        async def submit(tenant: str, call: Call) -> Reply:
            wants = self._read_webhook if call.query or self._webhook_in_body else None
            found = await desk.submit(tenant, call, wants)
            if found.job.submission.sync:
                return await self._outlast(desk, tenant, call, found)
            return Reply(200, _submitted(found.job, Phase.QUEUED, call.origin))

        async def result(tenant: str, call: Call) -> Reply:
            job, now = await desk.find(tenant, call)
            phase = job.at(now)
            if job.submission.base64 and phase is Phase.SUCCEEDED:
                return await _embedded(desk, job, call.origin)
            return Reply(200, self._bodies.get("result", job, phase, call.origin, _result))

        async def webhook_secret(tenant: str, call: Call) -> Reply:
            data = {"secret": desk.courier.secret(tenant)}
            return Reply(200, orjson.dumps(data) if self._bare_secret else _encode(data))

        async def cancel(tenant: str, call: Call) -> Reply:
            job, now, _ = await desk.cancel(tenant, call, frozenset({Phase.QUEUED, Phase.RUNNING}))
            return Reply(200, self._bodies.get("result", job, job.at(now), call.origin, _result))

        return (
            Operation("result", "GET", "/api/v3/predictions/{id}/result", result),
            Operation("result", "GET", "/api/v3/predictions/{id}", result),
            Operation("webhook_secret", "GET", "/api/v3/webhook/secret", webhook_secret),
            # No source knows a cancel endpoint: without the switch this path is a model that does not exist.
            *([Operation("cancel", "POST", "/api/v3/predictions/{id}/cancel", cancel)] if self._cancels else []),
            Operation("submit", "POST", "/api/v3/{model_id:path}", submit),
        )

    def webhook_body(self, job: Job) -> bytes:
        """The bare prediction of a job that has ended, as its webhook tells it."""
        assert job.submission.webhook is not None, "Only a job with a webhook has a webhook's body."
        return orjson.dumps(prediction(job, job.final, job.submission.webhook.origin))

    def _read_webhook(self, call: Call, inputs: Mapping[str, Any]) -> str | None:
        """The query's `webhook`, or where the switch says so the body's `webhook_url`; an empty one counts as none."""
        for name, value in parse_qsl(call.query.decode("latin-1")):
            if name == "webhook":
                return value
        url = inputs.get("webhook_url") if self._webhook_in_body else None
        if not isinstance(url, str | None):
            raise Invalid((Problem(("webhook_url",), "type", ["string"], url),))
        return url

    async def _outlast(self, desk: Desk, tenant: str, call: Call, found: Found) -> Reply:
        """Sync mode: the answer to a submission when its job has ended, or the sync limit has passed."""
        job, now = await desk.outlast(tenant, call, found)
        phase = job.at(now)
        if not phase.ended:
            if self._gateway_times_out:
                raise SyncTimeout
            text = f"Sync mode timed out after {desk.sync_limit / 1000:g} seconds. {STILL_PROCESSING}"
            return Reply(
                200, _encode(prediction(job, Phase.RUNNING, call.origin, trouble=Failure(text=text, code=5004)))
            )
        if job.submission.base64 and phase is Phase.SUCCEEDED:
            return await _embedded(desk, job, call.origin)
        return Reply(200, _result(job, phase, call.origin))

    def refuse(self, refusal: Refusal) -> Reply:
        if isinstance(refusal, WebhookWithBase64):
            return json_reply(400, {"error": WITH_BASE64})  # documented, without envelope
        status, message = _word(refusal)
        return json_reply(status, {"code": status, "message": message})


def _submitted(job: Job, phase: Phase, origin: str) -> bytes:
    return _encode(prediction(job, phase, origin, submitting=True))


def _result(job: Job, phase: Phase, origin: str) -> bytes:
    return _encode(prediction(job, phase, origin))


async def _embedded(desk: Desk, job: Job, origin: str) -> Reply:
    """A completed prediction with images as base64 in place of their URLs."""
    data = prediction(job, Phase.SUCCEEDED, origin)
    return Reply(200, await embed(desk.drawings, job, lambda images: _encode({**data, "outputs": images})))


def _encode(data: object) -> bytes:
    return orjson.dumps({"code": 200, "message": "success", "data": data})


def prediction(
    job: Job, phase: Phase, origin: str, *, submitting: bool = False, trouble: Failure | None = None
) -> dict[str, Any]:
    """The prediction object, its fields in the order of the documented webhook sample. `trouble` shows as a failure
    would, whatever the phase."""
    failure = trouble or (job.failure if phase is Phase.FAILED else None)
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
        case BadWebhook(url=url):
            must = f"an absolute http or https URL of at most {URL_LIMIT} characters"
            return 400, f"webhook must be {must}, got {_found(url)}; please use such a URL"
        case HostRefused(host=host, address=address):
            allow = f"please allow it with --webhook-hosts {host}, or with the setting webhook_hosts"
            return 400, f'webhook host "{host}" ({address}) is not among the allowed hosts; {allow}'
        case SyncTimeout():
            return 504, "Gateway Timeout"
        case UnknownRoute(method=method, path=path):
            return 404, f"{method} {path} not found. Please check the path and the method."
    raise AssertionError(f"WaveSpeed has no words for {refusal!r}.")


def _complain(problem: Problem) -> str:
    """One problem in the grammar of the enum violation on record."""
    expected = problem.expected
    match problem.rule:
        case "required":
            return f'field "{problem.field}" is required but missing; please provide it'
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
        case other:
            must, please = f"satisfy {other}", "use an allowed value"
    return f'field "{problem.field}" must {must}, got {_found(problem.found)}; please {please}'


def _found(value: object) -> str:
    """A value and its type, the value left out where it is long."""
    if isinstance(value, list):
        return f"array with {len(value)} items"
    shown = json.dumps(value, ensure_ascii=False)
    return f"{json_type(value)} {shown}" if len(shown) <= 200 else f"{json_type(value)} of {len(shown)} characters"
