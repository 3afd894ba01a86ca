"""Models of the user's own: a file of what either provider publishes, and stand-ins for models that nobody knows."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from understudy.contracts.catalogue import PROVIDERS, CatalogueError, Model, model_from_entry
from understudy.mockserver.media_rules import MediaPolicy, MediaRules

EXPECTED = (
    "expected a WaveSpeed /models entry, a RunComfy catalogue entry, or "
    '{"model_id": ..., "input_schema": {...}}, with "provider" where the shape does not tell'
)
AROUND = '{"provider": "runcomfy", "model_id": "vendor/model", "input_schema": {...}}'
FORMATS = ("jpeg", "png", "webp")
_EXTRA = "x-understudy"
_MODEL_ID = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+", re.ASCII)
# What lies under WaveSpeed's prefix beside models.
_TAKEN = frozenset({"account", "balance", "billings", "media", "model", "models", "predictions", "user", "webhook"})


def is_model_id(provider: str, model_id: str) -> bool:
    """Whether a model can be called so: two segments or more, none of them the name of another operation."""
    taken = provider == "wavespeed" and model_id.partition("/")[0] in _TAKEN
    return _MODEL_ID.fullmatch(model_id) is not None and not taken


def parse_models(path: str) -> tuple[Model, ...]:
    """The models of a JSON file: an entry, an array of entries, or a provider's whole answer with such an array.

    Raises ValueError that names the file, the entry and what is expected.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path!r} cannot be read as JSON: {error}") from error
    found: dict[tuple[str, str], Model] = {}
    for number, entry in enumerate(_entries(content), 1):
        try:
            model = _model(entry)
        except CatalogueError as error:
            raise ValueError(f"{path!r}, entry {number}: {error}") from error
        key = (model.provider, model.model_id)
        if key in found:
            raise ValueError(f'{path!r}, entry {number}: {model.provider} has "{model.model_id}" already; remove one')
        found[key] = model
    if not found:
        raise ValueError(f"{path!r} holds no models: {EXPECTED}")
    return tuple(found.values())


def stand_in(provider: str, model_id: str) -> Model:
    """A model that nobody knows: any inputs, one image, no price."""
    return model_from_entry(provider, {"type": "object", "properties": {}}, model_id=model_id)


def _entries(content: Any) -> Iterator[Any]:
    if isinstance(content, Mapping) and "model_id" not in content:
        # An answer saved as it came: WaveSpeed's envelope or RunComfy's page.
        content = content.get("data", content.get("models", content))
    yield from content if isinstance(content, list) else [content]


def _model(entry: Any) -> Model:
    if isinstance(entry, Mapping) and isinstance(entry.get("properties"), Mapping) and "model_id" not in entry:
        raise CatalogueError(f"it has no model_id: around a bare input schema, write {AROUND}")
    if not isinstance(entry, Mapping) or not isinstance(entry.get("model_id"), str):
        raise CatalogueError(f"it has no model_id; {EXPECTED}")
    model_id = entry["model_id"]
    provider = entry.get("provider", _provider(entry))
    if provider not in PROVIDERS:
        raise CatalogueError(f'"{model_id}": its provider cannot be told; {EXPECTED}')
    if not is_model_id(provider, model_id):
        raise CatalogueError(f'"{model_id}" cannot be called over HTTP: expected an id such as vendor/model')
    published = {key: value for key, value in entry.items() if key != "provider"}
    if published.keys() - {_EXTRA} == {"model_id", "input_schema"}:
        schema = entry["input_schema"]
        if not isinstance(schema, Mapping) or not isinstance(schema.get("properties"), Mapping):
            raise CatalogueError(f'"{model_id}": expected a JSON Schema with properties at input_schema')
        published = {**schema, _EXTRA: entry.get(_EXTRA, {})}
    try:
        model = model_from_entry(provider, published, model_id=model_id)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CatalogueError(f'"{model_id}": {error!r}; {EXPECTED}') from error
    try:
        MediaRules(model.input_schema["properties"], MediaPolicy())
    except ValueError as error:
        raise CatalogueError(f'"{model_id}": {error}') from error
    if model.output_format not in FORMATS:
        raise CatalogueError(f'"{model_id}": output_format must be one of {", ".join(FORMATS)}')
    if provider == "wavespeed":
        # The catalogue of 2026 says additionalProperties: false, yet the server drops such keys (observed); what
        # happens to them is a switch.
        schema = {key: value for key, value in model.input_schema.items() if key != "additionalProperties"}
        model = dataclasses.replace(model, input_schema=schema)
    return model


def _provider(entry: Mapping[str, Any]) -> str | None:
    if "api_schema" in entry:
        return "wavespeed"
    return "runcomfy" if "input_schema" in entry else None
