"""Hypothesis strategies for anyone who tests a client: inputs, prompts, schedules of jobs, plans of faults.

Rules are drawn in the form that `POST /_understudy/rules` takes, so that they can be used without the suite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from understudy.contracts.allowed import values
from understudy.contracts.inputs import described_inputs
from understudy.contracts.models import Model, validator_of
from understudy.contracts.scenario import Rule

PROMPTS = frozenset({"prompt", "text"})
"""What the models call a prompt."""

FORMS = frozenset({"enable_sync_mode", "enable_base64_output"})
"""Inputs that change the form of the answers and nothing of the images."""

_PICTURES = tuple(f"https://example.com/{name}" for name in ("shoe.png", "a%20hat.jpg", "bag.jpeg?size=large"))


def prompts(*, least: int = 0, most: int = 40) -> st.SearchStrategy[str]:
    """Texts in any script of `least` to `most` characters, without `[`, two of which would direct a fake."""
    characters = st.characters(codec="utf-8", exclude_characters="[\0")
    return st.text(characters, min_size=least, max_size=most)


def inputs(
    model: Model, *, leave_out: frozenset[str] = FORMS, always: Mapping[str, Any] | None = None
) -> st.SearchStrategy[dict[str, Any]]:
    """What a model's schema allows: every required input, any of the others but for those to `leave_out`.

    `always` are inputs with fixed values. Pictures are URLs, which a fake does not fetch.
    """
    schema = described_inputs(model)
    fixed = {name: st.just(value) for name, value in (always or {}).items()}
    named = {
        name: _input(name, one) for name, one in schema["properties"].items() if name not in leave_out | set(fixed)
    }
    required = {name: one for name, one in named.items() if name in schema.get("required", ())}
    optional = {name: one for name, one in named.items() if name not in required}
    return st.fixed_dictionaries({**required, **fixed}, optional=optional)


def invalid_inputs(model: Model) -> st.SearchStrategy[dict[str, Any]]:
    """What a model's schema forbids: valid inputs with one thing wrong, of those that the schema can tell."""
    schema = described_inputs(model)
    allows = validator_of(schema).is_valid
    wrong = [_without(name) for name in schema.get("required", ())]
    wrong += [
        _with(name, value)
        for name, one in schema["properties"].items()
        if name not in FORMS
        for value in _forbidden(one)
        if not validator_of(one).is_valid(value)
    ]
    spoilt = st.builds(lambda good, spoil: spoil(good), inputs(model), st.sampled_from(wrong))
    return spoilt.filter(lambda one: not allows(one))


def schedules(*, longest: int = 600_000) -> st.SearchStrategy[Rule]:
    """Rules for how long jobs queue and run, in milliseconds."""
    times = st.integers(0, longest)
    return st.builds(lambda queue, run: {"job": {"queue_time": queue, "run_time": run}}, times, times)


def failures() -> st.SearchStrategy[Rule]:
    """Rules that let jobs fail, each with a text of its own."""
    words = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=4, max_size=20)
    causes = st.sampled_from(("error", "moderation", "input"))
    return st.builds(lambda text, cause: {"job": {"fail": {"text": f"Failed: {text}.", "cause": cause}}}, words, causes)


def flags(images: int) -> st.SearchStrategy[Rule]:
    """Rules that flag some of so many images."""
    indexes = st.lists(st.integers(1, images), min_size=1, max_size=images, unique=True).map(sorted)
    return indexes.map(lambda flagged: {"job": {"flagged": flagged}})


ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "a 500": {"status": 500},
    "a 502 with a page": {"status": 502, "html": True},
    "a 503": {"status": 503},
    "a 504 with a page": {"status": 504, "html": True},
    "a 429": {"status": 429},
    "half an answer": {"garbled": True},
    "no answer": {"close": True},
    "a reset connection": {"reset": True},
    "a cut answer": {"cut": 20},
    "an answer in drops": {"drip": {"bytes": 64, "pause": "1ms"}},
    "a slow answer": {"delay": "3s"},
}
"""What may happen to the answer to a poll of a job that goes on, and is over the next time."""


def faults(
    names: Sequence[str] = tuple(ANSWERS), *, operation: str = "poll", latest: int = 3
) -> st.SearchStrategy[Rule]:
    """Rules that spoil one answer: of those of ANSWERS, to the `latest` call of that operation or an earlier one."""
    return st.builds(
        lambda name, nth: {"when": {"operation": operation, "nth": nth}, "answer": ANSWERS[name]},
        st.sampled_from(names),
        st.integers(1, latest),
    )


def _input(name: str, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if name in PROMPTS:
        return prompts(least=schema.get("minLength", 0), most=min(schema.get("maxLength", 40), 40))
    if schema.get("type") == "array":
        least, most = schema.get("minItems", 0), min(schema.get("maxItems", 3), 3)
        return st.lists(st.sampled_from(_PICTURES), min_size=least, max_size=most)
    if "pattern" in schema:
        return _sizes(schema)
    if name == "seed":
        return st.integers(0, 2**31 - 1)
    plain = {key: value for key, value in schema.items() if key != "default"}
    if name == "aspect_ratio" and "enum" not in schema:
        return st.sampled_from(("1:1", "16:9", "9:16"))
    return values(plain, {})


def _sizes(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    side = st.integers(int(schema["minimum"]), min(int(schema["maximum"]), 4096))
    return st.builds(lambda width, height: f"{width}*{height}", side, side)


def _without(name: str) -> Any:
    return lambda good: {key: value for key, value in good.items() if key != name}


def _with(name: str, value: Any) -> Any:
    return lambda good: {**good, name: value}


def _forbidden(schema: Mapping[str, Any]) -> list[Any]:
    """Values of which most are not what an input's schema allows."""
    bounds = [schema.get("minimum", 1) - 1, schema.get("maximum", 15) + 1]
    many = [_PICTURES[0]] * (schema.get("maxItems", 30) + 1)
    return [7, "seven", "1024x1024", "8*8", True, ["https://example.com/shoe.png", 7], {}, [], many, 1.5, "3", *bounds]
