"""The words of RunComfy's Model API: paths, bodies, errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from understudy.mockserver import runcomfy_account, runcomfy_catalogue
from understudy.mockserver.bodies import Bodies
from understudy.mockserver.desk import Desk
from understudy.mockserver.dialect import Operation
from understudy.mockserver.exchange import Call, Reply, json_reply
from understudy.mockserver.jobs import Cause, Failure, Job, Phase
from understudy.mockserver.media_rules import MediaPolicy
from understudy.mockserver.moments import format_second
from understudy.mockserver.outputs import output_urls
from understudy.mockserver.refusals import Problem, Refusal, Unfinished
from understudy.mockserver.runcomfy_errors import Errors
from understudy.mockserver.settings import Settings
from understudy.mockserver.switches import Switches

# `completed` says that the job has stopped running, whether it succeeded or not: only the result tells (documented).
STATUS_WORDS = {
    Phase.QUEUED: "in_queue",
    Phase.RUNNING: "in_progress",
    Phase.SUCCEEDED: "completed",
    Phase.FAILED: "completed",
    Phase.CANCELLED: "cancelled",
    Phase.TIMED_OUT: "completed",
}
RESULT_WORDS = STATUS_WORDS | {
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "failed",
    Phase.TIMED_OUT: "failed",
}
# No failure text is on record: all three are assumed.
FAILURES = {
    Cause.ERROR: "Model run failed.",
    Cause.MODERATION: "The request was refused because its content was flagged as sensitive.",
    Cause.INPUT: "An input image could not be read.",
}
CANCELLED = {
    "cancelled": ("cancelled", "cancelled"),
    "completed": ("completed", "cancelled"),
    "requested": ("cancelled", "cancellation_requested"),
}
TIMED_OUT = "The model run timed out."


@dataclass(frozen=True, slots=True)
class Forms:
    """Which of the forms on record an answer takes."""

    success: str
    failed_status: str
    single_image: bool
    input: bool
    refuses_unfinished: bool
    queue_base: int
    cancelled: tuple[str, str]
    not_cancellable: int

    @classmethod
    def of(cls, switches: Switches) -> Forms:
        return cls(
            success=switches["runcomfy.success_word"],
            failed_status=switches["runcomfy.failed_status"],
            single_image=switches["runcomfy.single_image"] == "image",
            input=switches.on("runcomfy.input_echo"),
            refuses_unfinished=switches["runcomfy.unfinished_result"] == "400",
            queue_base=int(switches["runcomfy.queue_base"]),
            cancelled=CANCELLED[switches["runcomfy.cancel_body"]],
            not_cancellable=int(switches["runcomfy.not_cancellable"]),
        )

    def status(self, phase: Phase) -> str:
        return self.failed_status if phase in (Phase.FAILED, Phase.TIMED_OUT) else STATUS_WORDS[phase]


class RunComfy:
    """The dialect of https://model-api.runcomfy.net."""

    name = "runcomfy"
    prefix = "/v1"
    other_prefixes: tuple[str, ...] = ("/prod/v1", "/prod/v2")
    shows_erased = False
    dashed_ids = True
    flags_images = False

    def __init__(self, switches: Switches) -> None:
        self.echoes = switches.on("runcomfy.input_echo")
        self.media = MediaPolicy(
            data_uris=switches["runcomfy.data_uris"] == "accepted",
            http_urls=switches["runcomfy.http_urls"] == "accepted",
            inclusive=switches["runcomfy.limits"] == "messages",
        )
        self._bodies = Bodies()
        self._forms = Forms.of(switches)
        self._errors = Errors(switches)
        self._validates_late = switches["runcomfy.validations"] == "result"

    def operations(self, desk: Desk, settings: Settings) -> tuple[Operation, ...]:
        async def submit(tenant: str, call: Call) -> Reply:
            job, _ = await desk.submit(tenant, call)
            return json_reply(200, submitted(job, call.origin))

        async def status(tenant: str, call: Call) -> Reply:
            job, now = await desk.find(tenant, call)
            phase = job.at(now)
            if phase is Phase.QUEUED:  # the one body that moves while its phase stays
                ahead = await desk.store.ahead(tenant, job.id)
                return Reply(200, self._status(job, phase, call.origin, ahead))
            return Reply(200, self._bodies.get("status", job, phase, call.origin, self._status))

        async def result(tenant: str, call: Call) -> Reply:
            job, now = await desk.find(tenant, call)
            phase = job.at(now)
            if not phase.ended and self._forms.refuses_unfinished:
                raise Unfinished
            body = self._bodies.get("result", job, phase, call.origin, self._result)
            return Reply(200, runcomfy_account.with_cost(body, call.query, job, now) if call.query else body)

        async def cancel(tenant: str, call: Call) -> Reply:
            job, now, effective = await desk.cancel(tenant, call, frozenset({Phase.QUEUED}))
            status, outcome = (
                self._forms.cancelled if effective else (self._forms.status(job.at(now)), "not_cancellable")
            )
            body = {"request_id": job.id, "status": status, "outcome": outcome}
            return json_reply(202 if effective else self._forms.not_cancellable, body)

        return (
            Operation("status", "GET", "/v1/requests/{id}/status", status),
            Operation("result", "GET", "/v1/requests/{id}/result", result),
            Operation("cancel", "POST", "/v1/requests/{id}/cancel", cancel),
            *runcomfy_account.operations(desk),
            *runcomfy_catalogue.operations(desk),
            Operation("submit", "POST", "/v1/models/{model_id:path}", submit),
        )

    def late_failure(self, problems: tuple[Problem, ...]) -> Failure | None:
        if not self._validates_late or any(problem.rule != "validation" for problem in problems):
            return None
        return Failure(Cause.INPUT, f"{problems[0].path[0]}: {problems[0].expected}")

    def refuse(self, refusal: Refusal) -> Reply:
        return self._errors.reply(refusal)

    def _status(self, job: Job, phase: Phase, origin: str, ahead: int | None = None) -> bytes:
        return orjson.dumps(status_of(job, phase, origin, self._forms, ahead))

    def _result(self, job: Job, phase: Phase, origin: str) -> bytes:
        return orjson.dumps(result_of(job, phase, origin, self._forms))


