"""What is asked of a provider, the fake as well as the real one: that it keeps to what is on record of it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from hypothesis import strategies as st
from PIL import Image

from understudy.contracts.catalogue import models
from understudy.contracts.client import State
from understudy.contracts.findings import Broken
from understudy.contracts.properties import Property, a_property
from understudy.contracts.scenario import Scenario
from understudy.contracts.scenarios import one, several
from understudy.contracts.strategies import failures
from understudy.contracts.talk import Answer
from understudy.contracts.trial import Trial

GOING = frozenset({State.QUEUED, State.RUNNING})
EQUAL = 3
"""How many equal submissions are compared."""

ENDS = failures() | st.sampled_from([{"job": {"end": end}} for end in ("completed", "cancelled", "timeout")])


@a_property("provider", one(ENDS, moments=4), examples=40)
def its_answers_are_as_their_schemas_say(trial: Trial, scenario: Scenario) -> None:
    """Submission, status and result agree with the contract's JSON Schemas in every state: fields, types, formats."""
    trial.set("manual", scenario.rules)
    submitted = trial.talk.try_submit(scenario.model, scenario.inputs)
    trial.talk.conform(submitted, "submit")
    job = str(submitted.at(*trial.talk.words.job))
    for result in trial.watch(job, scenario.moments):
        trial.talk.conform(result, "result")
        for kind in trial.talk.words.tells:
            trial.talk.conform(trial.talk.look(job, kind), kind)


@a_property("provider", one(ENDS, moments=6), examples=30)
def its_states_never_go_back(trial: Trial, scenario: Scenario) -> None:
    """A job queues, runs, and ends, as the transitions on record have it; it may skip what is short, and stays ended
    as it ended."""
    job = trial.begin(scenario)
    for kind in trial.talk.words.tells:
        before = State.QUEUED
        for answer in trial.watch(job, scenario.moments, kind):
            state = trial.talk.state(answer)
            if not trial.talk.life.may_follow(before, state):
                raise Broken(f"A job that was {before} is {state} afterwards.")
            before = state


@a_property("provider", one(ENDS, moments=3), examples=25)
def its_answers_about_a_job_agree(trial: Trial, scenario: Scenario) -> None:
    """Whatever path a client polls, it is told the same: WaveSpeed's paths of either age answer alike; RunComfy's
    status is over when its result is, and is `cancelled` only where that is."""
    job = trial.begin(scenario)
    words = trial.talk.words
    for result in trial.watch(job, scenario.moments):
        others = [trial.talk.call("GET", path.format(job=job)) for path in words.others]
        status = trial.talk.look(job, "status") if "status" in words.tells else None
        if not trial.controlled and trial.talk.look(job).body != result.body:
            continue  # the job has gone on meanwhile
        for other in others:
            if (other.status, other.body) != (result.status, result.body):
                raise Broken(f"{other.request} and {result.request} do not answer alike.")
        if status is not None:
            told, state = trial.talk.state(status), trial.talk.state(result)
            ended = state in (State.SUCCEEDED, State.FAILED) and told is State.ENDED
            if told is not state and not ended:
                raise Broken(f"The result says {state}, the status {told}.")


@a_property("provider", several(), examples=20)
def its_outputs_are_there_when_it_is_done(trial: Trial, scenario: Scenario) -> None:
    """There are no outputs before the end; at the end there are as many as were asked for, or fewer, but one at least,
    no two alike."""
    job = trial.begin(scenario)
    asked = scenario.inputs[str(models(trial.provider)[scenario.model].price_field)]
    for answer in trial.watch(job, (1, 60_000)):
        state, outputs = trial.talk.state(answer), trial.talk.outputs(answer)
        if state is not State.SUCCEEDED and outputs:
            raise Broken(f"A job that is {state} has {len(outputs)} outputs already.")
        if state is State.SUCCEEDED and not 1 <= len(outputs) <= asked:
            raise Broken(f"{asked} images were asked for; {len(outputs)} came out.")
        if len(set(map(str, outputs))) != len(outputs):
            raise Broken("Two of the outputs are the same.")


@a_property("provider", several(flagged=True), providers=("wavespeed",), examples=20)
def its_flags_are_one_for_each_output(trial: Trial, scenario: Scenario) -> None:
    """A completed WaveSpeed job says of every output whether it is unsafe, as many flags as outputs. Where the fake was
    told which ones to flag, those are they."""
    job = trial.begin(scenario)
    for answer in _ended(trial, job):
        flags, outputs = answer.at("data", "has_nsfw_contents"), trial.talk.outputs(answer)
        if trial.talk.state(answer) is not State.SUCCEEDED or flags is None:
            continue
        if not isinstance(flags, list) or len(flags) != len(outputs):
            raise Broken(f"There are {len(outputs)} outputs; the flags are {flags!r}.")
        expected = next((rule["job"]["flagged"] for rule in scenario.rules if "flagged" in rule.get("job", {})), None)
        found = [index for index, flag in enumerate(flags, 1) if flag]
        if trial.controlled and expected is not None and found != expected:
            raise Broken(f"The images {expected} are flagged; the answer says {found}.")


