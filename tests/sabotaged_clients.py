"""Copies of the careful client, each with one defect that real clients have had, and the property that must tell."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple

from careful_adapter import Adapter, adapter
from careful_client import Client, ClientError, Lost, Outcome

from understudy.contracts.client import Account


class NumbersAsText(Client):
    """Sends what came from a form as it was typed."""

    def submit(self, model: str, inputs: Mapping[str, Any]) -> str:
        return super().submit(model, {**inputs, **{k: str(v) for k, v in inputs.items() if isinstance(v, int)}})


class Wraps(Client):
    """Puts the inputs where other providers want them."""

    def submit(self, model: str, inputs: Mapping[str, Any]) -> str:
        return super().submit(model, {"input": dict(inputs)})


class SortsOutputs(Client):
    """Sorts by file name, and the panels of a series are shuffled."""

    def read(self, answer: Mapping[str, Any]) -> Outcome:
        outcome = super().read(answer)
        return outcome._replace(outputs=tuple(sorted(outcome.outputs)))


class FirstOnly(Client):
    """Was written when there was one image."""

    def read(self, answer: Mapping[str, Any]) -> Outcome:
        outcome = super().read(answer)
        return outcome._replace(outputs=outcome.outputs[:1], flags=outcome.flags[:1])


class ForgetsFlags(Client):
    """Hands flagged images on like any other."""

    def read(self, answer: Mapping[str, Any]) -> Outcome:
        return super().read(answer)._replace(flags=())


class DropsFlagged(Client):
    """Leaves flagged images out, and not their flags: the others are flagged in their stead."""

    def read(self, answer: Mapping[str, Any]) -> Outcome:
        outcome = super().read(answer)
        clean = [one for one, flag in zip(outcome.outputs, outcome.flags, strict=False) if not flag]
        return outcome._replace(outputs=tuple(clean), flags=outcome.flags[: len(clean)]) if outcome.flags else outcome


class Pads(Client):
    """Fills a set up to the number that was asked for, so that a grid has no holes."""

    def run(self, model: str, inputs: Mapping[str, Any]) -> Outcome:
        outcome = super().run(model, inputs)
        count = next((value for name, value in inputs.items() if name in ("max_images", _COUNT)), 1)
        return outcome._replace(outputs=(outcome.outputs * count)[:count], flags=(outcome.flags * count)[:count])


class SwallowsReasons(Client):
    """Has one sentence for every failure."""

    def run(self, model: str, inputs: Mapping[str, Any]) -> Outcome:
        try:
            return super().run(model, inputs)
        except ClientError:
            raise ClientError("Something went wrong. Please try again.") from None


class TrustsStatus(Client):
    """Takes RunComfy's `completed` for a success, and finds no images in it."""

    def run(self, model: str, inputs: Mapping[str, Any]) -> Outcome:
        job = self.submit(model, inputs)
        while self.status(job) in ("queued", "running"):
            time.sleep(self.poll_interval)
        answer = self.patiently(f"/v1/requests/{job}/result")
        return Outcome("succeeded", tuple(answer.get("output", {}).get("images", ())))


class ReadsOutputOfFailures(Client):
    """Reads the output of whatever has ended."""

    def read(self, answer: Mapping[str, Any]) -> Outcome:
        if self.state(answer) in ("failed", "cancelled", "timed_out"):
            images = answer["outputs"][0] if self.wavespeed else answer["output"]["images"]
            return Outcome("failed", error=str(images))
        return super().read(answer)


class KnowsTwoEnds(Client):
    """Polls until a job is completed or failed."""

    def state(self, answer: Mapping[str, Any]) -> str:
        state = super().state(answer)
        return "running" if state in ("cancelled", "timed_out") else state

    def run(self, model: str, inputs: Mapping[str, Any]) -> Outcome:
        self.timeout = float("inf")
        return super().run(model, inputs)


class UnknownIsRunning(Client):
    """Polls on for as long as the word is none that it knows."""

    def state(self, answer: Mapping[str, Any]) -> str:
        return super().state(answer) if answer["status"] != "melting" else "running"

    def run(self, model: str, inputs: Mapping[str, Any]) -> Outcome:
        self.timeout = float("inf")
        return super().run(model, inputs)


class UnknownIsOver(Client):
    """Takes whatever is not running for the end, and the end for a success."""

    def state(self, answer: Mapping[str, Any]) -> str:
        return super().state(answer) if answer["status"] != "melting" else "succeeded"

    def read(self, answer: Mapping[str, Any]) -> Outcome:
        return super().read(answer) if answer["status"] != "melting" else Outcome("succeeded")


