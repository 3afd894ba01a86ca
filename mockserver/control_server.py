"""The control API's calls about the server itself, and the one that makes a tenant anew."""

from __future__ import annotations

from typing import Any

from understudy.mockserver.control_asked import Asked
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import Store


class ServerCalls:
    """`version` is that of the control API."""

    def __init__(self, store: Store, settings: Settings, version: int) -> None:
        self._store = store
        self._settings = settings
        self._version = version

    async def health(self, asked: Asked) -> Any:
        return {"status": "ok"}

    async def version(self, asked: Asked) -> Any:
        from importlib.metadata import version  # late: it takes longer than the rest of the start

        return {"understudy": version("understudy"), "control": self._version, "seed": self._settings.seed}

    async def reset(self, asked: Asked) -> Any:
        await self._store.reset(asked.tenant)
        return {"reset": True}
