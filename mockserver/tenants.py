"""What a process keeps of one tenant, and which jobs leave first when there are too many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from understudy.mockserver.clock import Clock
from understudy.mockserver.jobs import Job
from understudy.mockserver.outbox import Outbox
from understudy.mockserver.waiters import Waiters
from understudy.mockserver.wallets import Wallet


@dataclass(slots=True)
class Tenant:
    """`going` are the jobs that had not ended when somebody last looked."""

    clock: Clock
    outbox: Outbox
    ordinal: int = 0
    uploads: int = 0
    jobs: dict[str, Job] = field(default_factory=dict)
    going: dict[str, Job] = field(default_factory=dict)
    crowd: int = 64
    wallets: dict[str, Wallet] = field(default_factory=dict)
    waiters: Waiters = field(default_factory=Waiters)

    def put(self, job: Job) -> None:
        self.jobs[job.id] = self.going[job.id] = job
        if job.submission.webhook is not None:
            self.outbox.expect(job)

    def prune(self, now: int) -> None:
        self.going = {job_id: job for job_id, job in self.going.items() if not job.at(now).ended}
        self.crowd = 2 * len(self.going) + 64


def weight_of(job: Job) -> int:
    """The bytes of a job's input images as they are kept."""
    return sum(len(picture.thumbnail) for picture in job.submission.pictures)


def oldest(jobs: Iterable[Job], count: int, weight: int) -> list[Job]:
    """The first of the jobs: so many, and so many more that they have this weight."""
    taken: list[Job] = []
    for job in jobs:
        if count <= 0 and weight <= 0:
            break
        taken.append(job)
        count -= 1
        weight -= weight_of(job)
    return taken
