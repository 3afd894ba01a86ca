"""What all of the project's own tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from live import Live, MakeLive
from redis_server import RedisServer, cluster
from stores import stop
from talking import KEYS, Talk, talking

from understudy.mockserver.clock import Clock
from understudy.mockserver.gallery import Draw
from understudy.mockserver.images import draw
from understudy.mockserver.settings import Settings

pytest_plugins = ["pytester"]

# The same examples on every run; `HYPOTHESIS_PROFILE=explore` looks for new ones.
settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NO_BROWSER = "no chromium on PATH: `make browser` installs Debian's and runs these tests"


def pytest_report_header() -> str:
    return f"browser: {BROWSER or NO_BROWSER}"


@pytest.fixture
def make_live() -> Iterator[MakeLive]:
    """Starts servers with the settings given; on a manual clock and with real drawings unless others are given."""
    started: list[Live] = []

    def make(clock: Clock | None = None, draw: Draw = draw, **chosen: Any) -> Live:
        live = Live(replace(Settings(seed=1), **chosen), clock or Clock.manual(), draw)
        started.append(live)
        return live

    yield make
    for live in started:
        live.client.close()
        stop(live.server, live.store)


@pytest.fixture
def live(make_live: MakeLive) -> Live:
    """A server with the default settings and the seed 1."""
    return make_live()


@pytest.fixture(scope="module")
def talk() -> Iterator[Talk]:
    """A server that all tests of a file share, and whatever they leave there; `key` keeps them apart."""
    with talking() as talk:
        yield talk


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A cluster of one node that all tests share, each with a prefix of its own."""
    with cluster(tmp_path_factory.mktemp("cluster"), 1) as (server,):
        yield server


@pytest.fixture
def key() -> str:
    """The API key of a tenant that no other test has."""
    return next(KEYS)