class GivesUp(Client):
    """Lets any answer that is no 200 end the job that goes on."""

    def patiently(self, path: str) -> dict[str, Any]:
        return self.call("GET", path)


class CrashesOnPages(Client):
    """Reads every body as JSON, a gateway's page too."""

    def send(self, request: urllib.request.Request) -> bytes:
        try:
            return super().send(request)
        except Lost as lost:
            if "<html>" in str(lost):
                json.loads("<html>")
            raise


class CrashesOnHalves(Client):
    """Believes that what begins as an object ends as one."""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            return super().call(method, path, body)
        except Lost as lost:
            if "not JSON" in str(lost):
                raise KeyError("data") from lost
            raise


class GivesUpOnHalves(Client):
    """Takes an answer that it cannot read for the end of the job, which goes on and is paid for."""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            return super().call(method, path, body)
        except Lost as lost:
            if "not JSON" in str(lost):
                raise ClientError(str(lost)) from lost
            raise


class Hurries(Client):
    """Comes back at its own pace, whatever it is told."""

    def send(self, request: urllib.request.Request) -> bytes:
        try:
            return super().send(request)
        except Lost as lost:
            raise Lost(str(lost)) from lost


class SubmitsAgain(Client):
    """Sends a submission again when there was no answer: the five tries of a client that paid five times."""

    def submit(self, model: str, inputs: Mapping[str, Any]) -> str:
        for _ in range(5):
            try:
                return super().submit(model, inputs)
            except Lost:
                time.sleep(self.poll_interval)
        raise ClientError("no answer after five tries")


class LooksTwice(Client):
    """Polls once more when the job has ended, to be sure."""

    def result(self, job: str) -> Outcome:
        outcome = super().result(job)
        return super().result(job) if outcome.state not in ("queued", "running") else outcome


class InsistsOnInputs(Client):
    """Sends again what was refused, as if it were a matter of luck."""

    def submit(self, model: str, inputs: Mapping[str, Any]) -> str:
        for _ in range(2):
            try:
                return super().submit(model, inputs)
            except Lost:
                raise
            except ClientError:
                time.sleep(self.poll_interval)
        return super().submit(model, inputs)


class BelievesAny200(Client):
    """Looks for an error in the HTTP status alone."""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        answer = json.loads(self.send(urllib.request.Request(self.origin + path, data, headers, method=method)))
        found: dict[str, Any] = answer["data"] if self.wavespeed else answer
        return found


class EmptyIsFine(Client):
    """Makes a success without images of what the provider left out."""

    def read(self, answer: Mapping[str, Any]) -> Outcome:
        if self.state(answer) == "succeeded":
            return Outcome("succeeded", tuple((answer.get("output") or {}).get("images") or ()))
        return super().read(answer)


class WaitsForEver(Client):
    """Has a timeout for each request and none for the job."""

    def run(self, model: str, inputs: Mapping[str, Any]) -> Outcome:
        self.timeout = float("inf")
        return super().run(model, inputs)


class ShowsItsKey(Client):
    """Puts the key where it can be seen in every log."""

    def send(self, request: urllib.request.Request) -> bytes:
        request.full_url += f"?key={urllib.parse.quote(self.key)}"
        return super().send(request)


class SaysSucceeded(Client):
    """Takes RunComfy's word for the outcome: `completed` is what it says of failed jobs, too."""

    def status(self, job: str) -> str:
        state = super().status(job)
        return "succeeded" if state == "ended" else state


class RemembersOneJob(Client):
    """Keeps the latest answer, and gives it for whatever job is asked about."""

    def result(self, job: str) -> Outcome:
        self.latest = getattr(self, "latest", None) or job
        return super().result(self.latest)

    def status(self, job: str) -> str:
        self.latest = getattr(self, "latest", None) or job
        return super().status(self.latest)


class EchoesInputs(Client):
    """Takes any job that is not failed for one with outputs."""

    def read(self, answer: Mapping[str, Any]) -> Outcome:
        outcome = super().read(answer)
        return outcome._replace(outputs=("",)) if outcome.state == "queued" else outcome


class CancelsAlways(Client):
    """Takes a 202 for a cancellation, whatever stands in it."""

    def cancel(self, job: str) -> bool:
        self.call("POST", f"/v1/requests/{job}/cancel")
        return True


