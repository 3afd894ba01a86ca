"""The fields of an answer, in words: what each looks like, what holds in which state, and how that is known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from understudy.contracts.evidence import Evidence, evidence_from

_FORMS = {
    "pattern": "matches `{}`",
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "minLength": "of {} characters or more",
    "minItems": "of {} or more",
}
_MOST = 160
"""Characters of a form: what is longer is in the schema."""


class Field(NamedTuple):
    """A field by its path: `data.outputs[]` is any item of an array."""

    path: str
    form: str
    required: bool
    evidence: tuple[Evidence, ...]


class Condition(NamedTuple):
    """What holds `when` something else does, or always where that is empty."""

    when: str
    then: str
    evidence: tuple[Evidence, ...]


def fields_of(schema: Mapping[str, Any], path: str = "") -> Iterator[Field]:
    """Every field that a schema declares, those of its objects after them. What it refers to is told elsewhere."""
    for branch in schema.get("oneOf", ()):
        yield from (field._replace(required=False) for field in fields_of(branch, path))
    required = schema.get("required", ())
    for name, one in schema.get("properties", {}).items():
        place = f"{path}.{name}" if path else name
        if one.get("x-evidence"):
            yield Field(place, _form(one), name in required, evidence_from(one["x-evidence"]))
        yield from fields_of(one, place)
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield from fields_of(items, f"{path}[]")


def conditions_of(schema: Mapping[str, Any]) -> Iterator[Condition]:
    """What a schema says of some states only; what nobody vouches for and what says nothing is left out."""
    for one in schema.get("$defs", {}).values():
        told = "" if "$id" in one else "; ".join(_demands(one.get("then", one)))
        if told:
            yield Condition(", ".join(_demands(one.get("if", {}))), told, evidence_from(one["x-evidence"]))


def _demands(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name in schema.get("required", ()):
        yield f"`{path}{name}` is there"
    optional = schema.get("if", {}).get("required", ())
    for name, one in schema.get("properties", {}).items():
        yield from (f"{told}, if it is there" if name in optional else told for told in _demand(one, f"{path}{name}"))


def _demand(one: Any, name: str) -> Iterator[str]:
    match one:
        case False:
            yield f"no `{name}`"
        case {"properties": _}:
            yield from _demands(one, f"{name}.")
        case {"maxItems": 0} | {"const": ""}:
            yield f"`{name}` is empty"
        case {"minItems": 1} | {"minLength": 1}:
            yield f"`{name}` is not empty"
        case {"not": {"const": value}}:
            yield f"`{name}` is not {json.dumps(value)}"
        case {"const": value}:
            yield f"`{name}` is {_value(value)}"
        case {"enum": values}:
            yield f"`{name}` is {' or '.join(map(_value, values))}"
        case _:
            raise AssertionError(f"This does not know how to say {one} of {name}: teach it.")


def _form(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return f"always {_value(schema['const'])}"
    if "enum" in schema:
        return " · ".join(map(_value, schema["enum"]))
    if "$ref" in schema:
        return f"{schema['$ref'].removesuffix('.json')}, see there"
    kind = schema.get("type", "any")
    told = [" or ".join(kind) if isinstance(kind, list) else kind]
    if kind == "array" and isinstance(schema.get("items"), Mapping):
        told = [f"array of {_form(schema['items'])}"]
    told += [form.format(schema[key]) for key, form in _FORMS.items() if key in schema]
    text = ", ".join(told)
    return text if len(text) <= _MOST else told[0]


def _value(value: Any) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"
