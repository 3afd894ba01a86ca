"""Loads the wire as data: models, switches, response schemas and samples, each fact with its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from understudy.contracts.evidence import CatalogueError, Evidence, evidence_from
from understudy.contracts.files import listed, load
from understudy.contracts.models import PROVIDERS, Model, check_provider, model_from_entry, validator_of
from understudy.contracts.schemas import response_names, response_schema

__all__ = [
    "PROVIDERS",
    "CatalogueError",
    "Evidence",
    "Model",
    "Reading",
    "Sample",
    "Switch",
    "Unreproducible",
    "model_from_entry",
    "models",
    "response_names",
    "response_schema",
    "samples",
    "sources",
    "switch",
    "switches",
    "unreproducible",
    "validator_of",
]


class Reading(NamedTuple):
    """One way to read sources that contradict each other; `data` holds its numbers where it has any."""

    means: str
    evidence: tuple[Evidence, ...]
    data: Mapping[str, Any] | None


class Switch(NamedTuple):
    """A contradiction of the sources, by name: its readings in order, `default` being the fake's own."""

    name: str
    summary: str
    default: str
    readings: Mapping[str, Reading]

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(self.readings)


class Sample(NamedTuple):
    """One exchange on the provider's own hosts.

    `state` is that of the job when the request comes, or what is wrong with the request; the job was submitted with
    `inputs`, or else with those of the sample `submit-created` or `submit-queued`. `assume` are the switches under
    which the sample holds, `varies` JSON pointers into `body` whose values differ from run to run, `schema` the name
    of the response's schema.
    """

    name: str
    provider: str
    operation: str
    state: str
    schema: str
    evidence: tuple[Evidence, ...]
    source: str
    request: Mapping[str, Any]
    response: Mapping[str, Any]
    varies: tuple[str, ...]
    assume: Mapping[str, str]
    inputs: Mapping[str, Any] | None
    note: str

    @property
    def body(self) -> Any:
        """What `schema` describes and `varies` points into: the response's body, or a webhook's own."""
        return (self.request if self.operation == "webhook" else self.response)["body"]


class Unreproducible(NamedTuple):
    """A sample on record that no server should send, and why."""

    name: str
    source: str
    reason: str


@cache
def models(provider: str) -> Mapping[str, Model]:
    """The shipped models of a provider by model id, sorted."""
    found = (model_from_entry(provider, entry) for _, entry in listed(provider, "models"))
    return MappingProxyType({model.model_id: model for model in sorted(found, key=lambda model: model.model_id)})


@cache
def switches() -> tuple[Switch, ...]:
    """Every switch of both providers and of the models themselves."""
    return tuple(_switch(one) for folder in (*PROVIDERS, "seedream") for one in load(f"{folder}/switches.json"))


def switch(name: str) -> Switch:
    """The switch of that name, or a CatalogueError that lists what exists."""
    for one in switches():
        if one.name == name:
            return one
    raise CatalogueError(f'no switch is called "{name}"; there are: {", ".join(one.name for one in switches())}')


@cache
def samples(provider: str) -> tuple[Sample, ...]:
    """The golden samples of a provider, by file name."""
    return tuple(_sample(name, one) for name, one in listed(provider, "samples") if name != "unreproducible")


@cache
def unreproducible(provider: str) -> tuple[Unreproducible, ...]:
    """The samples on record that are not reproduced."""
    check_provider(provider)
    return tuple(Unreproducible(**one) for one in load(f"{provider}/samples/unreproducible.json"))


@cache
def sources(provider: str) -> Mapping[str, str]:
    """What the short names in evidence stand for. A source `#123` is a public file whose repository is not known."""
    check_provider(provider)
    return MappingProxyType(load(f"{provider}/sources.json"))


def _switch(one: Mapping[str, Any]) -> Switch:
    readings = {
        value: Reading(reading["means"], evidence_from(reading["evidence"]), reading.get("data"))
        for value, reading in one["readings"].items()
    }
    return Switch(one["name"], one["summary"], one["default"], MappingProxyType(readings))


def _sample(name: str, one: Mapping[str, Any]) -> Sample:
    return Sample(
        name=name,
        provider=one["provider"],
        operation=one["operation"],
        state=one["state"],
        schema=one["schema"],
        evidence=evidence_from(one["evidence"]),
        source=one["source"],
        request=one["request"],
        response=one["response"],
        varies=tuple(one["varies"]),
        assume=one.get("assume", {}),
        inputs=one.get("inputs"),
        note=one.get("note", ""),
    )