class UploadsText(Client):
    """Opens pictures as text."""

    def upload(self, name: str, data: bytes) -> str:
        return super().upload(name, data.decode("latin-1").replace("\r\n", "\n").encode("latin-1"))


class BelievesWebhooks(Client):
    """Reads whatever is posted to it."""

    def webhook(self, headers: Mapping[str, str], body: bytes, secret: str) -> Outcome:
        return self.read(json.loads(body))


class BelievesOldWebhooks(Client):
    """Verifies the signature and not its age, so that a webhook can be played back."""

    def webhook(self, headers: Mapping[str, str], body: bytes, secret: str) -> Outcome:
        try:
            return super().webhook(headers, body, secret)
        except ClientError as error:
            if "too old" not in str(error):
                raise
            return self.read(json.loads(body))


class Imagines(Client):
    """Returns what it has kept of an earlier job."""

    def run(self, model: str, inputs: Mapping[str, Any]) -> Outcome:
        return Outcome("succeeded", ("https://example.com/kept.png",))


class AddsInputs(Client):
    """Has a default of its own, which the provider does not have."""

    def submit(self, model: str, inputs: Mapping[str, Any]) -> str:
        return super().submit(model, {"size": "big", "image_size": "big", **inputs})


class MislaysIds(Client):
    """Cuts ids to the length of its column."""

    def submit(self, model: str, inputs: Mapping[str, Any]) -> str:
        return super().submit(model, inputs)[:16]


class CannotReadResults(Client):
    """Looks for outputs where the other provider has them."""

    def result(self, job: str) -> Outcome:
        outcome = super().result(job)
        if outcome.state == "succeeded":
            raise ClientError("there are no outputs")
        return outcome


class PretendsToCancel(Client):
    """Says that it cancelled, and lets the provider know nothing."""

    def cancel(self, job: str) -> bool:
        return self.status(job) == "queued"


class CannotUpload(Client):
    """Uses an address that is gone."""

    def upload(self, name: str, data: bytes) -> str:
        raise ClientError("404")


class BelievesNoWebhook(Client):
    """Verifies with the prefix of the secret on it."""

    def webhook(self, headers: Mapping[str, str], body: bytes, secret: str) -> Outcome:
        return super().webhook(headers, body, f"whsec_{secret}")


class SubmitsOnce(Client):
    """Refuses a second job."""

    def submit(self, model: str, inputs: Mapping[str, Any]) -> str:
        if hasattr(self, "busy"):
            raise ClientError("one at a time")
        self.busy = True
        return super().submit(model, inputs)


_COUNT = "sequential_image_generation_options"


class Sabotage(NamedTuple):
    """A defect, the provider where it shows, the property that must tell, and what that says, a regular expression."""

    client: type[Client]
    provider: str
    promise: str
    says: str

    def make(self, account: Account) -> Adapter:
        return adapter(self.client(*account))

    def __str__(self) -> str:
        return f"{self.client.__name__} at {self.provider}"


