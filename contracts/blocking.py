"""Makes a client of coroutines one that the suite can drive: `factory = blocking(MyAsyncClient)`."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any

from understudy.contracts.client import CAPABILITIES, PARTS, Account, Factory


def blocking(make: Callable[[Account], Any]) -> Factory:
    """A factory of clients whose methods wait for what those of the given factory's clients, coroutines, return.

    `make` is called on the thread, and inside the loop, that the client's coroutines run in: one for all clients. It
    may be a coroutine itself. A client's `close` or `aclose` is waited for too.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="blocking client", daemon=True).start()

    async def made(account: Account) -> Any:
        client = make(account)
        return await client if inspect.isawaitable(client) else client

    def factory(account: Account) -> Blocking:
        return Blocking(asyncio.run_coroutine_threadsafe(made(account), loop).result(), loop)

    if hasattr(make, "providers"):
        factory.providers = make.providers  # type: ignore[attr-defined]  # as a Factory's
    return factory


class Blocking:
    """A client whose methods block until the coroutine of the same name has ended on the loop."""

    def __init__(self, client: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.errors: tuple[type[Exception], ...] = client.errors
        self.tells: frozenset[str] = getattr(client, "tells", PARTS)
        for name in CAPABILITIES:
            method = getattr(client, name, None)
            if method is not None:
                setattr(self, name, _waits(method, loop))
        close = getattr(client, "close", getattr(client, "aclose", None))
        if close is not None:
            self.close = _waits(close, loop)


def _waits(method: Callable[..., Any], loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    async def call(*arguments: Any) -> Any:
        told = method(*arguments)
        return await told if inspect.isawaitable(told) else told

    def wait(*arguments: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(call(*arguments), loop).result()

    return wait
