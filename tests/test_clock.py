"""Clocks: integer arithmetic against an exact oracle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.mockserver.clock import MANUAL_START, Clock, wall

instants = st.integers(0, 2**42)


@given(instants)
def test_a_real_clock_shows_the_wall(now: int) -> None:
    assert now == Clock.real().now(now)


@given(instants, st.integers(0, 1000), st.integers(0, 2**30))
def test_a_scaled_clock_runs_so_many_times_as_fast_from_where_it_was_made(start: int, rate: int, passed: int) -> None:
    assert start + rate * passed == Clock.scaled(rate, start).now(start + passed)


@given(st.lists(st.integers(0, 10**6)), instants)
def test_a_manual_clock_shows_the_sum_of_its_advances_whatever_the_wall_does(steps: list[int], now: int) -> None:
    clock = Clock.manual()
    for step in steps:
        clock = clock.advance(step)

    assert MANUAL_START + sum(steps) == clock.now(now)


@given(instants, st.integers(0, 100), st.integers(0, 100), st.integers(0, 2**20), st.integers(0, 2**20))
def test_another_rate_changes_nothing_at_the_moment_it_is_set(
    start: int, rate: int, other: int, passed: int, later: int
) -> None:
    clock = Clock.scaled(rate, start)
    changed = clock.at_rate(other, start + passed)

    assert clock.now(start + passed) == changed.now(start + passed)
    assert changed.now(start + passed) + other * later == changed.now(start + passed + later)


def test_a_clock_cannot_be_turned_back() -> None:
    with pytest.raises(ValueError, match="Cannot advance a clock by -1 ms: time does not go back"):
        Clock.real().advance(-1)


def test_a_clock_cannot_run_backwards() -> None:
    with pytest.raises(ValueError, match="A clock cannot run at -1: time does not go back"):
        Clock(-1)


def test_the_wall_never_goes_back() -> None:
    tell = wall()
    told = [tell() for _ in range(1000)]

    assert sorted(told) == told
