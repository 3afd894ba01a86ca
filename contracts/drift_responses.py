"""Answers against the schemas of the contract: each property of each answer is a fact."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from understudy.contracts.catalogue import Switch, response_schema, switches
from understudy.contracts.catalogue import switch as switch_named
from understudy.contracts.drift_facts import (
    ADDITIVE,
    BREAKING,
    COSMETIC,
    SEVERITIES,
    Change,
    Edit,
    Facts,
    all_assumed,
    shown,
)
from understudy.contracts.exchanges import ABSENT, Exchange
from understudy.contracts.files import load
from understudy.contracts.models import merge_patch
from understudy.contracts.operations import Operation
from understudy.contracts.schemas import READINGS
from understudy.contracts.secrecy import is_masked

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

TEXTS = ("message", "error_message", "error", "msg", "detail", "description", "title", "summary")
"""Fields that people read."""

STATES = ("status", "state")
"""Fields whose words a client decides by: one that it does not know makes it wait for ever, or fail."""


class Property(NamedTuple):
    """A place in an answer, `*` standing for any index, and what is said of it."""

    pointer: str
    schema: Mapping[str, Any]
    required: bool

    @property
    def expected(self) -> str:
        said = [str(self.schema[word]) for word in ("type",) if word in self.schema]
        said += [f"one of {shown(self.schema['enum'])}"] if "enum" in self.schema else []
        said += [shown(self.schema["const"])] if "const" in self.schema else []
        said += [f"as {self.schema['pattern']}"] if "pattern" in self.schema else []
        return ", ".join([*said, *(["required"] if self.required else [])]) or "anything"

    @property
    def assumed(self) -> bool:
        return all_assumed(self.schema.get("x-evidence", []))


def expect_responses(facts: Facts, operations: Sequence[Operation], assumed: Mapping[str, str]) -> None:
    """Every property of every answer that there can be."""
    for operation in operations:
        statuses = [status for status in operation.responses if status.isdigit()]
        if not statuses:
            continue
        facts.expect(f"{operation.name}: status", " or ".join(statuses))
        facts.expect(f"{operation.name}: content type", "application/json")
        for status, names in operation.responses.items():
            for name in names:
                for one in properties(_schema(facts.provider, name, _frozen(assumed))):
                    facts.expect(fact_name(operation.name, status, one.pointer), one.expected, assumed=one.assumed)


def fact_name(operation: str, status: int | str, pointer: str) -> str:
    return f"{operation} {status}: {pointer}"


def judge_response(facts: Facts, exchange: Exchange, operation: Operation, assumed: dict[str, str]) -> bool:
    """Compares an answer; whether it could be recognised as one of this operation. Where another reading of a switch
    describes it better, that reading goes into `assumed` and the switch has drifted."""
    schemas = schemas_of(operation, exchange.status or 0)
    if not schemas or not isinstance(exchange.body, dict | list):
        return False
    options = [(len(_errors(facts.provider, name, exchange.body, assumed)), name) for name in schemas]
    name = min(options, key=lambda option: option[0])[1]
    _settle_switches(facts, exchange, name, assumed)
    schema = _branch(_schema(facts.provider, name, _frozen(assumed)), exchange.body)
    known = {one.pointer: one for one in properties(schema)}
    broken = set()
    for error in _errors(facts.provider, name, exchange.body, assumed):
        for pointer, change in _changes(error, known, exchange):
            fact = fact_name(operation.name, exchange.status or 0, pointer)
            facts.expect(fact, known[pointer].expected if pointer in known else "nothing of the kind")
            facts.drifted(fact, change)
            broken.add(pointer)
    recognised = False
    for pointer in sorted(_pointers(exchange.body) - broken):
        fact = fact_name(operation.name, exchange.status or 0, pointer)
        if pointer in known:
            facts.expect(fact, known[pointer].expected, assumed=known[pointer].assumed)
            facts.held(fact, exchange.where)
            recognised = recognised or known[pointer].required
    return recognised


def schemas_of(operation: Operation, status: int) -> Sequence[str]:
    """The names of the schemas that an answer of a status may have; one that is not on record is compared with its
    nearest relation."""
    found = operation.responses.get(str(status))
    if found is None and 200 <= status < 300:
        return [name for other, names in operation.responses.items() if other < "300" for name in names]
    return found if found is not None else ["error"] if 400 <= status < 500 else []


def properties(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None, base: str = "") -> Iterator[Property]:
    """The properties that a schema names, those of arrays' items and of what it refers to as well."""
    root = root or schema
    schema = _followed(schema, root)
    required = schema.get("required", ())
    for option in schema.get("oneOf", ()) if base == "" else ():
        yield from properties(option, root, base)
    for name, one in schema.get("properties", {}).items():
        if isinstance(one, Mapping):
            one = _followed(one, root)
            pointer = f"{base}/{name}"
            yield Property(pointer, one, name in required)
            yield from properties(one, root, pointer)
            if isinstance(one.get("items"), Mapping):
                yield from properties(one["items"], root, f"{pointer}/*")