@a_property("provider", several(), examples=4)
def its_outputs_are_images_of_the_size_asked_for(trial: Trial, scenario: Scenario) -> None:
    """Every output can be fetched without a key, is an image file that can be read to its end, and has the size that
    was asked for, where one was."""
    job = trial.begin(scenario)
    wanted = str(scenario.inputs.get("size", scenario.inputs.get("image_size", ""))).partition(" ")[0]
    for answer in _ended(trial, job):
        for url in trial.talk.outputs(answer):
            fetched = trial.talk.fetch(str(url))
            if fetched.status != 200 or not fetched.content_type.startswith("image/"):
                raise Broken(f"{url} was answered with {fetched.status} {fetched.content_type}.")
            try:
                with Image.open(io.BytesIO(fetched.content)) as image:
                    image.load()
                    size = f"{image.width}x{image.height}"
            except (OSError, SyntaxError) as error:
                raise Broken(f"{url} is no image that can be read: {error}.") from error
            if wanted and size != wanted.replace("*", "x").replace(":", "x"):
                raise Broken(f"{wanted} was asked for; {url} is {size}.")


@a_property("provider", one(), examples=10)
def its_ids_are_unique(trial: Trial, scenario: Scenario) -> None:
    """Two equal submissions are two jobs, each with an id of its own."""
    trial.set("manual", scenario.rules)
    ids = [trial.talk.submit(scenario.model, scenario.inputs) for _ in range(EQUAL)]
    if len(set(ids)) != EQUAL:
        raise Broken(f"{EQUAL} submissions got the ids {', '.join(ids)}.")


@a_property("provider", one(moments=2), examples=15)
def its_urls_lead_back_to_where_it_was_asked(trial: Trial, scenario: Scenario) -> None:
    """Every URL to poll or to fetch is on the origin that the client used; on the real service, on one of the
    provider's own."""
    trial.set("manual", scenario.rules)
    submitted = trial.talk.try_submit(scenario.model, scenario.inputs)
    job = str(submitted.at(*trial.talk.words.job))
    for answer in (submitted, *trial.watch(job, scenario.moments)):
        for url in _urls(answer.body):
            if trial.controlled and not url.startswith(f"{trial.origin}/"):
                raise Broken(f"{answer.request} points to {url}, which is not on {trial.origin}.")
            if not urlsplit(url).hostname:
                raise Broken(f"{answer.request} points to {url}, which is no URL.")


@a_property("provider", one(ENDS, moments=3), examples=20)
def its_ended_jobs_stay_as_they_are(trial: Trial, scenario: Scenario) -> None:
    """Once a job has ended, its result says the same for ever: outputs in the same order, the same times, the same
    text."""
    job = trial.begin(scenario)
    ended = list(_ended(trial, job))[-1]
    for moment in scenario.moments:
        trial.advance(moment)
        if trial.talk.look(job).body != ended.body:
            raise Broken("The result of a job that had ended has changed.")


@a_property("provider", one(failures()), needs={"control"}, examples=15)
def its_failures_say_why(trial: Trial, scenario: Scenario) -> None:
    """A failed job has an error text and no outputs, and its result is a 200: the request to read it did not fail."""
    job = trial.begin(scenario)
    text = next(rule["job"]["fail"]["text"] for rule in scenario.rules if "fail" in rule["job"])
    answer = list(_ended(trial, job))[-1]
    told = answer.at(*trial.talk.words.error)
    if answer.status != 200 or trial.talk.state(answer) is not State.FAILED:
        raise Broken(f"A job that failed was answered with {answer.status} and {answer.at(*trial.talk.words.state)!r}.")
    if told != text:
        raise Broken(f"The job failed with {text!r}; its result says {told!r}.")
    if trial.talk.outputs(answer):
        raise Broken("A job that failed has outputs.")


def _ended(trial: Trial, job: str) -> Iterator[Answer]:
    """The answers about a job from its end on."""
    for answer in trial.watch(job, ()):
        if trial.talk.state(answer) not in GOING:
            yield answer


def _urls(body: object) -> Iterator[str]:
    """The URLs in an answer, but for those that it only repeats from the inputs."""
    if isinstance(body, dict):
        for name, value in body.items():
            yield from _urls(value) if name != "input" else ()
    elif isinstance(body, Sequence) and not isinstance(body, str):
        for value in body:
            yield from _urls(value)
    elif isinstance(body, str) and body.startswith(("http://", "https://")):
        yield body


PROPERTIES: tuple[Property, ...] = (
    its_answers_are_as_their_schemas_say,
    its_states_never_go_back,
    its_answers_about_a_job_agree,
    its_outputs_are_there_when_it_is_done,
    its_flags_are_one_for_each_output,
    its_outputs_are_images_of_the_size_asked_for,
    its_ids_are_unique,
    its_urls_lead_back_to_where_it_was_asked,
    its_ended_jobs_stay_as_they_are,
    its_failures_say_why,
)
