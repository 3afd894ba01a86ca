"""The provider's side of the suite aimed at a live API: `pytest -p understudy.contracts.live --understudy-target=live`.

    WAVESPEED_API_KEY=… pytest -p understudy.contracts.live --pyargs understudy.contracts.suite \
        --understudy-target=live --understudy-provider=wavespeed \
        --understudy-base-url=https://api.wavespeed.ai --understudy-spend=0.50

Each property is tried on one example. A submission that the ceiling has no room for is not sent, and its property is
skipped with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import httpx
import pytest

from understudy.contracts.ceiling import Ceiling, dollars, microdollars
from understudy.contracts.drift_live import KEYS
from understudy.contracts.findings import Unable
from understudy.contracts.harness import Harness
from understudy.contracts.models import PROVIDERS
from understudy.contracts.operations import wire
from understudy.contracts.secrecy import Scrubber
from understudy.contracts.spending import Guarded

CEILING = pytest.StashKey[Ceiling]()
SCRUBBER = pytest.StashKey[Scrubber]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("understudy", "the contract suite against a live provider")
    group.addoption("--understudy-target", choices=("live",), help="Aim the contract suite at a live provider.")
    group.addoption("--understudy-provider", choices=PROVIDERS, help="Which one it is.")
    group.addoption("--understudy-base-url", metavar="URL", help="Where it is.")
    group.addoption("--understudy-key-env", metavar="NAME", help="The environment variable that holds its API key.")
    group.addoption("--understudy-spend", metavar="USD", default="0", help="The most that may be spent.")


@pytest.fixture(scope="session")
def harness(pytestconfig: pytest.Config) -> Iterator[Harness]:
    """The live provider, behind the ceiling; a conftest's own harness comes before this one."""
    provider = pytestconfig.getoption("--understudy-provider")
    origin = pytestconfig.getoption("--understudy-base-url")
    if pytestconfig.getoption("--understudy-target") != "live" or provider is None or origin is None:
        raise pytest.UsageError(
            "Say --understudy-target=live, --understudy-provider and --understudy-base-url, "
            "or give the suite a fixture `harness` in a conftest."
        )
    name = pytestconfig.getoption("--understudy-key-env") or KEYS[provider]
    key = os.environ.get(name, "")
    if not key:
        raise pytest.UsageError(f"The API key is expected in the environment variable {name}, which is not set.")
    try:
        ceiling = Ceiling(microdollars(pytestconfig.getoption("--understudy-spend")))
    except ValueError as error:
        raise pytest.UsageError(f"--understudy-spend: {error}.") from None
    pytestconfig.stash[CEILING] = ceiling
    pytestconfig.stash[SCRUBBER] = scrubber = Scrubber([key])
    scrubber.stands_for(origin.rstrip("/"), wire(provider).server)
    transport = Guarded(httpx.HTTPTransport(trust_env=False), provider, ceiling)
    try:
        with Harness(provider, origin, key=key, transport=transport) as made:
            yield made
    except Unable as unable:
        raise pytest.UsageError(scrubber.text(str(unable))) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a live provider said is told without anything that nobody should see."""
    report = yield
    scrubber = item.config.stash.get(SCRUBBER, None)
    if scrubber is not None and report.longrepr is not None:
        place = report.longrepr if isinstance(report.longrepr, tuple) else None
        told = scrubber.text(str(report.longrepr) if place is None else place[2])
        report.longrepr = told if place is None else (place[0], place[1], told)
        report.sections = [(name, scrubber.text(text)) for name, text in report.sections]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    ceiling = config.stash.get(CEILING, None)
    if ceiling is not None:
        told = f"at most {dollars(ceiling.committed)} of {dollars(ceiling.limit)} spent"
        terminalreporter.write_line(f"understudy: {told}")
