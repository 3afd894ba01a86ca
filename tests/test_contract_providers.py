"""The suite rejects every sabotaged server for the right reason, and accepts the fake as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sabotaged_servers import SABOTAGES, Sabotage, bent

from understudy.contracts.catalogue import PROVIDERS
from understudy.contracts.findings import Broken, NotApplicable
from understudy.contracts.harness import Harness
from understudy.contracts.properties import Property
from understudy.contracts.registry import PROVIDER_PROPERTIES, property_named
from understudy.mockserver.app import create_app
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings


@pytest.fixture(scope="module", params=PROVIDERS)
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    with running(create_app(Settings(seed=1))) as origin, Harness(request.param, origin) as harness:
        yield harness


@pytest.mark.parametrize("promise", PROVIDER_PROPERTIES, ids=str)
def test_the_fake_is_accepted(harness: Harness, promise: Property) -> None:
    if harness.provider in promise.providers:
        harness.hold(promise)
    else:
        with pytest.raises(NotApplicable, match=f"{harness.provider} has nothing of the kind"):
            harness.hold(promise)


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=str)
def test_a_sabotaged_server_is_rejected_for_what_is_wrong_with_it(sabotage: Sabotage) -> None:
    with (
        bent(sabotage.bend, sabotage.assume) as origin,
        Harness(sabotage.provider, origin) as harness,
        pytest.raises(Broken, match=sabotage.says) as caught,
    ):
        harness.hold(property_named(sabotage.promise))

    assert caught.value.case
    assert caught.value.story


def test_every_property_of_a_provider_rejects_somebody() -> None:
    assert {one.name for one in PROVIDER_PROPERTIES} == {sabotage.promise for sabotage in SABOTAGES}
