"""What all of the project's own tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from live import Live, MakeLive

from understudy.mockserver.clock import Clock
from understudy.mockserver.gallery import Draw
from understudy.mockserver.images import draw
from understudy.mockserver.settings import Settings

# The same examples on every run; `HYPOTHESIS_PROFILE=explore` looks for new ones.
settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


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
        live.server.stop()


@pytest.fixture
def live(make_live: MakeLive) -> Live:
    """A server with the default settings and the seed 1."""
    return make_live()
