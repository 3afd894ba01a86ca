"""The models that a provider publishes against the catalogue: which there are, what they take, what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from understudy.contracts.catalogue import models
from understudy.contracts.ceiling import MILLION, dollars, published_price
from understudy.contracts.drift_facts import ADDITIVE, BREAKING, COSMETIC, Change, Edit, Facts, shown
from understudy.contracts.evidence import Evidence
from understudy.contracts.models import Model

FAMILY = "bytedance/seedream"
"""What the ids of the models begin with that the contract is about."""

PRICES = {"wavespeed": "base_price", "runcomfy": "base_price_usd"}
OWN_WORDS = ("description", "title")
"""What the catalogue says in its own words."""

FIELDS = {
    "wavespeed": ("name", "type", "sort_order", "formula"),
    "runcomfy": ("display_name", "categories", "kind", "price_unit", "model_url", "required_inputs"),
}
_SCHEMAS = {"wavespeed": "/api_schema/api_schemas/0/request_schema", "runcomfy": "/input_schema"}
_LEAST, _MOST = ("minimum", "minItems", "minLength"), ("maximum", "maxItems", "maxLength")


def expect_models(facts: Facts, assumed: Mapping[str, str]) -> None:
    for model in catalogue_under(facts.provider, assumed).values():
        name = model.model_id
        facts.expect(f"model {name}", "it is published", assumed=_assumed(model, "model_id"))
        price = PRICES[facts.provider]
        facts.expect(f"model {name}: {price}", shown(model.entry.get(price)), assumed=_assumed(model, price))
        for field in FIELDS[facts.provider]:
            facts.expect(f"model {name}: {field}", shown(model.entry.get(field)), assumed=_assumed(model, field))
        for field, schema in _inputs(facts.provider, model.entry).items():
            said = {key: value for key, value in schema.items() if key not in OWN_WORDS}
            guessed = _assumed(model, f"inputs.{field}")
            facts.expect(f"model {name}: input {field}", shown(said), assumed=guessed)


def catalogue_under(provider: str, assumed: Mapping[str, str]) -> dict[str, Model]:
    return {name: model.under(assumed) for name, model in models(provider).items()}


def judge_models(facts: Facts, entries: Iterable[Any], where: str, assumed: Mapping[str, str], *, whole: bool) -> None:
    """Compares published entries. Where they are the `whole` catalogue, what is not in it is gone, and what is new in
    the family is told."""
    known = catalogue_under(facts.provider, assumed)
    seen = set()
    for entry in entries:
        name = entry.get("model_id") if isinstance(entry, Mapping) else None
        if name in known:
            seen.add(name)
            facts.held(f"model {name}", where)
            _judge_entry(facts, known[name], entry, where)
        elif whole and isinstance(name, str) and name.startswith(FAMILY):
            fact = facts.expect(f"model {name}", "no such model")
            facts.drifted(fact.name, Change("new model", ADDITIVE, "no such model", "it is published", where))
    if whole and seen:
        for name in known.keys() - seen:
            change = Change("model gone", BREAKING, "it is published", "no such model", where)
            facts.drifted(f"model {name}", change)


def judge_price(facts: Facts, model_id: str, inputs: Mapping[str, Any], price: Any, where: str) -> None:
    """Compares what the provider says that inputs would cost, in dollars."""
    model = models(facts.provider).get(model_id)
    if model is None or not isinstance(price, int | float):
        return
    fact = f"model {model_id}: {PRICES[facts.provider]}"
    expected, found = published_price(model, inputs), round(price * MILLION)
    if found == expected:
        facts.held(fact, where)
    else:
        severity = BREAKING if found > expected else COSMETIC
        facts.drifted(fact, Change("price", severity, dollars(expected), dollars(found), where))


def _judge_entry(facts: Facts, model: Model, entry: Mapping[str, Any], where: str) -> None:
    provider, name = facts.provider, model.model_id
    file = f"{provider}/models/{name.replace('/', '.')}.json"
    for field in (PRICES[provider], *FIELDS[provider]):
        if field in entry and field in model.entry:
            expected, found = model.entry[field], entry[field]
            fact = f"model {name}: {field}"
            edit = Edit(file, f"/{field}", expected, found, f"/x-understudy/evidence/{field}")
            if found == expected:
                facts.held(fact, where, edit=edit)
            else:
                kind, severity = _grade(field, expected, found)
                facts.drifted(fact, Change(kind, severity, shown(expected), shown(found), where, edit))
    published = _inputs(provider, entry)
    if not published:
        return
    ours = _inputs(provider, model.entry)
    required = (_required(provider, model.entry), _required(provider, entry))
    for field in {**ours, **published}:
        fact = f"model {name}: input {field}"
        place = f"{_SCHEMAS[provider]}/properties/{field}"
        if field not in ours:
            facts.expect(fact, "no such input")
            severity = BREAKING if field in required[1] else ADDITIVE
            kind = "new required input" if field in required[1] else "new input"
            facts.drifted(fact, Change(kind, severity, "no such input", shown(published[field]), where))
        elif field not in published:
            change = Change("input gone", BREAKING, shown(ours[field]), "no such input", where)
            facts.drifted(fact, change)
        else:
            edit = Edit(file, place, ours[field], published[field], f"/x-understudy/evidence/inputs.{field}")
            changes = list(_input_changes(ours[field], published[field], where, edit))
            if (field in required[0]) != (field in required[1]):
                grade = BREAKING if field in required[1] else ADDITIVE
                now, then = ("required" if field in one else "optional" for one in reversed(required))
                changes.append(Change("required", grade, then, now, where))
            for change in changes:
                facts.drifted(fact, change)
            if not changes:
                facts.held(fact, where, edit=edit._replace(value=ours[field]))


def _input_changes(ours: Mapping[str, Any], theirs: Mapping[str, Any], where: str, edit: Edit) -> Iterator[Change]:
    for word in sorted({*ours, *theirs} - {*OWN_WORDS, "validations"}):
        expected, found = ours.get(word), theirs.get(word)
        if expected == found or word.startswith("x-"):
            continue
        kind, severity = _grade_word(word, expected, found)
        told = [
            f"{word} {shown(value) if word in one else 'none'}" for one, value in ((ours, expected), (theirs, found))
        ]
        yield Change(kind, severity, told[0], told[1], where, edit)


def _grade(field: str, expected: Any, found: Any) -> tuple[str, str]:
    if field in PRICES.values():
        return "price", BREAKING if _number(found) > _number(expected) else COSMETIC
    if field in ("formula", "price_unit"):
        return "price", BREAKING
    return ("catalogue entry", ADDITIVE if field in ("type", "categories", "kind") else COSMETIC)


def _grade_word(word: str, expected: Any, found: Any) -> tuple[str, str]:
    if word == "type":
        return "type", BREAKING
    if word == "enum":
        gone = [one for one in expected or () if one not in (found or expected or ())]
        return ("choice gone", BREAKING) if gone or expected is None else ("new choice", ADDITIVE)
    if word in (*_LEAST, *_MOST):
        narrower = found is not None and (
            expected is None
            or (_number(found) > _number(expected) if word in _LEAST else _number(found) < _number(expected))
        )
        return "range", BREAKING if narrower else ADDITIVE
    if word == "default":
        return "default", ADDITIVE
    if word in ("items", "pattern", "format"):
        return "type", BREAKING
    return "catalogue entry", COSMETIC


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _inputs(provider: str, entry: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    schema = input_schema(provider, entry)
    found = schema.get("properties", {})
    return dict(found) if isinstance(found, Mapping) and all(isinstance(one, Mapping) for one in found.values()) else {}


def _required(provider: str, entry: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(map(str, input_schema(provider, entry).get("required") or ()))


def input_schema(provider: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The published schema of a model's inputs, empty where there is none."""
    found: Any = entry
    for step in ("api_schema", "api_schemas", 0, "request_schema") if provider == "wavespeed" else ("input_schema",):
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return {}
    return found if isinstance(found, Mapping) else {}


def _assumed(model: Model, fact: str) -> bool:
    known: tuple[Evidence, ...] = model.evidence.get(fact, ())
    return bool(known) and all(one.mark == "assumed" for one in known)
