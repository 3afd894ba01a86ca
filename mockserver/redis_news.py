"""What other processes tell: those who wait here are woken by channels of Redis or Valkey."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from understudy.mockserver.redis_link import connect

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

AGAIN = 0.2
"""Seconds after which a connection that was lost is tried again."""


class Listener:
    """Somebody who waits on channels. Each message since it `hears` ends its next sleep."""

    def __init__(self, channels: list[_Channel]) -> None:
        self._channels = channels
        self._told = asyncio.Event()

    async def hears(self, seconds: float) -> None:
        """Waits until its channels are listened to, but no longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for channel in self._channels:
                    await channel.open.wait()

    def tell(self) -> None:
        self._told.set()

    async def sleep(self, seconds: float) -> None:
        """Until there is a message, or the time has passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._told.wait()
        self._told.clear()


class _Channel:
    def __init__(self, name: str) -> None:
        self.name = name
        self.open = asyncio.Event()
        self.listeners: set[Listener] = set()

    def tell(self) -> None:
        for listener in self.listeners:
            listener.tell()


class News:
    """One connection that listens for all who wait in this process, on the event loop that it is first used on.

    When it is lost everybody is woken, since nobody knows what was missed, and once more when it is there again.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._channels: dict[str, _Channel] = {}
        self._orders: deque[tuple[str, _Channel]] = deque()
        self._ordered = asyncio.Event()
        self._unconfirmed: deque[tuple[str, _Channel]] = deque()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def listening(self, *names: str) -> Iterator[Listener]:
        """A listener on channels for as long as the block runs."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="understudy-redis-news")
        channels = [self._channel(name) for name in names]
        listener = Listener(channels)
        for channel in channels:
            channel.listeners.add(listener)
        try:
            yield listener
        finally:
            for channel in channels:
                channel.listeners.discard(listener)
                if not channel.listeners:
                    del self._channels[channel.name]
                    self._order("UNSUBSCRIBE", channel)

    async def close(self) -> None:
        """Ends the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _channel(self, name: str) -> _Channel:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = _Channel(name)
            self._order("SUBSCRIBE", channel)
        return channel

    def _order(self, command: str, channel: _Channel) -> None:
        self._orders.append((command, channel))
        self._ordered.set()

    async def _run(self) -> None:
        while True:
            connection = connect(self._url)
            self._orders.clear()
            self._unconfirmed.clear()
            for channel in self._channels.values():
                self._order("SUBSCRIBE", channel)
            try:
                await connection.connect()  # type: ignore[no-untyped-call]  # the client's own types are not complete
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._write(connection))
                    both.create_task(self._read(connection))
            except Exception:  # whatever it is: it is tried again, and whoever asks the store itself is told of it
                for channel in self._channels.values():
                    channel.open.clear()
                    channel.tell()
                await asyncio.sleep(AGAIN)
            finally:
                await connection.disconnect(nowait=True)

    async def _write(self, connection: AbstractConnection) -> None:
        while True:
            while self._orders:
                command, channel = self._orders.popleft()
                self._unconfirmed.append((command, channel))
                await connection.send_command(command, channel.name, check_health=False)
            self._ordered.clear()
            await self._ordered.wait()

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            kind, name, _ = await connection.read_response(disable_decoding=True)
            if kind == b"message":
                channel = self._channels.get(name.decode())
                if channel is not None:
                    channel.tell()
                continue
            command, channel = self._unconfirmed.popleft()
            if command == "SUBSCRIBE":
                channel.open.set()
                channel.tell()
