"""What a client is judged by: its jobs, its exchanges, its webhooks."""

from __future__ import annotations

from collections.abc import Sequence

from understudy.mockserver.duplicates import LIST, submissions_of
from understudy.mockserver.jobs import Job
from understudy.mockserver.journal import Entry, Logged
from understudy.mockserver.rules import POLLS
from understudy.mockserver.webhooks import Delivery

Exchange = tuple[int, Entry]
"""An entry of the journal and its number."""


class Case:
    """`jobs` are those whose submission is in the journal, so that all that was asked about them is there too; `about`
    has the exchanges of each, from its submission on; `now` is what the tenant's clock shows."""

    def __init__(self, jobs: Sequence[Job], logged: Logged, deliveries: Sequence[Delivery], now: int) -> None:
        submissions = submissions_of(logged)
        self.jobs = [job for job in jobs if job.id in submissions]
        self.logged = logged
        self.now = now
        self.about: dict[str, list[Exchange]] = {job.id: [submissions[job.id]] for job in self.jobs}
        for number, entry in logged.numbered:
            if entry.job in self.about and entry.operation != "submit":
                self.about[entry.job].append((number, entry))
        self._deliveries = {delivery.job.id: delivery for delivery in deliveries}
        self._lists = [entry for _, entry in logged.numbered if entry.operation == LIST and entry.accepted]

    def delivery(self, job: Job) -> Delivery | None:
        return self._deliveries.get(job.id)

    def polls(self, job: Job) -> list[Exchange]:
        return [exchange for exchange in self.about[job.id] if exchange[1].operation in POLLS]

    def listed(self, job: Job, since: int) -> bool:
        """Whether the client had a list of all jobs with this one's provider at that instant or later."""
        return any(entry.provider == job.submission.provider and entry.at >= since for entry in self._lists)


def question(entry: Entry) -> tuple[object, ...]:
    """Equal for exchanges that ask the same, as far as the journal keeps what was asked."""
    return entry.method, entry.target, entry.request, entry.received


def tells_end(entry: Entry) -> bool:
    """Whether its answer arrived and told that the job had ended."""
    told = entry.operation == "submit" or entry.operation in POLLS
    return told and entry.accepted and entry.phase is not None and entry.phase.ended


def failed(entry: Entry) -> bool:
    """Whether a client that got this answer, or did not, has reason to try again."""
    return not entry.arrived or entry.status == 429 or (entry.status or 0) >= 500


def describe(entry: Entry) -> str:
    """What came of an exchange, for a sentence: `503`, `429`, `no answer`, `200, cut`."""
    if entry.status is None:
        return f"no answer ({entry.broken})" if entry.broken else "no answer"
    return str(entry.status) if entry.arrived else f"{entry.status}, {entry.broken}"
