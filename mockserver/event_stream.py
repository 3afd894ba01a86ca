"""Events as the network carries them: server-sent events, as the WHATWG's HTML standard has them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import orjson
from starlette.types import Receive, Scope, Send

from understudy.mockserver.events import Event, Events
from understudy.mockserver.store import StoreAway

HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
HEARTBEAT = b": still here\n\n"


async def stream(events: Events, scope: Scope, receive: Receive, send: Send) -> None:
    """Sends events for as long as the listener and the store are there. Each is sent when the one before it has gone
    out, so that nothing piles up for one that reads slowly. Whoever is cut off comes back with the last event's id.

    Raises StoreAway as long as nothing has been sent.
    """
    async with aclosing(events.listen()) as batches:
        first = await anext(batches)
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        gone = asyncio.ensure_future(_gone(receive))
        sending = asyncio.ensure_future(_send_all(first, batches, send))
        try:
            await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            sending.cancel()
            await asyncio.wait({gone, sending})
    if not sending.cancelled():
        with contextlib.suppress(StoreAway):
            sending.result()
        await send({"type": "http.response.body", "body": b""})


def written(event: Event) -> bytes:
    return b"id: %s\ndata: %s\n\n" % (str(event.cursor).encode(), orjson.dumps(event.content))


async def _send_all(first: Sequence[Event], batches: AsyncIterator[Sequence[Event]], send: Send) -> None:
    await _send(first, send)
    async for batch in batches:
        await _send(batch, send)


async def _send(batch: Sequence[Event], send: Send) -> None:
    for event in batch:
        await send({"type": "http.response.body", "body": written(event), "more_body": True})
    if not batch:
        await send({"type": "http.response.body", "body": HEARTBEAT, "more_body": True})


async def _gone(receive: Receive) -> None:
    """The body has been read by now, so the next thing that is heard is that the listener has gone."""
    message = await receive()
    assert message["type"] == "http.disconnect", f"A listener sends nothing more, not {message['type']}."
