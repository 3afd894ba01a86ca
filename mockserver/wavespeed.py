"""WaveSpeedAI's words: paths, envelope, prediction object, errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

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
from understudy.mockserver.embedding import embed
from understudy.mockserver.exchange import Call, Reply, json_reply
from understudy.mockserver.jobs import Cause, Failure, Job, Phase
from understudy.mockserver.media_rules import MediaPolicy
from understudy.mockserver.moments import format_second
from understudy.mockserver.outputs import output_urls, shown
from understudy.mockserver.refusals import (
    InsufficientCredits,
    Invalid,
    Problem,
    Refusal,
    SyncTimeout,
    WebhookWithBase64,
)
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import Found
from understudy.mockserver.switches import Switches
from understudy.mockserver.wavespeed_envelope import envelope
from understudy.mockserver.wavespeed_errors import CREDITS, complain, failure_text, word

WORDS = {
    Phase.QUEUED: "created",
    Phase.RUNNING: "processing",
    Phase.SUCCEEDED: "completed",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
    Phase.TIMED_OUT: "timeout",
}
# Task-level codes are documented; the texts for moderation are observed, the others are assumed.
FLAGGED = "Content flagged as potentially sensitive. Please try different prompts or images"
FAILURES = {
    Cause.ERROR: (1405, "Task failed. Please try again."),
    Cause.MODERATION: (1200, f"{FLAGGED}."),
    Cause.INPUT: (1402, "Failed to read the input media."),
}
WITHOUT_STOP = {**FAILURES, Cause.MODERATION: (1200, FLAGGED)}
STILL_PROCESSING = "The prediction is still processing asynchronously."
WITH_BASE64 = "webhook callback does not support base64 output, please use the normal API to use base64 output"


@dataclass(frozen=True, slots=True)
class Forms:
    """Which of the forms on record a prediction takes."""

    has_nsfw_contents: str
    execution_time: bool
    task_code: str
    submit_status: str
    input: bool
    failures: Mapping[Cause, tuple[int, str]]

    @classmethod
    def of(cls, switches: Switches) -> Forms:
        return cls(
            has_nsfw_contents=switches["wavespeed.has_nsfw_contents"],
            execution_time=switches["wavespeed.execution_time"] == "present",
            task_code=switches["wavespeed.task_code"],
            submit_status=switches["wavespeed.submit_status"],
            input=switches.on("wavespeed.input_echo"),
            failures=FAILURES if switches["wavespeed.nsfw_text"] == "stop" else WITHOUT_STOP,
        )


class WaveSpeed:
    """The dialect of https://api.wavespeed.ai."""

    name = "wavespeed"
    prefix = "/api/v3"
    other_prefixes: tuple[str, ...] = ("/api/v2",)
    dashed_ids = False
    can_flag = True
    paths: Mapping[str, tuple[str, ...]] = {"data": ("data",), "status": ("data", "status")}
    media = MediaPolicy()

    def __init__(self, switches: Switches) -> None:
        self.flags_images = switches["wavespeed.nsfw"] == "flags"
        self.echoes = switches.on("wavespeed.input_echo")
        self._forms = Forms.of(switches)
        self._validates_late = switches["wavespeed.validation"] == "result"
        self._bodies = Bodies()
        self.shows_erased = switches["wavespeed.deleted"] == "deleted"
        self._switches = switches
        self._credits = int(switches["wavespeed.insufficient_credits"]), CREDITS[switches["wavespeed.credits_text"]]
        self._cancels = switches.on("wavespeed.cancel")
        self._bare_secret = switches["wavespeed.webhook_secret"] == "bare"
        self._webhook_in_body = switches.on("wavespeed.webhook_in_body")
        self._gateway_times_out = switches["wavespeed.sync_timeout"] == "504"

    def operations(self, desk: Desk, settings: Settings) -> tuple[Operation, ...]:
        async def submit(tenant: str, call: Call) -> Reply:
            wants = self._read_webhook if call.query or self._webhook_in_body else None
            found = await desk.submit(tenant, call, wants)
            if found.job.submission.sync:
                return await self._outlast(desk, tenant, call, found)
            return Reply(200, self._submitted(found.job, call.origin))

        async def result(tenant: str, call: Call) -> Reply:
            job, now = await desk.poll(tenant, call)
            if job.submission.base64:
                return await self._answer(desk, job, job.at(now), call.origin)
            return Reply(200, self._bodies.get("result", job, job.at(now), call.origin, self._result))

        async def webhook_secret(tenant: str, call: Call) -> Reply:
            data = {"secret": desk.courier.secret(tenant)}
            return Reply(200, orjson.dumps(data) if self._bare_secret else envelope(data))

        async def cancel(tenant: str, call: Call) -> Reply:
            job, now, _ = await desk.cancel(tenant, call, frozenset({Phase.QUEUED, Phase.RUNNING}))
            return Reply(200, self._bodies.get("result", job, job.at(now), call.origin, self._result))

        return (
            Operation("result", "GET", "/api/v3/predictions/{id}/result", result),
            Operation("result", "GET", "/api/v3/predictions/{id}", result),
            # Clients of the second generation still poll, upload and submit under its prefix (inferred).
            Operation("result", "GET", "/api/v2/predictions/{id}/result", result),
            Operation("webhook-secret", "GET", "/api/v3/webhook/secret", webhook_secret),
            # No source knows a cancel endpoint: without the switch this path is a model that does not exist.
            *([Operation("cancel", "POST", "/api/v3/predictions/{id}/cancel", cancel)] if self._cancels else []),
            *wavespeed_account.operations(desk),
            *wavespeed_billing.operations(desk, word_of),
            *wavespeed_catalogue.operations(desk, self._switches),
            *wavespeed_media.operations(desk, settings, self._switches),
            *wavespeed_predictions.operations(desk, self._switches, self._describe, word_of),
            Operation("submit", "POST", "/api/v3/{model_id:path}", submit),
            Operation("submit", "POST", "/api/v2/{model_id:path}", submit),
        )

    def webhook_body(self, job: Job) -> bytes:
        """The bare prediction of a job that has ended, as its webhook tells it, deleted meanwhile or not (assumed)."""
        assert job.submission.webhook is not None, "Only a job with a webhook has a webhook's body."
        return orjson.dumps(prediction(_kept(job), job.final, job.submission.webhook.origin, self._forms))

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
        """Sync mode: the answer to a submission when its job has ended, or the sync limit has passed. Deleting the job
        meanwhile does not change it (assumed): whoever waits was promised the job's end."""
        job, now = await desk.outlast(tenant, call, found)
        job = _kept(job)
        if job.at(now).ended:
            return await self._answer(desk, job, job.at(now), call.origin)
        if self._gateway_times_out:
            raise SyncTimeout
        text = f"Sync mode timed out after {desk.sync_limit / 1000:g} seconds. {STILL_PROCESSING}"
        trouble = Failure(text=text, code=5004)
        return Reply(200, envelope(prediction(job, Phase.RUNNING, call.origin, self._forms, trouble=trouble)))

    async def _answer(self, desk: Desk, job: Job, phase: Phase, origin: str) -> Reply:
        """The prediction as a poll shows it; its images inside it where that was asked for."""
        if not job.submission.base64 or phase is not Phase.SUCCEEDED or job.erased:
            return Reply(200, self._bodies.get("result", job, phase, origin, self._result))
        data = prediction(job, phase, origin, self._forms)
        return Reply(200, await embed(desk.drawings, job, lambda images: envelope({**data, "outputs": images})))

    def late_failure(self, problems: tuple[Problem, ...]) -> Failure | None:
        if not self._validates_late:
            return None
        code = 1400 if problems[0].rule == "required" else 1401
        return Failure(Cause.INPUT, complain(problems[0]), code)

    def refuse(self, refusal: Refusal) -> Reply:
        if isinstance(refusal, WebhookWithBase64):
            return json_reply(400, {"error": WITH_BASE64})  # documented, without envelope
        status, message = self._credits if isinstance(refusal, InsufficientCredits) else word(refusal)
        return json_reply(status, {"code": status, "message": message})

    def fail(self, status: int, text: str | None) -> Reply:
        return json_reply(status, {"code": status, "message": text or failure_text(status)})

    def _submitted(self, job: Job, origin: str) -> bytes:
        return envelope(prediction(job, Phase.QUEUED, origin, self._forms, submitting=True))

    def _result(self, job: Job, phase: Phase, origin: str) -> bytes:
        return envelope(self._describe(job, phase, origin))

    def _describe(self, job: Job, phase: Phase, origin: str) -> dict[str, Any]:
        return prediction(job, phase, origin, self._forms)


