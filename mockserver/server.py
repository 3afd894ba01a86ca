"""uvicorn's protocol under our own start and stop, which wait on events where uvicorn sleeps."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.lifespan.on import LifespanOn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

T = TypeVar("T")

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

CLOSE = b"connection: close\r\n\r\n"

SMALL = 65_536
"""A hot request's body of up to this many bytes is waited for before the request is begun."""

UNHEARD = logging.Logger("understudy.unheard", logging.CRITICAL + 1)
"""Where uvicorn may complain of requests that end because the server does."""

GRACE = 0.05
"""Seconds that requests under way have to finish when the server stops."""


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop where there is one."""
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


class _State(ServerState):
    """What all connections share; `date` is the Date header's line."""

    date = b""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with two short cuts: hot requests are begun at once, and whole answers are sent whole."""

    find_hot: Callable[[Scope], ASGIApp | None] = staticmethod(lambda scope: None)
    _held: tuple[RequestResponseCycle, ASGIApp] | None = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"understudy": cast("dict[object, object]", self)}

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets go of the last request too, which knows the connection: without a cycle, both vanish at once."""
        super().connection_lost(exc)
        if self.cycle is not None and self.cycle.response_complete:
            self.cycle = self.scope = None  # type: ignore[assignment]  # nothing comes after this

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        hot = self.find_hot(cast("Scope", cycle.scope))
        if hot is None:
            super()._start_asgi_task(cycle, app)
        elif cycle.scope["method"] == "GET" or cycle.waiting_for_100_continue or not cycle.more_body:
            self._begin(cycle, hot)
        else:
            self._held = (cycle, hot)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self._held is not None and len(self.cycle.body) > SMALL:
            self._release()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._held is not None:
            self._release()

    def _release(self) -> None:
        assert self._held is not None, "Only what was held is released."
        held, self._held = self._held, None
        self._begin(*held)

    def _begin(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:
        """Runs a request from here until it first waits, which most never do: those need no task."""
        running = cycle.run_asgi(cast("ASGI3Application", app))
        try:
            waits_for = running.send(None)
        except StopIteration:
            return
        task = self.loop.create_task(_go_on(running, waits_for))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def drop(self) -> None:
        """Ends the connection. What a request under way makes of that is nobody's concern."""
        if self.cycle is not None:
            self.cycle.logger = UNHEARD
        self.transport.abort()

    server_state: _State

    async def reply(self, head: bytes, body: bytes) -> None:
        """Writes a whole answer: status line and headers, without the blank line, and the body.

        It does what uvicorn's `send` does with two messages, without looking at each header again: submits and polls
        are a fifth faster for it.
        """
        cycle = self.cycle
        if self.flow.write_paused and not cycle.disconnected:
            await self.flow.drain()
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        self.transport.write(b"".join((head, self.server_state.date, b"\r\n" if cycle.keep_alive else CLOSE, body)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()


@types.coroutine
def _go_on(running: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """The rest of a coroutine that has been begun and waits for something."""
    while True:
        try:
            outcome = yield waits_for
        except BaseException as error:
            step = partial(running.throw, error)
        else:
            step = partial(running.send, outcome)
        try:
            waits_for = step()
        except StopIteration:
            return


class Server:
    """One listening socket in front of an application. `origin` is known once it has started."""

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> None:
        self.origin = ""
        self._app = app
        self._host = host
        self._port = port
        self._stopping = False
        self._state = _State()

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
        hot = getattr(self._app, "hot", None)

        def connect() -> asyncio.Protocol:
            connection = Connection(config, self._state, self._lifespan.state, loop)
            if hot is not None:
                connection.find_hot = hot.find
            return connection

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
        """What a coroutine returns when it runs where the server does; what it raises is raised here."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

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
