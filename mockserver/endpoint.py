"""An operation of a dialect as the network reaches it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from understudy.mockserver.dialect import Dialect, Operation
from understudy.mockserver.exchange import Call, Reply, read_body, read_head, send_reply
from understudy.mockserver.refusals import Refusal, TooLarge
from understudy.mockserver.stage import Part, Stage
from understudy.mockserver.store import StoreAway


class Endpoint:
    """An operation as an ASGI application: authenticates, reads the body, answers or refuses. Whatever the store cannot
    keep has not been answered: while it is away, that is a 503 in the provider's shape."""

    def __init__(
        self,
        operation: Operation,
        dialect: Dialect,
        authenticate: Callable[[Call], str],
        body_limit: int,
        stage: Stage,
    ) -> None:
        async def refuse(tenant: str, call: Call) -> Reply:
            raise TooLarge(body_limit)

        self._refuse = dialect.refuse
        self._authenticate = authenticate
        self._streams = operation.streams
        self._body_limit = body_limit if operation.method == "POST" and not operation.streams else None
        self._stage = stage
        self._away = dialect.fail(503, None)
        self._part = Part(operation.name, operation.handle, dialect)
        self._too_large = Part(operation.name, refuse, dialect)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = read_head(scope)
        call.receive = receive
        part = self._part
        try:
            # The key is looked at first, so that nobody without one can send much.
            tenant = self._authenticate(call)
            if self._body_limit is not None:
                call.body = await read_body(scope, receive, self._body_limit)
            elif self._streams:
                call.stream = (scope, receive)
        except TooLarge:
            part = self._too_large
        except Refusal as refusal:
            await send_reply(scope, send, await self._turn_away(call, refusal))
            return
        except ClientDisconnect:
            return  # what has not been said to the end has not been asked for
        try:
            reply = await self._stage.play(tenant, part, call)
        except StoreAway:
            reply = self._away
        await send_reply(scope, send, reply)

    async def answer(self, call: Call) -> Reply:
        """The reply to a call whose body is there, as far as the operation does not stream it."""
        try:
            tenant = self._authenticate(call)
        except Refusal as refusal:
            return await self._turn_away(call, refusal)
        too_large = self._body_limit is not None and len(call.body) > self._body_limit
        try:
            return await self._stage.play(tenant, self._too_large if too_large else self._part, call)
        except StoreAway:
            return self._away

    async def _turn_away(self, call: Call, refusal: Refusal) -> Reply:
        reply = self._refuse(refusal)
        await self._stage.witness(self._part, call, reply)
        return reply
