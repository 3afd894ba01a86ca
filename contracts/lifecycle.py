"""A state machine: jobs are submitted, looked at and cancelled in any order, beside a model of what must come of it.

The model is the contract's own: when a job runs and ends follows from its schedule and the time that has passed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule

from understudy.contracts.client import State
from understudy.contracts.findings import Broken
from understudy.contracts.harness import Harness
from understudy.contracts.properties import Property, a_property
from understudy.contracts.scenario import Scenario
from understudy.contracts.scenarios import plain
from understudy.contracts.searching import Search
from understudy.contracts.trial import Trial

LONGEST = 20_000
"""Milliseconds that a job of these queues and runs, at most; time passes in steps of the same order."""

MOST = 4
"""How many jobs there are, at most: enough to mistake one for another."""


@dataclass
class Job:
    """What the contract says of a job: instants on the tenant's clock, in milliseconds since its first."""

    id: str
    submitted: int
    starts: int
    ends: int
    fails: bool
    cancelled: bool = False

    def state(self, now: int) -> State:
        if self.cancelled:
            return State.CANCELLED
        if now >= self.ends:
            return State.FAILED if self.fails else State.SUCCEEDED
        return State.RUNNING if now >= self.starts else State.QUEUED


class Life:
    """Plays steps against whoever acts for it, a client or plain HTTP, and compares what is told with the model."""

    def __init__(self, trial: Trial, of_client: bool) -> None:
        self._trial = trial
        self._act: ByClient | ByTalk = ByClient(trial) if of_client else ByTalk(trial)
        self._plain = plain(trial.provider)
        self._now = 0
        self._jobs: list[Job] = []
        trial.set("manual")

    def submit(self, queue: int, run: int, fails: bool) -> None:
        fail: dict[str, Any] = {"fail": True} if fails else {}
        job = {"queue_time": queue, "run_time": run, **fail}
        self._trial.hand.add_rules([{"next": True, "times": 1, "when": {"operation": "submit"}, "job": job}])
        made = self._act.submit(self._plain.model, dict(self._plain.inputs))
        if any(made == job.id for job in self._jobs):
            raise Broken(f"A new job has the id of an earlier one: {made}.")
        starts = self._now + queue
        self._jobs.append(Job(made, self._now, starts, starts + run, fails))

    def advance(self, milliseconds: int) -> None:
        self._trial.advance(milliseconds)
        self._now += milliseconds
        self._look()

    def cancel(self, number: int) -> None:
        job = self._jobs[number % len(self._jobs)]
        told, before = self._act.cancel(job.id), job.state(self._now)
        if told is None:
            return
        if told is not (before is State.QUEUED):
            raise Broken(f"Job {self._jobs.index(job) + 1} is {before}; cancelling it came to {told}.")
        job.cancelled = job.cancelled or told
        self._look()

    def _look(self) -> None:
        """At every job: what happens to one may show on another."""
        for number, job in enumerate(self._jobs, 1):
            expected = job.state(self._now)
            for what, told in self._act.states(job.id):
                if told is not expected and not (told is State.ENDED and expected in (State.SUCCEEDED, State.FAILED)):
                    raise Broken(f"Job {number} is {expected}; the {what} says {told}.")

    def play(self, step: str, *arguments: Any) -> None:
        steps: dict[str, Callable[..., None]] = {"submit": self.submit, "advance": self.advance, "cancel": self.cancel}
        steps[step](*arguments)

    def play_all(self, scenario: Scenario) -> None:
        for step in scenario.steps:
            self.play(*step)


class ByClient:
    """Lets a client act. What it cannot do is left out; where it raises one of its own errors, the job is over."""

    def __init__(self, trial: Trial) -> None:
        self._client = trial.client

    def submit(self, model: str, inputs: dict[str, Any]) -> str:
        told = self._client.call("submit", model, inputs)
        if not isinstance(told.value, str):
            raise Broken(f"A valid submission was taken; submit {told}.")
        return told.value

    def states(self, job: str) -> list[tuple[str, State]]:
        states = []
        for what in sorted({"status", "result"} & self._client.can):
            told = self._client.call(what, job)
            if told.error is None:
                states.append((what, told.result.state if told.result is not None else told.value))
        return states

    def cancel(self, job: str) -> bool | None:
        if "cancel" not in self._client.can:
            return None
        told = self._client.call("cancel", job)
        return bool(told.value) if told.error is None else False


class ByTalk:
    """Plain HTTP."""

    def __init__(self, trial: Trial) -> None:
        self._talk = trial.talk

    def submit(self, model: str, inputs: dict[str, Any]) -> str:
        return self._talk.submit(model, inputs)

    def states(self, job: str) -> list[tuple[str, State]]:
        return [(kind, self._talk.state(self._talk.look(job, kind))) for kind in self._talk.words.tells]

    def cancel(self, job: str) -> bool | None:
        path = self._talk.words.cancel
        if path is None:
            return None
        return bool(self._talk.call("POST", path.format(job=job)).at("outcome") != "not_cancellable")


def machine(harness: Harness, found: Property, search: Search) -> type[RuleBasedStateMachine]:
    """A state machine that lives with a harness's client, or its provider."""

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self._stack = ExitStack()
            self._trial = self._stack.enter_context(harness.trial(found, Scenario("", {})))
            self._life = Life(self._trial, found.about == "client")
            self._steps: list[tuple[Any, ...]] = []
            self._submitted = 0

        jobs = Bundle("jobs")
        times = st.integers(0, LONGEST)

        def _play(self, *step: Any) -> None:
            self._steps.append(step)
            with search.searching():
                try:
                    self._life.play(*step)
                except Broken as broken:
                    broken.case = Scenario("", {}, steps=tuple(self._steps)).as_json()
                    broken.story = self._trial.story()
                    raise

        @initialize(target=jobs, queue=times, run=times, fails=st.booleans())
        def first(self, queue: int, run: int, fails: bool) -> int:
            return self.submit(queue, run, fails)

        @precondition(lambda self: self._submitted < MOST)
        @rule(target=jobs, queue=times, run=times, fails=st.booleans())
        def again(self, queue: int, run: int, fails: bool) -> int:
            return self.submit(queue, run, fails)

        def submit(self, queue: int, run: int, fails: bool) -> int:
            self._play("submit", queue, run, fails)
            self._submitted += 1
            return self._submitted - 1

        @rule(milliseconds=times)
        def advance(self, milliseconds: int) -> None:
            self._play("advance", milliseconds)

        @rule(job=jobs)
        def cancel(self, job: int) -> None:
            self._play("cancel", job)

        def teardown(self) -> None:
            self._stack.close()

    return Machine


# Nothing is drawn beforehand: the machine draws its steps itself.
@a_property("client", lambda provider: st.nothing(), needs={"submit", "status", "control"}, examples=30, machine=True)
def it_agrees_with_the_contract_in_any_order(trial: Trial, scenario: Scenario) -> None:
    """Jobs are submitted, looked at and cancelled in any order while time passes: what the client says of each is what
    the contract says, and none is taken for another."""
    Life(trial, True).play_all(scenario)


@a_property("provider", lambda provider: st.nothing(), needs={"control"}, examples=30, machine=True)
def its_jobs_keep_apart_in_any_order(trial: Trial, scenario: Scenario) -> None:
    """Jobs are submitted, looked at and cancelled in any order while time passes: each goes the way of its own
    schedule, whatever happens to the others."""
    Life(trial, False).play_all(scenario)
