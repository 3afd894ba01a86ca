"""What the store in memory keeps of a tenant's money, so that a balance needs no walk over all jobs."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from understudy.mockserver.jobs import Job

MINUTE = 60_000


@dataclass(slots=True)
class Wallet:
    """A tenant's money with one provider, in microdollars. What jobs will give back is settled once that is due."""

    spent: int = 0
    refunds: dict[str, tuple[int, int]] = field(default_factory=dict)  # by job: when, and how much
    due: list[tuple[int, str]] = field(default_factory=list)
    minute: int = 0
    images: int = 0
    capacity: int | None = None

    def charge(self, job: Job, now: int) -> None:
        self.spent += job.submission.price
        self.images = self.images_in(now) + job.submission.count
        self.minute = now // MINUTE
        self.expect(job)

    def expect(self, job: Job) -> None:
        """Takes note of when a job gives its price back, in place of what was noted of it before."""
        self.refunds.pop(job.id, None)
        if job.refunded and job.ends is not None:
            self.refunds[job.id] = (job.ends, job.submission.price)
            heapq.heappush(self.due, (job.ends, job.id))

    def settle(self, now: int) -> int:
        """What has been spent by now."""
        while self.due and self.due[0][0] <= now:
            instant, job_id = heapq.heappop(self.due)
            if self.refunds.get(job_id, (None, 0))[0] == instant:
                self.spent -= self.refunds.pop(job_id)[1]
        return self.spent

    def images_in(self, now: int) -> int:
        """How many images were asked for in the minute of `now`."""
        return self.images if self.minute == now // MINUTE else 0
