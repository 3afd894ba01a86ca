"""What is asked of a provider about whom it serves: what it takes and refuses, and what it shows to whom."""

from __future__ import annotations

from typing import Any

from understudy.contracts.client import State
from understudy.contracts.findings import Broken
from understudy.contracts.operations import wire
from understudy.contracts.properties import Property, a_property
from understudy.contracts.scenario import Scenario
from understudy.contracts.scenarios import one, refused
from understudy.contracts.talk import Answer
from understudy.contracts.trial import LONG, Trial

_JOB_IDS = ("{id}", "{request_id}")


@a_property("provider", one(), examples=10)
def it_takes_what_its_models_allow(trial: Trial, scenario: Scenario) -> None:
    """Any inputs that a model's published schema allows are taken."""
    trial.begin(scenario)


@a_property("provider", refused, examples=30)
def it_refuses_what_its_models_forbid(trial: Trial, scenario: Scenario) -> None:
    """Inputs that a model's published schema forbids are refused with a client error in the provider's own form, and
    there is no job."""
    trial.set("manual")
    answer = trial.talk.try_submit(scenario.model, scenario.inputs)
    if not 400 <= answer.status < 500:
        raise Broken(f"Inputs that the schema of {scenario.model} forbids were answered with {answer.status}.")
    trial.talk.conform(answer, "error", answer.status)
    if trial.controlled and trial.hand.jobs():
        raise Broken("What was refused is a job all the same.")


@a_property("provider", one(), examples=5)
def its_errors_are_as_on_record(trial: Trial, scenario: Scenario) -> None:
    """An unknown job and an unknown model are 404 in the provider's own form, and JSON."""
    trial.set("manual")
    words = trial.talk.words
    paths = (*words.tells.values(), *words.others)
    requests: list[tuple[str, str, Any]] = [("GET", path.format(job=words.unknown), None) for path in paths]
    requests += [("POST", words.cancel.format(job=words.unknown), None)] if words.cancel else []
    requests += [("POST", words.submit.format(model=f"{scenario.model}/unknown"), dict(scenario.inputs))]
    for method, path, body in requests:
        trial.talk.conform(trial.talk.call(method, path, body), "error", 404)


@a_property("provider", one(), examples=5)
def it_shows_nothing_without_a_key(trial: Trial, scenario: Scenario) -> None:
    """Every operation that needs a key answers 401 without one, in the provider's own form, and nothing else."""
    job = trial.begin(scenario)
    for operation in wire(trial.provider).operations:
        if operation.secured and not operation.server:
            path = operation.path.replace("{model_id}", scenario.model)
            for name in _JOB_IDS:
                path = path.replace(name, job)
            body = dict(scenario.inputs) if operation.method == "POST" else None
            answer = trial.talk.call(operation.method, path, body, authorized=False)
            trial.talk.conform(answer, "error", trial.talk.words.unauthorized)


@a_property("provider", one(moments=1), needs={"control"}, examples=15)
def it_shows_nobody_the_jobs_of_another(trial: Trial, scenario: Scenario) -> None:
    """Another key gets an error for a job that it does not own, on every path, and cannot cancel it; nothing of the job
    is in the answer."""
    job = trial.begin(scenario)
    trial.advance(sum(scenario.moments))
    words = trial.talk.words
    before = trial.talk.look(job)
    for path in (*words.tells.values(), *words.others):
        answer = trial.other.call("GET", path.format(job=job))
        _expect_hidden(answer, trial)
    if words.cancel is not None:
        _expect_hidden(trial.other.call("POST", words.cancel.format(job=job)), trial)
    if trial.talk.look(job).body != before.body:
        raise Broken("Another key changed a job that it does not own.")


@a_property("provider", one(moments=2), providers=("runcomfy",), needs={"control"}, examples=20)
def it_cancels_only_what_waits(trial: Trial, scenario: Scenario) -> None:
    """A RunComfy request can be cancelled while it is in the queue, and is `cancelled` from then on; later the answer
    says that it cannot be, and the job goes on as if nothing had been asked."""
    job = trial.begin(scenario)
    words = trial.talk.words
    assert words.cancel is not None
    trial.advance(sum(scenario.moments))
    before = trial.talk.state(trial.talk.look(job))
    answer = trial.talk.call("POST", words.cancel.format(job=job))
    if answer.status not in (200, 202):
        raise Broken(f"A cancellation was answered with {answer.status}; expected 202.")
    trial.talk.conform(answer, "cancel", answer.status)
    outcome = answer.at("outcome")
    if (outcome != "not_cancellable") != (before is State.QUEUED):
        raise Broken(f"The outcome of cancelling a job that is {before} is {outcome!r}.")
    after = trial.talk.state(trial.talk.look(job))
    expected = State.CANCELLED if before is State.QUEUED else before
    if after is not expected:
        raise Broken(f"A job that was {before} is {after} after its cancellation was answered with {outcome!r}.")
    trial.advance(LONG)
    last = trial.talk.state(trial.talk.look(job))
    if (last is State.CANCELLED) != (before is State.QUEUED):
        raise Broken(f"A job that was {before} when it was to be cancelled came to be {last}.")


def _expect_hidden(answer: Answer, trial: Trial) -> None:
    if answer.status not in (403, 404):
        raise Broken(f"{answer.request} with another key was answered with {answer.status}.")
    trial.talk.conform(answer, "error", answer.status)


PROPERTIES: tuple[Property, ...] = (
    it_takes_what_its_models_allow,
    it_refuses_what_its_models_forbid,
    its_errors_are_as_on_record,
    it_shows_nothing_without_a_key,
    it_shows_nobody_the_jobs_of_another,
    it_cancels_only_what_waits,
)
