"""One connection to Redis or Valkey for everything that a process asks: commands go out in the order in which they are
given, as many at once as there are, and the answers come back in that order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from understudy.mockserver.redis_scripts import Script
from understudy.mockserver.store import StoreAway

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

Word = bytes | str | int


class Asked(NamedTuple):
    """A command, who waits for its answer, and since when."""

    words: Sequence[Word]
    answer: asyncio.Future[Any]
    since: float


Redirect = Callable[[int, str, int, Asked], None]
"""Told that a command belongs to another node of a cluster: the slot, that node's host and port."""


class Link:
    """Connects when it is first used, and again when it is used after the connection was lost. What it is asked then
    fails with StoreAway, as does what has no answer within `timeout` seconds: nothing is asked twice.

    Belongs to the event loop that it is used on. `scripts` are there before anything else is asked. An error that the
    server answers with is taken alike: it is there, and does not serve us.
    """

    def __init__(
        self, url: str, scripts: Sequence[Script] = (), *, timeout: float = 2.0, redirect: Redirect | None = None
    ) -> None:
        self._url = url
        self._redirect = redirect
        self._scripts = scripts
        self._timeout = timeout
        self._queue: deque[Asked] = deque()
        self._asked: deque[Asked] = deque()
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.Future[None] | None = None
        self._late = False
        self.address = address_of(url)

    def ask(self, *words: Word) -> asyncio.Future[Any]:
        """Asks at once; the answer is awaited. Raises StoreAway there."""
        loop = asyncio.get_running_loop()
        asked = Asked(words, loop.create_future(), loop.time())
        self.pass_on(asked)
        return asked.answer

    def pass_on(self, asked: Asked) -> None:
        """Asks what somebody waits for already."""
        loop = asyncio.get_running_loop()
        self._queue.append(asked)
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._run(), name="understudy-redis")
        else:
            self._rouse()

    @property
    def there(self) -> bool:
        """Whether the connection is open, or is being opened."""
        return self._task is not None and not self._task.done()

    async def close(self) -> None:
        """Ends the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        connection = connect(self._url)
        reader: asyncio.Task[None] | None = None
        reason, self._late = "the connection was closed", False
        self._watch()
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # the client's own types are not complete
            for script in self._scripts:
                await connection.send_command("SCRIPT", "LOAD", script.source)
                await connection.read_response()
            reader = asyncio.create_task(self._read(connection))
            reader.add_done_callback(lambda _: self._rouse())
            while not reader.done():
                if self._queue:
                    await self._send(connection)
                else:
                    self._wake = asyncio.get_running_loop().create_future()
                    await self._wake
            reason = str(reader.exception())
        except asyncio.CancelledError:
            if not self._late:
                raise
            reason = f"no answer within {self._timeout:g} s"
        except Exception as error:
            reason = str(error)
        finally:
            self._timer.cancel()
            if reader is not None:
                reader.cancel()
                await asyncio.wait({reader})
            await connection.disconnect(nowait=True)
            self._fail(reason)

    async def _send(self, connection: AbstractConnection) -> None:
        packed: list[bytes] = []
        while self._queue:
            asked = self._queue.popleft()
            packed += connection.pack_command(*asked.words)
            self._asked.append(asked)
        await connection.send_packed_command(packed, check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        from redis.exceptions import MovedError

        while True:
            refused: Exception | None = None
            try:
                given = await connection.read_response(disable_decoding=True)
            except Exception as error:
                if not _is_answer(error):
                    raise
                refused = error
            asked = self._asked.popleft()
            if asked.answer.done():
                continue
            if refused is None:
                asked.answer.set_result(given)
            elif self._redirect is not None and isinstance(refused, MovedError):
                self._redirect(refused.slot_id, refused.host, refused.port, asked)
            else:
                self._refuse(asked.answer, str(refused))

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _watch(self) -> None:
        """Gives the connection up when something has waited for too long."""
        loop = asyncio.get_running_loop()
        oldest = self._asked[0].since if self._asked else self._queue[0].since if self._queue else loop.time()
        if oldest + self._timeout <= loop.time() and self._task is not None:
            self._late = True
            self._task.cancel()
        self._timer = loop.call_later(self._timeout / 4, self._watch)

    def _fail(self, reason: str) -> None:
        for asked in (*self._asked, *self._queue):
            if not asked.answer.done():
                self._refuse(asked.answer, reason)
        self._asked.clear()
        self._queue.clear()

    def _refuse(self, answer: asyncio.Future[Any], reason: str) -> None:
        answer.set_exception(StoreAway(self.address, reason))
        answer.exception()  # whoever asked may have left


def connect(url: str) -> AbstractConnection:
    """A connection to be opened."""
    from redis.asyncio.connection import Connection, parse_url

    chosen: dict[str, Any] = {**parse_url(url), "protocol": 2, "socket_timeout": None}
    kind = chosen.pop("connection_class", Connection)
    connection: AbstractConnection = kind(**chosen)
    return connection


def _is_answer(error: Exception) -> bool:
    """Whether a server has answered one command with an error. When another one has taken over, that ends the
    connection: the next one finds the right server, and brings the scripts."""
    from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

    return isinstance(error, ResponseError) and not isinstance(error, (NoScriptError, ReadOnlyError))


def address_of(url: str) -> str:
    """A URL without its password, to be shown."""
    kind, _, rest = url.partition("?")[0].partition("://")
    place, slash, path = rest.partition("/")
    return f"{kind}://{place.rpartition('@')[2]}{slash}{path}"
