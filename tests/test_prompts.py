"""Prompts for tests: the same for the same seed, and the count of a series in both places."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.fixtures.prompts import make_prompt, make_series


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_a_seed_gives_the_same_prompt_again_and_another_seed_another(seed: int) -> None:
    assert make_prompt(seed) == make_prompt(seed)
    assert make_series(3, seed) == make_series(3, seed)
    assert make_prompt(seed) != make_prompt(seed + 1)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 15), st.integers(0, 2**31))
def test_a_series_says_its_count_and_holds_its_panels(count: int, seed: int) -> None:
    series = make_series(count, seed)
    assert count == series.count
    assert f"a series of {count} edited images (Panels 1–{count})" in series.prompt
    assert f"across all {count} panels." in series.prompt
    assert all(f"Panel {number} — {panel}\n" in series.prompt for number, panel in enumerate(series.panels, 1))


def test_a_series_of_one_is_spoken_of_in_the_singular() -> None:
    prompt = make_series(1, 5).prompt
    assert "a series of 1 edited image (Panel 1) from" in prompt
    assert prompt.endswith("across all 1 panel.")


def test_a_series_of_none_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="a series of 0 images is none"):
        make_series(0, 1)


def test_a_prompt_has_no_directives_by_accident() -> None:
    assert not any("[[" in make_prompt(seed) for seed in range(50))


def test_without_faker_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faker", None)
    with pytest.raises(
        ImportError, match=r"understudy.fixtures.prompts needs faker: pip install 'understudy\[faker\]'"
    ):
        make_prompt(1)
