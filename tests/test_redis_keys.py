"""What the shared store leaves in Redis or Valkey: names, expiries, bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis_server import RedisServer, new_prefix
from test_store import making

from understudy.mockserver.clock import Clock
from understudy.mockserver.files import StoredFile
from understudy.mockserver.jobs import Hook
from understudy.mockserver.journal import Entry
from understudy.mockserver.redis_keys import Keys
from understudy.mockserver.redis_link import address_of
from understudy.mockserver.redis_store import RedisStore
from understudy.mockserver.rules import Rule
from understudy.mockserver.webhooks import Attempt

HOUR = 3_600_000
ENTRY = Entry(1, 2, 3, "wavespeed", "submit", "POST", "/" + 100 * "x", None, None, 200)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


async def do_everything(store: RedisStore, tenant: str) -> None:
    """Leaves something of every kind, under way and over."""
    await store.open(None)
    await store.add_rules(tenant, [Rule("rule")])
    await store.enter(tenant)
    await store.enter(tenant)
    await store.act(tenant, ["rule"], frozenset(), lambda name, number: 0.0)
    hook = Hook("http://127.0.0.1:1/", "http://here")
    for number in range(4):
        await store.submit(tenant, "wavespeed", making(f"{tenant}-{number}", tenant, webhook=hook), capacity=2)
    waiting = asyncio.ensure_future(store.wait(tenant, 10_000))
    await store.now(tenant)
    await store.set_clock(tenant, lambda clock, _: clock.advance(35))
    await store.settle(await store.next_delivery(60_000), Attempt(0, 204), 7)
    await store.next_delivery(60_000)
    await store.put_file(tenant, lambda now, count: StoredFile(f"file-{tenant}", tenant, "a", "b", 1, now, b"x"))
    await store.leave(tenant, ENTRY)
    await waiting
    again = asyncio.ensure_future(store.wait(tenant, 20_000))
    await store.poll(tenant, f"{tenant}-3")
    await store.now(tenant)
    again.cancel()


@pytest.fixture
def prefix() -> str:
    return new_prefix()


def found(cluster: RedisServer, prefix: str) -> list[str]:
    return sorted(key.decode() for key in cluster.client.scan_iter(f"{prefix}:*", 1000))


def test_every_key_expires(redis_cluster: RedisServer, prefix: str) -> None:
    async def work() -> None:
        store = RedisStore(redis_cluster.url, Clock.manual(0), prefix=prefix, kept=HOUR)
        await do_everything(store, "key")
        await store.close()

    run(work)
    left = {key: redis_cluster.client.pttl(key) for key in found(redis_cluster, prefix)}
    assert {} == {key: time for key, time in left.items() if not 0 < time <= HOUR}
    assert len(left) > 20


def test_what_is_used_again_is_kept_for_longer_and_together(redis_cluster: RedisServer, prefix: str) -> None:
    async def work() -> None:
        store = RedisStore(redis_cluster.url, Clock.manual(0), prefix=prefix, kept=HOUR)
        await do_everything(store, "key")
        tenant = Keys(prefix).tenant("key")
        own = [key for key in found(redis_cluster, prefix) if key.startswith(tenant) and ":job:" not in key]
        for key in own:
            redis_cluster.client.pexpire(key, HOUR // 3)
        await store.enter("key")
        times = {key: redis_cluster.client.pttl(key) for key in own if "file:" not in key}
        assert {} == {key: left for key, left in times.items() if -1 <= left < HOUR // 2}
        await store.close()

    run(work)


def test_all_of_a_tenant_is_in_one_slot_and_its_key_in_no_name(redis_cluster: RedisServer, prefix: str) -> None:
    async def work() -> None:
        store = RedisStore(redis_cluster.url, Clock.manual(0), prefix=prefix)
        for tenant in ("secret{one}", "secret-two"):
            await do_everything(store, tenant)
        await store.close()

    run(work)
    names = found(redis_cluster, prefix)
    for tenant in ("secret{one}", "secret-two"):
        own = [name for name in names if name.startswith(Keys(prefix).tenant(tenant))]
        assert 1 == len({redis_cluster.client.cluster("keyslot", name) for name in own})
        assert len(own) > 15
    others = {name.split(":")[2] for name in names}
    assert {"{all}", "job", "file"} <= others
    assert not [name for name in names if "secret" in name and ":job:" not in name and ":file" not in name]


def test_a_reset_leaves_no_more_than_the_tenant_itself(redis_cluster: RedisServer, prefix: str) -> None:
    async def work() -> None:
        store = RedisStore(redis_cluster.url, Clock.manual(0), prefix=prefix)
        await do_everything(store, "key")
        await store.reset("key")
        await store.close()

    run(work)
    tenant = Keys(prefix).tenant("key")
    own = {name.removeprefix(tenant) for name in found(redis_cluster, prefix) if name.startswith(tenant)}
    assert {"", ":busy"} == own


def test_a_journal_is_bounded_in_entries_and_in_bytes(redis_cluster: RedisServer, prefix: str) -> None:
    async def kept(**bounds: Any) -> tuple[int, int]:
        store = RedisStore(redis_cluster.url, Clock.manual(0), prefix=new_prefix(), **bounds)
        for _ in range(50):
            await store.enter("key")
            await store.leave("key", ENTRY)
        logged = await store.journal("key")
        await store.close()
        return logged.first, len(logged.entries)

    async def work() -> None:
        assert (41, 10) == await kept(journal=10)
        assert (51, 0) == await kept(journal=0)
        first, count = await kept(journal_store=2_000)
        assert 51 == first + count
        assert 5 < count < 20
        assert (51, 0) == await kept(journal_store=10)

    run(work)


def test_a_job_that_has_expired_before_its_tenant_is_missed_by_nobody(redis_cluster: RedisServer, prefix: str) -> None:
    async def work() -> None:
        store = RedisStore(redis_cluster.url, Clock.manual(0), prefix=prefix, jobs=2)
        hook = Hook("http://127.0.0.1:1/", "http://here")
        for number in range(3):
            await store.submit("key", "wavespeed", making(f"job-{number}", webhook=hook), capacity=1)
            redis_cluster.client.delete(f"{Keys(prefix).tenant('key')}:job:job-{number}")
        last = (await store.submit("key", "wavespeed", making("last", webhook=hook), capacity=1)).job
        await store.set_clock("key", lambda clock, _: clock.advance(100))

        assert "last" == (await store.next_delivery(1_000)).job.id
        assert [last] == list((await store.account("key", "wavespeed")).jobs)
        assert await store.find("key", "job-1") is None
        assert 0 == await store.before("key", "last")
        await store.close()

    run(work)


def test_a_password_is_not_shown() -> None:
    assert "redis://host:1/2" == address_of("redis://user:secret@host:1/2")
    assert "unix:///tmp/redis.sock" == address_of("unix:///tmp/redis.sock")
