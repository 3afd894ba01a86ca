"""Jobs and deliveries between their values and what the shared store keeps of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from understudy.mockserver.jobs import Failure, Interruption, Job, Phase, WebhookTwist
from understudy.mockserver.redis_codec import dump, load
from understudy.mockserver.tenants import weight_of
from understudy.mockserver.webhooks import Attempt, Delivery, Outcome

PLANNED = b"planned"
"""In place of an interruption's failure: that of the plan."""

OUTCOMES = {
    b"w": Outcome.WAITING,
    b"d": Outcome.DELIVERED,
    b"f": Outcome.FAILED,
    b"u": Outcome.UNTOLD,
    b"l": Outcome.LOST,
}
NOTHING = b""

Words = tuple[bytes | str | int, ...]


def words_of(job: Job, capacity: int | None) -> Words:
    """What the script `submit` is given of a new job, after the turn that it was made from."""
    plan, submission = job.plan, job.submission
    return (
        job.id,
        dump(job),
        job.submitted,
        _word(plan.queue_time),
        _word(plan.run_time),
        int(plan.outcome),
        submission.price,
        submission.count,
        NOTHING if submission.webhook is None else _hook_word(plan.twists.webhook or WebhookTwist()),
        weight_of(job),
        _word(plan.twists.polls),
        _word(capacity),
    )


def failure_word(failure: Failure | None) -> bytes:
    return NOTHING if failure is None else dump(failure)


def _hook_word(twist: WebhookTwist) -> str:
    """What decides when, and how often, a webhook is sent."""
    return f"{twist.late} {int(twist.after_next)} {twist.copies} {int(twist.lost)}"


def _word(number: int | None) -> bytes | int:
    return NOTHING if number is None else number


class Known(NamedTuple):
    """A job as it was when it was last read: `made` tells it from an earlier one of the same id, `base` is what it was
    submitted as, `changes` what has become of it since."""

    made: bytes
    base: Job
    changes: Sequence[bytes | None]
    job: Job


class KnownJobs:
    """The jobs that this process has read, up to `bound` of them: what a submission is never changes, so it is fetched
    and taken apart once, and a job that has not changed is the very same value."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._kept: dict[str, Known] = {}

    def get(self, tenant: str, job_id: str) -> Known | None:
        kept = self._kept.get(job_id)
        return kept if kept is not None and kept.base.tenant == tenant else None

    def read(self, job_id: str, shown: Sequence[Any], known: Known | None = None) -> Job:
        """The job as the store shows it to somebody who knows it already."""
        made, changes = shown[0], shown[1:6]
        if len(shown) > 6 and shown[6] is not None:
            base = load(Job, shown[6])
        else:
            assert known is not None, "The store leaves out only what it was told is known."
            if known.changes == changes:
                return known.job
            base = known.base
        job = _changed(base, *changes)
        if len(self._kept) > self._bound:
            self._kept.clear()
        self._kept[job_id] = Known(made, base, changes, job)
        return job


def _changed(base: Job, held: bytes, cut_at: bytes, phase: bytes, failure: bytes, erased: bytes) -> Job:
    interruption = None
    if cut_at is not None:
        cause = base.plan.failure if failure == PLANNED else load(Failure, failure) if failure else None
        interruption = Interruption(int(cut_at), Phase(int(phase)), cause)
    waits = int(held) if held else None
    if interruption is None and waits == base.held and not erased:
        return base
    return dataclasses.replace(base, interruption=interruption, held=waits, erased=bool(erased))


def delivery_of(job: Job, kept: Sequence[bytes | None]) -> Delivery:
    outcome, due, attempts = kept
    assert outcome is not None, "What the store calls a delivery is one."
    told = orjson.loads(b"[%b]" % attempts) if attempts else []
    return Delivery(job, int(due) if due else None, OUTCOMES[outcome], tuple(Attempt(*one) for one in told))


def attempt_words(attempt: Attempt) -> bytes:
    """Status and error, as they stand in the list of attempts after the instant, which the store knows."""
    return orjson.dumps([attempt.status, attempt.error])[1:-1]
