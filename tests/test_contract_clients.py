"""The suite rejects every sabotaged client for the right reason, and accepts the careful one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from careful_adapter import adapter, careful
from careful_client import Client, ClientError, Outcome
from sabotaged_clients import SABOTAGES, Sabotage

from understudy.contracts.catalogue import PROVIDERS
from understudy.contracts.client import Account
from understudy.contracts.findings import Broken, NotApplicable
from understudy.contracts.harness import LIMITS, Harness
from understudy.contracts.properties import Property
from understudy.contracts.registry import CLIENT_PROPERTIES, property_named
from understudy.mockserver.app import create_app
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings

ENDLESS = LIMITS._replace(patience=1.5)
"""For those that never end: so long is waited before that is said."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running(create_app(Settings(seed=1))) as origin:
        yield origin


@pytest.fixture(scope="module", params=PROVIDERS)
def harness(request: pytest.FixtureRequest, origin: str) -> Iterator[Harness]:
    with Harness(request.param, origin, careful) as harness:
        yield harness


@pytest.mark.parametrize("promise", CLIENT_PROPERTIES, ids=str)
def test_the_careful_client_is_accepted(harness: Harness, promise: Property) -> None:
    if harness.provider in promise.providers:
        harness.hold(promise)
    else:
        with pytest.raises(NotApplicable, match=f"{harness.provider} has nothing of the kind"):
            harness.hold(promise)


class Raises(Client):
    """Has an error of its own for whatever is no success: a matter of taste."""

    def read(self, answer: Mapping[str, Any]) -> Outcome:
        outcome = super().read(answer)
        if outcome.state in ("failed", "cancelled", "timed_out"):
            raise ClientError(outcome.error)
        return outcome

    def status(self, job: str) -> str:
        state = super().status(job)
        if state in ("failed", "cancelled", "timed_out"):
            raise ClientError(state)
        return state

    def cancel(self, job: str) -> bool:
        if not super().cancel(job):
            raise ClientError("too late")
        return True


class Prudish(Client):
    """Has an error of its own for a set with a flagged image in it."""

    def read(self, answer: Mapping[str, Any]) -> Outcome:
        outcome = super().read(answer)
        if any(outcome.flags):
            raise ClientError("some of it is not safe to show")
        return outcome


class Old(Client):
    """Gives RunComfy's jobs that timed out no word of their own, as it has none."""

    def status(self, job: str) -> str:
        state = super().status(job)
        return "failed" if state == "ended" and super().result(job).state == "failed" else state


@pytest.mark.parametrize(
    ("client", "provider", "promise"),
    [
        (Raises, "wavespeed", "it_tells_where_a_job_stands"),
        (Raises, "wavespeed", "it_reads_results_at_any_time"),
        (Raises, "runcomfy", "it_cancels_in_every_state"),
        (Raises, "runcomfy", "it_agrees_with_the_contract_in_any_order"),
        (Prudish, "wavespeed", "it_tells_which_images_are_flagged"),
        (Prudish, "wavespeed", "it_keeps_partial_sets_aligned"),
        (Old, "runcomfy", "it_tells_where_a_job_stands"),
    ],
)
def test_a_client_may_raise_its_own_errors_where_others_return(
    origin: str, client: type[Client], provider: str, promise: str
) -> None:
    with Harness(provider, origin, lambda account: adapter(client(*account))) as harness:
        harness.hold(property_named(promise))


def test_a_client_may_lack_what_the_state_machine_could_use(origin: str) -> None:
    class Partial:
        errors = (ClientError,)

        def __init__(self, account: Account) -> None:
            client = careful(account)
            self.submit, self.status = client.submit, client.status

    with Harness("runcomfy", origin, Partial) as harness:
        harness.hold(property_named("it_agrees_with_the_contract_in_any_order"))


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=str)
def test_a_sabotaged_client_is_rejected_for_what_is_wrong_with_it(origin: str, sabotage: Sabotage) -> None:
    with (
        Harness(sabotage.provider, origin, sabotage.make, limits=ENDLESS) as harness,
        pytest.raises(Broken, match=sabotage.says) as caught,
    ):
        harness.hold(property_named(sabotage.promise))

    assert caught.value.case
    assert caught.value.story


def test_every_property_of_a_client_rejects_somebody() -> None:
    assert {one.name for one in CLIENT_PROPERTIES} == {sabotage.promise for sabotage in SABOTAGES}
