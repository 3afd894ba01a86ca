"""What a provider publishes about one model: its inputs, its price, and how both are known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from understudy.contracts.evidence import CatalogueError, Evidence, evidence_from

if TYPE_CHECKING:
    from jsonschema_rs import Validator

PROVIDERS = ("wavespeed", "runcomfy")

_COUNTS = ("max_images", "sequential_image_generation_options", "num_images")
_FORMULA = r"base_price\s*\*\s*(\w+)"
_EXTRA = "x-understudy"


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one provider.

    `input_schema` is the published schema made compilable (`float` read as `number`); `entry` is the catalogue entry
    exactly as published. The price of a job is `price_microdollars`, times the input called `price_field` if there is
    one. `output_format` is "jpeg", "png" or "webp". `readings` maps a switch and a value to a merge patch of the input
    schema.
    """

    provider: str
    model_id: str
    input_schema: dict[str, Any]
    output_format: str
    price_microdollars: int
    price_field: str | None
    entry: dict[str, Any]
    evidence: Mapping[str, tuple[Evidence, ...]]
    readings: Mapping[str, Mapping[str, Mapping[str, Any]]]
    notes: tuple[str, ...] = ()

    def under(self, assumed: Mapping[str, str]) -> Model:
        """This model, its entry too, as the chosen readings describe it: `{"wavespeed.size": "catalogue"}`."""
        patches = [
            self.readings[switch][value] for switch, value in assumed.items() if value in self.readings.get(switch, {})
        ]
        if not patches:
            return self
        published = _input_schema(self.provider, self.model_id, self.entry)
        for patch in patches:
            published = merge_patch(published, patch)
        entry = _entry_with(self.provider, self.entry, published)
        return replace(self, input_schema=_compilable(published), entry=entry)


def model_from_entry(provider: str, entry: Mapping[str, Any], *, model_id: str | None = None) -> Model:
    """A model from what the provider publishes: WaveSpeed's `/models` entry, RunComfy's catalogue entry, or the bare
    input schema of a model page together with its `model_id` (its price is then 0).

    A key `x-understudy` may add `output_format`, `price_field`, `readings`, `notes` and `evidence`.
    Raises CatalogueError.
    """
    check_provider(provider)
    if not isinstance(entry, Mapping):
        raise CatalogueError(f"a model is a JSON object, got {type(entry).__name__}")
    extra = entry.get(_EXTRA, {})
    published = {key: value for key, value in entry.items() if key != _EXTRA}
    if isinstance(published.get("properties"), Mapping) and "model_id" not in published:
        published = _entry_around(provider, published, model_id)
    name = published.get("model_id")
    if not isinstance(name, str) or not name:
        raise CatalogueError(f"a {provider} model needs model_id, a non-empty string; got {name!r}")
    if model_id not in (None, name):
        raise CatalogueError(f'the entry is of "{name}", not of "{model_id}"')
    schema = _compilable(_input_schema(provider, name, published))
    _check_lists(provider, name, published)
    _check_compiles(name, schema)
    count = extra.get("price_field", _price_field(provider, published, schema))
    if count is not None and count not in schema["properties"]:
        raise CatalogueError(f'{name}: the price is multiplied by "{count}", which is not an input')
    return Model(
        provider=provider,
        model_id=name,
        input_schema=schema,
        output_format=extra.get("output_format", "jpeg"),
        price_microdollars=_microdollars(provider, name, published),
        price_field=count,
        entry=published,
        evidence={fact: evidence_from(known) for fact, known in extra.get("evidence", {}).items()},
        readings=extra.get("readings", {}),
        notes=tuple(extra.get("notes", ())),
    )


def check_provider(provider: str) -> None:
    if provider not in PROVIDERS:
        raise CatalogueError(f'unknown provider "{provider}"; there are: {", ".join(PROVIDERS)}')


def _entry_around(provider: str, schema: Mapping[str, Any], model_id: str | None) -> dict[str, Any]:
    if model_id is None:
        raise CatalogueError("a bare input schema does not say whose it is: give its model_id")
    if provider == "wavespeed":
        api = {
            "type": "model_run",
            "method": "POST",
            "server": "https://api.wavespeed.ai",
            "api_path": f"/api/v3/{model_id}",
            "request_schema": dict(schema),
        }
        base = {"model_id": model_id, "name": model_id, "base_price": 0, "description": "", "type": "", "sort_order": 0}
        return {**base, "formula": "", "api_schema": {"api_schemas": [api]}}
    required = schema.get("required", [])
    base = {"model_id": model_id, "display_name": model_id, "description": "", "categories": [], "kind": "model"}
    price = {"base_price_usd": 0, "price_unit": "output", "model_url": f"https://www.runcomfy.com/models/{model_id}"}
    return {**base, **price, "required_inputs": required, "input_schema": dict(schema)}


