"""When jobs start where only so many may run at once: a pure fold over a queue in order of submission."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterable
from math import inf

from understudy.mockserver.jobs import Job, Phase


def schedule(jobs: Iterable[Job], capacity: int, now: int) -> list[Job]:
    """Those of the jobs that are queued now and have to start at another time than they would, changed accordingly.

    `jobs` come in order of submission and none of them has ended; a new one is held for ever until it is given a start
    here. What has started keeps its slot until it ends, and nothing in the past is moved. A job that hangs in the queue
    takes no slot; one that hangs while running keeps it.
    """
    waiting, free = [], [float(now)] * capacity
    for job in jobs:
        if job.at(now) is Phase.QUEUED:
            waiting.append(job)
        else:
            heapq.heappushpop(free, inf if job.ends is None else job.ends)
    changed = []
    for job in waiting:
        if job.plan.queue_time is None:
            continue
        earliest = job.submitted + job.plan.queue_time
        starts = max(heapq.heappop(free), earliest)
        held = None if starts == inf else int(starts) - earliest
        run_time = inf if job.plan.run_time is None else job.plan.run_time
        heapq.heappush(free, starts + run_time)
        if held != job.held:
            changed.append(dataclasses.replace(job, held=held))
    return changed
