"""One tenant's deliveries in this process's memory, bounded: which is due, who has it, and how each went."""

from __future__ import annotations

import heapq
import itertools
from typing import NamedTuple

from understudy.mockserver.clock import Clock
from understudy.mockserver.jobs import Job
from understudy.mockserver.webhooks import Attempt, Delivery, Outcome, expected

AT_ONCE = 16
"""How many of one tenant's deliveries are under way at most, so that hanging receivers delay nobody else's."""


class _Lease(NamedTuple):
    """From an instant on the tenant's clock until one on the wall, a delivery is in somebody's hands."""

    at: int
    until: int


class Outbox:
    """Deliveries: beyond `bound` of them, those that are over go, the first that ended first. None that waits ever goes
    by itself, but with its job."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._kept: dict[str, Delivery] = {}
        self._over: dict[str, None] = {}
        self._taken: dict[str, _Lease] = {}
        self._held: dict[str, None] = {}
        self._due: list[tuple[int, int, str]] = []
        self._order = itertools.count()

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """All that are kept, in order of submission."""
        return tuple(self._kept.values())

    @property
    def waiting(self) -> int:
        """How many are not over yet."""
        return len(self._kept) - len(self._over)

    @property
    def promises(self) -> bool:
        """Whether a delivery is due at some moment, if time goes on. One that waits for another promises nothing: who
        moves time for its sake would see to it that no other comes before."""
        return any(entry[2] not in self._held and self._is_current(*entry) for entry in self._due)

    def expect(self, job: Job) -> None:
        """Takes note of what a job's timeline promises now. Once a delivery is on its way, that is settled."""
        kept = self._kept.get(job.id)
        if kept is not None and (kept.attempts or kept.outcome is not Outcome.WAITING or job.id in self._taken):
            return
        if kept is not None and kept.twist.after_next and kept.due is not None and not kept.held:
            return  # the one that it waited for has gone out
        self._keep(expected(job))

    def waits(self, job_id: str) -> bool:
        """Whether a job's delivery is not over yet."""
        return job_id in self._kept and job_id not in self._over

    def drop(self, job_id: str) -> None:
        """A job is kept no more: its delivery, unless that is over, is not made."""
        if self.waits(job_id):
            del self._kept[job_id]
            self._taken.pop(job_id, None)
            self._held.pop(job_id, None)

    def pressing(self, now: int) -> bool:
        """Whether a delivery is on its way or ought to be."""
        self._forget_stale()
        return bool(self._taken) or (bool(self._due) and self._due[0][0] <= now)

    def ahead(self) -> list[int]:
        """When deliveries are due that nobody has taken."""
        return [due for due, order, job_id in self._due if self._is_current(due, order, job_id)]

    def next_due(self, now: int) -> int | None:
        """When the first delivery after now is due."""
        self._forget_stale()
        if self._due and self._due[0][0] > now:
            return self._due[0][0]
        return min((due for due in self.ahead() if due > now), default=None)

    def ready(self, clock: Clock, wall_now: int) -> int | None:
        """What the wall shows when there is something to take; None for never, as things stand."""
        for job_id, lease in list(self._taken.items()):
            if lease.until <= wall_now:
                del self._taken[job_id]
                self._keep(self._kept[job_id])
        self._forget_stale()
        expiry = min((lease.until for lease in self._taken.values()), default=None)
        # No time passes on a manual clock while a delivery is under way: it is over before the next one begins.
        if not self._due or len(self._taken) >= (1 if clock.rate == 0 else AT_ONCE):
            return expiry
        due = clock.wall_at(self._due[0][0], wall_now)
        return due if expiry is None else expiry if due is None else min(due, expiry)

    def take(self, clock: Clock, wall_now: int, lease: int) -> Delivery:
        """The delivery that is due first, once something is ready."""
        due, _, job_id = heapq.heappop(self._due)
        self._held.pop(job_id, None)
        self._taken[job_id] = _Lease(_moment(due, clock, wall_now), wall_now + lease)
        return self._kept[job_id]

    def settle(self, delivery: Delivery, answer: Attempt, clock: Clock, wall_now: int, backoff: int) -> None:
        """Takes note of how an attempt went, unless the lease ran out and somebody else did so since."""
        job_id = delivery.job.id
        lease = self._taken.get(job_id)
        if lease is not None and self._kept[job_id] is delivery:
            del self._taken[job_id]
            known = _moment(lease.at, clock, wall_now)
            self._keep(delivery.tried(answer._replace(at=lease.at), known, backoff))
            for other in [self._kept[held] for held in self._held]:
                released = other.behind(lease.at, known)
                if released is not other:
                    self._keep(released)

    def _keep(self, delivery: Delivery) -> None:
        self._kept[delivery.job.id] = delivery
        if delivery.held:
            self._held[delivery.job.id] = None
        else:
            self._held.pop(delivery.job.id, None)
        if delivery.due is not None:
            heapq.heappush(self._due, (delivery.due, next(self._order), delivery.job.id))
        if delivery.outcome is not Outcome.WAITING:
            self._over[delivery.job.id] = None
        while len(self._kept) > self._bound and self._over:
            job_id = next(iter(self._over))
            del self._over[job_id], self._kept[job_id]

    def _forget_stale(self) -> None:
        while self._due and not self._is_current(*self._due[0]):
            heapq.heappop(self._due)

    def _is_current(self, due: int, _: int, job_id: str) -> bool:
        kept = self._kept.get(job_id)
        return kept is not None and kept.due == due and job_id not in self._taken


def _moment(due: int, clock: Clock, wall_now: int) -> int:
    """When something happens: on a manual clock when it was due, however far the clock was set forward at once."""
    return due if clock.rate == 0 else clock.now(wall_now)
