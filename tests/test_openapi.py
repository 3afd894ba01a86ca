"""The OpenAPI documents: valid under every reading, complete, and with every fact's evidence."""

import re
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from understudy.contracts import catalogue
from understudy.contracts.catalogue import CatalogueError, Sample, Switch, model_from_entry
from understudy.contracts.files import load
from understudy.contracts.inputs import numbers_pattern
from understudy.contracts.openapi import openapi

each_provider = pytest.mark.parametrize("provider", catalogue.PROVIDERS)
each_switch = pytest.mark.parametrize("switch", catalogue.switches(), ids=lambda switch: switch.name)
each_sample = pytest.mark.parametrize(
    "sample",
    [sample for provider in catalogue.PROVIDERS for sample in catalogue.samples(provider)],
    ids=lambda sample: f"{sample.provider}:{sample.name}",
)

# Each is sent to a path that is not in the document: of an unknown model, or of a call that does not exist.
NOWHERE = [
    "cancel-no_endpoint",
    "model-unknown",
    "submit-errors_as_200",
    "submit-unknown_model",
    "submit-unknown_model-400",
]


def problems(document: dict[str, Any]) -> list[str]:
    return [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()]


@each_provider
def test_a_document_is_valid_openapi(provider: str) -> None:
    assert [] == problems(openapi(provider))


@each_switch
def test_a_document_is_valid_under_every_reading(switch: Switch) -> None:
    owner = switch.name.partition(".")[0]
    for provider in {owner} & set(catalogue.PROVIDERS) or catalogue.PROVIDERS:
        for value in set(switch.values) - {switch.default}:
            document = openapi(provider, assumed={switch.name: value})
            assert [] == problems(document), value
            assert {switch.name: value} == document["x-assumed"]


@each_switch
def test_a_reading_of_a_switch_is_known_to_the_operations_that_name_it(switch: Switch) -> None:
    for provider in catalogue.PROVIDERS:
        table = load(f"{provider}/operations.json")
        for entry in (table["secured"], *table["operations"]):
            for asked in (entry.get("x-readings", {}).get(switch.name, {}), entry.get("only", {}).get(switch.name, ())):
                values = {asked} if isinstance(asked, str) else set(asked)
                assert values <= set(switch.values) - {switch.default}


@each_provider
def test_each_model_has_a_path_of_its_own(provider: str) -> None:
    prefix = {"wavespeed": "/api/v3/", "runcomfy": "/v1/models/"}[provider]
    paths = openapi(provider)["paths"]
    for model_id in catalogue.models(provider):
        assert f"submit.{model_id.replace('/', '.')}" == paths[prefix + model_id]["post"]["operationId"]


def test_a_model_of_the_users_own_is_described() -> None:
    own = model_from_entry("wavespeed", {"properties": {"prompt": {"type": "string"}}}, model_id="me/my model")
    document = openapi("wavespeed", models={own.model_id: own})
    assert [] == problems(document)
    assert ["me/my model"] == document["components"]["schemas"]["model-id"]["enum"]
    assert "submit.me.my.model" == document["paths"]["/api/v3/me/my model"]["post"]["operationId"]


def test_wavespeed_has_a_cancel_only_where_it_is_assumed() -> None:
    path = "/api/v3/predictions/{id}/cancel"
    assert path not in openapi("wavespeed")["paths"]
    assert path in openapi("wavespeed", assumed={"wavespeed.cancel": "on"})["paths"]


def test_the_servers_are_the_providers_own_or_the_origin() -> None:
    document = openapi("runcomfy")
    assert [{"url": "https://model-api.runcomfy.net"}] == document["servers"]
    assert [{"url": "https://api.runcomfy.net"}] == document["paths"]["/prod/v2/balance"]["get"]["servers"]
    document = openapi("runcomfy", origin="http://127.0.0.1:8787")
    assert [{"url": "http://127.0.0.1:8787"}] == document["servers"]
    assert "servers" not in document["paths"]["/prod/v2/balance"]["get"]


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(CatalogueError, match="unknown provider"):
        openapi("fal")


@each_sample
def test_a_golden_sample_is_an_example_of_its_operation(sample: Sample) -> None:
    document = openapi(sample.provider, assumed=sample.assume)
    examples = {
        name: example
        for item in (*document["paths"].values(), *document["webhooks"].values())
        for operation in item.values()
        for part in (*operation["responses"].values(), operation.get("requestBody", {}))
        for content in part.get("content", {}).values()
        for name, example in content.get("examples", {}).items()
    }
    if sample.name in NOWHERE:
        assert sample.name not in examples
    else:
        assert sample.body == examples[sample.name]["value"] or sample.request["body"] == examples[sample.name]["value"]


@each_provider
def test_every_operation_parameter_and_input_says_how_it_is_known(provider: str) -> None:
    document = openapi(provider, assumed={"wavespeed.cancel": "on", "wavespeed.webhook_in_body": "on"})
    operations = [one for item in document["paths"].values() for one in item.values()]
    for operation in operations:
        facts = [operation, *operation["parameters"]]
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schema = content["schema"]
            name = schema.get("$ref", "").rpartition("/")[2]
            facts += document["components"]["schemas"].get(name, schema).get("properties", {}).values()
        assert [] == [fact for fact in facts if not fact["x-evidence"]], operation["operationId"]


@each_provider
def test_every_example_of_a_request_is_allowed(provider: str) -> None:
    document = openapi(provider)
    for item in document["paths"].values():
        for operation in item.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schema = {**content["schema"], "components": document["components"]}
                for name, example in content.get("examples", {}).items():
                    assert jsonschema_rs.is_valid(schema, example["value"]), name


def test_the_bounds_of_a_size_are_a_pattern_and_words() -> None:
    size = openapi("wavespeed")["components"]["schemas"]["input.bytedance.seedream-v4"]["properties"]["size"]
    assert "Each side from 1024 to 4096 pixels." in size["description"]
    assert re.match(size["pattern"], "1024*4096")
    for refused in ("1023*1024", "4096*4097", "2048x2048", "2048*2048 ", "02048*2048"):
        assert not re.match(size["pattern"], refused), refused


def test_the_validations_of_an_input_file_are_words() -> None:
    inputs = openapi("runcomfy")["components"]["schemas"]["input.bytedance.seedream-4-0.edit-sequential"]
    assert "File size must be less than 10 MB." in inputs["properties"]["images"]["description"]
    assert "validations" not in inputs["properties"]["images"]


@given(st.integers(0, 20_000), st.integers(0, 20_000), st.integers(0, 30_000))
def test_a_pattern_of_numbers_matches_those_in_range_and_no_other(least: int, width: int, number: int) -> None:
    pattern = re.compile(numbers_pattern(least, least + width))
    for candidate in (number, least, least + width, least - 1, least + width + 1):
        assert (least <= candidate <= least + width) == bool(pattern.fullmatch(str(candidate)))
