"""One HTTP exchange: what a call says, and the reply that goes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send
from understudy.mockserver.refusals import TooLarge

Headers = tuple[tuple[bytes, bytes], ...]
JSON: Headers = ((b"content-type", b"application/json"),)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `headers` lack content-length, which the body tells."""

    status: int
    body: bytes
    headers: Headers = JSON


def json_reply(status: int, content: object) -> Reply:
    return Reply(status, orjson.dumps(content))


@dataclass(slots=True)
class Call:
    """A request with a known operation. `origin` is where the client reached us: scheme, host and port."""

    method: str
    path: str
    params: dict[str, Any]
    origin: str
    authorization: bytes
    body: bytes = b""


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
    return Call(scope["method"], scope["path"], scope.get("path_params", {}), origin, authorization)


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The body, of at most `limit` bytes. A longer one raises TooLarge as soon as it is announced or the limit passed.

    The server throws away what the client goes on sending, so nothing of it is held.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise TooLarge(limit)
    chunks: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        length += len(chunk)
        if length > limit:
            raise TooLarge(limit)
        if chunk:
            chunks.append(chunk)
        if not message.get("more_body", False):  # also when the client has gone
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def send_reply(send: Send, reply: Reply) -> None:
    length = (b"content-length", str(len(reply.body)).encode())
    await send({"type": "http.response.start", "status": reply.status, "headers": [*reply.headers, length]})
    await send({"type": "http.response.body", "body": reply.body})