def _followed(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = str(schema.get("$ref", ""))
    if reference.endswith(".json"):
        target = root["$defs"][reference.removesuffix(".json")]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        merged: dict[str, Any] = merge_patch(target, beside)
        return merged
    return schema


def _branch(schema: Mapping[str, Any], body: Any) -> Mapping[str, Any]:
    """Of a choice of forms, the one that has the most fields of a body."""
    options = schema.get("oneOf")
    if not options or "properties" in schema:
        return schema
    chosen = max(options, key=lambda one: len(set(one.get("properties", ())) & set(body)))
    return {**{key: value for key, value in schema.items() if key != "oneOf"}, **chosen}


def _errors(provider: str, name: str, body: Any, assumed: Mapping[str, str]) -> list[ValidationError]:
    import jsonschema_rs

    schema = _branch(_schema(provider, name, _frozen(assumed)), body)
    validator = jsonschema_rs.Draft202012Validator(dict(schema))
    return [error for error in validator.iter_errors(body) if not is_masked(error.instance)]


def _changes(error: ValidationError, known: Mapping[str, Property], exchange: Exchange) -> Iterator[tuple[str, Change]]:
    kind, place = error.kind, "".join(f"/{'*' if isinstance(one, int) else one}" for one in error.instance_path)
    name, seen = place.rpartition("/")[2], shown(error.instance)
    expected = known[place].expected if place in known else "the form of the contract"

    def change(what: str, severity: str, expected: str = expected, seen: str = seen) -> Change:
        return Change(what, severity, expected, seen, exchange.where)

    match kind.name:
        case "required":
            pointer = f"{place}/{kind.value}"
            told = known[pointer].expected if pointer in known else "required"
            yield pointer, change("field gone", BREAKING, told, "no such field")
        case "additionalProperties":
            held: Any = error.instance
            for extra in kind.value:
                value = held.get(extra, ABSENT)
                yield f"{place}/{extra}", change("new field", ADDITIVE, "no such field", shown(value))
        case "falseSchema":
            yield place, change("new field", ADDITIVE, "no such field in this state")
        case "type":
            yield place, change("type", BREAKING)
        case "enum":
            yield place, change("new word", BREAKING if name in STATES else ADDITIVE)
        case "const":
            text = name in TEXTS
            yield place, change("text" if text else "value", COSMETIC if text else BREAKING, shown(kind.value))
        case "pattern":
            yield place, change("format", BREAKING)
        case "not" | "minimum" | "maximum" | "minItems" | "maxItems" | "minLength" | "maxLength":
            yield place, change("range", BREAKING)
        case _:
            yield place or "/", change("form", BREAKING, "the form of the contract")


def _pointers(body: Any, base: str = "") -> set[str]:
    """Every place in a body."""
    if isinstance(body, Mapping):
        found = {f"{base}/{name}" for name in body}
        return found.union(*(_pointers(one, f"{base}/{name}") for name, one in body.items()))
    if isinstance(body, list):
        return set().union(*(_pointers(one, f"{base}/*") for one in body))
    return set()


def expect_switches(facts: Facts, assumed: Mapping[str, str]) -> None:
    """Every contradiction between sources is a fact as well: which reading is the true one."""
    for switch in switches():
        if switch.name.partition(".")[0] in (facts.provider, "seedream"):
            value = assumed.get(switch.name, switch.default)
            reading = switch.readings[value]
            guessed = all(one.mark == "assumed" for one in reading.evidence)
            facts.expect(switch_fact(switch.name), f"{value}: {reading.means}", assumed=guessed)


def switch_fact(name: str) -> str:
    return f"switch {name}"


def _settle_switches(facts: Facts, exchange: Exchange, name: str, assumed: dict[str, str]) -> None:
    """The readings that describe a body best, one switch after the other."""
    relevant = [switch for switch in switches() if switch.name in _read(facts.provider, name)]
    for switch in relevant:
        now = assumed.get(switch.name, switch.default)
        errors = {
            value: len(_errors(facts.provider, name, exchange.body, {**assumed, switch.name: value}))
            for value in switch.values
        }
        best = min(errors, key=lambda value: (errors[value], value != now))
        if errors[best] < errors[now]:
            settle(facts, switch.name, best, exchange.where, assumed, _gravest(facts, exchange, name, assumed))
        elif all(count > errors[now] for value, count in errors.items() if value != now):
            hold_switch(facts, switch.name, exchange.where, assumed)


def _gravest(facts: Facts, exchange: Exchange, name: str, assumed: Mapping[str, str]) -> str:
    """How grave it would be if it were not another reading."""
    errors = _errors(facts.provider, name, exchange.body, assumed)
    found = [change.severity for error in errors for _, change in _changes(error, {}, exchange)]
    return max(found, key=SEVERITIES.index)


def settle(facts: Facts, name: str, value: str, where: str, assumed: dict[str, str], severity: str = BREAKING) -> None:
    """Takes another reading of a switch than the one that was expected."""
    switch = switch_named(name)
    fact = facts.expect(switch_fact(name), "")
    seen = f"{value}: {switch.readings[value].means}"
    edit = _switch_edit(switch, value)
    facts.drifted(fact.name, Change("another reading", severity, fact.expected, seen, where, edit))
    assumed[name] = value


def hold_switch(facts: Facts, name: str, where: str, assumed: Mapping[str, str]) -> None:
    """The expected reading of a switch is the one that was seen."""
    switch = switch_named(name)
    facts.held(switch_fact(name), where, edit=_switch_edit(switch, assumed.get(name, switch.default)))


def _switch_edit(switch: Switch, value: str) -> Edit:
    """What makes the contract's data take a reading as its own, which is known now."""
    file = f"{switch.name.partition('.')[0]}/switches.json"
    index = [one["name"] for one in load(file)].index(switch.name)
    return Edit(file, f"/{index}/default", switch.default, value, f"/{index}/readings/{value}/evidence")


@lru_cache(maxsize=256)
def _schema(provider: str, name: str, assumed: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    schema = response_schema(provider, name, dict(assumed))
    return {key: value for key, value in schema.items() if key != READINGS}


@lru_cache(maxsize=64)
def _read(provider: str, name: str) -> frozenset[str]:
    """The switches that a schema has readings for, those of what it refers to included."""
    text = load(f"{provider}/responses/{name}.json")
    found = set(text.get(READINGS, {}))
    for reference in re.findall(r"'\$ref': '([\w-]+)\.json'", str(text)):
        found |= _read(provider, reference)
    return frozenset(found)


def _frozen(assumed: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(assumed.items()))
