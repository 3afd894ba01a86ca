"""Requests that are under no provider's prefix: answered as if nobody were there, and written down for whoever sent
them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from understudy.mockserver.diagnosis import Guide
from understudy.mockserver.dialect import Dialect
from understudy.mockserver.exchange import Call, Reply, read_head, send_reply
from understudy.mockserver.refusals import Refusal, UnknownRoute
from understudy.mockserver.stage import Part, Stage

NOT_FOUND = Reply(404, b"Not Found", ((b"content-type", b"text/plain; charset=utf-8"),))
"""What Starlette answers where there is nothing."""

OWN = "/_understudy"
"""Under this path nobody looks for a provider."""


class Strays:
    """What answers where no route leads. A request with a key goes into its tenant's journal, with the provider whose
    operations are the least unlike it; any other goes to `otherwise`."""

    def __init__(
        self,
        authenticate: Callable[[Call], str],
        stage: Stage,
        guide: Guide,
        dialects: Mapping[str, Dialect],
        otherwise: ASGIApp,
    ) -> None:
        self._authenticate = authenticate
        self._stage = stage
        self._guide = guide
        self._parts = {name: Part("unknown", self._answer, dialect) for name, dialect in dialects.items()}
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(OWN):
            await self._otherwise(scope, receive, send)
            return
        call = read_head(scope)
        call.receive = receive
        try:
            tenant = self._authenticate(call)
        except Refusal:
            await self._stage.witness(self._part(call), call, NOT_FOUND)
            await self._otherwise(scope, receive, send)
            return
        await send_reply(scope, send, await self._stage.play(tenant, self._part(call), call))

    def _part(self, call: Call) -> Part:
        return self._parts[self._guide.nearest(call.method, call.path).place.provider]

    async def _answer(self, tenant: str, call: Call) -> Reply:
        refusal = UnknownRoute(call.method, call.path)
        call.notes += self._guide.explain("", call.method, call.path, refusal)
        return NOT_FOUND
