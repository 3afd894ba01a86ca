"""The names of everything in the shared store: docs/redis.md has the whole layout."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

VERSION = 1
"""Counts up when what is kept is written in another way: stores of two versions share no key."""


class Keys(NamedTuple):
    """Keys that begin with a prefix. All of a tenant's have its digest in braces: a cluster keeps those on one node."""

    prefix: str = "understudy"

    def tenant(self, tenant: str) -> str:
        """Where a tenant's own things begin. Not its name, which is an API key and may have braces."""
        digest = blake2b(word_of(tenant), digest_size=12).hexdigest()
        return f"{self.prefix}:{VERSION}:{{{digest}}}"

    def news(self, tenant: str, kind: str) -> str:
        """The channel that tells of a tenant: `g`, its clock was set or a job of its interrupted; `j`, its journal
        grew; `s`, a delivery was settled; `w`, an exchange waits for the clock."""
        return f"{self.tenant(tenant)}:news:{kind}"

    def owner(self, kind: str, name: str) -> str:
        """Whose a job or a file is."""
        return f"{self.prefix}:{VERSION}:{kind}:{name}"

    @property
    def senders(self) -> str:
        """Which tenants have deliveries, by when a courier should look at them."""
        return f"{self.prefix}:{VERSION}:{{all}}:senders"

    @property
    def seed(self) -> str:
        """The seed of all servers that were not given one."""
        return f"{self.prefix}:{VERSION}:{{all}}:seed"

    @property
    def couriers(self) -> str:
        """The channel that tells couriers to look."""
        return f"{self.senders}:news"


def word_of(tenant: str) -> bytes:
    """A tenant's name as it is written in the store."""
    return tenant.encode("utf-8", "surrogateescape")


def tenant_of(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")
