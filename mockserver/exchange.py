"""One HTTP exchange: what a call says, and the reply that goes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from understudy.mockserver.jobs import Job, Phase
from understudy.mockserver.refusals import TooLarge
from understudy.mockserver.rules import Acting
from understudy.mockserver.wires import Wire

Headers = tuple[tuple[bytes, bytes], ...]
JSON: Headers = ((b"content-type", b"application/json"),)


class Reply(NamedTuple):
    """A whole answer. `headers` lack content-length, which the body tells. `wire` is what happens to it on its way."""

    status: int
    body: bytes
    headers: Headers = JSON
    wire: Wire | None = None


def json_reply(status: int, content: object) -> Reply:
    return Reply(status, orjson.dumps(content))


@dataclass(slots=True)
class Call:
    """A request with a known operation. `origin` is where the client reached us: scheme, host and port.

    `query` is the raw query string; `receive` tells when the client has gone. `stream` is there for an operation that
    reads the body itself.

    `acting` is what rules make of it, with `stale` the state of a job that is told is the one before its latest.
    Whoever answers leaves here which `job` it was about and the `phase` that was told, and `notes` for the journal.
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
    notes: tuple[str, ...] = ()

    async def gone(self) -> None:
        """Waits until the client has gone. The body has been read by then."""
        assert self.receive is not None, "A call that comes in by an endpoint has its channel."
        while (await self.receive())["type"] != "http.disconnect":
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
    """Sends a reply as any ASGI server expects it. To HEAD goes the same without the body."""
    bare = scope["method"] == "HEAD"
    await send({"type": "http.response.start", "status": reply.status, "headers": sized(reply)})
    await send({"type": "http.response.body", "body": b"" if bare else reply.body})


def sized(reply: Reply) -> Headers:
    """A reply's headers with its length. A 304 has none: it would be that of the body that is not sent."""
    if reply.status == 304:
        return reply.headers
    return (*reply.headers, (b"content-length", str(len(reply.body)).encode()))
