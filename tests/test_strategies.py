"""The strategies that anyone can use: inputs, prompts, schedules, failures, flags and faults."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from understudy.contracts import catalogue, strategies
from understudy.contracts.inputs import described_inputs
from understudy.contracts.models import Model, model_from_entry, validator_of
from understudy.mockserver.rule_forms import parse_rule, show_rule

MODELS = [model for provider in catalogue.PROVIDERS for model in catalogue.models(provider).values()]
SEQUENTIAL = catalogue.models("wavespeed")["bytedance/seedream-v4/edit-sequential"]
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.provider}:{model.model_id}")
few = settings(max_examples=15)


def allows(model: Model, inputs: dict[str, Any]) -> bool:
    """Whether the schema allows them; its patterns among them, which WaveSpeed's own bounds of a size become."""
    return validator_of(described_inputs(model)).is_valid(inputs)


@each_model
@few
@given(data=st.data())
def test_inputs_are_what_a_models_schema_allows(model: Model, data: st.DataObject) -> None:
    assert allows(model, data.draw(strategies.inputs(model)))


@each_model
@few
@given(data=st.data())
def test_invalid_inputs_are_what_it_forbids(model: Model, data: st.DataObject) -> None:
    assert not allows(model, data.draw(strategies.invalid_inputs(model)))


@few
@given(strategies.inputs(SEQUENTIAL, leave_out=frozenset({"seed", "images"}), always={"max_images": 3}))
def test_inputs_can_be_left_out_and_fixed(drawn: dict[str, Any]) -> None:
    assert 3 == drawn["max_images"]
    assert not {"seed", "images"} & set(drawn)


@pytest.mark.parametrize("missing", ["prompt", "size", "max_images"])
def test_every_input_is_among_those_that_are_spoilt(missing: str) -> None:
    good = {name: one for name, one in described_inputs(SEQUENTIAL)["properties"].items() if name != missing}

    found = find(
        strategies.invalid_inputs(SEQUENTIAL),
        lambda wrong: validator_of({"type": "object", "properties": good}).is_valid(wrong),
    )
    assert not allows(SEQUENTIAL, found)


def test_inputs_of_a_model_of_ones_own_are_drawn_too() -> None:
    schema = {
        "type": "object",
        "properties": {"prompt": {"type": "string"}, "style": {"enum": ["line", "ink"]}, "scale": {"type": "number"}},
        "required": ["prompt", "style"],
    }
    own = model_from_entry("runcomfy", schema, model_id="me/own")

    assert {"prompt": "", "style": "ink", "scale": 2.0} == find(
        strategies.inputs(own), lambda drawn: drawn["style"] == "ink" and drawn.get("scale", 0) >= 2
    )


@given(strategies.prompts(least=1, most=5))
def test_a_prompt_directs_no_fake(drawn: str) -> None:
    assert 1 <= len(drawn) <= 5
    assert "[" not in drawn
    drawn.encode()


RULES = {
    "schedules": strategies.schedules(longest=1000),
    "failures": strategies.failures(),
    "flags": strategies.flags(4),
    "faults": strategies.faults(),
    "faults of submissions": strategies.faults(("a 500",), operation="submit", latest=1),
}


@pytest.mark.parametrize("kind", RULES)
@few
@given(data=st.data())
def test_rules_are_in_the_form_that_a_fake_takes(kind: str, data: st.DataObject) -> None:
    drawn = data.draw(RULES[kind])
    taken = show_rule(parse_rule(drawn))

    assert set(drawn) <= set(taken)


def test_a_schedule_is_no_longer_than_it_was_asked_to_be() -> None:
    longest = find(strategies.schedules(longest=1000), lambda rule: rule["job"]["run_time"] == 1000)

    assert {"job": {"queue_time": 0, "run_time": 1000}} == longest


@pytest.mark.parametrize("name", strategies.ANSWERS)
def test_every_fault_by_its_name_is_one_that_a_fake_takes(name: str) -> None:
    rule = find(strategies.faults((name,), latest=1), lambda rule: True)

    assert {"when": {"operation": "poll", "nth": 1}, "answer": strategies.ANSWERS[name]} == rule
    parse_rule(rule)
