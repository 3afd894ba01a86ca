"""FROZEN: the unit of measure of `serving.py`. One file, answered to every request: a plain ASGI application on stock
uvicorn (uvloop, httptools).

    python benchmarks/plain.py FILE MEDIA_TYPE

prints `Listening on http://127.0.0.1:PORT`.
"""

import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def main() -> None:
    body = Path(sys.argv[1]).read_bytes()
    headers = [(b"content-type", sys.argv[2].encode()), (b"content-length", str(len(body)).encode())]

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", ws="none", lifespan="off", access_log=False, log_level="critical"
    )
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    print(f"Listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
