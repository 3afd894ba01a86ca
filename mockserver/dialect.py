"""What a dialect is: the only place that knows a provider's words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from understudy.mockserver.exchange import Call, Reply
from understudy.mockserver.jobs import Failure
from understudy.mockserver.media_rules import MediaPolicy
from understudy.mockserver.refusals import Problem, Refusal

Handler = Callable[[str, Call], Awaitable[Reply]]
"""Answers a tenant's call; raises Refusal."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a provider's clients can ask for. `path` is a Starlette route path.

    An operation that `streams` reads the body itself, from `Call.stream`, and keeps its own bounds.
    """

    name: str
    method: str
    path: str
    handle: Handler
    streams: bool = False


class Voice(Protocol):
    """How a provider, or what serves its files, says that something is wrong.

    paths: where in an answer `data` and `status` are, each as the names to follow.
    """

    name: str
    paths: Mapping[str, tuple[str, ...]]

    def refuse(self, refusal: Refusal) -> Reply:
        """A refusal in the provider's envelope."""

    def fail(self, status: int, text: str | None) -> Reply:
        """An error of this HTTP status in the provider's envelope, with its own text for it unless one is given."""


class Dialect(Voice, Protocol):
    """A provider's words.

    flags_images: flagged content completes with a flag for each image, instead of failing the job.
    dashed_ids: job ids are UUIDs with dashes. echoes: results show the inputs again. media: what images may be.
    shows_erased: an erased job says so, instead of being unknown. can_flag: single images can be flagged.
    prefix: the path under which every operation lies, but for those under `other_prefixes`.
    """

    prefix: str
    other_prefixes: tuple[str, ...]
    shows_erased: bool
    flags_images: bool
    can_flag: bool
    dashed_ids: bool
    echoes: bool
    media: MediaPolicy

    def late_failure(self, problems: tuple[Problem, ...]) -> Failure | None:
        """How a job with invalid inputs fails, where that is found out late; None when it is refused at once."""
