"""What is asked of a client's `run` when things go wrong on the way: that it still says what became of the job."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from hypothesis import strategies as st

from understudy.contracts.expecting import expect_failure, expect_success
from understudy.contracts.findings import Broken
from understudy.contracts.properties import Cases, Property, a_property
from understudy.contracts.scenario import Scenario
from understudy.contracts.scenarios import each, one
from understudy.contracts.strategies import ANSWERS, failures, faults
from understudy.contracts.trial import Trial

ENDS = ("cancelled", "timeout")
REFUSALS = ("a 500", "a 502 with a page", "a 503", "a 504 with a page", "a 429")
BREAKS = ("half an answer", "no answer", "a reset connection", "a cut answer", "an answer in drops", "a slow answer")
WAIT = 1_000
"""Milliseconds that a client is told to wait: the least that a Retry-After in seconds can say."""

SLACK = 100
"""Milliseconds that a client may be early: clocks and timers are not that exact."""

QUICK = 0.4
"""Seconds of a client's own timeout where it has to run out."""


MELTING = st.just({"when": {"operation": "poll"}, "answer": {"set": {"@status": "melting"}}})


@a_property("client", one(MELTING), needs={"run"}, examples=3, wall=True, timeout=QUICK)
def it_gives_up_on_a_state_that_it_does_not_know(trial: Trial, scenario: Scenario) -> None:
    """A word that is in no document is neither success nor something to poll on for ever: sooner or later the client
    raises its own error."""
    expect_failure(trial.run(scenario), 'The provider only ever said "melting"')


FORMS = tuple(
    {"when": {"operation": "result"}, "answer": form}
    for form in (
        {"set": {"@data": None}},
        {"error_in_200": True, "status": 500},
        {"set": {"code": 500}},
        {"set": {"data.outputs": None}},
        {"set": {"output.images": None}},
    )
)


@a_property(
    "client",
    one(st.sampled_from(FORMS), schedule=False),
    first=each(*FORMS),
    needs={"run"},
    examples=8,
    wall=True,
    timeout=QUICK,
)
def it_survives_a_200_that_is_none(trial: Trial, scenario: Scenario) -> None:
    """An answer of status 200 that holds an error, or nothing where the job should be, comes to one of the client's own
    errors: no crash, no endless poll, and no success without images."""
    told = trial.run(scenario)
    if told.succeeded and told.result is not None and told.result.outputs != trial.job().outputs:
        raise Broken(f"The answers held no outputs, or an error; the client {told}.")


def _each(names: Iterable[str]) -> Cases:
    return each(*({"when": {"operation": "poll", "nth": 1}, "answer": ANSWERS[name]} for name in names))


@a_property("client", one(faults(REFUSALS), faults(REFUSALS)), first=_each(REFUSALS), needs={"run"}, examples=20)
def it_survives_refused_polls(trial: Trial, scenario: Scenario) -> None:
    """A 429 or a 5xx in answer to a poll says nothing of the job, which goes on: the client asks again, at least twice,
    whether the answer is JSON or a gateway's page."""
    expect_success(trial, trial.run(scenario), trial.job())


@a_property("client", one(faults(BREAKS), faults(BREAKS)), first=_each(BREAKS), needs={"run"}, examples=20)
def it_survives_broken_answers(trial: Trial, scenario: Scenario) -> None:
    """The answer to a poll may be late, cut off, or not come at all: the client asks again, at least twice."""
    expect_success(trial, trial.run(scenario), trial.job())


OUTCOMES = (
    st.just({"job": {"end": "completed"}}) | failures() | st.sampled_from([{"job": {"end": end}} for end in ENDS])
)


@a_property("client", one(OUTCOMES, faults(), faults()), first=_each(ANSWERS), needs={"run"}, examples=40)
def it_ends_as_the_job_ended(trial: Trial, scenario: Scenario) -> None:
    """On any schedule, and whatever happens to one answer or another, a success is a success and a failure a
    failure: what the job comes to counts, also for a client that has stopped waiting for it."""
    told, truth = trial.run(scenario), trial.outcome()
    if truth.state == "succeeded":
        expect_success(trial, told, truth)
    else:
        expect_failure(told, f"The job is {truth.state.replace('_', ' ')}")


BUSY = {"when": {"operation": "poll"}, "times": 1, "answer": {"status": 429, "retry_after": WAIT}}


@a_property("client", one(st.just(BUSY)), needs={"run"}, examples=2, wall=True)
def it_waits_as_long_as_it_is_told(trial: Trial, scenario: Scenario) -> None:
    """A 429 with Retry-After in answer to a poll is obeyed: the next one comes when the time is over, not before."""
    expect_success(trial, trial.run(scenario), trial.job())
    seen = trial.seen()
    for told, following in itertools.pairwise(seen):
        if told.retry_after is not None and following.wall - told.wall < told.retry_after - SLACK:
            early = following.wall - told.wall
            raise Broken(f"Told to wait {told.retry_after} ms, the client came back after {early} ms.")


LOST = ({"moment": "after", "close": True}, {"moment": "after", "reset": True}, {"moment": "after", "cut": 10})


@a_property(
    "client",
    one(st.sampled_from(LOST).map(lambda lost: {"when": {"operation": "submit"}, "times": 1, "answer": lost})),
    needs={"run"},
    examples=8,
)
def it_submits_once_when_the_answer_is_lost(trial: Trial, scenario: Scenario) -> None:
    """A submission whose answer never arrives may have been taken, and paid for; there is no key that makes a second
    one harmless. So the client does not send it again by itself."""
    told = trial.run(scenario)
    jobs = trial.hand.jobs()
    if len(jobs) > 1:
        raise Broken(f"One run submitted {len(jobs)} jobs, and each is paid for.")
    expect_failure(told, "The answer to the submission was lost")


HANGING = st.sampled_from(("queued", "running")).map(lambda phase: {"job": {"hang": phase}})


@a_property("client", one(HANGING, schedule=False), needs={"run"}, examples=2, wall=True, timeout=QUICK)
def it_gives_up_when_its_time_is_over(trial: Trial, scenario: Scenario) -> None:
    """Jobs get stuck. A client that was given a timeout ends by it, with one of its own errors."""
    expect_failure(trial.run(scenario), "The job never ended")


PROPERTIES: tuple[Property, ...] = (
    it_gives_up_on_a_state_that_it_does_not_know,
    it_survives_a_200_that_is_none,
    it_survives_refused_polls,
    it_survives_broken_answers,
    it_ends_as_the_job_ended,
    it_waits_as_long_as_it_is_told,
    it_submits_once_when_the_answer_is_lost,
    it_gives_up_when_its_time_is_over,
)
