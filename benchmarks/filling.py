"""Submits alone, so and so many: what a server's memory is after that many jobs."""

import socket
import time
from urllib.parse import urlsplit

from contender import Contender
from running import CannotMeasure

CONNECTIONS = 16
END_OF_CHUNKS = b"0\r\n\r\n"


def fill(contender: Contender, origin: str, jobs: int, most_seconds: float) -> int:
    """Submit `jobs` jobs, for at most so many seconds; how many were submitted. wrk can end after a time, not after a
    number."""
    at = urlsplit(origin)
    assert at.hostname is not None, f"{origin} names a host."
    assert at.port is not None, f"{origin} names a port."
    address = (at.hostname, at.port)
    body = contender.submit_body.encode()
    lines = [f"POST {contender.submit_path} HTTP/1.1", f"Host: {at.netloc}", *contender.submit_headers]
    request = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
    deadline = time.monotonic() + most_seconds
    submitted = 0
    connections = [socket.create_connection(address) for _ in range(CONNECTIONS)]
    try:
        while submitted < jobs and time.monotonic() < deadline:
            # All ask before any answer is read, so the server is never idle.
            asked = connections[: jobs - submitted]
            for connection in asked:
                connection.sendall(request)
            for index, connection in enumerate(asked):
                if closes(contender, connection):
                    connection.close()
                    connections[index] = socket.create_connection(address)
                submitted += 1
    except OSError as error:
        raise CannotMeasure(f"{contender.name} broke off after {submitted:,} submits: {error}") from error
    finally:
        for connection in connections:
            connection.close()
    return submitted


def closes(contender: Contender, connection: socket.socket) -> bool:
    """Read one answer to its end; whether it was the connection's last."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += more(contender, connection)
    if not data.startswith(b"HTTP/1.1 200"):
        raise CannotMeasure(f"{contender.name} answered a submit with {data[:200].decode('latin-1')!r}.")
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if b"content-length" in fields:
        while len(body) < int(fields[b"content-length"]):
            body += more(contender, connection)
    else:
        while not body.endswith(END_OF_CHUNKS):
            body += more(contender, connection)
    return fields.get(b"connection") == b"close"


def more(contender: Contender, connection: socket.socket) -> bytes:
    data = connection.recv(65_536)
    if not data:
        raise CannotMeasure(f"{contender.name} hung up on a submit.")
    return data
