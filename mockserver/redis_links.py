"""The nodes that a process asks: one server, or all of a cluster that have keys, found as they are needed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from understudy.mockserver.redis_link import Asked, Link, Word
from understudy.mockserver.redis_scripts import Script


class Links:
    """A link to the server of the URL. Where that says that another one has a key, a command goes there, as do all that
    come after it: a cluster has not performed what it redirects. A node that is lost is forgotten with its slots.
    """

    def __init__(self, url: str, scripts: Sequence[Script], *, timeout: float) -> None:
        self._url = url
        self._scripts = scripts
        self._timeout = timeout
        self._home = Link(url, scripts, timeout=timeout, redirect=self._redirect)
        self._nodes: dict[tuple[str, int], Link] = {}
        self._slots: dict[int, Link] = {}
        self.address = self._home.address

    def ask(self, command: str, key: str, *words: Word) -> asyncio.Future[Any]:
        """Asks at once for something about a key; the answer is awaited. Raises StoreAway there."""
        return self._link_of(key).ask(command, key, *words)

    def run(self, script: Script, keys: Sequence[str], *words: Word) -> asyncio.Future[Any]:
        """The answer of a script. All of its keys are on one node."""
        return self._link_of(keys[0]).ask("EVALSHA", script.sha, len(keys), *keys, *words)

    async def close(self) -> None:
        """Ends the connections."""
        for link in (self._home, *self._nodes.values()):
            await link.close()

    def _link_of(self, key: str) -> Link:
        if not self._slots:
            return self._home
        from redis.crc import key_slot

        link = self._slots.get(key_slot(key.encode()), self._home)
        return link if link is self._home or link.there else self._forget(link)

    def _forget(self, link: Link) -> Link:
        self._slots = {slot: other for slot, other in self._slots.items() if other is not link}
        return self._home

    def _redirect(self, slot: int, host: str, port: int, asked: Asked) -> None:
        link = self._nodes.get((host, port))
        if link is None:
            parts = urlsplit(self._url)
            known = parts.netloc.rpartition("@")
            place = f"[{host}]" if ":" in host else host
            url = urlunsplit(parts._replace(netloc=f"{known[0]}{known[1]}{place}:{port}"))
            link = Link(url, self._scripts, timeout=self._timeout, redirect=self._redirect)
            self._nodes[host, port] = link
        self._slots[slot] = link
        link.pass_on(asked)
