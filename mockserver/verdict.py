"""What is wrong with a client, told from what it did: a pure function of its jobs and its journal."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.mockserver.case import Case, describe
from understudy.mockserver.duplicates import duplicates, submissions_of
from understudy.mockserver.fetching import never_fetched, polled_after_end, took_completed_for_success
from understudy.mockserver.findings import KINDS, Finding
from understudy.mockserver.jobs import Job
from understudy.mockserver.journal import Logged
from understudy.mockserver.money import dollars
from understudy.mockserver.pacing import ignored_retry_after, no_backoff, polled_too_fast
from understudy.mockserver.webhooks import Delivery

FASTEST_POLL = 100
"""Milliseconds of real time that should lie between two polls of a job when nobody says otherwise: whoever asks faster
does not pause at all, or next to not."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, in the order in which it began."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


def show_verdict(verdict: Verdict) -> dict[str, Any]:
    """As the control API tells it."""
    findings = [
        {"kind": one.kind, "message": one.message, "exchanges": list(one.exchanges), "jobs": list(one.jobs)}
        for one in verdict.findings
    ]
    return {"ok": verdict.ok, "findings": findings}


def verdict(
    jobs: Sequence[Job],
    logged: Logged,
    deliveries: Sequence[Delivery],
    now: int,
    *,
    fastest_poll: int = FASTEST_POLL,
) -> Verdict:
    """The verdict on a tenant's client when its clock shows `now`. Of a journal that has lost entries, only what the
    rest proves is found. `fastest_poll` is milliseconds of real time; 0 allows any pace."""
    case = Case(jobs, logged, deliveries, now)
    found = (
        *polled_after_end(case),
        *polled_too_fast(case, fastest_poll),
        *ignored_retry_after(case),
        *no_backoff(case),
        *resubmitted(case),
        *never_fetched(case),
        *took_completed_for_success(case),
        *key_in_url(case),
    )
    return Verdict(tuple(sorted(found, key=lambda one: (one.exchanges[0], KINDS.index(one.kind)))))


def resubmitted(case: Case) -> Iterator[Finding]:
    """A submission was sent again although the first may have been accepted, as it was: its answer did not arrive, or
    was an error of the server's. After a 4xx there is nothing to be repeated."""
    submissions = submissions_of(case.logged)
    for group in duplicates(case.jobs, case.logged):
        for first, again in itertools.pairwise(group):
            number, lost = submissions[first.id]
            repeated, entry = submissions[again.id]
            if number > entry.known or (lost.arrived and (lost.status or 0) < 500):
                continue
            message = (
                f"Job {again.id} repeats job {first.id}: the submission in exchange {number} ({describe(lost)}) had "
                f"been accepted, and exchange {repeated} sent it again. Both are charged, "
                f"${dollars(first.submission.price):g} and ${dollars(again.submission.price):g}."
            )
            yield Finding("resubmitted", message, (number, repeated), (first.id, again.id))


def key_in_url(case: Case) -> Iterator[Finding]:
    numbers = [number for number, entry in case.logged.numbered if entry.exposed]
    if numbers:
        others = f" (and {len(numbers) - 1} more)" if len(numbers) > 1 else ""
        message = (
            f"The API key stood in the URL of exchange {numbers[0]}{others}, where proxies and logs keep it: send it "
            "in the Authorization header only."
        )
        yield Finding("key_in_url", message, tuple(numbers))
