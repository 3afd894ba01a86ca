"""Jobs where only so many run at once: a pure fold over a queue, against a plain count of who runs when."""

import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from talking import QUEUE, RUN, RUNCOMFY, shoe, talking

from understudy.mockserver.jobs import Failure, Interruption, Job, Phase, Plan, Submission
from understudy.mockserver.queueing import schedule

ASKED = Submission("runcomfy", "a/b", "A shoe", "", 1, 64, 64, "jpeg")
LENGTHS = st.sampled_from([0, 0, 1, 2, 5, 10, None])


def make(number: int, submitted: int, queue: int | None, run: int | None) -> Job:
    return Job(str(number), "tenant", ASKED, submitted, Plan(queue, run, Phase.SUCCEEDED, 1), seed=0)


class Queue:
    """One tenant's jobs, scheduled after each event as a store does."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.now = 0
        self.jobs: dict[str, Job] = {}

    def submit(self, queue: int | None, run: int | None) -> None:
        job = dataclasses.replace(make(len(self.jobs), self.now, queue, run), held=None)
        self.jobs[job.id] = job
        self._schedule()

    def interrupt(self, number: int, phase: Phase) -> None:
        if self.jobs:
            job = list(self.jobs.values())[number % len(self.jobs)]
            failure = Failure() if phase is Phase.FAILED else None
            self.jobs[job.id] = job.interrupt(Interruption(self.now, phase, failure))
            self._schedule()

    def running(self, instant: int) -> int:
        return sum(job.at(instant) is Phase.RUNNING for job in self.jobs.values())

    def _schedule(self) -> None:
        going = [job for job in self.jobs.values() if not job.at(self.now).ended]
        self.jobs.update((job.id, job) for job in schedule(going, self.capacity, self.now))


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), LENGTHS, LENGTHS),
        st.tuples(st.just("wait"), st.sampled_from([0, 1, 2, 5, 9, 10]), st.none()),
        st.tuples(st.just("interrupt"), st.integers(0, 9), st.sampled_from([Phase.CANCELLED, Phase.FAILED])),
    ),
    max_size=14,
)


def happen(queue: Queue, event: tuple[str, int | None, int | None]) -> None:
    name, first, second = event
    if name == "submit":
        queue.submit(first, second)
    elif name == "wait":
        queue.now += first or 0
    else:
        queue.interrupt(first or 0, Phase(second or 0))


@given(EVENTS, st.integers(1, 3))
def test_no_more_than_the_capacity_ever_run_at_once(
    events: list[tuple[str, int | None, int | None]], capacity: int
) -> None:
    queue = Queue(capacity)
    for event in events:
        happen(queue, event)
    marks = {mark.at for job in queue.jobs.values() for mark in job.marks}
    assert [] == [instant for instant in sorted(marks) if queue.running(instant) > capacity]


@given(EVENTS, st.integers(1, 3))
def test_no_event_rewrites_the_past_or_moves_what_has_started(
    events: list[tuple[str, int | None, int | None]], capacity: int
) -> None:
    queue = Queue(capacity)
    for event in events:
        before, now = dict(queue.jobs), queue.now
        happen(queue, event)
        for job_id, job in before.items():
            after = queue.jobs[job_id]
            assert [mark for mark in job.marks if mark.at < now] == [mark for mark in after.marks if mark.at < now]
            if job.at(now) is Phase.RUNNING:
                assert job.starts == after.starts


@given(EVENTS, st.integers(1, 3))
def test_whoever_comes_later_delays_nobody(events: list[tuple[str, int | None, int | None]], capacity: int) -> None:
    queue = Queue(capacity)
    for event in events:
        happen(queue, event)
    starts = {job_id: job.starts for job_id, job in queue.jobs.items()}
    queue.submit(0, 10)
    assert starts == {job_id: queue.jobs[job_id].starts for job_id in starts}


@given(EVENTS, st.integers(1, 3), st.integers(0, 9))
def test_a_cancellation_only_moves_later_jobs_earlier(
    events: list[tuple[str, int | None, int | None]], capacity: int, number: int
) -> None:
    queue = Queue(capacity)
    for event in events:
        happen(queue, event)
    before = dict(queue.jobs)
    queue.interrupt(number, Phase.CANCELLED)
    changed = (job_id for job_id, job in queue.jobs.items() if job.interruption != before[job_id].interruption)
    cancelled = next(changed, "")
    for job_id, job in before.items():
        starts, after = job.starts, queue.jobs[job_id].starts
        if job_id == cancelled:
            continue
        assert starts is None or (after is not None and after <= starts)
        if cancelled and int(job_id) < int(cancelled):
            assert job.at(queue.now) is Phase.QUEUED or starts == after


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(1, 3), st.integers(0, 40))
def test_jobs_of_the_same_queue_time_start_in_order_of_submission(runs: list[int], capacity: int, queue: int) -> None:
    line = Queue(capacity)
    for run in runs:
        line.submit(queue, run)
    starts = [job.starts for job in line.jobs.values()]
    assert all(earlier is not None and later is not None and earlier <= later for earlier, later in pairwise(starts))


def test_a_slot_is_taken_in_the_millisecond_it_falls_free() -> None:
    new = dataclasses.replace(make(1, 0, 0, 10), held=None)
    (moved,) = schedule([make(0, 0, 0, 10), new], 1, 0)
    assert ("1", 10, 20) == (moved.id, moved.starts, moved.ends)


def test_a_new_job_without_queue_time_does_not_start_beside_those_that_fill_the_capacity() -> None:
    with talking(capacity=1, queue=0) as talk:
        jobs = [talk.request() for _ in range(3)]
        states = [talk.get(f"/v1/requests/{job}/status")["status"] for job in jobs]
        assert ["in_progress", "in_queue", "in_queue"] == states


def test_what_hangs_in_the_queue_takes_no_slot() -> None:
    assert [] == schedule([make(0, 0, None, 10), make(1, 0, 0, 10)], 1, 0)


def test_what_hangs_while_it_runs_holds_those_behind_it_for_ever_or_until_it_is_ended() -> None:
    hanging, waiting = make(0, 0, 0, None), dataclasses.replace(make(1, 0, 0, 10), held=None)
    assert [] == schedule([hanging, waiting], 1, 0)
    (freed,) = schedule([waiting], 1, 50)
    assert (50, 50) == (freed.held, freed.starts)


def test_queue_positions_tell_the_truth_and_fall_to_the_front() -> None:
    with talking(capacity=1) as talk:
        jobs = [talk.request() for _ in range(4)]

        def positions() -> list[int | None]:
            return [talk.get(f"/v1/requests/{job}/status").get("queue_position") for job in jobs]

        assert [0, 1, 2, 3] == positions()
        talk.advance(QUEUE)
        assert [None, 0, 1, 2] == positions()
        assert 202 == talk.call("POST", f"/v1/requests/{jobs[1]}/cancel").status_code
        assert [None, None, 0, 1] == positions()
        talk.advance(RUN - 1)
        assert [None, None, 0, 1] == positions()
        talk.advance(1)
        assert [None, None, None, 0] == positions()


@given(EVENTS)
def test_a_job_never_falls_back_in_the_queue(events: list[tuple[str, int | None, int | None]]) -> None:
    queue = Queue(2)
    last: dict[str, int] = {}
    for event in events:
        happen(queue, event)
        queued = [job.id for job in queue.jobs.values() if job.at(queue.now) is Phase.QUEUED]
        places = {job_id: place for place, job_id in enumerate(queued)}
        assert all(places[job_id] <= last.get(job_id, places[job_id]) for job_id in queued)
        last = places


def test_without_a_capacity_nobody_waits_for_anybody() -> None:
    with talking() as talk:
        jobs = [talk.request() for _ in range(5)]
        talk.advance(QUEUE)
        assert {"in_progress"} == {talk.get(f"/v1/requests/{job}/status")["status"] for job in jobs}


@pytest.mark.parametrize(("base", "first"), [("0", 0), ("1", 1)])
def test_positions_count_from_either_base(base: str, first: int) -> None:
    with talking(capacity=1, assume={"runcomfy.queue_base": base}) as talk:
        job = talk.post(f"/v1/models/{RUNCOMFY}", shoe())["request_id"]
        assert first == talk.get(f"/v1/requests/{job}/status")["queue_position"]
