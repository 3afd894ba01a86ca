"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.mockserver.durations import (
    LONGEST,
    DurationRange,
    Lognormal,
    format_duration,
    parse_duration,
    parse_range,
    parse_spread,
)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("500ms", 500), ("2s", 2000), ("0.25s", 250), ("5m", 300_000), ("1h", 3_600_000), ("0", 0), (" 1s ", 1000)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, milliseconds: int) -> None:
    assert milliseconds == parse_duration(text)


@given(st.integers(0, LONGEST))
def test_a_formatted_duration_reads_back_as_itself(milliseconds: int) -> None:
    assert milliseconds == parse_duration(format_duration(milliseconds))


@given(st.integers(0, LONGEST), st.integers(0, LONGEST))
def test_a_formatted_range_reads_back_as_itself(one: int, other: int) -> None:
    bounds = DurationRange(min(one, other), max(one, other))

    assert bounds == parse_range(str(bounds))


@given(st.integers(0, LONGEST), st.integers(0, 10**11 - 1))
def test_a_written_lognormal_reads_back_as_itself(median: int, sigma: int) -> None:
    spread = Lognormal(median, sigma / 10**9)

    assert spread == parse_spread(str(spread))


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.floats(0, 1))
def test_a_draw_from_a_range_lies_in_it(least: int, length: int, fraction: float) -> None:
    assert least <= DurationRange(least, least + length).at(fraction) <= least + length


def test_a_range_reaches_both_of_its_ends() -> None:
    assert (1, 3) == (DurationRange(1, 3).at(0.0), DurationRange(1, 3).at(1.0))


@pytest.mark.parametrize("text", ["", "5", "5 s", "-1s", "1d", "1e3s", "s", "½s", "٣s"])
def test_anything_else_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_duration(text)

    assert (
        f"{text!r} is not a duration: expected a number and a unit (ms, s, m or h), such as 500ms or 2s, "
        "of at most a year"
    ) == str(caught.value)


def test_a_year_is_the_longest() -> None:
    assert LONGEST == parse_duration("8760h")
    with pytest.raises(ValueError, match="'8761h' is too long"):
        parse_duration("8761h")


def test_a_range_is_written_shorter_end_first() -> None:
    with pytest.raises(ValueError, match=r"'4s\.\.1s' is an empty range: expected the shorter duration first"):
        parse_range("4s..1s")
