"""A provider's wire as an OpenAPI 3.1 document: one path per model, every operation, every schema, every sample."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from understudy.contracts import catalogue
from understudy.contracts.catalogue import Model, Sample
from understudy.contracts.inputs import described_inputs
from understudy.contracts.models import merge_patch
from understudy.contracts.operations import Operation, Wire, wire
from understudy.contracts.schemas import READINGS, response_names, response_resource

COMPONENTS = "#/components/schemas"


def openapi(
    provider: str,
    *,
    models: Mapping[str, Model] | None = None,
    assumed: Mapping[str, str] | None = None,
    origin: str | None = None,
) -> dict[str, Any]:
    """The document of a provider, or of a fake of it that serves `models` under the `assumed` switches on `origin`.

    Beyond OpenAPI it says how each thing is known (`x-evidence`, whose short names `x-sources` explains), which
    switches were set (`x-assumed`), and which request a sample answers (`x-request`).
    Raises CatalogueError for an unknown provider.
    """
    chosen = dict(assumed or {})
    table = wire(provider, chosen)
    served = catalogue.models(provider) if models is None else models
    inputs = {model_id: described_inputs(model.under(chosen)) for model_id, model in served.items()}
    schemas = {name: response_resource(provider, name, chosen) for name in response_names(provider)}
    samples = _valid_samples(provider, chosen)
    paths: dict[str, dict[str, Any]] = {}
    for operation in table.operations:
        submits = "{model_id}" in operation.path and operation.body is not None
        for model_id in served if "{model_id}" in operation.path else [""]:
            path = operation.path.replace("{model_id}", model_id)
            aliases = [alias.replace("{model_id}", model_id) for alias in operation.aliases]
            item = _described(table, operation, schemas, _samples_of(samples, operation.method, [path, *aliases]))
            if aliases:
                item["description"] = f"The same as {' and '.join(aliases)}."
                item["x-aliases"] = aliases
            if origin is None and operation.server:
                item["servers"] = [{"url": operation.server}]
            if model_id:
                item["operationId"] = f"{operation.name}.{_key(model_id)}"
                item["summary"] = f"{operation.summary}: {model_id}"
            if submits:
                item["requestBody"]["content"][operation.content_type]["schema"] = {"$ref": _input_reference(model_id)}
                inputs[model_id] = merge_patch(inputs[model_id], operation.body)
            paths.setdefault(path, {})[operation.method.lower()] = item
    return {
        "openapi": "3.1.0",
        "info": {"title": table.title, "version": table.version, "description": table.description},
        "servers": [{"url": origin or table.server}],
        "security": [{"bearer": []}],
        "tags": [{"name": name} for name in dict.fromkeys(one.group for one in (*table.operations, *table.webhooks))],
        "paths": paths,
        "webhooks": {
            one.name: {one.method.lower(): _described(table, one, schemas, _samples_of(samples, "POST", [one.path]))}
            for one in table.webhooks
        },
        "components": {
            "schemas": {
                "model-id": {"type": "string", "enum": list(served)},
                **{name: _local(schema, f"{COMPONENTS}/{name}") for name, schema in schemas.items()},
                **{f"input.{_key(name)}": _local(schema, _input_reference(name)) for name, schema in inputs.items()},
            },
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "x-sources": dict(catalogue.sources(provider)),
        "x-assumed": chosen,
    }


def _described(
    table: Wire, operation: Operation, schemas: Mapping[str, Mapping[str, Any]], samples: list[Sample]
) -> dict[str, Any]:
    """An operation object, for a submission as yet without its model's inputs."""
    item: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.group],
        "summary": operation.summary,
        **({"description": operation.description} if operation.description else {}),
        "x-evidence": operation.evidence,
        **({} if operation.secured else {"security": []}),
        "parameters": [{**one, **({"required": True} if one["in"] == "path" else {})} for one in operation.parameters],
    }
    if operation.body is not None:
        asked = {
            sample.name: {"summary": sample.state, "value": sample.request["body"], "x-request": dict(sample.request)}
            for sample in samples
            if sample.response["status"] < 300 and "body" in sample.request
        }
        content = {"schema": operation.body, **({"examples": asked} if asked else {})}
        item["requestBody"] = {"required": True, "content": {operation.content_type: content}}
    item["responses"] = {
        status: _response(table, operation, status, schemas, samples) for status in operation.responses
    }
    return item


def _response(
    table: Wire,
    operation: Operation,
    status: str,
    schemas: Mapping[str, Mapping[str, Any]],
    samples: list[Sample],
) -> dict[str, Any]:
    names = operation.responses[status]
    if not names:
        return {"description": table.statuses[status]}
    references = [{"$ref": f"{COMPONENTS}/{name}"} for name in names]
    content: dict[str, Any] = {"schema": references[0] if len(references) == 1 else {"anyOf": references}}
    examples = {sample.name: _example(sample) for sample in samples if str(sample.response["status"]) == status}
    if examples:
        content["examples"] = examples
    response = {
        "description": table.statuses[status] if names == ["error"] else schemas[names[0]]["title"],
        "content": {"application/json": content},
    }
    if status.startswith("2") and operation.links:
        response["links"] = {
            name: {"operationId": name, "parameters": parameters} for name, parameters in operation.links.items()
        }
    return response


def _example(sample: Sample) -> dict[str, Any]:
    return {
        "summary": sample.state,
        **({"description": sample.note} if sample.note else {}),
        "value": sample.body,
        "x-request": dict(sample.request),
        "x-evidence": [known._asdict() for known in sample.evidence],
    }


def _valid_samples(provider: str, assumed: Mapping[str, str]) -> list[Sample]:
    """The golden samples that hold under the assumed readings: those that do not are refused by their schema."""
    from jsonschema_rs import Draft202012Validator  # late: it is large, and only this needs it

    validators = {
        name: Draft202012Validator(catalogue.response_schema(provider, name, assumed))
        for name in response_names(provider)
    }
    return [
        sample
        for sample in catalogue.samples(provider)
        if sample.assume.items() <= assumed.items() and validators[sample.schema].is_valid(sample.body)
    ]


def _samples_of(samples: list[Sample], method: str, paths: list[str]) -> list[Sample]:
    pattern = re.compile("|".join(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) for path in paths))
    return [
        sample
        for sample in samples
        if sample.request["method"] == method and pattern.fullmatch(sample.request["path"].partition("?")[0])
    ]


def _local(schema: Any, place: str) -> Any:
    """A schema as a part of the document: its references to itself and to other files lead there."""
    if isinstance(schema, list):
        return [_local(one, place) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    local = {key: _local(value, place) for key, value in schema.items() if key not in ("$schema", "$id", READINGS)}
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#") and not reference.startswith(COMPONENTS):
        local["$ref"] = place + reference.removeprefix("#")
    elif isinstance(reference, str) and reference.endswith(".json"):
        local["$ref"] = f"{COMPONENTS}/{reference.removesuffix('.json')}"
    return local


def _input_reference(model_id: str) -> str:
    return f"{COMPONENTS}/input.{_key(model_id)}"


def _key(model_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", ".", model_id)
