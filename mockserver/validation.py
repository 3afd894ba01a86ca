"""Inputs against their model's published schema, and what that schema says beyond JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema_rs
import orjson

from understudy.contracts.catalogue import Model, validator_of
from understudy.mockserver.media_rules import MediaPolicy, MediaRules
from understudy.mockserver.refusals import Malformed, Problem
from understudy.mockserver.sizes import parse_sides


def parse_object(body: bytes) -> dict[str, Any]:
    """A body as a JSON object. Raises Malformed for anything else: not JSON, not UTF-8, nested too deep, an array."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed("nothing" if not body else f"text that is not JSON ({error.msg})") from None
    if not isinstance(content, dict):
        raise Malformed(json_type(content))
    return content


def json_type(value: object) -> str:
    """JSON's name for a value's type."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    return names.get(type(value), "null")


TEXT_TYPES = ("string", ["string", "null"])
"""A text, and one that null may stand for: the default of an input may be null."""


class InputRules:
    """One model's rules for its inputs, compiled once."""

    def __init__(self, model: Model, policy: MediaPolicy) -> None:
        properties: Mapping[str, Mapping[str, Any]] = model.input_schema["properties"]
        self._validator = validator_of(model.input_schema)
        self._defaults = {
            name: schema["default"] for name, schema in properties.items() if schema.get("default") is not None
        }
        self._media = MediaRules(properties, policy)
        # A `size` is a string whose numeric bounds hold for each side of W*H (observed in the catalogue).
        self._sizes = {
            name: (int(schema["minimum"]), int(schema["maximum"]))
            for name, schema in properties.items()
            if schema.get("type") in TEXT_TYPES and "minimum" in schema and "maximum" in schema
        }

    def check(self, inputs: dict[str, Any]) -> tuple[Problem, ...]:
        """All that is wrong with the inputs."""
        if not self._validator.is_valid(inputs):
            return tuple(problem_of(error) for error in self._validator.iter_errors(inputs))
        return (*self._size_problems(inputs), *self._media.problems(inputs))

    def complete(self, inputs: dict[str, Any], problems: Iterable[Problem] = ()) -> dict[str, Any]:
        """The inputs with the model's defaults, those with problems left out, and null where it says only that."""
        wrong = {problem.path[0] for problem in problems}
        given = {
            name: value
            for name, value in inputs.items()
            if name not in wrong and (value is not None or name in self._defaults)
        }
        return {**self._defaults, **given}

    def _size_problems(self, inputs: dict[str, Any]) -> Iterator[Problem]:
        for name, (least, most) in self._sizes.items():
            value = inputs.get(name)
            if value is not None:
                sides = parse_sides(value)
                if sides is None or ":" in value or not all(least <= side <= most for side in sides):
                    yield Problem((name,), "size", (least, most), value)


def problem_of(error: jsonschema_rs.ValidationError) -> Problem:
    """What a validator complains of."""
    keyword = str(error.schema_path[-1])
    path = tuple(error.instance_path)
    details = error.kind.as_dict()
    if keyword == "required":
        return Problem((*path, details["property"]), keyword, None, None)
    expected = details.get("limit", details.get("options", details.get("types")))
    return Problem(path, keyword, expected, error.instance)
