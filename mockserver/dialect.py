"""What a dialect is: the only place that knows a provider's words, and how its operations reach the network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from understudy.mockserver.exchange import Call, Reply, read_body, read_head, send_reply
from understudy.mockserver.jobs import Failure
from understudy.mockserver.media_rules import MediaPolicy
from understudy.mockserver.refusals import Problem, Refusal, TooLarge

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


class Dialect(Protocol):
    """A provider's words.

    flags_images: flagged content completes with a flag for each image, instead of failing the job.
    dashed_ids: job ids are UUIDs with dashes. echoes: results show the inputs again. media: what images may be.
    shows_erased: an erased job says so, instead of being unknown.
    prefix: the path under which every operation lies, but for those under `other_prefixes`.
    """

    name: str
    prefix: str
    other_prefixes: tuple[str, ...]
    shows_erased: bool
    flags_images: bool
    dashed_ids: bool
    echoes: bool
    media: MediaPolicy

    def late_failure(self, problems: tuple[Problem, ...]) -> Failure | None:
        """How a job with invalid inputs fails, where that is found out late; None when it is refused at once."""

    def refuse(self, refusal: Refusal) -> Reply:
        """A refusal in the provider's envelope."""


class Endpoint:
    """An operation as an ASGI application: authenticates, reads the body, answers or refuses."""

    def __init__(
        self, operation: Operation, dialect: Dialect, authenticate: Callable[[Call], str], body_limit: int
    ) -> None:
        self._handle = operation.handle
        self._refuse = dialect.refuse
        self._authenticate = authenticate
        self._streams = operation.streams
        self._body_limit = body_limit if operation.method == "POST" and not operation.streams else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = read_head(scope)
        call.receive = receive
        try:
            if self._body_limit is not None:
                # The key is looked at first, so that nobody without one can send much.
                self._authenticate(call)
                call.body = await read_body(scope, receive, self._body_limit)
            elif self._streams:
                call.stream = (scope, receive)
        except Refusal as refusal:
            reply = self._refuse(refusal)
        except ClientDisconnect:
            return  # what has not been said to the end has not been asked for
        else:
            reply = await self.answer(call)
        await send_reply(scope, send, reply)

    async def answer(self, call: Call) -> Reply:
        """The reply to a call whose body is there, as far as the operation does not stream it."""
        try:
            if self._body_limit is not None and len(call.body) > self._body_limit:
                raise TooLarge(self._body_limit)
            return await self._handle(self._authenticate(call), call)
        except Refusal as refusal:
            return self._refuse(refusal)
