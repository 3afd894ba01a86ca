"""What a tenant was charged and given back: derived from its jobs, so that it cannot disagree with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from understudy.mockserver.jobs import Job


class Entry(NamedTuple):
    """One movement of money, in microdollars: a charge, or what was given back."""

    at: int
    job: Job
    amount: int
    refund: bool


def entries(jobs: Iterable[Job], now: int) -> list[Entry]:
    """All that has moved by now, the oldest first. A job is charged when it is submitted, and gives its price back
    when it ends otherwise than well. Fewer images than were asked for cost as much (assumed)."""
    return sorted(_entries(jobs, now), key=lambda entry: entry.at)


def cost(job: Job, now: int) -> int:
    """What a job has cost by now, in microdollars."""
    given_back = job.refunded and job.ends is not None and job.ends <= now
    return 0 if given_back else job.submission.price


def _entries(jobs: Iterable[Job], now: int) -> Iterator[Entry]:
    for job in jobs:
        yield Entry(job.submitted, job, job.submission.price, refund=False)
        if job.refunded and job.ends is not None and job.ends <= now:
            yield Entry(job.ends, job, job.submission.price, refund=True)