def prediction(
    job: Job, phase: Phase, origin: str, forms: Forms, *, submitting: bool = False, trouble: Failure | None = None
) -> dict[str, Any]:
    """The prediction object, its fields in the order of the documented webhook sample. `trouble` shows as a failure
    would, whatever the phase."""
    failure = trouble or (job.failure if phase is Phase.FAILED and not job.erased else None)
    code, error = _failure(failure, forms) if failure else (0, "")
    inference = job.run_time if phase.ended else 0
    succeeded = phase is Phase.SUCCEEDED and not job.erased
    body: dict[str, Any] = {"id": job.id, "model": job.submission.model}
    if forms.input and not submitting:
        body["input"] = orjson.Fragment(job.submission.inputs)
    body["outputs"] = output_urls(job, origin) if succeeded else []
    body["urls"] = {"get": f"{origin}/api/v3/predictions/{job.id}/result"}
    if forms.has_nsfw_contents == "array" or job.plan.twists.flags:
        body["has_nsfw_contents"] = [index in job.plan.flagged for index in (shown(job) if succeeded else ())]
    elif forms.has_nsfw_contents == "null":
        body["has_nsfw_contents"] = None
    body["status"] = forms.submit_status if submitting else word_of(job, phase)
    body["created_at"] = timestamp(job, precise=not submitting)
    body["error"] = error
    if forms.task_code == "always" or (code and forms.task_code == "when-failed"):
        body["code"] = code
    if forms.execution_time and phase in (Phase.SUCCEEDED, Phase.FAILED) and not job.erased:
        body["executionTime"] = inference
    body["timings"] = {"inference": inference}
    return body


def _kept(job: Job) -> Job:
    """The job as though its owner had not deleted it."""
    return dataclasses.replace(job, erased=False) if job.erased else job


def word_of(job: Job, phase: Phase) -> str:
    return "deleted" if job.erased else WORDS[phase]


def _failure(failure: Failure, forms: Forms) -> tuple[int, str]:
    code, text = forms.failures[failure.cause]
    return failure.code or code, failure.text or text


def timestamp(job: Job, *, precise: bool) -> str:
    """`…Z`: milliseconds at submit, up to nine digits without trailing zeros afterwards (both observed)."""
    second = format_second(job.submitted // 1000)
    fraction = f"{job.submitted % 1000:03d}"
    if precise:
        fraction = (fraction + f"{int(job.id[:5], 16) % 1_000_000:06d}").rstrip("0") or "0"
    return f"{second}.{fraction}Z"
