"""One HTTP exchange: what a call says, and the reply that goes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from understudy.mockserver.jobs import Job, Phase
from understudy.mockserver.refusals import TooLarge
from understudy.mockserver.rules import Acting
from understudy.mockserver.wires import SILENT, Broken, Wire

Headers = tuple[tuple[bytes, bytes], ...]
JSON: Headers = ((b"content-type", b"application/json"),)

BODILESS = frozenset({204, 304})
"""Statuses that go without a body and without its length."""

CARRIER = "understudy.carrier"
"""Where in a scope's extensions our own server puts a Carrier."""


class Reply(NamedTuple):
    """A whole answer. `headers` lack content-length, which the body tells. `wire` is what happens to it on its way."""

    status: int
    body: bytes
    headers: Headers = JSON
    wire: Wire | None = None


Carrier = Callable[[Reply], Awaitable[None]]
"""Writes a reply with a `wire` to the connection, as ASGI could not."""

GONE = Reply(499, b"")
"""What is answered to nobody, since the client has hung up."""


def json_reply(status: int, content: object) -> Reply:
    return Reply(status, orjson.dumps(content))


@dataclass(slots=True)
class Call:
    """A request with a known operation. `origin` is where the client reached us: scheme, host and port.

    `query` is the raw query string; `receive` tells when the client has gone. `stream` is there for an operation that
    reads the body itself.

    `acting` is what rules make of it, with `stale` the state of a job that is told is the one before its latest.
    Whoever answers leaves here which `job` it was about and the `phase` that was told, for how many milliseconds the
    client was told to wait, how a rule has `spoilt` the answer, and `notes` for the journal.
    """

    method: str
    path: str
    params: dict[str, Any]
    origin: str
    authorization: bytes
    query: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""
    receive: Receive | None = None
    stream: tuple[Scope, Receive] | None = None
    acting: Acting | None = None
    stale: bool = False
    job: Job | None = None
    phase: Phase | None = None
    retry_after: int | None = None
    spoilt: str | None = None
    notes: tuple[str, ...] = ()

    async def gone(self) -> None:
        """Waits until the client has gone. The body has been read by then."""
        assert self.receive is not None, "A call that comes in by an endpoint has its channel."
        await departed(self.receive)


async def departed(receive: Receive) -> None:
    """Waits until the client has gone; what it goes on sending is thrown away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def read_head(scope: Scope) -> Call:
    """The call that a request's head makes, as yet without its body."""
    host = authorization = b""
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value
        elif name == b"host":
            host = value
    if not host:
        address, port = scope["server"]
        host = f"{address}:{port}".encode()
    origin = f"{scope['scheme']}://{host.decode('latin-1')}"
    params = scope.get("path_params", {})
    return Call(scope["method"], scope["path"], params, origin, authorization, scope["query_string"], scope["headers"])


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The body, of at most `limit` bytes. A longer one raises TooLarge as soon as it is announced or the limit passed;
    a client that goes away before the end raises ClientDisconnect.

    The server throws away what the client goes on sending, so nothing of it is held.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise TooLarge(limit)
    chunks: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        length += len(chunk)
        if length > limit:
            raise TooLarge(limit)
        if chunk:
            chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def send_reply(scope: Scope, send: Send, reply: Reply) -> None:
    """Sends a reply as any ASGI server expects it. To HEAD goes the same without the body.

    What ASGI cannot do to a connection our own server does; elsewhere, and in process, Broken is raised for it.
    """
    if reply is GONE:
        return
    body = b"" if scope["method"] == "HEAD" else reply.body
    step = 0
    if reply.wire is not None:
        carrier: Carrier | None = (scope.get("extensions") or {}).get(CARRIER)
        if carrier is not None:
            await carrier(reply)
            return
        _break(reply, reply.wire, body)
        step = max(reply.wire.bytes, 1)
    await send({"type": "http.response.start", "status": reply.status, "headers": sized(reply)})
    while step and len(body) > step:
        await send({"type": "http.response.body", "body": body[:step], "more_body": True})
        body = body[step:]
    await send({"type": "http.response.body", "body": body})


def _break(reply: Reply, wire: Wire, body: bytes) -> None:
    """Raises Broken, but for a drip and for an answer that has no body to be broken."""
    if wire.kind == "drip" or (not body and wire.kind not in SILENT):
        return
    through = {"cut": wire.bytes, "length": promised(reply)}.get(wire.kind, 0)
    raise Broken(wire, reply.status, sized(reply), body[:through])


def sized(reply: Reply) -> Headers:
    """A reply's headers with its length. A 304 has none: it would be that of the body that is not sent."""
    if reply.status in BODILESS:
        return reply.headers
    return (*reply.headers, (b"content-length", b"%d" % promised(reply)))


def promised(reply: Reply) -> int:
    """The length that a reply says it has."""
    off = reply.wire.bytes if reply.wire is not None and reply.wire.kind == "length" else 0
    return max(len(reply.body) + off, 0)


def phrase(status: int) -> str:
    """What a status is called; those that only gateways use have no name on record."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Error"
