"""WaveSpeedAI's words: paths, envelope, prediction object, errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from understudy.mockserver.bodies import Bodies
from understudy.mockserver.desk import Desk
from understudy.mockserver.dialect import Operation
from understudy.mockserver.exchange import Call, Reply, json_reply
from understudy.mockserver.jobs import Cause, Failure, Job, Phase
from understudy.mockserver.media_rules import MediaPolicy
from understudy.mockserver.moments import format_second
from understudy.mockserver.outputs import output_urls
from understudy.mockserver.refusals import Problem, Refusal
from understudy.mockserver.switches import Switches
from understudy.mockserver.wavespeed_errors import complain, word

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


@dataclass(frozen=True, slots=True)
class Forms:
    """Which of the forms on record a prediction takes."""

    has_nsfw_contents: str
    execution_time: bool
    task_code: str
    submit_status: str
    input: bool

    @classmethod
    def of(cls, switches: Switches) -> Forms:
        return cls(
            has_nsfw_contents=switches["wavespeed.has_nsfw_contents"],
            execution_time=switches["wavespeed.execution_time"] == "present",
            task_code=switches["wavespeed.task_code"],
            submit_status=switches["wavespeed.submit_status"],
            input=switches.on("wavespeed.input_echo"),
        )


class WaveSpeed:
    """The dialect of https://api.wavespeed.ai."""

    name = "wavespeed"
    prefix = "/api/v3"
    dashed_ids = False
    media = MediaPolicy()

    def __init__(self, switches: Switches) -> None:
        self.flags_images = switches["wavespeed.nsfw"] == "flags"
        self.echoes = switches.on("wavespeed.input_echo")
        self._forms = Forms.of(switches)
        self._validates_late = switches["wavespeed.validation"] == "result"
        self._bodies = Bodies()
        self._cancels = switches.on("wavespeed.cancel")

    def operations(self, desk: Desk) -> tuple[Operation, ...]:
        async def submit(tenant: str, call: Call) -> Reply:
            job, _ = await desk.submit(tenant, call)
            return Reply(200, self._submitted(job, call.origin))

        async def result(tenant: str, call: Call) -> Reply:
            job, now = await desk.find(tenant, call)
            return Reply(200, self._bodies.get("result", job, job.at(now), call.origin, self._result))

        async def cancel(tenant: str, call: Call) -> Reply:
            job, now, _ = await desk.cancel(tenant, call, frozenset({Phase.QUEUED, Phase.RUNNING}))
            return Reply(200, self._bodies.get("result", job, job.at(now), call.origin, self._result))

        return (
            Operation("result", "GET", "/api/v3/predictions/{id}/result", result),
            Operation("result", "GET", "/api/v3/predictions/{id}", result),
            # No source knows a cancel endpoint: without the switch this path is a model that does not exist.
            *([Operation("cancel", "POST", "/api/v3/predictions/{id}/cancel", cancel)] if self._cancels else []),
            Operation("submit", "POST", "/api/v3/{model_id:path}", submit),
        )

    def late_failure(self, problems: tuple[Problem, ...]) -> Failure | None:
        if not self._validates_late:
            return None
        code = 1400 if problems[0].rule == "required" else 1401
        return Failure(Cause.INPUT, complain(problems[0]), code)

    def refuse(self, refusal: Refusal) -> Reply:
        status, message = word(refusal)
        return json_reply(status, {"code": status, "message": message})

    def _submitted(self, job: Job, origin: str) -> bytes:
        return _encode(prediction(job, Phase.QUEUED, origin, self._forms, submitting=True))

    def _result(self, job: Job, phase: Phase, origin: str) -> bytes:
        return _encode(prediction(job, phase, origin, self._forms))


def _encode(data: object) -> bytes:
    return orjson.dumps({"code": 200, "message": "success", "data": data})


def prediction(job: Job, phase: Phase, origin: str, forms: Forms, *, submitting: bool = False) -> dict[str, Any]:
    """The prediction object, its fields in the order of the documented webhook sample."""
    failure = job.failure if phase is Phase.FAILED else None
    code, error = _failure(failure) if failure else (0, "")
    inference = job.run_time if phase.ended else 0
    succeeded = phase is Phase.SUCCEEDED
    body: dict[str, Any] = {"id": job.id, "model": job.submission.model}
    if forms.input and not submitting:
        body["input"] = orjson.Fragment(job.submission.inputs)
    body["outputs"] = output_urls(job, origin) if succeeded else []
    body["urls"] = {"get": f"{origin}/api/v3/predictions/{job.id}/result"}
    if forms.has_nsfw_contents == "array":
        indexes = range(1, job.plan.images + 1) if succeeded else ()
        body["has_nsfw_contents"] = [index in job.plan.flagged for index in indexes]
    elif forms.has_nsfw_contents == "null":
        body["has_nsfw_contents"] = None
    body["status"] = forms.submit_status if submitting else WORDS[phase]
    body["created_at"] = timestamp(job, precise=not submitting)
    body["error"] = error
    if (code and forms.task_code != "never") or (phase.ended and forms.task_code == "always"):
        body["code"] = code
    if forms.execution_time and phase in (Phase.SUCCEEDED, Phase.FAILED):
        body["executionTime"] = inference
    body["timings"] = {"inference": inference}
    return body


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
