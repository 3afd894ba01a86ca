"""What is asked of the shared store: operations of its scripts on one tenant, or on what all tenants share."""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import Any

from understudy.mockserver.clock import Clock
from understudy.mockserver.redis_keys import Keys, word_of
from understudy.mockserver.redis_link import Word
from understudy.mockserver.redis_links import Links
from understudy.mockserver.redis_scripts import Script


class Operations:
    """Each is one round trip and atomic. `script` has those on a tenant, `senders` those on what couriers look at;
    `worker` names this process. Of so many tenants the keys are `known` without working them out."""

    def __init__(
        self, links: Links, script: Script, senders: Script, keys: Keys, default_clock: Clock, known: int
    ) -> None:
        self._links = links
        self._script = script
        self._senders = senders
        self._keys = keys
        self._clock = f"{default_clock.rate} {default_clock.origin} {default_clock.reading} {int(default_clock.auto)}"
        self._known = known
        self._tenant_keys: dict[str, str] = {}
        self.worker = f"{os.getpid():x}-{secrets.token_hex(4)}"

    async def do(self, tenant: str, operation: str, *words: Word) -> Any:
        """What comes of an operation on a tenant."""
        return await self.outcome(tenant, self.ask(tenant, operation, *words))

    def ask(self, tenant: str, operation: str, *words: Word) -> asyncio.Future[Any]:
        """Asks for an operation at once: before anything that is asked for later."""
        key = self._tenant_keys.get(tenant)
        if key is None:
            if len(self._tenant_keys) > self._known:
                self._tenant_keys.clear()
            key = self._tenant_keys[tenant] = self._keys.tenant(tenant)
        return self._links.run(self._script, (key,), operation, self._clock, self.worker, *words)

    async def outcome(self, tenant: str, asked: asyncio.Future[Any]) -> Any:
        """The answer, once couriers know when they should look at the tenant if that has changed."""
        try:
            answer, when = await asked
        except asyncio.CancelledError:
            # Whoever asked has gone, and with them what a courier should have been told.
            self.ask(tenant, "look").add_done_callback(lambda looked: self._summon(tenant, looked))
            raise
        if when and when != b"never":
            await self.share("summon", word_of(tenant), when)
        return answer

    def share(self, operation: str, *words: Word) -> asyncio.Future[Any]:
        """An operation on what all tenants share."""
        return self._links.run(self._senders, (self._keys.senders, self._keys.seed), operation, *words)

    def _summon(self, tenant: str, looked: asyncio.Future[Any]) -> None:
        if not looked.cancelled() and looked.exception() is None and looked.result()[1] not in (b"", b"never"):
            self.share("summon", word_of(tenant), looked.result()[1])
