"""An ASGI application that is imported and made when it is first asked: other servers start without it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from starlette.types import ASGIApp, Receive, Scope, Send


class Late:
    """Stands in for what `make` returns, which is called once."""

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = cache(make)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._make()(scope, receive, send)
