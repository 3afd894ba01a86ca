"""A careful client of both providers, on the standard library alone: it keeps every promise that the suite asks for."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

TRIES = 5
"""How often a poll is sent, at most, when it goes wrong."""

OLD = 300
"""Seconds after which a webhook is not believed any more."""

STATES = {
    "created": "queued",
    "in_queue": "queued",
    "processing": "running",
    "in_progress": "running",
    "completed": "succeeded",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
    "timeout": "timed_out",
}


class ClientError(Exception):
    """Whatever keeps this client from what it was asked for, in words."""


class Lost(ClientError):
    """There was no answer, or none that can be read: whoever only looks may ask again, after `wait` seconds."""

    def __init__(self, message: str, wait: float = 0) -> None:
        super().__init__(message)
        self.wait = wait


class Outcome(NamedTuple):
    """What has become of a job; `outputs` are URLs in order, `flags` says of each whether it is unsafe."""

    state: str
    outputs: tuple[str, ...] = ()
    flags: tuple[bool, ...] = ()
    error: str = ""


class Client:
    """`origin` is the provider's host: https://api.wavespeed.ai or https://model-api.runcomfy.net."""

    def __init__(self, provider: str, origin: str, key: str, poll_interval: float = 1, timeout: float = 300) -> None:
        self.wavespeed = provider == "wavespeed"
        self.origin = origin
        self.key = key
        self.poll_interval = poll_interval
        self.timeout = timeout

    def submit(self, model: str, inputs: Mapping[str, Any]) -> str:
        """The id of a new job. It is sent once: when the answer is lost, the job may exist, and cost money."""
        answer = self.call("POST", f"/api/v3/{model}" if self.wavespeed else f"/v1/models/{model}", inputs)
        return self.text(answer, "id" if self.wavespeed else "request_id")

    def status(self, job: str) -> str:
        """RunComfy calls failed jobs `completed` too, so all that this says of those is that they have ended."""
        if self.wavespeed:
            return self.result(job).state
        state = self.state(self.patiently(f"/v1/requests/{job}/status"))
        return "ended" if state == "succeeded" else state

    def result(self, job: str) -> Outcome:
        """What has become of a job as yet."""
        kind = "/api/v3/predictions" if self.wavespeed else "/v1/requests"
        return self.read(self.patiently(f"{kind}/{job}/result"))

    def run(self, model: str, inputs: Mapping[str, Any]) -> Outcome:
        """What came out of a job. Raises ClientError when nothing did."""
        until = time.monotonic() + self.timeout
        job = self.submit(model, inputs)
        outcome = Outcome("queued")
        while outcome.state in ("queued", "running"):
            if time.monotonic() > until:
                raise ClientError(f"{job} had not ended after {self.timeout} s, and goes on")
            time.sleep(self.poll_interval)
            if self.wavespeed or self.status(job) not in ("queued", "running"):
                outcome = self.result(job)
        if outcome.state != "succeeded":
            raise ClientError(f"{job} {outcome.state}: {outcome.error or 'no reason given'}")
        return outcome

    def cancel(self, job: str) -> bool:
        """Whether it was cancelled: what runs already cannot be. There is no such call at WaveSpeed."""
        return self.text(self.call("POST", f"/v1/requests/{job}/cancel"), "outcome") == "cancelled"

    def upload(self, name: str, data: bytes) -> str:
        """The URL of a file at WaveSpeed: first a ticket, then the bytes with the ticket's headers, and without the
        key."""
        ticket = self.call("POST", "/api/v3/media/uploads", {"filename": name, "size": len(data)})
        target = ticket["upload"]
        self.send(urllib.request.Request(target["url"], data, target["headers"], method=target["method"]))
        return self.text(ticket, "download_url")

    def webhook(self, headers: Mapping[str, str], body: bytes, secret: str) -> Outcome:
        """What a webhook of WaveSpeed's says. Raises ClientError for one that is not genuine, or is old."""
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(secret.removeprefix("whsec_").encode(), signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(f"v3,{digest}", headers["webhook-signature"]):
            raise ClientError("the webhook's signature is wrong")
        if abs(time.time() - int(headers["webhook-timestamp"])) > OLD:
            raise ClientError("the webhook is too old")
        return self.read(json.loads(body))

    def state(self, answer: Mapping[str, Any]) -> str:
        word = self.text(answer, "status")
        if word not in STATES:
            raise ClientError(f"the provider said {word!r}, which this client does not know")
        return STATES[word]

    def read(self, answer: Mapping[str, Any]) -> Outcome:
        state = self.state(answer)
        outputs: Any = ()
        flags: tuple[bool, ...] = ()
        if state == "succeeded":
            found = answer if self.wavespeed else answer.get("output")
            held = found if isinstance(found, Mapping) else {}
            single = [held["image"]] if "image" in held else None
            outputs = held.get("outputs", held.get("images", single))
            if not isinstance(outputs, list) or not outputs or not all(isinstance(one, str) for one in outputs):
                raise ClientError(f"the job succeeded without outputs: {answer}")
            flags = tuple(answer.get("has_nsfw_contents") or ())
            if flags and len(flags) != len(outputs):
                raise ClientError(f"there are {len(outputs)} outputs and {len(flags)} flags")
        return Outcome(state, tuple(outputs), flags, str(answer.get("error") or ""))

    def patiently(self, path: str) -> dict[str, Any]:
        """The answer to a poll, which is sent again when it goes wrong: the job goes on all the same."""
        for left in reversed(range(TRIES)):
            try:
                return self.call("GET", path)
            except Lost as lost:
                if not left:
                    raise
                time.sleep(max(lost.wait, self.poll_interval))
        raise AssertionError("the last try returns or raises")

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What an answer holds, out of its envelope."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        content = self.send(urllib.request.Request(self.origin + path, data, headers, method=method))
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise Lost(f"{method} {path}: the answer is not JSON") from error
        if not isinstance(answer, dict):
            raise ClientError(f"{method} {path}: the answer is no object: {answer!r}")
        if self.wavespeed:
            data = answer.get("data")
            if answer.get("code") != 200 or not isinstance(data, dict):
                raise ClientError(f"{method} {path}: {answer.get('message') or answer}")
            return data
        if "error_code" in answer:
            raise ClientError(f"{method} {path}: {answer.get('error_message') or answer}")
        return answer

    def send(self, request: urllib.request.Request) -> bytes:
        where = f"{request.method} {request.selector}"
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            with error:
                text = error.read(2000).decode(errors="replace")
            told = f"{where}: HTTP {error.code} {text}"
            if error.code == 429 or error.code >= 500:
                raise Lost(told, seconds(error.headers.get("Retry-After", "0"))) from error
            raise ClientError(told) from error
        except (OSError, http.client.HTTPException) as error:
            raise Lost(f"{where}: {error!r}") from error

    def text(self, answer: Mapping[str, Any], name: str) -> str:
        value = answer.get(name)
        if not isinstance(value, str):
            raise ClientError(f"there is no {name} in {answer}")
        return value


def seconds(retry_after: str) -> float:
    """How long a Retry-After says to wait: it is a number of seconds, or a date."""
    if retry_after.isdigit():
        return float(retry_after)
    try:
        return max(parsedate_to_datetime(retry_after).timestamp() - time.time(), 0)
    except ValueError:
        return 0
