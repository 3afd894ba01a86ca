"""Several processes that take the connections to one port: begun, watched over, begun anew when one dies."""

from __future__ import annotations

import asyncio
import pickle
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable

from understudy.mockserver.settings import Settings, SettingsError

READY = b"ready\n"
_COMMAND = (sys.executable, "-c", "from understudy.mockserver.workers import main; main()")


class WorkerFailed(Exception):
    """A process ended before it served anything: what went wrong is above, in its own words."""


class Workers:
    """So many processes with the same settings, which have a seed and a shared store. `say` is told what happens.

    Each is given the settings and the socket, and lives no longer than this process: its standard input ends with it.
    """

    def __init__(self, settings: Settings, listening: socket.socket, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._listening = listening
        self._say = say
        self._processes: set[Process] = set()
        self._watches: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self) -> None:
        """Returns when all of them serve. Raises WorkerFailed."""
        begun = await asyncio.gather(*(self._begin() for _ in range(self._settings.workers)))
        self._watches = [asyncio.create_task(self._watch(process)) for process in begun]

    async def stop(self) -> None:
        """Returns when all of them have ended."""
        self._stopping = True
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        await asyncio.gather(*self._watches)

    async def failed(self) -> None:
        """Returns when one of them cannot be begun anew; raises WorkerFailed."""
        await asyncio.gather(*self._watches)

    async def _begin(self) -> Process:
        descriptor = self._listening.fileno()
        process = await asyncio.create_subprocess_exec(*_COMMAND, stdin=PIPE, stdout=PIPE, pass_fds=(descriptor,))
        assert process.stdin is not None, "It is a pipe."
        assert process.stdout is not None, "It is a pipe."
        self._processes.add(process)
        if self._stopping:
            process.terminate()
        process.stdin.write(pickle.dumps((self._settings, descriptor)))
        if await process.stdout.readline() != READY:
            await process.wait()
            self._processes.discard(process)
            raise WorkerFailed
        return process

    async def _watch(self, process: Process) -> None:
        while True:
            status = await process.wait()
            self._processes.discard(process)
            if self._stopping:
                return
            self._say(f"The worker {process.pid} has ended ({status}); another takes its place.")
            try:
                process = await self._begin()
            except WorkerFailed:
                if self._stopping:
                    return
                raise


def listen(host: str, port: int) -> socket.socket:
    """The socket that all workers take connections from. Raises OSError when the address cannot be had."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2_048)
    except OSError:
        listening.close()
        raise
    return listening


def main() -> None:
    """One worker: its settings come by its standard input."""
    from understudy.mockserver.server import loop_factory

    settings, descriptor = pickle.load(sys.stdin.buffer)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_work(settings, socket.socket(fileno=descriptor)))


async def _work(settings: Settings, listening: socket.socket) -> None:
    from understudy.mockserver.app import create_app
    from understudy.mockserver.garbage import calm
    from understudy.mockserver.server import Server
    from understudy.mockserver.stores import close_store, open_store

    try:
        store, settings = await open_store(settings)
    except SettingsError as error:
        sys.exit(str(error))
    server = Server(create_app(settings, store), settings.host, listening=listening)
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    loop.add_reader(sys.stdin.fileno(), stopped.set)
    await server.start()
    calm()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    await stopped.wait()
    await server.stop()
    await close_store(store)
