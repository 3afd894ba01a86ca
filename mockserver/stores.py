"""Which store the settings name, opened and closed."""

from __future__ import annotations

import dataclasses
import importlib.util

from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.settings import MEMORY, Settings, SettingsError
from understudy.mockserver.store import Store, StoreAway


def make_store(settings: Settings) -> Store:
    """A store, not yet connected to anything. Raises SettingsError when what it needs is not installed."""
    if settings.store == MEMORY:
        return MemoryStore.of(settings)
    if importlib.util.find_spec("redis") is None:
        raise SettingsError(
            f"store: {settings.store} needs the Redis client, which is not installed: pip install 'understudy[redis]'."
        )
    from understudy.mockserver.redis_store import RedisStore

    return RedisStore.of(settings.store, settings)


async def open_store(settings: Settings) -> tuple[Store, Settings]:
    """A store that is there, and the settings with the seed that all who share it have. Raises SettingsError, also when
    it cannot be reached."""
    store = make_store(settings)
    if isinstance(store, MemoryStore):
        return store, settings
    from understudy.mockserver.redis_store import RedisStore

    assert isinstance(store, RedisStore), "There are two kinds."
    try:
        seed = await store.open(settings.seed)
    except StoreAway as error:
        await store.close()
        raise SettingsError(
            f"store: there is no Redis or Valkey at {error.address}: {error.reason.rstrip('.')}. Start one, or give "
            "--store another address; without --store everything is kept in memory."
        ) from error
    return store, dataclasses.replace(settings, seed=seed)


async def close_store(store: Store) -> None:
    """Ends the connections of a store that has any."""
    if not isinstance(store, MemoryStore):
        from understudy.mockserver.redis_store import RedisStore

        assert isinstance(store, RedisStore), "There are two kinds."
        await store.close()
