"""The response schemas: themselves valid, with evidence for every property, under every reading."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from understudy.contracts import catalogue
from understudy.contracts.catalogue import CatalogueError
from understudy.contracts.files import load

SCHEMAS = [(provider, name) for provider in catalogue.PROVIDERS for name in catalogue.response_names(provider)]
READINGS = [(switch.name, value) for switch in catalogue.switches() for value in switch.values]

each_schema = pytest.mark.parametrize(("provider", "name"), SCHEMAS)


def declared(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every property that a schema declares; conditions only narrow those declared elsewhere."""
    if isinstance(schema, list):
        for index, one in enumerate(schema):
            yield from declared(one, f"{path}/{index}")
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("if", "then", "else", "x-evidence"):
                continue
            if key == "properties":
                for name, one in value.items():
                    if "$ref" not in schema:  # beside a reference, properties narrow what it declares
                        yield f"{path}/{name}", one
                    yield from declared(one, f"{path}/{name}")
            else:
                yield from declared(value, f"{path}/{key}")


@each_schema
def test_a_schema_is_valid_and_needs_no_network(provider: str, name: str) -> None:
    schema = catalogue.response_schema(provider, name)
    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]
    assert f"https://understudy.invalid/{provider}/responses/{name}.json" == schema["$id"]
    assert schema["title"]
    jsonschema_rs.meta.validate(schema)
    jsonschema_rs.Draft202012Validator(schema)


@each_schema
def test_a_schema_is_valid_under_every_reading(provider: str, name: str) -> None:
    for switch, value in READINGS:
        schema = catalogue.response_schema(provider, name, {switch: value})
        jsonschema_rs.meta.validate(schema)
        jsonschema_rs.Draft202012Validator(schema)


@each_schema
def test_every_property_has_evidence(provider: str, name: str) -> None:
    missing = [path for path, one in declared(catalogue.response_schema(provider, name)) if not one.get("x-evidence")]
    assert [] == missing


@each_schema
def test_every_condition_on_a_state_has_evidence(provider: str, name: str) -> None:
    conditions = catalogue.response_schema(provider, name).get("$defs", {})
    assert [] == [key for key, one in conditions.items() if "$id" not in one and not one["x-evidence"]]


@each_schema
def test_readings_name_switches_and_values_that_exist(provider: str, name: str) -> None:
    readings = load(f"{provider}/responses/{name}.json").get("x-readings", {})
    for switch, values in readings.items():
        assert set(values) <= set(catalogue.switch(switch).values) - {catalogue.switch(switch).default}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("submit", {"request_id", "status_url", "result_url", "cancel_url"}),
        ("cancel", {"request_id", "status", "outcome"}),
        ("status", {"request_id", "status", "queue_position", "status_url", "result_url"}),
    ],
)
def test_a_strict_reader_of_runcomfy_knows_every_field(name: str, fields: set[str]) -> None:
    schema = catalogue.response_schema("runcomfy", name)
    assert fields == set(schema["properties"])
    assert fields - {"queue_position"} == set(schema["required"])
    assert schema["additionalProperties"] is False


def test_an_unknown_response_is_refused_with_those_that_exist() -> None:
    with pytest.raises(CatalogueError, match=r'^runcomfy has no response "webhook-event"; there are: balance, '):
        catalogue.response_schema("runcomfy", "webhook-event")
