"""Carries webhooks to their receivers: one loop to a process, which asks the store what is due."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from understudy.mockserver.durations import format_duration
from understudy.mockserver.jobs import Job
from understudy.mockserver.posting import open_client, post
from understudy.mockserver.refusals import BadWebhook, HostRefused
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import Store, StoreAway
from understudy.mockserver.switches import Switches
from understudy.mockserver.webhook_hosts import Target, parse_address, parse_target
from understudy.mockserver.webhooks import ID_LENGTHS, Attempt, Delivery, headers, make_secret

if TYPE_CHECKING:
    import httpx

AT_ONCE = 1_024
"""How many deliveries are under way at most: the store hands out far fewer of any one tenant."""

LOOKUP = 1.0
"""Seconds that a submission waits for a receiver's name to be resolved. Every delivery checks the address again."""

LEASE = 5_000
"""Milliseconds beyond the longest attempt for which a delivery belongs to the courier that took it."""


class Courier:
    """Delivers for all tenants of a store. `bodies` writes the body for a finished job, by its provider."""

    def __init__(self, store: Store, settings: Settings, bodies: Mapping[str, Callable[[Job], bytes]]) -> None:
        self._store = store
        self._settings = settings
        self._bodies = bodies
        self._id_length = ID_LENGTHS[Switches(settings.assume)["wavespeed.webhook_id"]]
        self._task: asyncio.Task[None] | None = None

    def secret(self, tenant: str) -> str:
        """What a tenant's deliveries are signed with."""
        assert self._settings.seed is not None, "The seed is drawn before the first job, in create_app."
        return make_secret(self._settings.seed, tenant)

    async def admit(self, url: str) -> None:
        """Raises BadWebhook or HostRefused for a URL that is not delivered to."""
        limit = self._settings.webhook_url_limit
        try:
            target = parse_target(url)
        except ValueError:
            raise BadWebhook(url, limit) from None
        if len(url) > limit:
            raise BadWebhook(url, limit)
        lookup = asyncio.ensure_future(self._addresses(target))
        # Not asyncio.timeout: a request that is begun outside a task has none to cancel until it first waits.
        try:
            await asyncio.wait({lookup}, timeout=LOOKUP)
        finally:
            lookup.cancel()
        if lookup.done() and isinstance(error := lookup.exception(), HostRefused):
            raise error

    def start(self) -> None:
        """Sees to it that the loop is running on the event loop of the caller."""
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._run(), name="understudy-courier")

    async def stop(self) -> None:
        """Ends the loop. What was under way stays in the store, as not delivered."""
        assert self._task is not None, "Only a courier that was started is stopped."
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        slots = asyncio.Semaphore(AT_ONCE)
        client: httpx.AsyncClient | None = None
        try:
            async with asyncio.TaskGroup() as under_way:
                while True:
                    await slots.acquire()
                    delivery = await self._store.next_delivery(self._settings.webhook_timeout + LEASE)
                    if client is None:
                        client = await asyncio.to_thread(open_client)
                    task = under_way.create_task(self._carry(client, delivery))
                    task.add_done_callback(lambda _: slots.release())
        finally:
            if client is not None:
                await client.aclose()

    async def _carry(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        """One attempt. Whatever goes wrong with it is noted down and harms no other delivery."""
        allowed = self._settings.webhook_timeout
        try:
            async with asyncio.timeout(allowed / 1000):
                attempt = Attempt(0, await self._post(client, delivery))
        except TimeoutError:
            attempt = Attempt(0, None, f"no answer within {format_duration(allowed)}")
        except HostRefused as refusal:
            attempt = Attempt(0, None, f"{refusal.host} ({refusal.address}) is not among webhook_hosts")
        except Exception as error:
            attempt = Attempt(0, None, f"{type(error).__name__}: {error}")
        # While the store is away nobody learns of the attempt: the lease runs out, and somebody delivers once more.
        with contextlib.suppress(StoreAway):
            await self._store.settle(delivery, attempt, self._settings.webhook_backoff)

    async def _post(self, client: httpx.AsyncClient, delivery: Delivery) -> int:
        """The receiver's status. Its addresses are checked once more: a name may have changed since it was admitted."""
        job = delivery.job
        addresses = await self._addresses(parse_target(delivery.url))
        body = self._bodies[job.submission.provider](job)
        sent = headers(delivery, self.secret(job.tenant), int(time.time()), body, id_length=self._id_length)
        return await post(client, delivery.url, addresses, sent, body)

    async def _addresses(self, target: Target) -> list[str]:
        """Where a target is. Raises HostRefused for what the settings do not allow, OSError for an unknown name."""
        hosts = self._settings.webhook_hosts
        literal = parse_address(target.host)
        if literal is not None:
            addresses = [str(literal)]
        else:
            found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        refused = None if hosts.names_it(target.host) else hosts.refused(addresses)
        if refused is not None:
            raise HostRefused(target.host, refused, hosts.text.replace(" ", ""))
        return addresses