def submitted(job: Job, origin: str) -> dict[str, Any]:
    urls = {
        name: f"{origin}/v1/requests/{job.id}/{name.removesuffix('_url')}"
        for name in ("status_url", "result_url", "cancel_url")
    }
    return {"request_id": job.id, **urls}


def status_of(job: Job, phase: Phase, origin: str, forms: Forms, ahead: int | None = None) -> dict[str, Any]:
    """The status; `ahead` is how many jobs are before a queued one."""
    return {
        "request_id": job.id,
        "status": forms.status(phase),
        **({} if ahead is None else {"queue_position": forms.queue_base + ahead}),
        "status_url": f"{origin}/v1/requests/{job.id}/status",
        "result_url": f"{origin}/v1/requests/{job.id}/result",
    }


def result_of(job: Job, phase: Phase, origin: str, forms: Forms) -> dict[str, Any]:
    """The result, 200 in every phase. Which key comes after which is assumed."""
    body: dict[str, Any] = {
        "request_id": job.id,
        "status": forms.success if phase is Phase.SUCCEEDED else RESULT_WORDS[phase],
    }
    if forms.input:
        body["input"] = orjson.Fragment(job.submission.inputs)
    if phase is Phase.SUCCEEDED:
        urls = output_urls(job, origin)
        body["output"] = {"image": urls[0]} if forms.single_image and len(urls) == 1 else {"images": urls}
    elif phase is Phase.FAILED:
        assert job.failure is not None, "A job in FAILED has a failure."
        body["error"] = job.failure.text or FAILURES[job.failure.cause]
    elif phase is Phase.TIMED_OUT:
        body["error"] = TIMED_OUT
    body["created_at"] = timestamp(job, job.submitted)
    if job.ends is not None and phase.ended:
        body["finished_at"] = timestamp(job, job.ends)
    return body


def timestamp(job: Job, instant: int) -> str:
    """UTC with `+00:00` and six digits (observed); a reader rejects `Z`."""
    return f"{format_second(instant // 1000)}.{instant % 1000:03d}{int(job.id[:5], 16) % 1000:03d}+00:00"
