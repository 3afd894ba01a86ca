"""Clients of coroutines, driven by the suite through `blocking`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from careful_adapter import careful
from careful_client import ClientError

from understudy.contracts.actor import Actor, Stuck
from understudy.contracts.blocking import blocking
from understudy.contracts.checking import HELD, check, properties_for
from understudy.contracts.client import CAPABILITIES, PARTS, Account, Result, State
from understudy.contracts.findings import Broken
from understudy.contracts.harness import Harness
from understudy.mockserver.app import create_app
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings

ACCOUNT = Account("runcomfy", "http://127.0.0.1:1", "key", 0.01, 1.0)


class Waits:
    """The careful client with coroutines for methods, each in a thread."""

    errors = (ClientError,)

    def __init__(self, account: Account) -> None:
        self._client = careful(account)
        for name in CAPABILITIES:
            if hasattr(self._client, name):
                setattr(self, name, self._coroutine(getattr(self._client, name)))

    def _coroutine(self, method: Any) -> Any:
        async def call(*arguments: Any) -> Any:
            return await asyncio.to_thread(method, *arguments)

        return call


class Slow:
    """Knows one thing, and that goes on for ever; it is closed with a coroutine."""

    errors = ()
    tells = PARTS - {"flags"}
    providers = ("runcomfy",)
    closed = False

    def __init__(self, account: Account) -> None:
        self.account = account

    async def run(self, model: str, inputs: Mapping[str, Any]) -> Result:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    def status(self, job: str) -> State:
        return State(job)

    async def aclose(self) -> None:
        Slow.closed = True


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running(create_app(Settings(seed=1))) as origin:
        yield origin


@pytest.mark.parametrize("only", ["failed", "order", "ended", "refuses"])
def test_a_client_of_coroutines_holds_what_its_methods_hold(origin: str, only: str) -> None:
    with Harness("runcomfy", origin, blocking(Waits)) as harness:
        findings = list(check(harness, properties_for(harness, only)))

    assert {HELD} == {finding.outcome for finding in findings}


def test_its_errors_come_out_as_they_are() -> None:
    actor = Actor(blocking(Waits)(ACCOUNT), 10, lambda: None)
    told = actor.call("run", "a/b", {})

    assert isinstance(told.error, ClientError)
    assert {"submit", "status", "result", "cancel", "run"} == actor.can


def test_a_coroutine_that_never_ends_is_a_finding_and_the_next_client_works() -> None:
    factory = blocking(Slow)
    with pytest.raises(Stuck, match=r"^run had not come to an end after 0\.1 s\.$"):
        Actor(factory(ACCOUNT), 0.1, lambda: None).call("run", "a/b", {})

    assert State.QUEUED is Actor(factory(ACCOUNT), 10, lambda: None).call("status", "queued").value


def test_what_a_client_is_for_and_tells_is_handed_on_and_it_is_closed() -> None:
    factory = blocking(Slow)
    actor = Actor(factory(ACCOUNT), 10, lambda: None)
    actor.close()

    assert ("runcomfy",) == factory.providers  # type: ignore[attr-defined]
    assert {"outputs", "error"} == actor.tells
    assert Slow.closed


def test_a_factory_may_be_a_coroutine() -> None:
    async def make(account: Account) -> Slow:
        await asyncio.sleep(0)
        return Slow(account)

    assert {"run", "status"} == Actor(blocking(make)(ACCOUNT), 10, lambda: None).can


def test_a_client_that_ends_the_program_has_crashed() -> None:
    class Quits(Slow):
        def status(self, job: str) -> State:
            raise SystemExit(3)

    with pytest.raises(Broken, match=r"^status raised SystemExit: 3, which is none of the client's own errors"):
        Actor(Quits(ACCOUNT), 10, lambda: None).call("status", "queued")
