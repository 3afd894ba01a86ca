"""What is wrong with a client, told from what it did: a pure function of its jobs and its journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from understudy.mockserver.jobs import Job
from understudy.mockserver.journal import Logged
from understudy.mockserver.webhooks import Delivery

FASTEST_POLL = 100
"""Milliseconds of real time between two polls of a job that are found too few when nobody says otherwise."""

Kind = Literal[
    "polled_after_end",
    "polled_too_fast",
    "ignored_retry_after",
    "no_backoff",
    "resubmitted",
    "never_fetched",
    "took_completed_for_success",
    "key_in_url",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: a sentence about it, the numbers of the exchanges that show it, the jobs concerned."""

    kind: Kind
    message: str
    exchanges: tuple[int, ...]
    jobs: tuple[str, ...] = ()


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
    return Verdict(())
