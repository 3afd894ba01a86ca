"""The store that servers under test have: the one in memory, or with TEST_STORE=redis one that is shared.

Every test of what goes over the wire can be run with both: TEST_STORE=redis pytest tests/test_control.py
"""

from __future__ import annotations

import atexit
import functools
import os
import tempfile
from pathlib import Path

from redis_server import RedisServer, new_prefix

from understudy.mockserver.clock import Clock
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.redis_store import RedisStore
from understudy.mockserver.server import ServerThread
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import Store


def store_of(settings: Settings, clock: Clock) -> Store:
    """A store of its own for one server."""
    if os.environ.get("TEST_STORE") != "redis":
        return MemoryStore.of(settings, clock)
    return RedisStore.of(_server().url, settings, clock, prefix=new_prefix())


def stop(server: ServerThread, store: Store) -> None:
    """Stops a server, and its store before it."""
    if isinstance(store, RedisStore):
        server.call(store.close())
    server.stop()


@functools.cache
def _server() -> RedisServer:
    folder = tempfile.TemporaryDirectory()
    server = RedisServer(Path(folder.name))
    server.start()
    atexit.register(folder.cleanup)
    atexit.register(server.stop)
    return server