def _input_schema(provider: str, name: str, published: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        if provider == "wavespeed":
            schema = published["api_schema"]["api_schemas"][0]["request_schema"]
        else:
            schema = published["input_schema"]
        properties = schema["properties"]
        if not isinstance(properties, Mapping) or not all(isinstance(one, Mapping) for one in properties.values()):
            raise TypeError
    except (KeyError, IndexError, TypeError):
        where = {"wavespeed": "api_schema.api_schemas[0].request_schema", "runcomfy": "input_schema"}[provider]
        raise CatalogueError(f"{name}: expected a JSON Schema with properties at {where}") from None
    return dict(schema)


def _check_lists(provider: str, name: str, published: Mapping[str, Any]) -> None:
    """That the lists of an entry which are read one by one hold what they should."""
    if provider == "wavespeed":
        if not all(isinstance(one, Mapping) for one in published["api_schema"]["api_schemas"]):
            raise CatalogueError(f"{name}: api_schema.api_schemas must be an array of objects")
        return
    categories = published.get("categories", [])
    if not isinstance(categories, list) or not all(isinstance(one, str) for one in categories):
        raise CatalogueError(f"{name}: categories must be an array of strings; got {categories!r}")


def _check_compiles(name: str, schema: Mapping[str, Any]) -> None:
    try:
        validator_of(schema)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise CatalogueError(f"{name}: its input schema does not compile: {reason}") from None


def validator_of(schema: Mapping[str, Any]) -> Validator:
    """The validator of an input schema. Raises ValueError for one that does not compile, or that refers to a schema in
    another place: nothing is fetched, neither over the network nor from files."""
    import jsonschema_rs  # late: most of those who import this module only want its types

    return jsonschema_rs.validator_for(dict(schema), retriever=_fetch_nothing)


def _fetch_nothing(uri: str) -> NoReturn:
    raise ValueError("schemas are never fetched, so put it under $defs and refer to that")


def _entry_with(provider: str, entry: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    if provider == "runcomfy":
        return {**entry, "required_inputs": schema.get("required", []), "input_schema": schema}
    first, *others = entry["api_schema"]["api_schemas"]
    return {**entry, "api_schema": {"api_schemas": [{**first, "request_schema": schema}, *others]}}


def _price_field(provider: str, published: Mapping[str, Any], schema: Mapping[str, Any]) -> str | None:
    if provider == "wavespeed":
        match = re.search(_FORMULA, str(published.get("formula") or ""))
        return match[1] if match else None
    per_output = published.get("price_unit") in ("output", "image")
    return next((name for name in _COUNTS if per_output and name in schema["properties"]), None)


def _microdollars(provider: str, name: str, published: Mapping[str, Any]) -> int:
    field = {"wavespeed": "base_price", "runcomfy": "base_price_usd"}[provider]
    price = published.get(field)
    if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < 1e9:
        raise CatalogueError(f"{name}: {field} must be a number of US dollars, 0 or more; got {price!r}")
    return round(price * 1_000_000)


def _compilable(schema: Any) -> Any:
    """The schema with the providers' own words made standard: type `float`, and null as a default that means none,
    which a client may send as well where it may leave the input out."""
    if isinstance(schema, list):
        return [_compilable(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    standard = {key: _compilable(value) for key, value in schema.items()}
    properties, required = schema.get("properties"), schema.get("required", ())
    if isinstance(properties, Mapping) and isinstance(required, list | tuple):
        standard["properties"] = {
            name: _or_null(one) if name not in required and _null_by_default(properties[name]) else one
            for name, one in standard["properties"].items()
        }
    if standard.get("type") == "float":
        standard["type"] = "number"
    if _null_by_default(standard):
        del standard["default"]
    return standard


def _null_by_default(schema: Any) -> bool:
    """Whether null is an input's default, though its type does not allow it."""
    if not isinstance(schema, Mapping) or schema.get("default", 0) is not None:
        return False
    return isinstance(schema.get("type"), str) and schema["type"] != "null"


def _or_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    choices = {"enum": [*schema["enum"], None]} if "enum" in schema and None not in schema["enum"] else {}
    return {**schema, "type": [schema["type"], "null"], **choices}


def merge_patch(schema: Any, patch: Any) -> Any:
    """The JSON merge patch (RFC 7396) of a schema; neither argument is changed."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(schema) if isinstance(schema, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged
