"""Requests as bytes, and what comes back byte for byte."""

from __future__ import annotations

import re
import socket

from live import WAVESPEED, Live

SUBMIT = b'{"prompt": "x"}'
FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nPNG\r\n--x--\r\n'
HEADERS = b"Host: x\r\nAuthorization: Bearer key\r\n"


def request_of(method: str, path: str, body: bytes = b"", more: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return f"{method} {path} HTTP/1.1\r\n".encode() + HEADERS + more + length + b"\r\n" + body


POLL = request_of("GET", "/api/v3/predictions/none/result")
BALANCE = request_of("GET", "/api/v3/balance")
UPLOAD = request_of("POST", "/api/v3/media/upload/binary", FORM, b"Content-Type: multipart/form-data; boundary=x\r\n")
LANE = {"submit": request_of("POST", WAVESPEED, SUBMIT), "poll": POLL}
REQUESTS = {
    **LANE,
    "status": request_of("GET", "/v1/requests/none/status"),
    "balance": BALANCE,
    "models": request_of("GET", "/api/v3/models"),
    "upload": UPLOAD,
    "cancel": request_of("POST", "/v1/requests/none/cancel"),
}


def connect(origin: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(origin.rpartition(":")[2])), timeout=10)


def read_all(raw: socket.socket) -> bytes:
    return b"".join(iter(lambda: raw.recv(65536), b""))


def ask(live: Live, request: bytes) -> bytes:
    """All that comes back until the server closes the connection."""
    with connect(live.origin) as raw:
        raw.sendall(request)
        return read_all(raw)


def split(answer: bytes) -> tuple[int, bytes]:
    """What Content-Length says, and the body that came."""
    head, end, body = answer.partition(b"\r\n\r\n")
    assert end
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    assert length is not None
    return int(length[1]), body
