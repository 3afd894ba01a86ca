"""uvicorn's protocol under our own start and stop, which wait on events where uvicorn sleeps."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any, TypeVar, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.lifespan.on import LifespanOn

from understudy.mockserver.connection import KEEP_ALIVE, Connection, Lane, State

T = TypeVar("T")

BACKLOG = 2_048
"""Connections that may wait to be taken."""

GRACE = 0.05
"""Seconds that requests under way have to be answered when the server stops."""


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop where there is one."""
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


def origin_of(host: str, listening: Any) -> str:
    """Where a listening socket of that host is found."""
    port = listening.getsockname()[1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class Server:
    """One listening socket in front of an application. `origin` is known once it has started.

    A connection that has been idle for `keep_alive` seconds is closed. With a socket that is `listening`, that is taken
    in place of host and port: several processes may have the same.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        keep_alive: float = KEEP_ALIVE,
        listening: socket.socket | None = None,
    ) -> None:
        self.origin = ""
        self._keep_alive = keep_alive
        self._app = app
        self._host = host
        self._port = port
        self._listening = listening
        self._stopping = False
        self._state = State()

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
        lane: Lane | None = getattr(self._app, "lane", None)

        def connect() -> asyncio.Protocol:
            return Connection(config, self._state, self._lifespan.state, lane, self._keep_alive)

        try:
            if self._listening is None:
                self._listener = await loop.create_server(connect, self._host, self._port, backlog=BACKLOG)
            else:
                self._listener = await loop.create_server(connect, sock=self._listening, backlog=BACKLOG)
        except OSError:
            await self._lifespan.shutdown()
            raise
        self.origin = origin_of(self._host, self._listener.sockets[0])
        self._tick()

    async def stop(self) -> None:
        """Stops listening, gives requests under way a moment, and ends the rest."""
        self._stopping = True
        self._ticker.cancel()
        self._listener.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.connections:
            # A connection ends once its answer is written; who reads slowly may still be reading it.
            self._state.emptied = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._state.emptied}, timeout=GRACE)
        for connection in list(self._state.connections):
            cast("Connection", connection).drop()
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
        date = formatdate(usegmt=True).encode()
        self._state.default_headers = [(b"date", date)]
        self._state.date = b"date: " + date + b"\r\n"
        self._ticker = asyncio.get_running_loop().call_later(1, self._tick)


class ServerGone(RuntimeError):
    """The thread of a server has ended, or is in another process: nobody is there to be called."""


class ServerThread:
    """A server in a thread of its own, for code that is not asynchronous. `origin` is known once it has started."""

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = Server(app, host, port)
        self._runner = asyncio.Runner(loop_factory=loop_factory())
        self._thread = threading.Thread(target=self._work, name="understudy", daemon=True)
        self._started: Future[None] = Future()

    @property
    def origin(self) -> str:
        return self._server.origin

    def start(self) -> None:
        """Returns once it listens. Raises OSError when the address cannot be had."""
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        """Returns once everything has ended."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns when it runs where the server does; what it raises is raised here, and ServerGone
        where no server runs any more."""
        return self.submit(coroutine).result()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Has a coroutine run where the server does. Raises ServerGone."""
        if not self._thread.is_alive():
            coroutine.close()
            raise ServerGone(f"The server at {self.origin} has ended.")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _work(self) -> None:
        with self._runner as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._server.start()
        except BaseException as error:
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        await self._stopped.wait()
        await self._server.stop()


@contextmanager
def running(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serves an application from a thread for as long as the block runs; yields the origin.

    Raises OSError when the address cannot be had.
    """
    server = ServerThread(app, host, port)
    server.start()
    try:
        yield server.origin
    finally:
        server.stop()
