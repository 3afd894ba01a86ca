"""A published catalogue, or a model page's schema, against the catalogue of the contract, and as its updated files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from understudy.contracts.catalogue import CatalogueError, model_from_entry, models
from understudy.contracts.drift_facts import Facts
from understudy.contracts.drift_models import FAMILY, OWN_WORDS, input_schema
from understudy.contracts.drift_patch import laid_out
from understudy.contracts.files import load
from understudy.contracts.findings import Unable


def read_catalogue(path: Path, provider: str, model_id: str | None) -> tuple[list[Any], bool]:
    """The entries in a file, and whether they are a whole catalogue. It may hold an answer of `/models`, one entry, or
    the bare input schema of a model page together with `model_id`. Raises Unable."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unable(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise Unable(f"{path} is no JSON: {error}.") from error
    listed = value.get("data", value.get("models")) if isinstance(value, Mapping) else value
    if isinstance(listed, list):
        return listed, True
    if isinstance(value, Mapping) and "properties" in value and "model_id" not in value:
        known = models(provider)
        if model_id is None or model_id not in known:
            raise Unable(
                f"{path} is the schema of one model: say which with --model; there are: {', '.join(sorted(known))}."
            )
        try:
            published = model_from_entry(provider, value, model_id=model_id).entry
        except CatalogueError as error:
            raise Unable(f"{path} is no schema of a model: {error}.") from error
        return [_with_schema(provider, known[model_id].entry, input_schema(provider, published))], False
    if isinstance(value, Mapping) and "model_id" in value:
        return [value], False
    raise Unable(f"{path} is no catalogue: expected an answer of /models, an entry of it, or a model page's schema.")


def write_updated(facts: Facts, entries: list[Any], folder: Path, today: date) -> list[Path]:
    """Writes a file for each model of the family whose facts have drifted, in the layout of contracts/. What the
    catalogue says in its own words stays."""
    written = []
    for entry in entries:
        name = entry.get("model_id") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not name.startswith(FAMILY):
            continue
        changed = [fact.name for fact in facts if fact.change and _is_about(fact.name, name)]
        if changed:
            path = folder / facts.provider / "models" / f"{name.replace('/', '.')}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(laid_out(updated(facts.provider, name, entry, changed, today)), encoding="utf-8")
            written.append(path)
    return written


def updated(provider: str, name: str, entry: Mapping[str, Any], changed: list[str], today: date) -> dict[str, Any]:
    """The contract's file of a model as the published entry has it; what changed is known because it was seen."""
    ours = load(f"{provider}/models/{name.replace('/', '.')}.json") if name in models(provider) else {}
    schema = input_schema(provider, entry)
    kept = input_schema(provider, ours)
    properties = {
        field: _own_words(one, kept.get("properties", {}).get(field, {}))
        for field, one in schema.get("properties", {}).items()
    }
    published = {key: value for key, value in entry.items() if key not in ("description", "x-understudy")}
    merged = {**ours, **published, "description": ours.get("description", f"{name} on {provider}.")}
    if schema:
        merged = _with_schema(provider, merged, {**schema, "properties": properties})
    extra = dict(ours.get("x-understudy", {"output_format": "jpeg"}))
    seen = [{"mark": "observed", "source": f"the catalogue of {today}"}]
    evidence = dict(extra.get("evidence", {}))
    for fact in changed:
        about = fact.partition(": ")[2] or "model_id"
        evidence[about.replace("input ", "inputs.")] = seen
    merged.pop("x-understudy", None)
    return {**merged, "x-understudy": {**extra, "evidence": evidence}}


def _own_words(published: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    words = {word: ours[word] for word in OWN_WORDS if word in ours}
    return {**{key: value for key, value in published.items() if key not in OWN_WORDS}, **words}


def _with_schema(provider: str, entry: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    if provider == "runcomfy":
        return {**entry, "required_inputs": list(schema.get("required", [])), "input_schema": dict(schema)}
    runs = entry.get("api_schema", {}).get("api_schemas") or [{}]
    return {**entry, "api_schema": {"api_schemas": [{**runs[0], "request_schema": dict(schema)}, *runs[1:]]}}


def _is_about(fact: str, name: str) -> bool:
    return fact == f"model {name}" or fact.startswith(f"model {name}: ")
