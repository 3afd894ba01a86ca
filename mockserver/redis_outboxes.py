"""The tenants' deliveries in the shared store: couriers of all processes look there for what is due."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from understudy.mockserver.redis_jobs import KnownJobs, attempt_words, delivery_of
from understudy.mockserver.redis_keys import Keys, tenant_of
from understudy.mockserver.redis_news import News
from understudy.mockserver.redis_operations import Operations
from understudy.mockserver.store import StoreAway
from understudy.mockserver.webhooks import Attempt, Delivery

SWEEP = 2_000
"""Milliseconds after which a courier looks at a tenant with deliveries, told or not."""

AGAIN = 0.5
"""Seconds between attempts of whoever goes on until the store is back."""


class Outboxes:
    """Hands out deliveries that are due; what a process has of them it holds for as long as its lease says."""

    def __init__(self, operations: Operations, jobs: KnownJobs, news: News, keys: Keys) -> None:
        self._operations = operations
        self._jobs = jobs
        self._news = news
        self._keys = keys
        self._leases: dict[tuple[str, str], bytes] = {}

    async def next(self, lease: int) -> Delivery:
        with self._news.listening(self._keys.couriers) as news:
            while True:
                try:
                    await news.hears(SWEEP / 1000)
                    delivery, pause = await self._take(lease)
                    if delivery is not None:
                        return delivery
                    await news.sleep(pause / 1000)
                except StoreAway:
                    await asyncio.sleep(AGAIN)

    async def settle(self, delivery: Delivery, attempt: Attempt, backoff: int) -> None:
        job = delivery.job
        lease = self._leases.pop((job.tenant, job.id), b"")
        words = job.id, lease, backoff, int(attempt.accepted), attempt_words(attempt)
        await self._operations.do(job.tenant, "settle", *words)

    async def of(self, tenant: str) -> Sequence[Delivery]:
        found = await self._operations.do(tenant, "deliveries")
        return tuple(delivery_of(self._jobs.read(name.decode(), shown), kept) for name, shown, kept in found)

    async def waiting(self) -> Mapping[str, int]:
        """How many deliveries of each tenant are not over; nobody who has none."""
        tenants = [tenant_of(word) for word in await self._operations.share("senders")]
        counts = await asyncio.gather(*(self._operations.do(tenant, "waiting") for tenant in tenants))
        return {tenant: count for tenant, count in zip(tenants, counts, strict=True) if count}

    async def _take(self, lease: int) -> tuple[Delivery | None, int]:
        """A delivery that is due, or how many milliseconds to wait for one at most."""
        word, score, shown = await self._operations.share("claim")
        if not word:
            return None, min(SWEEP, int(score) - shown) if score else SWEEP
        tenant = tenant_of(word)
        name, when, *taken = await self._operations.do(tenant, "take", lease)
        # Whoever dies between the two has hidden the tenant from other couriers for two sweeps, no longer.
        if when == b"never":
            await self._operations.share("dismiss", word, score)
        else:
            await self._operations.share("summon", word, when)
        if not name:
            return None, 0
        shown, kept, held = taken
        delivery = delivery_of(self._jobs.read(name.decode(), shown), kept)
        self._leases[tenant, delivery.job.id] = held
        return delivery, 0
