"""What is asked of a client's `run`: that it says what became of the job, and asks for no more than it needs."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from understudy.contracts.catalogue import models
from understudy.contracts.expecting import expect_failure, expect_success
from understudy.contracts.findings import Broken
from understudy.contracts.inputs import described_inputs
from understudy.contracts.models import validator_of
from understudy.contracts.properties import Property, a_property
from understudy.contracts.scenario import Scenario
from understudy.contracts.scenarios import one, refused, several
from understudy.contracts.strategies import failures
from understudy.contracts.trial import Trial

ENDS = ("cancelled", "timeout")


@a_property("client", one(), needs={"run"}, examples=30)
def it_sends_what_it_was_given(trial: Trial, scenario: Scenario) -> None:
    """Of any valid inputs each arrives as it was given, type included, and the body is what the model's schema allows.
    Further keys may stand beside them."""
    trial.run(scenario)
    bodies = [exchange.request for exchange in trial.seen("submit")]
    if not bodies:
        raise Broken("Nothing was submitted.")
    sent = bodies[0] if isinstance(bodies[0], dict) else {}
    for name, value in scenario.inputs.items():
        if name not in sent or json.dumps(sent[name]) != json.dumps(value):
            raise Broken(f"The input {name} was {json.dumps(value)}; what was sent is {json.dumps(sent.get(name))}.")
    schema = described_inputs(models(trial.provider)[scenario.model])
    for error in validator_of(schema).iter_errors(sent):
        raise Broken(f"What was sent is not as the model's schema says: {error.message}.")


@a_property("client", several(), needs={"run"}, tells={"outputs"})
def it_returns_every_output_in_order(trial: Trial, scenario: Scenario) -> None:
    """The outputs are those of the job, all of them, in the provider's order, and nothing else that looks like one."""
    expect_success(trial, trial.run(scenario), trial.job())


@a_property("client", several(flagged=True), needs={"run"}, tells={"outputs", "flags"}, providers=("wavespeed",))
def it_tells_which_images_are_flagged(trial: Trial, scenario: Scenario) -> None:
    """An image that the provider flags is told from one that it does not, by its place: a completed job may hold both.
    A client may also raise its own error for such a job."""
    told, truth = trial.run(scenario), trial.job()
    if told.error is None:
        expect_success(trial, told, truth)


@a_property("client", several(partial=True, flagged=True), needs={"run"}, tells={"outputs"})
def it_keeps_partial_sets_aligned(trial: Trial, scenario: Scenario) -> None:
    """When fewer images come out than were asked for, those are returned and no others, each with its own flag."""
    told, truth = trial.run(scenario), trial.job()
    if told.error is None or not truth.flagged:
        expect_success(trial, told, truth)


@a_property("client", one(failures()), needs={"run"})
def it_does_not_take_a_failed_job_for_a_success(trial: Trial, scenario: Scenario) -> None:
    """A job that failed, whyever, ends in one of the client's own errors or a result that says so. RunComfy's status
    says `completed` of it; only its result tells."""
    told = trial.run(scenario)
    trial.job()
    expect_failure(told, "The job failed")


@a_property("client", one(failures()), needs={"run"}, tells={"error"})
def it_tells_why_a_job_failed(trial: Trial, scenario: Scenario) -> None:
    """The provider's own text reaches whoever called the client: it is all there is to go by."""
    told, truth = trial.run(scenario), trial.outcome()
    if truth.text is not None and truth.text not in told.text:
        raise Broken(f"The provider said {truth.text!r}; the client {told}.")


@a_property("client", one(st.sampled_from(ENDS).map(lambda end: {"job": {"end": end}})), needs={"run"}, examples=10)
def it_knows_a_job_that_was_cancelled_or_timed_out(trial: Trial, scenario: Scenario) -> None:
    """Jobs also end because somebody cancels them, or because the provider gives up: neither is a success, nor to be
    waited for any longer."""
    told = trial.run(scenario)
    expect_failure(told, f"The job was {trial.job().state.replace('_', ' ')}")


@a_property("client", one(), needs={"run"})
def it_stops_polling_after_the_end(trial: Trial, scenario: Scenario) -> None:
    """Once it has been told the end, a client asks no more; RunComfy's status may be followed by one look at the
    result."""
    trial.run(scenario)
    ended = [
        exchange for exchange in trial.seen("result", "status") if exchange.state not in (None, "queued", "running")
    ]
    for kind in ("status", "result"):
        asked = sum(exchange.operation == kind for exchange in ended)
        if asked > 1:
            raise Broken(f"The job had ended, and its {kind} was asked for {asked} times.")


@a_property("client", refused, needs={"run"}, examples=20)
def it_passes_on_what_the_provider_refuses(trial: Trial, scenario: Scenario) -> None:
    """Inputs that the provider refuses come to one of the client's own errors, there or before; what is refused is not
    sent again."""
    told = trial.run(scenario)
    expect_failure(told, "The inputs are not valid")
    sent = len(trial.seen("submit"))
    if sent > 1:
        raise Broken(f"A refused submission was sent {sent} times.")


UNAUTHORIZED = st.just({"when": {"operation": "submit"}, "answer": {"status": 401}})


@a_property("client", one(UNAUTHORIZED, schedule=False), needs={"run"}, examples=3)
def it_says_that_its_key_is_refused(trial: Trial, scenario: Scenario) -> None:
    """A 401 comes to one of the client's own errors at once: no second try will be let in."""
    expect_failure(trial.run(scenario), "The key was refused")
    sent = len(trial.seen("submit"))
    if sent > 1:
        raise Broken(f"A submission whose key was refused was sent {sent} times.")


@a_property("client", one(), needs={"run"}, examples=5)
def it_keeps_its_key_out_of_urls(trial: Trial, scenario: Scenario) -> None:
    """The key stands in the Authorization header alone: URLs are logged, by proxies and by providers."""
    trial.run(scenario)
    for exchange in trial.seen():
        if exchange.exposed:
            raise Broken(f"The key stood in the URL of {exchange.method} {exchange.target}.")


PROPERTIES: tuple[Property, ...] = (
    it_sends_what_it_was_given,
    it_returns_every_output_in_order,
    it_tells_which_images_are_flagged,
    it_keeps_partial_sets_aligned,
    it_does_not_take_a_failed_job_for_a_success,
    it_tells_why_a_job_failed,
    it_knows_a_job_that_was_cancelled_or_timed_out,
    it_stops_polling_after_the_end,
    it_passes_on_what_the_provider_refuses,
    it_says_that_its_key_is_refused,
    it_keeps_its_key_out_of_urls,
)
