"""What can happen to an answer's bytes on their way, as a value: the server carries it out on the connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Wire:
    """`close`: nothing is sent and the connection closed. `reset`: the same with a TCP reset. `cut`: the connection is
    closed after `bytes` bytes of the body. `length`: Content-Length says `bytes` more than there are, or fewer.
    `drip`: `bytes` bytes at a time, each `pause` milliseconds of real time after the one before."""

    kind: Literal["close", "reset", "cut", "length", "drip"]
    bytes: int = 0
    pause: int = 0


SILENT = frozenset({"close", "reset"})
"""Of an answer that ends so, the client sees nothing."""


class Broken(Exception):
    """An answer that this transport cannot be made to break as it should: whoever carries ASGI in process raises the
    error that its client would have seen. `status` and `headers` are the answer's, `body` is what got through."""

    def __init__(self, wire: Wire, status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> None:
        super().__init__(f"The answer does not arrive whole: {wire}.")
        self.wire = wire
        self.status = status
        self.headers = headers
        self.body = body
