"""One client's connection: uvicorn's, with a lane of its own for the requests that make up nearly all traffic."""

from __future__ import annotations

import asyncio
import logging
import re
import types
from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any, Protocol, cast

from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from understudy.mockserver.carrying import carry, carry_cycle, head
from understudy.mockserver.exchange import BODILESS, CARRIER, Call, Reply
from understudy.mockserver.wires import Wire

SMALL = 65_536
"""A request whose body has up to this many bytes may take the lane, which waits for the whole of it."""

KEEP_ALIVE = 75
"""Seconds after which at the least, and after twice as many at the most, an idle connection is closed: longer than any
client pauses between two polls. One that has not been used at all stays, as with uvicorn."""

OFFERS = re.compile(rb"\r\n(?:upgrade|http2-settings):[^\r\n]*", re.IGNORECASE)

UNHEARD = logging.Logger("understudy.unheard", logging.CRITICAL + 1)
"""Where uvicorn may complain of requests that end because the server does."""

CRASHED = Reply(500, b"Internal Server Error", ((b"content-type", b"text/plain; charset=utf-8"),))


class Answerer(Protocol):
    """Answers a call as a whole."""

    async def answer(self, call: Call) -> Reply: ...


class Lane(Protocol):
    """Knows which requests may take the lane."""

    def find(self, method: bytes, target: bytes) -> tuple[Answerer, dict[str, str]] | None:
        """Who answers a request with this target (path and query as sent), and its path parameters."""


class State(ServerState):
    """What all connections share; `date` is the Date header's line, `emptied` is told when the last one has ended."""

    date = b""
    emptied: asyncio.Future[None] | None = None


class Exchange:
    """A request in the lane and its answer: as much of uvicorn's cycle as its protocol asks for."""

    __slots__ = ("_gone", "body", "disconnected", "keep_alive", "more_body", "response_complete")

    def __init__(self, keep_alive: bool) -> None:
        self.body = bytearray()
        self.more_body = True
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = keep_alive
        self._gone: asyncio.Future[None] | None = None

    @property
    def message_event(self) -> Exchange:
        """Where uvicorn tells that something has happened: here."""
        return self

    def set(self) -> None:
        if self.disconnected and self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    async def receive(self) -> Message:
        """The body has been read: what is left to be told is that the client has gone."""
        self._gone = asyncio.get_running_loop().create_future()
        self.set()
        await self._gone
        return {"type": "http.disconnect"}


class Connection(HttpToolsProtocol):
    """Submits and polls are begun in the callback that received them, become a task only if they have to wait, and
    are answered with one write. Everything else goes uvicorn's way."""

    server_state: State

    def __init__(
        self, config: Config, state: State, app_state: dict[str, Any], lane: Lane | None, keep_alive: float
    ) -> None:
        super().__init__(config, state, app_state, asyncio.get_running_loop())
        self._lane = lane
        self._keep_alive = keep_alive
        self._held: tuple[Exchange, Answerer, Call] | None = None
        self._heard = False
        self._between = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a TCP server has no other
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._timer.cancel()
        emptied = self.server_state.emptied
        if emptied is not None and not self.connections and not emptied.done():
            emptied.set_result(None)

    def drop(self) -> None:
        """Ends the connection. What a request under way makes of that is nobody's concern."""
        if isinstance(self.cycle, RequestResponseCycle):
            self.cycle.logger = UNHEARD
        self.transport.abort()

    # One timer for a connection, in place of uvicorn's two calls of the loop for each request.

    def _watch(self) -> None:
        idle = self.cycle is not None and self.cycle.response_complete and not self._heard
        self._heard = False
        if idle:
            self.transport.close()
        else:
            self._timer = self.loop.call_later(self._keep_alive, self._watch)

    def _unset_keepalive_if_required(self) -> None:
        self._heard = True

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {CARRIER: partial(carry_cycle, cycle)}
            try:
                await app(scope, receive, send)
            finally:
                scope["extensions"].clear()  # the cycle has the scope, and would have itself

        super()._start_asgi_task(cycle, cast("Any", run))  # its own types of ASGI are narrower

    # Some clients offer HTTP/2 with every request. The parser would then take the body for that other protocol.

    def data_received(self, data: bytes) -> None:
        if self._between and b"pgrade" in data:
            head, end, rest = data.partition(b"\r\n\r\n")
            data = OFFERS.sub(b"", head) + end + rest
        super().data_received(data)

    # The lane.

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        self._between = False
        if not self._takes_lane():
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers.extend(headers)
            super().on_headers_complete()

    def _takes_lane(self) -> bool:
        parser = self.parser
        if (
            self._lane is None
            or self.expect_100_continue
            or (self.cycle is not None and not self.cycle.response_complete)
            or parser.get_http_version() != "1.1"
            or parser.should_upgrade()
        ):
            return False
        method = parser.get_method()
        found = self._lane.find(method, self.url)
        if found is None:
            return False
        host = authorization = length = b""
        for name, value in self.headers:
            if name == b"authorization":
                authorization = value
            elif name == b"host":
                host = value
            elif name == b"content-length":
                length = value
        if not host or (method == b"POST" and (not length or int(length) > SMALL)):
            return False
        exchange = Exchange(parser.should_keep_alive())
        self.cycle = cast("RequestResponseCycle", exchange)
        origin = f"{self.scheme}://{host.decode('latin-1')}"
        answerer, params = found
        call = Call(method.decode(), self.url.decode(), params, origin, authorization, b"", self.headers)
        call.receive = exchange.receive
        if method == b"POST":
            self._held = (exchange, answerer, call)
        else:
            self._begin(exchange, answerer, call)
        return True

    def on_message_complete(self) -> None:
        self._between = True
        super().on_message_complete()
        if self._held is not None:
            exchange, answerer, call = self._held
            self._held = None
            call.body = bytes(exchange.body)
            self._begin(exchange, answerer, call)

    def _begin(self, exchange: Exchange, answerer: Answerer, call: Call) -> None:
        running = self._answer(exchange, answerer, call)
        try:
            waits_for = running.send(None)
        except StopIteration:
            return
        task = self.loop.create_task(_go_on(running, waits_for))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    async def _answer(self, exchange: Exchange, answerer: Answerer, call: Call) -> None:
        try:
            reply = await answerer.answer(call)
        except Exception:
            self.logger.exception("%s %s ended in an error of the server's own", call.method, call.path)
            reply = CRASHED
        if self.flow.write_paused and not exchange.disconnected:
            await self.flow.drain()
        if exchange.disconnected:
            return
        if reply.wire is not None:
            await self._carry(exchange, reply, reply.wire)
            return
        exchange.response_complete = True
        body = reply.body
        length = b"" if reply.status in BODILESS else b"content-length: %d\r\n" % len(body)
        end = b"\r\n" if exchange.keep_alive else b"connection: close\r\n\r\n"
        begin = b"".join((head(reply.status, reply.headers), length, self.server_state.date, end))
        if len(body) <= SMALL:
            self.transport.write(begin + body)
        else:  # not copied once more
            self.transport.write(begin)
            self.transport.write(body)
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    async def _carry(self, exchange: Exchange, reply: Reply, wire: Wire) -> None:
        """One that does not arrive whole leaves the exchange open, so that no request behind it begins."""
        if await carry(exchange, self.transport, self.server_state.date, reply, wire):
            exchange.response_complete = True
            if not exchange.keep_alive:
                self.transport.close()
            self.on_response_complete()


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
