"""Why a request is turned down, as values; a dialect puts each in its provider's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


class Refusal(Exception):
    """The request has no effect, and the client is told so."""


class Unauthenticated(Refusal):
    """No key, a malformed one, or one that this server does not accept."""


@dataclass(eq=False)
class UnknownRoute(Refusal):
    """No operation has this method and path."""

    method: str
    path: str


class Unfinished(Refusal):
    """The job's result is asked for before there is one."""


@dataclass(eq=False)
class UnknownModel(Refusal):
    model: str


@dataclass(eq=False)
class UnknownJob(Refusal):
    job: str


@dataclass(eq=False)
class ForeignJob(Refusal):
    """The job exists and belongs to another tenant."""

    job: str


@dataclass(eq=False)
class Malformed(Refusal):
    """The body is not a JSON object; `found` says what it is instead."""

    found: str


@dataclass(eq=False)
class TooLarge(Refusal):
    """The body is longer than `limit` bytes."""

    limit: int


class InsufficientCredits(Refusal):
    """The tenant's balance does not cover the price."""


@dataclass(eq=False)
class RateLimited(Refusal):
    """The tenant's level allows `limit` images a minute, and this submission would go beyond."""

    limit: int


@dataclass(eq=False)
class FileTooLarge(Refusal):
    """An uploaded file is longer than `limit` bytes."""

    limit: int


@dataclass(eq=False)
class BadWebhook(Refusal):
    """The webhook is no URL that anything can be sent to, or one of more than `limit` characters."""

    url: str
    limit: int


@dataclass(eq=False)
class HostRefused(Refusal):
    """The settings do not allow webhooks to go to this host, because of the address that it has. `allowed` is what they
    allow."""

    host: str
    address: str
    allowed: str


class WebhookWithBase64(Refusal):
    """A webhook tells of URLs, and images in the answer were asked for."""


class SyncTimeout(Refusal):
    """The job has not ended within the sync limit. It goes on."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One way in which an input breaks its model's schema.

    `rule` is the JSON Schema keyword that is broken, or `size`, `format` or `validation` for what JSON Schema cannot
    say; `expected` is that keyword's value; `found` is the offending value.
    """

    path: tuple[str | int, ...]
    rule: str
    expected: Any
    found: Any

    @property
    def field(self) -> str:
        return ".".join(str(part) for part in self.path)


@dataclass(eq=False)
class Invalid(Refusal):
    """What was asked for breaks its schema, in one way or more; `place` is the part of the request that it stood in."""

    problems: tuple[Problem, ...]
    place: Literal["body", "query"] = "body"
