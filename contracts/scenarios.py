"""Strategies for whole scenarios: a model, inputs that it takes, and what the fake makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from understudy.contracts.catalogue import models
from understudy.contracts.models import Model
from understudy.contracts.properties import Cases, Scenarios
from understudy.contracts.scenario import Rule, Scenario
from understudy.contracts.strategies import flags, inputs, invalid_inputs, schedules

MOST = 5
"""How many images are asked for, at most: enough to see an order in, and quick to draw."""


def one(*rules: st.SearchStrategy[Rule], moments: int = 0, schedule: bool = True) -> Scenarios:
    """Any model and valid inputs, on any schedule, with rules of each kind given and up to so many moments."""
    return lambda provider: _scenario(provider, rules, moments, schedule)


def several(*rules: st.SearchStrategy[Rule], partial: bool = False, flagged: bool = False) -> Scenarios:
    """Jobs of two images or more; `partial`: fewer come out than were asked for; `flagged`: some are flagged."""
    return lambda provider: _several(provider, rules, partial, flagged)


def each(*rules: Rule) -> Cases:
    """A plain job for each of some rules."""
    return lambda provider: [plain(provider, {"job": {"queue_time": 1_000, "run_time": 1_000}}, rule) for rule in rules]


def plain(provider: str, *rules: Rule) -> Scenario:
    """A model that needs a prompt and nothing else, and what it needs."""
    for model in _models(provider):
        required = model.input_schema.get("required", ())
        if len(required) == 1:
            return Scenario(model.model_id, {required[0]: "A shoe"}, rules)
    raise AssertionError(f"Every model of {provider} needs more than a prompt.")


def refused(provider: str) -> st.SearchStrategy[Scenario]:
    """Any model, and inputs that its schema forbids."""
    return st.sampled_from(_models(provider)).flatmap(
        lambda model: invalid_inputs(model).map(lambda wrong: Scenario(model.model_id, wrong))
    )


@st.composite
def _scenario(
    draw: st.DrawFn,
    provider: str,
    rules: Sequence[st.SearchStrategy[Rule]],
    moments: int,
    schedule: bool,
) -> Scenario:
    model = draw(st.sampled_from(_models(provider)))
    # One image, where the model lets one say so: these are not about how many.
    only: dict[str, Any] = {model.price_field: 1} if model.price_field else {}
    return Scenario(
        model.model_id,
        draw(inputs(model, always=only)),
        (*([draw(schedules())] if schedule else []), *(draw(rule) for rule in rules)),
        tuple(draw(st.lists(st.integers(0, 200_000), max_size=moments))),
    )


@st.composite
def _several(
    draw: st.DrawFn, provider: str, rules: Sequence[st.SearchStrategy[Rule]], partial: bool, flagged: bool
) -> Scenario:
    counting = [model for model in _models(provider) if model.price_field]
    model = draw(st.sampled_from(counting))
    assert model.price_field is not None
    count = draw(st.integers(2, MOST))
    chosen = [draw(schedules()), *(draw(rule) for rule in rules)]
    come = count
    if partial:
        come = draw(st.integers(1, count - 1))
        chosen.append({"job": {"images": come}})
    if flagged and provider == "wavespeed":  # the other has no flags: it fails such a job
        chosen.append(draw(flags(come)))
    return Scenario(model.model_id, draw(inputs(model, always={model.price_field: count})), tuple(chosen))


def _models(provider: str) -> list[Model]:
    return list(models(provider).values())
