"""Draws what a JSON Schema allows, for the part of JSON Schema that requests are described with.

hypothesis-jsonschema would do it, but its last release of 2024 fails with the Hypothesis of today.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from hypothesis import strategies as st

KEYWORDS = {
    *("$ref", "const", "enum", "type", "format", "pattern", "contentMediaType"),
    *("properties", "required", "additionalProperties", "items"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties"),
    *("anyOf", "oneOf", "not"),
}
ANNOTATIONS = {"title", "description", "default", "disabled", "step"}

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)


def values(schema: Mapping[str, Any], document: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that `schema`, a part of the OpenAPI document `document`, allows."""
    unknown = {key for key in schema if not key.startswith("x-")} - KEYWORDS - ANNOTATIONS
    assert not unknown, f"This does not know {unknown}: teach it."
    if "$ref" in schema:
        return values(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return st.one_of([values(one, document) for one in schema[several]])
    if "not" in schema:
        but = schema["not"]["const"]
        return values({name: one for name, one in schema.items() if name != "not"}, document).filter(
            lambda value: value != but
        )
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    match schema.get("type"):
        case "object":
            return _objects(schema, document)
        case "array":
            least = schema.get("minItems", 0)
            most = schema.get("maxItems", least + 3)
            return st.lists(values(schema.get("items", {}), document), min_size=least, max_size=most)
        case "string":
            return _strings(schema)
        case "integer":
            return st.integers(schema.get("minimum"), schema.get("maximum"))
        case "number":
            return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    assert "type" not in schema, f"This does not know the type {schema['type']}: teach it."
    return scalars


def _objects(schema: Mapping[str, Any], document: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    named = {name: values(one, document) for name, one in schema.get("properties", {}).items()}
    required = {name: named[name] for name in schema.get("required", ())}
    optional = {name: one for name, one in named.items() if name not in required}
    known = st.fixed_dictionaries(required, optional=optional)
    if schema.get("additionalProperties", True) is False:
        return known
    least = schema.get("minProperties", 0)
    others = st.dictionaries(
        st.text(max_size=8).filter(lambda name: name not in named), scalars, min_size=least, max_size=least + 2
    )
    return st.builds(lambda one, other: {**other, **one}, known, others)


def _strings(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        pattern = schema["pattern"]
        if pattern.endswith("$"):
            return st.from_regex(pattern.strip("^$"), fullmatch=True, alphabet=st.characters(codec="ascii"))
        return st.from_regex(pattern).filter(lambda text: len(text) <= schema.get("maxLength", len(text)))
    match schema.get("format"):
        case "date-time":
            return st.datetimes(timezones=st.just(UTC)).map(lambda one: one.isoformat().replace("+00:00", "Z"))
        case "date":
            return st.dates().map(str)
    least = schema.get("minLength", 0)
    return st.text(min_size=least, max_size=schema.get("maxLength", least + 20))
