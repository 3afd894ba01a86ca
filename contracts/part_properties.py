"""What is asked of a client's single calls: submit, status, result, cancel, upload, webhook."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

from hypothesis import strategies as st

from understudy.contracts.catalogue import samples
from understudy.contracts.client import State
from understudy.contracts.findings import Broken
from understudy.contracts.properties import Property, a_property
from understudy.contracts.scenario import Scenario
from understudy.contracts.scenarios import one, several
from understudy.contracts.stagehand import Truth
from understudy.contracts.strategies import failures
from understudy.contracts.trial import Trial

ENDED = ("succeeded", "failed", "cancelled", "timed_out")
SECRET = "whsec_5VUo2hl0ehD1S0YrSKdLkBTAUBcSqMJ0"
MINUTE = 60

ENDS = failures() | st.sampled_from([{"job": {"end": end}} for end in ("completed", "cancelled", "timeout")])


@a_property("client", one(ENDS, moments=3), needs={"submit", "status"}, examples=30)
def it_tells_where_a_job_stands(trial: Trial, scenario: Scenario) -> None:
    """`status` says what the provider says, at any moment. What RunComfy calls `completed` may have failed: of that, no
    more than `ended` can be said without looking at the result."""
    job = _submit(trial, scenario)
    for moment in (0, *scenario.moments):
        trial.advance(moment)
        told, truth = trial.client.call("status", job), trial.job()
        if told.error is not None and truth.state in ENDED[1:]:
            continue
        right = told.value == truth.state or (told.value is State.ENDED and truth.state in ENDED)
        if trial.provider == "runcomfy" and truth.state == "timed_out":  # it has no word for that
            right = right or told.value is State.FAILED
        if not right:
            raise Broken(f"The job is {truth.state}; status {told}.")


@a_property("client", several(ENDS), needs={"submit", "result"}, examples=20)
def it_reads_results_at_any_time(trial: Trial, scenario: Scenario) -> None:
    """`result` is the truth before the end, when there are no outputs yet, as well as after it."""
    job = _submit(trial, scenario)
    for moment in (0, 300_000, 2_000_000):
        trial.advance(moment)
        told, truth = trial.client.call("result", job), trial.job()
        if told.error is not None:
            if truth.state == "succeeded":
                raise Broken(f"The job is {truth.state}; result {told}.")
            continue
        result = told.result
        assert result is not None
        states = {State(truth.state)} | ({State.FAILED} if truth.state == "timed_out" else set())
        if result.state not in states or result.outputs != _outputs(truth, trial):
            raise Broken(f"The job is {truth.state} with the outputs {json.dumps(truth.outputs)}; result {told}.")


@a_property("client", one(moments=2), needs={"submit", "cancel"}, providers=("runcomfy",), examples=25)
def it_cancels_in_every_state(trial: Trial, scenario: Scenario) -> None:
    """`cancel` says yes where the job was cancelled, which it only can be in the queue, and no where it goes on or had
    ended: a refused cancellation is a 202 as well. A second try is refused."""
    job = _submit(trial, scenario)
    trial.advance(sum(scenario.moments))
    before = trial.job()
    for state, again in ((before.state, ""), (trial.job().state, " again")):
        told = trial.client.call("cancel", job)
        expected = before.state == "queued" and not again
        if told.error is not None and not expected:
            continue
        if told.value is not expected:
            raise Broken(f"A job that was {state} was cancelled{again}: {expected}; cancel {told}.")
        if expected and trial.job().state != "cancelled":
            raise Broken(f"cancel {told}, and the job is {trial.job().state}.")


@a_property(
    "client",
    lambda provider: st.integers(0, 2**32).map(lambda number: Scenario("", {}, choice=number)),
    needs={"upload"},
    providers=("wavespeed",),
    examples=10,
)
def it_uploads_the_very_bytes(trial: Trial, scenario: Scenario) -> None:
    """What is at the URL that `upload` returns are the bytes that were uploaded, each of them, and the key goes to the
    provider's API alone, not to where the file is put."""
    seed = scenario.choice.to_bytes(8, "big")
    data = b"\x89PNG\r\n\x1a\n" + hashlib.blake2b(seed).digest() + b"\r\n\0\xff"
    trial.set("auto")
    told = trial.client.call("upload", "picture.png", data)
    if told.error is not None:
        raise Broken(f"The provider takes uploads; upload {told}.")
    kept = trial.talk.fetch(told.value)
    if kept.status != 200 or kept.content != data:
        raise Broken(f"{len(data)} bytes were uploaded; at {told.value} there is {kept.status} {kept.content[:200]!r}.")


TAMPERED = ("", "body", "signature", "timestamp", "secret", "age")


@a_property(
    "client",
    lambda provider: st.integers(0, len(TAMPERED) - 1).map(lambda number: Scenario("", {}, choice=number)),
    needs={"webhook"},
    providers=("wavespeed",),
    examples=len(TAMPERED),
)
def it_takes_only_genuine_webhooks(trial: Trial, scenario: Scenario) -> None:
    """A signed webhook is read as the result that it is. One whose body, signature or time is another than was signed,
    whose secret is another account's, or that was signed long ago, is one of the client's own errors."""
    wrong = TAMPERED[scenario.choice]
    sample = next(sample for sample in samples(trial.provider) if sample.name == "result-completed")
    prediction = sample.body["data"]
    body = json.dumps(prediction).encode()
    signed_at = int(time.time()) - (60 * MINUTE if wrong == "age" else 0)
    secret = SECRET[:-1] + "1" if wrong == "secret" else SECRET
    headers = _signed(str(prediction["id"]), signed_at, body, secret)
    if wrong == "body":
        body = body.replace(b"/output/", b"/other/")
    if wrong == "signature":
        headers["webhook-signature"] = "v3," + "0" * 64
    if wrong == "timestamp":
        headers["webhook-timestamp"] = str(signed_at + MINUTE)
    told = trial.client.call("webhook", headers, body, SECRET)
    if wrong and told.error is None:
        raise Broken(f"The webhook is not genuine, its {wrong} is not as it should be; webhook {told}.")
    if not wrong and (told.result is None or list(told.result.outputs) != prediction["outputs"]):
        raise Broken(f"The webhook is genuine; webhook {told}.")


def _submit(trial: Trial, scenario: Scenario) -> str:
    trial.set("manual", scenario.rules)
    told = trial.client.call("submit", scenario.model, dict(scenario.inputs))
    truth = trial.job()
    if told.value != truth.id:
        raise Broken(f"The job's id is {truth.id}; submit {told}.")
    return truth.id


def _outputs(truth: Truth, trial: Trial) -> tuple[str, ...]:
    done = truth.state == "succeeded" and "outputs" in trial.client.tells
    return truth.outputs if done else ()


def _signed(job: str, at: int, body: bytes, secret: str) -> dict[str, str]:
    """The headers of a webhook, as WaveSpeed documents how to verify them."""
    name = job[:25]
    digest = hmac.new(secret.removeprefix("whsec_").encode(), f"{name}.{at}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v3,{digest.hexdigest()}",
    }


PROPERTIES: tuple[Property, ...] = (
    it_tells_where_a_job_stands,
    it_reads_results_at_any_time,
    it_cancels_in_every_state,
    it_uploads_the_very_bytes,
    it_takes_only_genuine_webhooks,
)
