"""The timeline: five properties that hold the whole idea, and a few plain facts."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from understudy.mockserver.jobs import Failure, Interruption, Job, Phase, Plan, Submission

SUBMISSION = Submission("wavespeed", "model", "prompt", "digest", 2, 64, 64, "jpeg")
ENDS = [phase for phase in Phase if phase.ended]

lengths = st.none() | st.integers(0, 50)
ends = st.sampled_from(ENDS)


def failure_of(phase: Phase) -> Failure | None:
    return Failure() if phase is Phase.FAILED else None


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    outcome = draw(ends)
    plan = Plan(draw(lengths), draw(lengths), outcome, 2, failure_of(outcome))
    return Job("0" * 32, "tenant", SUBMISSION, draw(st.integers(0, 20)), plan, 1)


@st.composite
def interruptions(draw: st.DrawFn, job: Job) -> Interruption:
    """At a moment near the job's own marks, where mistakes live."""
    near = draw(st.sampled_from([mark.at for mark in job.marks]))
    phase = draw(ends)
    return Interruption(max(job.submitted, near + draw(st.integers(-2, 2))), phase, failure_of(phase))


@st.composite
def interrupted(draw: st.DrawFn) -> tuple[Job, Interruption, Job]:
    job = draw(jobs())
    interruption = draw(interruptions(job))
    return job, interruption, job.interrupt(interruption)


moments = st.integers(0, 130)


@given(jobs() | interrupted().map(lambda drawn: drawn[2]), moments, moments)
def test_a_job_never_goes_back_and_stays_ended_once_it_has(job: Job, one: int, other: int) -> None:
    before, after = job.at(min(one, other)), job.at(max(one, other))

    assert before <= after
    assert not before.ended or before is after


@given(interrupted(), st.integers(0, 200))
def test_an_interruption_is_seen_at_once_and_for_good(drawn: tuple[Job, Interruption, Job], later: int) -> None:
    job, interruption, after = drawn

    if not job.at(interruption.at).ended:
        assert interruption.phase is after.at(interruption.at)
        assert interruption.phase is after.at(interruption.at + later)


@given(interrupted(), moments)
def test_an_interruption_does_not_rewrite_the_past(drawn: tuple[Job, Interruption, Job], moment: int) -> None:
    job, interruption, after = drawn

    if moment < interruption.at or job.at(interruption.at).ended:
        assert job.at(moment) is after.at(moment)


@given(interrupted(), st.data())
def test_only_the_first_interruption_counts(drawn: tuple[Job, Interruption, Job], data: st.DataObject) -> None:
    job, interruption, after = drawn
    second = data.draw(interruptions(job))

    if not job.at(interruption.at).ended:
        assert after is after.interrupt(second)


@given(jobs() | interrupted().map(lambda drawn: drawn[2]), st.lists(moments, min_size=2))
def test_what_changed_does_not_depend_on_how_often_one_looks(job: Job, looks: list[int]) -> None:
    looks = sorted(looks)
    piecewise = [mark for after, until in pairwise(looks) for mark in job.between(after, until)]

    assert list(job.between(looks[0], looks[-1])) == piecewise


@given(jobs() | interrupted().map(lambda drawn: drawn[2]), moments)
def test_the_phase_is_that_of_the_last_mark_not_after_the_moment(job: Job, moment: int) -> None:
    past = [mark.phase for mark in job.marks if mark.at <= moment]

    assert (past[-1] if past else Phase.QUEUED) is job.at(moment)


def test_without_latency_a_job_has_ended_when_it_is_submitted() -> None:
    job = Job("0" * 32, "tenant", SUBMISSION, 5, Plan(0, 0, Phase.SUCCEEDED, 2), 1)

    assert job.at(5) is Phase.SUCCEEDED
    assert job.run_time == 0


def test_a_job_that_waits_for_capacity_starts_that_much_later() -> None:
    plan = Plan(10, 20, Phase.SUCCEEDED, 2)
    job = Job("0" * 32, "tenant", SUBMISSION, 0, plan, 1, held=100)

    assert (110, 130) == (job.starts, job.ends)
    assert job.run_time == 20


def test_a_job_that_waits_for_capacity_for_ever_never_starts() -> None:
    job = Job("0" * 32, "tenant", SUBMISSION, 0, Plan(10, 20, Phase.SUCCEEDED, 2), 1, held=None)

    assert (None, None) == (job.starts, job.ends)
