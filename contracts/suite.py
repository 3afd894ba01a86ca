"""The suite under pytest: `pytest --pyargs understudy.contracts.suite`, with a fixture `harness` in a conftest.

    @pytest.fixture(scope="session")
    def harness():
        with running(create_app()) as origin, Harness("wavespeed", origin, MyAdapter) as harness:
            yield harness

With a client in it, the client's properties are tried, and without one the provider's; the others are skipped.
"""

from __future__ import annotations

import pytest

from understudy.contracts.checking import BROKEN, NOT_APPLICABLE, check
from understudy.contracts.harness import Harness
from understudy.contracts.properties import Property
from understudy.contracts.registry import CLIENT_PROPERTIES, PROVIDER_PROPERTIES
from understudy.contracts.report import stories


@pytest.mark.parametrize("promise", CLIENT_PROPERTIES, ids=str)
def test_the_client(harness: Harness, promise: Property) -> None:
    _hold(harness, promise)


@pytest.mark.parametrize("promise", PROVIDER_PROPERTIES, ids=str)
def test_the_provider(harness: Harness, promise: Property) -> None:
    if harness.factory is not None:
        pytest.skip("this harness is about a client")
    _hold(harness, promise)


def _hold(harness: Harness, promise: Property) -> None:
    (finding,) = check(harness, [promise])
    if finding.outcome == NOT_APPLICABLE:
        pytest.skip(finding.detail)
    if finding.outcome == BROKEN:  # its story says more than our own frames
        pytest.fail("\n".join(stories([finding])), pytrace=False)
