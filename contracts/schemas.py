"""The JSON Schemas (2020-12) of the responses, under any reading of the sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from understudy.contracts.evidence import CatalogueError
from understudy.contracts.files import load, names
from understudy.contracts.models import merge_patch

READINGS = "x-readings"


@cache
def response_names(provider: str) -> tuple[str, ...]:
    """The names that `response_schema` knows for a provider."""
    return tuple(names(provider, "responses"))


def response_schema(provider: str, name: str, assumed: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The schema of one response as the fake answers by default, or with some switches set otherwise.

    The schema is a bundle: the resources that it refers to stand in its `$defs` under their own `$id`, so it needs no
    network and no retriever. Raises CatalogueError.
    """
    if name not in response_names(provider):
        raise CatalogueError(f'{provider} has no response "{name}"; there are: {", ".join(response_names(provider))}')
    chosen = assumed or {}
    schema = response_resource(provider, name, chosen)
    others = {reference: response_resource(provider, reference, chosen) for reference in _references(schema)}
    return {**schema, "$defs": {**schema.get("$defs", {}), **others}} if others else schema


def response_resource(provider: str, name: str, assumed: Mapping[str, str]) -> dict[str, Any]:
    """One of the resources that such a bundle is made of, its references to the others (`prediction.json`) left."""
    schema: dict[str, Any] = load(f"{provider}/responses/{name}.json")
    readings = schema.pop(READINGS, {})
    for switch, value in assumed.items():
        schema = merge_patch(schema, readings.get(switch, {}).get(value, {}))
    return schema


def _references(schema: Any) -> Iterator[str]:
    """The other files that a schema refers to. One level: what they refer to lies in themselves."""
    if isinstance(schema, list):
        for one in schema:
            yield from _references(one)
    elif isinstance(schema, Mapping):
        reference = schema.get("$ref", "")
        if isinstance(reference, str) and reference.endswith(".json"):
            yield reference.removesuffix(".json")
        for one in schema.values():
            yield from _references(one)
