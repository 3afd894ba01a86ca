"""The words of RunComfy's Model API: paths, bodies, errors."""

from __future__ import annotations

import json
from typing import Any

import orjson
from understudy.mockserver import runcomfy_account, runcomfy_catalogue
from understudy.mockserver.bodies import Bodies
from understudy.mockserver.desk import Desk
from understudy.mockserver.dialect import Operation
from understudy.mockserver.exchange import Call, Reply, json_reply
from understudy.mockserver.jobs import Cause, Job, Phase
from understudy.mockserver.moments import format_second
from understudy.mockserver.outputs import output_urls
from understudy.mockserver.refusals import (
    ForeignJob,
    InsufficientCredits,
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
from understudy.mockserver.settings import Settings
from understudy.mockserver.switches import Switches
from understudy.mockserver.validation import json_type

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
RULES = {"minItems": "min_items", "maxItems": "max_items", "minLength": "min_length", "maxLength": "max_length"}
TIMED_OUT = "The model run timed out."


class RunComfy:
    """The dialect of https://model-api.runcomfy.net."""

    name = "runcomfy"
    prefix = "/v1"
    other_prefixes: tuple[str, ...] = ("/prod/v2",)
    shows_erased = False
    dashed_ids = True
    flags_images = False

    def __init__(self, switches: Switches) -> None:
        self._auth_status = switches["runcomfy.auth_error"]
        self._balance_status = switches["runcomfy.insufficient_balance"]
        self._bodies = Bodies()
        self._queue_base = int(switches["runcomfy.queue_base"])

    def operations(self, desk: Desk, settings: Settings) -> tuple[Operation, ...]:
        async def submit(tenant: str, call: Call) -> Reply:
            job, _ = await desk.submit(tenant, call)
            return json_reply(200, submitted(job, call.origin))

        async def status(tenant: str, call: Call) -> Reply:
            job, now = await desk.find(tenant, call)
            phase = job.at(now)
            if phase is Phase.QUEUED:  # the one body that moves while its phase stays
                position = self._queue_base + await desk.store.ahead(tenant, job.id)
                return json_reply(200, status_of(job, phase, call.origin, position))
            return Reply(200, self._bodies.get("status", job, phase, call.origin, _status))

        async def result(tenant: str, call: Call) -> Reply:
            job, now = await desk.find(tenant, call)
            body = self._bodies.get("result", job, job.at(now), call.origin, _result)
            return Reply(200, runcomfy_account.with_cost(body, call.query, job, now) if call.query else body)

        async def cancel(tenant: str, call: Call) -> Reply:
            job, now, effective = await desk.cancel(tenant, call, frozenset({Phase.QUEUED}))
            return json_reply(
                202,
                {
                    "request_id": job.id,
                    "status": STATUS_WORDS[job.at(now)],
                    "outcome": "cancelled" if effective else "not_cancellable",
                },
            )

        return (
            Operation("status", "GET", "/v1/requests/{id}/status", status),
            Operation("result", "GET", "/v1/requests/{id}/result", result),
            Operation("cancel", "POST", "/v1/requests/{id}/cancel", cancel),
            *runcomfy_account.operations(desk),
            *runcomfy_catalogue.operations(desk),
            Operation("submit", "POST", "/v1/models/{model_id:path}", submit),
        )

    def refuse(self, refusal: Refusal) -> Reply:
        if isinstance(refusal, Unauthenticated) and self._auth_status == "400":
            return _error(400004, "The API token is missing or not valid.")
        if isinstance(refusal, InsufficientCredits):
            return _error(400002 if self._balance_status == "400" else 402001, "The account balance is not sufficient.")
        if isinstance(refusal, Invalid):
            return _invalid(
                [
                    (problem.path, _complain(problem), RULES.get(problem.rule, problem.rule))
                    for problem in refusal.problems
                ]
            )
        if isinstance(refusal, Malformed):
            return _invalid([((), f"the body must be a JSON object, not {refusal.found}", "json_object")])
        return _error(*_word(refusal))


def submitted(job: Job, origin: str) -> dict[str, Any]:
    urls = {
        name: f"{origin}/v1/requests/{job.id}/{name.removesuffix('_url')}"
        for name in ("status_url", "result_url", "cancel_url")
    }
    return {"request_id": job.id, **urls}


def status_of(job: Job, phase: Phase, origin: str, queue_position: int | None = None) -> dict[str, Any]:
    return {
        "request_id": job.id,
        "status": STATUS_WORDS[phase],
        **({} if queue_position is None else {"queue_position": queue_position}),
        "status_url": f"{origin}/v1/requests/{job.id}/status",
        "result_url": f"{origin}/v1/requests/{job.id}/result",
    }


def result_of(job: Job, phase: Phase, origin: str) -> dict[str, Any]:
    """The result, 200 in every phase. Which key comes after which is assumed."""
    body: dict[str, Any] = {"request_id": job.id, "status": RESULT_WORDS[phase]}
    if phase is Phase.SUCCEEDED:
        body["output"] = {"images": output_urls(job, origin)}
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


def _status(job: Job, phase: Phase, origin: str) -> bytes:
    return orjson.dumps(status_of(job, phase, origin))


def _result(job: Job, phase: Phase, origin: str) -> bytes:
    return orjson.dumps(result_of(job, phase, origin))


def _error(code: int, message: str) -> Reply:
    """The HTTP status is the first three digits of the code (documented as a pattern)."""
    return json_reply(code // 1000, {"error_code": code, "error_message": message})


def _word(refusal: Refusal) -> tuple[int, str]:
    """Code and message. The codes are documented or inferred, the messages assumed."""
    match refusal:
        case Unauthenticated():
            return 401001, "The API token is missing or not valid."
        case UnknownModel(model=name):
            return 404001, f"Model '{name}' was not found."
        case UnknownJob(job=job):
            return 404001, f"Request '{job}' was not found."
        case ForeignJob(job=job):
            return 403001, f"You do not have permission to access request '{job}'."
        case TooLarge(limit=limit):
            return 413001, f"The request body must be at most {limit} bytes."
        case UnknownRoute(method=method, path=path):
            return 404001, f"{method} {path} was not found."
    raise AssertionError(f"RunComfy has no words for {refusal!r}.")


def _invalid(complaints: list[tuple[tuple[str | int, ...], str, str]]) -> Reply:
    """422 with a `detail` array: known of the sibling product, inferred for this one. Each is path, text and rule."""
    message = "; ".join(f"{'.'.join(map(str, path))}: {text}" if path else text for path, text, _ in complaints)
    detail = [{"loc": ["body", *path], "msg": text, "type": rule} for path, text, rule in complaints]
    return json_reply(
        422, {"error_code": 422001, "error_message": f"Input validation failed: {message}", "detail": detail}
    )


def _complaint(problem: Problem) -> tuple[tuple[str | int, ...], str, str]:
    return problem.path, _complain(problem), RULES.get(problem.rule, problem.rule)


def _complain(problem: Problem) -> str:
    expected = problem.expected
    match problem.rule:
        case "required":
            return "is required"
        case "enum":
            return f"must be one of {json.dumps(expected, ensure_ascii=False)}"
        case "type":
            return f"must be of type {' or '.join(expected)}, not {json_type(problem.found)}"
        case "minimum":
            return f"must be at least {expected}"
        case "maximum":
            return f"must be at most {expected}"
        case "minItems":
            return f"must have at least {expected} item{'s' if expected != 1 else ''}"
        case "maxItems":
            return f"must have at most {expected} items"
        case "minLength":
            return f"must have at least {expected} characters"
        case "maxLength":
            return f"must have at most {expected} characters"
        case "validation":
            return str(expected)
        case other:
            return f"must satisfy {other}"
