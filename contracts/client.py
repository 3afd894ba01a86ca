"""What an adapter implements so that the suite can drive a client: capabilities, and the values that they pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

CAPABILITIES = ("submit", "status", "result", "cancel", "run", "upload", "webhook")
"""The methods that a client may have; what needs one that is missing is reported as not applicable, by this name."""

PARTS = frozenset({"outputs", "flags", "error"})
"""What a client may hand on of a result."""


class State(StrEnum):
    """Where a job stands, in no provider's words.

    `ENDED`: it is over, and what was read does not say how. RunComfy's `/status` says `completed` of failed jobs too,
    so that `status` of a careful client says no more than this.
    """

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    ENDED = "ended"


class Account(NamedTuple):
    """What a client is made for. `origin` stands for the provider's host, as in `http://127.0.0.1:8787`.

    `poll_interval` and `timeout` are seconds: how often to poll, and how long a `run` may take before the client gives
    up by itself. Both are short since the provider's time passes as fast as it is polled. A client whose own intervals
    cannot be set takes longer, and may not be through before the watchdog is.
    """

    provider: str
    origin: str
    key: str
    poll_interval: float
    timeout: float


@dataclass(frozen=True, slots=True)
class Result:
    """What a client makes of a job's result.

    `outputs` are the URLs in order, as many as came out. `flags` says of each whether it was flagged as unsafe; it is
    empty when none was. `error` is the provider's text of a job that failed.
    """

    state: State
    outputs: tuple[str, ...] = ()
    flags: tuple[bool, ...] = ()
    error: str = ""


class Client(Protocol):
    """All that an adapter can have. Every method is a capability that may be left out; `errors` may not.

    `errors` are the exceptions that the client documents: any other that comes out of it is a bug. `tells`, PARTS if
    there is none, is what a Result of it can be believed to hold.
    """

    errors: tuple[type[Exception], ...]
    tells: frozenset[str]

    def submit(self, model: str, inputs: Mapping[str, Any]) -> str:
        """Submits a job, and returns its id."""
        ...

    def status(self, job: str) -> State:
        """Where a job stands."""
        ...

    def result(self, job: str) -> Result:
        """What has become of a job as yet; one that has failed is a Result of that state, or one of `errors`."""
        ...

    def cancel(self, job: str) -> bool:
        """Whether the job was cancelled."""
        ...

    def run(self, model: str, inputs: Mapping[str, Any]) -> Result:
        """Submits a job and waits for its end; one that has failed is a Result of that state, or one of `errors`."""
        ...

    def upload(self, name: str, data: bytes) -> str:
        """Uploads a file, and returns the URL that stands for it in inputs."""
        ...

    def webhook(self, headers: Mapping[str, str], body: bytes, secret: str) -> Result:
        """Reads a webhook; one that is not genuine is one of `errors`. The names of headers are in lower case."""
        ...


Factory = Callable[[Account], Any]
"""Makes a Client, or as much of one as there is. An attribute `providers` names those that it is for; all without."""


class Trouble(Exception):
    """One of its own errors, from a client behind a command: its type's name and its message."""


class Crash(Exception):
    """Any other error from a client behind a command."""


def capabilities(client: object) -> frozenset[str]:
    """Which of CAPABILITIES a client has."""
    return frozenset(name for name in CAPABILITIES if callable(getattr(client, name, None)))
