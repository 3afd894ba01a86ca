"""Loads the wire as data: models, switches, response schemas and samples, each fact with its evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from understudy.contracts.evidence import CatalogueError, Evidence, evidence_from
from understudy.contracts.models import PROVIDERS, Model, check_provider, model_from_entry

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

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
    "switch",
    "switches",
    "unreproducible",
]


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read sources that contradict each other; `data` holds its numbers where it has any."""

    means: str
    evidence: tuple[Evidence, ...]
    data: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Switch:
    """A contradiction of the sources, by name: its readings in order, `default` being the fake's own."""

    name: str
    summary: str
    default: str
    readings: Mapping[str, Reading]

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(self.readings)


@dataclass(frozen=True, slots=True)
class Sample:
    """One exchange on the provider's own hosts: `varies` are JSON pointers into the response body whose values differ
    from run to run, `assume` the switches under which it holds, `schema` the name of its response schema."""

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
    note: str


@dataclass(frozen=True, slots=True)
class Unreproducible:
    """A sample on record that no server should send, and why."""

    name: str
    source: str
    reason: str


@cache
def models(provider: str) -> Mapping[str, Model]:
    """The shipped models of a provider by model id, sorted."""
    found = (model_from_entry(provider, entry) for _, entry in _files(provider, "models"))
    return MappingProxyType({model.model_id: model for model in sorted(found, key=lambda model: model.model_id)})


@cache
def switches() -> tuple[Switch, ...]:
    """Every switch of both providers and of the models themselves."""
    return tuple(_switch(one) for folder in (*PROVIDERS, "seedream") for one in _load(f"{folder}/switches.json"))


def switch(name: str) -> Switch:
    """The switch of that name, or a CatalogueError that lists what exists."""
    for one in switches():
        if one.name == name:
            return one
    raise CatalogueError(f'no switch is called "{name}"; there are: {", ".join(one.name for one in switches())}')


@cache
def response_names(provider: str) -> tuple[str, ...]:
    """The names that `response_schema` knows for a provider."""
    return tuple(name for name, _ in _files(provider, "responses"))


@cache
def response_schema(provider: str, name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one response. Self-contained: what it refers to is copied into its `$defs`."""
    if name not in response_names(provider):
        raise CatalogueError(f'{provider} has no response "{name}"; there are: {", ".join(response_names(provider))}')
    schema: dict[str, Any] = _load(f"{provider}/responses/{name}.json")
    return schema


@cache
def samples(provider: str) -> tuple[Sample, ...]:
    """The golden samples of a provider, by file name."""
    return tuple(_sample(name, one) for name, one in _files(provider, "samples") if name != "unreproducible")


@cache
def unreproducible(provider: str) -> tuple[Unreproducible, ...]:
    """The samples on record that are not reproduced."""
    check_provider(provider)
    return tuple(Unreproducible(**one) for one in _load(f"{provider}/samples/unreproducible.json"))


def _load(path: str) -> Any:
    import orjson

    return orjson.loads(_folder().joinpath(path).read_bytes())


def _files(provider: str, folder: str) -> Iterator[tuple[str, Any]]:
    check_provider(provider)
    names = (file.name for file in _folder().joinpath(provider, folder).iterdir())
    for name in sorted(name for name in names if name.endswith(".json")):
        yield name.removesuffix(".json"), _load(f"{provider}/{folder}/{name}")


def _folder() -> Traversable:
    # Imported late, as orjson is: both cost more than all the rest of this module.
    from importlib.resources import files

    return files("understudy.contracts")


def _switch(one: Mapping[str, Any]) -> Switch:
    readings = {
        value: Reading(reading["means"], evidence_from(reading["evidence"]), reading.get("data"))
        for value, reading in one["readings"].items()
    }
    if tuple(one["values"]) != tuple(readings):
        raise CatalogueError(f"{one['name']}: its values {one['values']} are not its readings {list(readings)}")
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
        note=one.get("note", ""),
    )
