"""Whose a job or a file is, for whoever has only its id."""

from __future__ import annotations

import asyncio
from typing import Any

from understudy.mockserver.redis_keys import Keys, tenant_of, word_of
from understudy.mockserver.redis_links import Links


class Owners:
    """A name is kept for `kept` milliseconds. `kind` is `job` or `file`."""

    def __init__(self, links: Links, keys: Keys, kept: int) -> None:
        self._links = links
        self._keys = keys
        self._kept = kept

    async def find(self, kind: str, name: str) -> str | None:
        """The tenant who has a name."""
        word = await self._links.ask("GET", self._keys.owner(kind, name))
        return None if word is None else tenant_of(word)

    def give(self, tenant: str, kind: str, name: str) -> asyncio.Future[Any]:
        """The name is the tenant's now, whoever had it before."""
        return self._links.ask("SET", self._keys.owner(kind, name), word_of(tenant), "PX", self._kept)

    async def claim(self, tenant: str, kind: str, name: str) -> bool:
        """The same unless somebody else has the name. Whether it is the tenant's now."""
        key, word = self._keys.owner(kind, name), word_of(tenant)
        if await self._links.ask("SET", key, word, "NX", "PX", self._kept) is not None:
            return True
        return bool(await self._links.ask("GET", key) == word)

    def free(self, kind: str, name: str) -> asyncio.Future[Any]:
        """Nobody has the name any more."""
        return self._links.ask("DEL", self._keys.owner(kind, name))
