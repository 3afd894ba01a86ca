"""uvicorn's protocol under our own start and stop, which wait on events where uvicorn sleeps."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.lifespan.on import LifespanOn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

GRACE = 0.05
"""Seconds that requests under way have to finish when the server stops."""


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop where there is one."""
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


class Server:
    """One listening socket in front of an application. `origin` is known once it has started."""

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> None:
        self.origin = ""
        self._app = app
        self._host = host
        self._port = port
        self._stopping = False
        self._state = ServerState()

    async def start(self) -> None:
        """Listens. Raises OSError when the address cannot be had."""
        config = Config(
            self._serve,
            interface="asgi3",
            http="httptools",
            proxy_headers=False,
            ws="none",
            loop="none",
            lifespan="on",
            access_log=False,
            log_config=None,
        )
        config.load()
        self._lifespan = LifespanOn(config)
        await self._lifespan.startup()
        if self._lifespan.should_exit:
            raise RuntimeError("The application could not start; its own traceback is above.")
        loop = asyncio.get_running_loop()

        def connect() -> asyncio.Protocol:
            return HttpToolsProtocol(config, self._state, self._lifespan.state, loop)

        self._listener = await loop.create_server(connect, self._host, self._port, backlog=2048)
        port = self._listener.sockets[0].getsockname()[1]
        self.origin = f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{port}"
        self._tick()

    async def stop(self) -> None:
        """Stops listening, gives requests under way a moment, and ends the rest."""
        self._stopping = True
        self._ticker.cancel()
        self._listener.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=GRACE)
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # lets uvicorn hear that they are gone, before it hears of the cancellation
        for task in self._state.tasks:
            task.cancel()
        await self._lifespan.shutdown()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._stopping:
                raise

    def _tick(self) -> None:
        """Keeps the Date header, as uvicorn's own main loop does."""
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._ticker = asyncio.get_running_loop().call_later(1, self._tick)


@contextmanager
def running(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serves an application from a thread for as long as the block runs; yields the origin.

    Raises OSError when the address cannot be had.
    """
    server = Server(app, host, port)
    started = threading.Event()
    failures: list[BaseException] = []
    stop: list[Callable[[], object]] = []

    async def serve() -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        stop.append(lambda: loop.call_soon_threadsafe(stopped.set))
        try:
            await server.start()
        except OSError as error:
            failures.append(error)
            return
        finally:
            started.set()
        await stopped.wait()
        await server.stop()

    def work() -> None:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve())

    thread = threading.Thread(target=work, name="understudy", daemon=True)
    thread.start()
    started.wait()
    if failures:
        thread.join()
        raise failures[0]
    try:
        yield server.origin
    finally:
        stop[0]()
        thread.join()
