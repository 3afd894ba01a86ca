"""A store that is spread over a cluster's nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from redis_server import RedisServer, cluster, new_prefix
from test_store import making

from understudy.mockserver.clock import Clock
from understudy.mockserver.journal import Entry
from understudy.mockserver.redis_store import RedisStore
from understudy.mockserver.store import StoreAway

TENANTS = [f"tenant-{number}" for number in range(12)]
ENTRY = Entry(1, 2, 3, "wavespeed", "submit", "POST", "/", None, None, 200)


@pytest.fixture
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    with cluster(tmp_path_factory.mktemp("nodes"), 3) as servers:
        yield servers


def test_a_tenant_is_on_one_node_and_tenants_are_on_all(nodes: list[RedisServer]) -> None:
    async def work() -> None:
        prefix = new_prefix()
        one, other = (RedisStore(server.url, Clock.manual(0), prefix=prefix) for server in nodes[:2])
        assert await one.open(7) == await other.open(None)
        await asyncio.gather(*(play(one, tenant) for tenant in TENANTS))
        for tenant in TENANTS:
            found = await other.find(tenant, tenant)
            assert found is not None
            assert (tenant, 5) == (found.job.tenant, found.now)
            assert 1 == len((await other.journal(tenant)).entries)
        assert TENANTS == sorted(await other.known([*TENANTS, "nobody"]), key=TENANTS.index)
        waiting = asyncio.ensure_future(other.wait(TENANTS[0], 10))
        await asyncio.wait({waiting}, timeout=0)
        await one.set_clock(TENANTS[0], lambda clock, _: clock.advance(5))
        assert 10 == await waiting
        await one.close()
        await other.close()

    asyncio.run(work())
    assert all(server.client.dbsize() > 5 for server in nodes)


async def play(store: RedisStore, tenant: str) -> None:
    await store.enter(tenant)
    await store.submit(tenant, "wavespeed", making(tenant, tenant))
    await store.leave(tenant, ENTRY)
    await store.set_clock(tenant, lambda clock, _: clock.advance(5))


def test_a_node_that_is_away_takes_only_its_own_tenants_away(nodes: list[RedisServer]) -> None:
    async def work() -> None:
        store = RedisStore(nodes[0].url, Clock.manual(0), prefix=new_prefix(), timeout=0.5)
        for server in nodes:
            server.client.config_set("cluster-require-full-coverage", "no")
        await asyncio.gather(*(play(store, tenant) for tenant in TENANTS))
        nodes[2].stop()
        there, gone = 0, list[str]()
        for tenant in TENANTS:
            for _ in range(2):  # the first one may find the connection as it goes
                try:
                    there += await store.find(tenant, tenant) is not None
                except StoreAway as away:
                    gone.append(away.address)
        assert 0 < there < 2 * len(TENANTS)
        assert {nodes[2].url} == set(gone)
        await store.close()
        nodes[2].start()

    asyncio.run(work())