W, R = "wavespeed", "runcomfy"
SABOTAGES = (
    Sabotage(NumbersAsText, W, "it_sends_what_it_was_given", r"The input max_images was 1; what was sent is \"1\"\."),
    Sabotage(Wraps, R, "it_sends_what_it_was_given", r"The input \w+ was .*; what was sent is null\."),
    Sabotage(SortsOutputs, W, "it_returns_every_output_in_order", r"The outputs are \[.*\]; the client returned"),
    Sabotage(FirstOnly, R, "it_returns_every_output_in_order", r"The outputs are \[.*\]; the client returned"),
    Sabotage(ForgetsFlags, W, "it_tells_which_images_are_flagged", r"The flags are \[.*true.*\]; the client returned"),
    Sabotage(DropsFlagged, W, "it_keeps_partial_sets_aligned", r"The outputs are \[.*\]; the client returned"),
    Sabotage(Pads, R, "it_keeps_partial_sets_aligned", r"The outputs are \[.*\]; the client returned"),
    Sabotage(SwallowsReasons, W, "it_tells_why_a_job_failed", r"The provider said 'Failed: .*'; the client raised"),
    Sabotage(TrustsStatus, R, "it_does_not_take_a_failed_job_for_a_success", "The job failed; the client returned"),
    Sabotage(ReadsOutputOfFailures, W, "it_does_not_take_a_failed_job_for_a_success", "run raised IndexError: list"),
    Sabotage(ReadsOutputOfFailures, R, "it_tells_why_a_job_failed", "run raised KeyError: 'output', which is none of"),
    Sabotage(KnowsTwoEnds, W, "it_knows_a_job_that_was_cancelled_or_timed_out", "run had not come to an end after"),
    Sabotage(UnknownIsRunning, W, "it_gives_up_on_a_state_that_it_does_not_know", "run had not come to an end after"),
    Sabotage(
        UnknownIsOver, R, "it_gives_up_on_a_state_that_it_does_not_know", '"melting"; the client returned succeeded'
    ),
    Sabotage(GivesUp, W, "it_survives_refused_polls", r"The job succeeded; the client raised Lost: .*HTTP (429|5\d\d)"),
    Sabotage(GivesUp, R, "it_survives_broken_answers", r"The job succeeded; the client raised Lost"),
    Sabotage(GivesUp, R, "it_ends_as_the_job_ended", r"The job succeeded; the client raised Lost"),
    Sabotage(GivesUpOnHalves, W, "it_ends_as_the_job_ended", "The job succeeded; the client raised ClientError: GET"),
    Sabotage(CrashesOnPages, R, "it_survives_refused_polls", "run raised JSONDecodeError: .*, which is none of"),
    Sabotage(CrashesOnHalves, W, "it_survives_broken_answers", "run raised KeyError: 'data', which is none of"),
    Sabotage(Hurries, W, "it_waits_as_long_as_it_is_told", r"Told to wait 1000 ms, the client came back after \d+ ms"),
    Sabotage(SubmitsAgain, W, "it_submits_once_when_the_answer_is_lost", r"One run submitted 2 jobs, and each is paid"),
    Sabotage(LooksTwice, R, "it_stops_polling_after_the_end", "had ended, and its result was asked for 2 times"),
    Sabotage(InsistsOnInputs, R, "it_passes_on_what_the_provider_refuses", "A refused submission was sent 3 times"),
    Sabotage(InsistsOnInputs, W, "it_says_that_its_key_is_refused", "whose key was refused was sent 3 times"),
    Sabotage(BelievesAny200, W, "it_survives_a_200_that_is_none", "run raised (AttributeError|KeyError|TypeError)"),
    Sabotage(EmptyIsFine, R, "it_survives_a_200_that_is_none", "The answers held no outputs, or an error; the"),
    Sabotage(WaitsForEver, R, "it_gives_up_when_its_time_is_over", "run had not come to an end after"),
    Sabotage(ShowsItsKey, W, "it_keeps_its_key_out_of_urls", "The key stood in the URL of POST"),
    Sabotage(
        SaysSucceeded, R, "it_tells_where_a_job_stands", "The job is (failed|timed_out); status returned succeeded"
    ),
    Sabotage(EchoesInputs, W, "it_reads_results_at_any_time", r"is queued with the outputs \[\]; result returned"),
    Sabotage(CancelsAlways, R, "it_cancels_in_every_state", "was cancelled( again)?: False; cancel returned true"),
    Sabotage(UploadsText, W, "it_uploads_the_very_bytes", r"76 bytes were uploaded; at .* there is 200"),
    Sabotage(BelievesWebhooks, W, "it_takes_only_genuine_webhooks", "The webhook is not genuine, its body is not"),
    Sabotage(BelievesOldWebhooks, W, "it_takes_only_genuine_webhooks", "its age is not as it should be; webhook ret"),
    Sabotage(Imagines, W, "it_sends_what_it_was_given", "Nothing was submitted"),
    Sabotage(Imagines, R, "it_returns_every_output_in_order", "The client submitted 0 jobs; expected 1"),
    Sabotage(AddsInputs, W, "it_sends_what_it_was_given", 'What was sent is not as the model\'s schema says: "big"'),
    Sabotage(MislaysIds, R, "it_tells_where_a_job_stands", r"The job's id is .*; submit returned"),
    Sabotage(CannotReadResults, W, "it_reads_results_at_any_time", "The job is succeeded; result raised ClientError"),
    Sabotage(PretendsToCancel, R, "it_cancels_in_every_state", "cancel returned true, and the job is queued"),
    Sabotage(
        CannotUpload, W, "it_uploads_the_very_bytes", "The provider takes uploads; upload raised ClientError: 404"
    ),
    Sabotage(BelievesNoWebhook, W, "it_takes_only_genuine_webhooks", "The webhook is genuine; webhook raised"),
    Sabotage(SubmitsOnce, R, "it_agrees_with_the_contract_in_any_order", "A valid submission was taken; submit raised"),
    Sabotage(RemembersOneJob, W, "it_agrees_with_the_contract_in_any_order", r"Job \d is \w+; the (result|status)"),
)
