"""Whether a client learns how its jobs end, and stops asking then."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from understudy.mockserver.case import Case, Exchange, describe, tells_end
from understudy.mockserver.durations import format_duration
from understudy.mockserver.findings import Finding
from understudy.mockserver.jobs import Job, Phase
from understudy.mockserver.journal import Entry
from understudy.mockserver.rules import POLLS
from understudy.mockserver.webhooks import Outcome

PATIENCE = 2
"""A client that asked every so often may take that many times as long before it counts as having stopped."""

READABLE = frozenset({"altered", "length"})
"""What an answer may have suffered so that a client can perhaps make something of it still."""


def polled_after_end(case: Case) -> Iterator[Finding]:
    """Asked again although an answer that told the end had arrived. A status does not tell all that a result does, so
    whoever was told the end by a status may ask for the result; and an output that could not be fetched is a reason to
    look again."""
    for job in case.jobs:
        told: list[Exchange] = []
        first: Exchange | None = None
        needless: list[int] = []
        for number, entry in case.about[job.id]:
            if entry.operation == "output" and not _served(entry):
                told.clear()
            elif entry.operation in POLLS:
                teller = next((one for one in told if one[0] <= entry.known and _covers(one[1], entry)), None)
                if teller is not None:
                    first = first or teller
                    needless.append(number)
            if tells_end(entry):
                told.append((number, entry))
        if first is not None:
            times = "once more" if len(needless) == 1 else f"{len(needless)} more times"
            message = (
                f"Job {job.id} was asked about {times} after exchange {first[0]} had told that it {_ended(first[1])}."
            )
            yield Finding("polled_after_end", message, (first[0], *needless), (job.id,))


def never_fetched(case: Case) -> Iterator[Finding]:
    """A job has succeeded, and its client, who knew of it, did not learn what came out: it was told that the job had
    ended and left it at that, or it stopped asking."""
    for job in case.jobs:
        if job.final is not Phase.SUCCEEDED or job.ends is None or job.ends > case.now or job.erased:
            continue
        about = case.about[job.id]
        if _fetched(case, job, job.ends) or any(entry.operation == "cancel" for _, entry in about):
            continue
        reason = _left(case, job, job.ends)
        if reason is not None:
            message = (
                f"Job {job.id} succeeded {format_duration(job.ends - job.submitted)} after it was submitted, and its "
                f"result was never fetched: {reason}."
            )
            yield Finding("never_fetched", message, tuple(number for number, _ in about), (job.id,))


def took_completed_for_success(case: Case) -> Iterator[Finding]:
    """A RunComfy job has failed, its status said `completed`, and nobody looked at the result, which alone tells."""
    for job in case.jobs:
        if job.final not in (Phase.FAILED, Phase.TIMED_OUT):
            continue
        polls = case.polls(job)
        told = next((one for one in polls if one[1].operation == "status" and _says_completed(one[1])), None)
        if told is None or any(entry.operation == "result" and number > told[0] for number, entry in polls):
            continue
        message = (
            f"Job {job.id} failed, and the client cannot know: exchange {told[0]} said completed, as RunComfy says of "
            "failed jobs too, and the result was not asked for, which says failed."
        )
        yield Finding("took_completed_for_success", message, (told[0],), (job.id,))


def _covers(told: Entry, asked: Entry) -> bool:
    """Whether an answer that told the end makes a question needless. Another query may ask for more."""
    if asked.operation == "status" or told.operation == "submit":
        return True
    return told.operation == "result" and told.target.partition("?")[2] == asked.target.partition("?")[2]


def _ended(entry: Entry) -> str:
    words = {Phase.SUCCEEDED: "had succeeded", Phase.FAILED: "had failed", Phase.CANCELLED: "was cancelled"}
    return "had ended" if entry.operation == "status" or entry.phase is None else words.get(entry.phase, "had ended")


def _served(entry: Entry) -> bool:
    return entry.accepted or (entry.arrived and entry.status == 304)


def _says_completed(entry: Entry) -> bool:
    return tells_end(entry) and b'"status":"completed"' in entry.response


def _fetched(case: Case, job: Job, ends: int) -> bool:
    """Whether the client may have learnt what came out: from an answer, an output, a list or a webhook."""
    for _, entry in case.about[job.id]:
        if entry.operation == "output" and _served(entry):
            return True
        readable = entry.arrived or entry.broken in READABLE
        told = entry.operation in ("submit", "result") and entry.phase is Phase.SUCCEEDED
        if told and readable and entry.status is not None and 200 <= entry.status < 300:
            return True
    if case.listed(job, ends):
        return True
    delivery = case.delivery(job)
    return job.submission.webhook is not None and (delivery is None or delivery.outcome is not Outcome.FAILED)


def _left(case: Case, job: Job, ends: int) -> str | None:
    """Why a result that was not fetched will not be, for the end of a sentence; None when there is an excuse: the
    client has never heard of the job, was told that there is nothing, or may be asking still."""
    about = case.about[job.id]
    number, last = about[-1]
    if len(about) == 1 and not last.accepted:
        return None
    told = next((number for number, entry in about if tells_end(entry)), None)
    if told is not None:
        return f"exchange {told} told the client that it had ended"
    if last.arrived and last.status is not None and 400 <= last.status < 500 and last.status not in (408, 429):
        return None
    pauses = [again[1].at - first[1].at for first, again in itertools.pairwise(about)]
    if case.now < max(ends, last.at) + PATIENCE * max(pauses, default=0):
        return None
    delivery = case.delivery(job)
    if delivery is not None and len(about) == 1:
        tries = len(delivery.attempts)
        return f"its webhook failed ({tries} attempt{'' if tries == 1 else 's'}), and the client never asked about it"
    if len(about) == 1:
        return "the client never asked about it"
    if last.accepted and last.phase is not None:
        return f"the client asked about it last in exchange {number}, when it was {last.phase.name.lower()}"
    return f"the client gave up after exchange {number} ({describe(last)})"
