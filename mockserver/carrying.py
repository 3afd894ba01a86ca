"""Carries out what happens to an answer's bytes on their way: what ASGI cannot do to a connection."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, cast

from starlette.types import Message

from understudy.mockserver.exchange import BODILESS, Headers, Reply, departed, phrase, promised
from understudy.mockserver.wires import Wire

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""Closing drops what has not been sent, and tells the other side by a reset."""


class Cycle(Protocol):
    """A request and its answer on a connection: in the lane, or uvicorn's own."""

    disconnected: bool
    keep_alive: bool

    async def receive(self) -> Message: ...


@lru_cache(maxsize=256)
def head(status: int, headers: Headers) -> bytes:
    """The status line and headers of an answer, but for its length."""
    lines = [f"HTTP/1.1 {status} {phrase(status)}".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b""])


async def carry(
    cycle: Cycle, transport: asyncio.Transport, date: bytes, reply: Reply, wire: Wire, *, bare: bool = False
) -> bool:
    """Writes an answer, `bare` without its body, as the wire has it. `date` is its header's line.

    Whether it arrived whole, so that the connection may go on; otherwise that is closed. A drip ends early when the
    client has gone, which includes that the server stops.
    """
    if wire.kind == "reset":
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        transport.abort()
        return False
    if wire.kind == "close":
        transport.close()
        return False
    drips = wire.kind == "drip"
    body = b"" if bare else reply.body
    length = b"" if reply.status in BODILESS else b"content-length: %d\r\n" % promised(reply)
    end = b"\r\n" if drips and cycle.keep_alive else b"connection: close\r\n\r\n"
    begin = b"".join((head(reply.status, reply.headers), length, date, end))
    if drips:
        return await _drip(cycle, transport, begin, body, wire)
    transport.write(begin + (body[: wire.bytes] if wire.kind == "cut" else body))
    transport.close()
    return False


async def _drip(cycle: Cycle, transport: asyncio.Transport, begin: bytes, body: bytes, wire: Wire) -> bool:
    step = max(wire.bytes, 1)
    transport.write(begin + body[:step])
    gone = asyncio.ensure_future(departed(cycle.receive))
    try:
        for start in range(step, len(body), step):
            await asyncio.wait({gone}, timeout=wire.pause / 1000)
            if transport.is_closing():
                return False
            transport.write(body[start : start + step])
    finally:
        gone.cancel()
    return True


async def carry_cycle(cycle: RequestResponseCycle, reply: Reply) -> None:
    """The same for a request that went uvicorn's way, which then takes the answer for sent."""
    assert reply.wire is not None, "An answer that nothing happens to goes by ASGI."
    if reply.wire.kind != "reset":
        # Closing while the client still sends would be a reset. Who waits to be told to send is not told.
        while cycle.more_body and not (cycle.disconnected or cycle.waiting_for_100_continue):
            await cycle.receive()
    if cycle.disconnected:
        return
    date = b"".join(name + b": " + value + b"\r\n" for name, value in cycle.default_headers)
    bare = cycle.scope["method"] == "HEAD"
    cycle.response_started = True
    if await carry(cast("Cycle", cycle), cycle.transport, date, reply, reply.wire, bare=bare):
        cycle.response_complete = True
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
    else:
        cycle.disconnected = True
