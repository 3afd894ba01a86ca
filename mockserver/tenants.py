"""What a process keeps of one tenant, and which jobs leave first when there are too many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from understudy.mockserver.clock import Clock
from understudy.mockserver.jobs import Interruption, Job, Phase
from understudy.mockserver.journal import Journal
from understudy.mockserver.outbox import Outbox
from understudy.mockserver.rulebook import Rulebook
from understudy.mockserver.waiters import Waiters
from understudy.mockserver.wallets import Wallet


@dataclass(slots=True)
class Tenant:
    """`going` are the jobs that had not ended when somebody last looked. `busy` is how many exchanges are under way and
    do not wait for the clock, `waiting` the instants that others wait for; `polled` counts the polls of jobs that end
    on one."""

    clock: Clock
    outbox: Outbox
    rulebook: Rulebook
    journal: Journal
    busy: int = 0
    waiting: dict[object, int] = field(default_factory=dict)
    polled: dict[str, int] = field(default_factory=dict)
    ordinal: int = 0
    uploads: int = 0
    jobs: dict[str, Job] = field(default_factory=dict)
    going: dict[str, Job] = field(default_factory=dict)
    crowd: int = 64
    wallets: dict[str, Wallet] = field(default_factory=dict)
    waiters: Waiters = field(default_factory=Waiters)
    listeners: Waiters = field(default_factory=Waiters)
    settlements: Waiters = field(default_factory=Waiters)

    def put(self, job: Job) -> None:
        self.jobs[job.id] = self.going[job.id] = job
        if job.submission.webhook is not None:
            self.outbox.expect(job)

    def poll(self, job: Job, now: int) -> Interruption | None:
        """Counts a poll of a job that runs: while it waits for a slot, it gets no nearer to its end. How the job ends,
        if that was the poll to end it."""
        last = job.plan.twists.polls
        if last is None or job.at(now) is not Phase.RUNNING:
            return None
        count = self.polled[job.id] = self.polled.get(job.id, 0) + 1
        return None if count < last else Interruption(now, job.plan.outcome, job.plan.failure)

    def wake(self) -> None:
        """Lets all who wait look again. They count as under way from now, not from when it is their turn: or else time
        might go on before they have looked."""
        self.busy += len(self.waiting)
        self.waiting.clear()
        self.waiters.wake()

    def ahead(self, now: int) -> list[int]:
        """The instants after now at which something happens, as things stand: to a job, a webhook, or who waits."""
        marks = (at for job in self.going.values() for at in (job.starts, job.ends) if at is not None)
        return sorted({at for at in (*marks, *self.outbox.ahead(), *self.waiting.values()) if at > now})

    def awaited(self, now: int) -> int | None:
        """The first instant after now at which a webhook is due, or an exchange that waits goes on."""
        due = self.outbox.next_due(now)
        ahead = [until for until in self.waiting.values() if until > now]
        return min(ahead if due is None else [due, *ahead], default=None)

    def acting(self, now: int) -> bool:
        """Whether anything is under way that does not wait for the clock to go on: an exchange, or a webhook."""
        return bool(self.busy or any(until <= now for until in self.waiting.values()) or self.outbox.pressing(now))

    def hurry(self, wall_now: int, allowed: int = 0) -> bool:
        """Sets an automatic clock to what happens next, unless more than `allowed` exchanges are under way, or a
        webhook is. Those who waited for that are under way from now. Whether it did."""
        now = self.clock.now(wall_now)
        if not self.clock.auto or self.busy > allowed or self.outbox.pressing(now):
            return False
        ahead = self.ahead(now)
        if not ahead:
            return False
        self.clock = self.clock.set_to(ahead[0], wall_now)
        if any(until <= ahead[0] for until in self.waiting.values()):
            self.wake()
        self.listeners.wake()
        return True

    def hurry_on(self, wall_now: int) -> bool:
        """Sets an automatic clock forward for as long as nothing is under way and somebody waits for a moment: an
        exchange, or the receiver of a webhook that is due at one. Whether it did."""
        hurried = False
        while (self.waiting or self.outbox.promises) and self.hurry(wall_now):
            hurried = True
        return hurried

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
