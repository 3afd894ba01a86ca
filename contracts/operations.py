"""Every operation of a provider's wire as data: path, parameters, body, and what may come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from understudy.contracts.files import load
from understudy.contracts.models import check_provider, merge_patch

READINGS = "x-readings"


class Operation(NamedTuple):
    """One thing that a client can ask for, or, among the webhooks, that the provider asks of the client.

    `path` has its parameters in braces; `{model_id}` stands for ids with slashes; `aliases`
    are other paths that are answered alike. `body` is a JSON Schema, for a
    submission a patch of its model's own; None where there is no body. `responses` names response schemas by HTTP
    status. `links` says for the name of another operation which of its parameters an answer gives. `server` is the
    host where it is not the provider's usual one.
    """

    name: str
    group: str
    method: str
    path: str
    aliases: Sequence[str]
    summary: str
    description: str
    evidence: Sequence[Mapping[str, str]]
    secured: bool
    server: str
    parameters: Sequence[Mapping[str, Any]]
    content_type: str
    body: Mapping[str, Any] | None
    responses: Mapping[str, Sequence[str]]
    links: Mapping[str, Mapping[str, str]]


class Wire(NamedTuple):
    """All operations of a provider; `statuses` describes what is no success."""

    title: str
    version: str
    description: str
    server: str
    statuses: Mapping[str, str]
    operations: tuple[Operation, ...]
    webhooks: tuple[Operation, ...]


def wire(provider: str, assumed: Mapping[str, str] | None = None) -> Wire:
    """The operations that there are as the fake answers by default, or with some switches set otherwise.

    Raises CatalogueError for an unknown provider.
    """
    check_provider(provider)
    table = load(f"{provider}/operations.json")
    chosen = assumed or {}
    operations, webhooks = (
        tuple(
            _operation(_secured(table["secured"], entry) if entry.get("secured", True) else entry, chosen)
            for entry in table[kind]
            if all(chosen.get(switch) == value for switch, value in entry.get("only", {}).items())
        )
        for kind in ("operations", "webhooks")
    )
    return Wire(
        title=table["title"],
        version=table["version"],
        description=table["description"],
        server=table["server"],
        statuses=table["statuses"],
        operations=operations,
        webhooks=webhooks,
    )


def _secured(common: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with what all operations that need a key have in common; its own readings come first."""
    merged: dict[str, Any] = merge_patch(common, entry)
    return {**merged, READINGS: {**entry.get(READINGS, {}), **merged.get(READINGS, {})}}


def _operation(entry: Mapping[str, Any], assumed: Mapping[str, str]) -> Operation:
    for switch, values in entry.get(READINGS, {}).items():
        entry = merge_patch(entry, values.get(assumed.get(switch, ""), {}))
    return Operation(
        name=entry["name"],
        group=entry["group"],
        method=entry["method"],
        path=entry["path"],
        aliases=entry.get("aliases", ()),
        summary=entry["summary"],
        description=entry.get("description", ""),
        evidence=entry["evidence"],
        secured=entry.get("secured", True),
        server=entry.get("server", ""),
        parameters=entry.get("parameters", ()),
        content_type=entry.get("contentType", "application/json"),
        body=entry.get("body"),
        responses=dict(sorted(entry["responses"].items())),
        links=entry.get("links", {}),
    )
