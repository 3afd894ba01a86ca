"""The catalogue: models, switches, and the evidence of each."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from understudy.contracts import catalogue
from understudy.contracts.catalogue import CatalogueError, Evidence, Model, Switch
from understudy.contracts.evidence import evidence_from
from understudy.contracts.files import load
from understudy.contracts.models import model_from_entry

ROOT = Path(__file__).parent.parent
CONTRACTS = Path(catalogue.__file__).parent
MODELS = [model for provider in catalogue.PROVIDERS for model in catalogue.models(provider).values()]
WAVESPEED = catalogue.models("wavespeed")["bytedance/seedream-v4/edit-sequential"]
RUNCOMFY = catalogue.models("runcomfy")["bytedance/seedream-4-0/edit-sequential"]

each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.provider}:{model.model_id}")
each_switch = pytest.mark.parametrize("switch", catalogue.switches(), ids=lambda switch: switch.name)


def properties(model: Model) -> dict[str, dict[str, Any]]:
    return dict(model.input_schema["properties"])


@each_model
def test_an_input_schema_compiles(model: Model) -> None:
    jsonschema_rs.meta.validate(model.input_schema)
    jsonschema_rs.validator_for(model.input_schema)


@each_model
def test_a_default_satisfies_its_own_schema(model: Model) -> None:
    for name, schema in properties(model).items():
        if "default" in schema:
            assert jsonschema_rs.is_valid(schema, schema["default"]), name


@each_model
def test_required_inputs_are_inputs(model: Model) -> None:
    assert set() == set(model.input_schema["required"]) - set(properties(model))


@each_model
def test_every_input_and_every_published_fact_has_evidence(model: Model) -> None:
    facts = [f"inputs.{name}" for name in properties(model)]
    facts += [key for key in model.entry if key != "input_schema"]
    assert [] == [fact for fact in facts if not model.evidence[fact]]
    assert model.evidence["output_format"]


@each_model
def test_the_entry_is_as_published(model: Model) -> None:
    assert "x-understudy" not in model.entry
    assert model.model_id == model.entry["model_id"]
    assert model == catalogue.model_from_entry(model.provider, {**model.entry, "x-understudy": own_part(model)})


def own_part(model: Model) -> dict[str, Any]:
    name = model.model_id.replace("/", ".")
    part: dict[str, Any] = load(f"{model.provider}/models/{name}.json")["x-understudy"]
    return part


@each_model
def test_a_reading_of_a_model_belongs_to_a_switch_and_compiles(model: Model) -> None:
    for name, values in model.readings.items():
        assert set(values) <= set(catalogue.switch(name).values) - {catalogue.switch(name).default}
        for value in values:
            other = model.under({name: value})
            assert model.input_schema != other.input_schema
            jsonschema_rs.validator_for(other.input_schema)


def test_the_prices_are_integers_and_multiplied_by_the_number_asked_for() -> None:
    assert (27_000, "max_images") == (WAVESPEED.price_microdollars, WAVESPEED.price_field)
    assert "sequential_image_generation_options" == RUNCOMFY.price_field
    flat = catalogue.models("wavespeed")["bytedance/seedream-v4.5"]
    assert (40_000, None) == (flat.price_microdollars, flat.price_field)


def test_the_seed_page_is_the_default_of_edit_sequential() -> None:
    inputs = properties(WAVESPEED)
    assert ["prompt"] == WAVESPEED.input_schema["required"]
    assert (1024, 4096, "2048*2048") == tuple(inputs["size"][key] for key in ("minimum", "maximum", "default"))
    assert (1, 15, 1) == tuple(inputs["max_images"][key] for key in ("minimum", "maximum", "default"))
    assert ([], 10) == (inputs["images"]["default"], inputs["images"]["maxItems"])
    assert ["images", "text"] == RUNCOMFY.input_schema["required"]
    assert "2560:1440 (16:9)" == properties(RUNCOMFY)["image_size"]["default"]


def test_a_model_changes_with_the_readings_chosen() -> None:
    strict = WAVESPEED.under({"wavespeed.images": "required", "wavespeed.size": "llms", "wavespeed.nsfw": "flags"})
    assert ["prompt", "images"] == strict.input_schema["required"]
    assert "default" not in properties(strict)["images"]
    assert 64 == properties(strict)["size"]["minimum"]
    assert 1024 == properties(WAVESPEED)["size"]["minimum"]
    assert WAVESPEED is WAVESPEED.under({"wavespeed.size": "seed"})


def test_the_entry_of_a_model_changes_with_its_inputs() -> None:
    count = RUNCOMFY.under({"runcomfy.count_required": "on"})
    assert ["images", "text", "sequential_image_generation_options"] == count.entry["required_inputs"]
    strict = WAVESPEED.under({"wavespeed.images": "required"})
    assert strict.input_schema == strict.entry["api_schema"]["api_schemas"][0]["request_schema"]
    assert list(RUNCOMFY.entry) == list(count.entry)


def test_an_unknown_provider_is_refused_with_those_that_exist() -> None:
    with pytest.raises(CatalogueError, match=r'^unknown provider "fal"; there are: wavespeed, runcomfy$'):
        catalogue.models("fal")


def test_a_users_own_model_may_be_a_bare_schema_with_the_providers_own_words() -> None:
    page = {
        "type": "object",
        "properties": {"strength": {"type": "float", "default": 0.5}, "seed": {"type": "integer", "default": None}},
    }
    model = catalogue.model_from_entry("runcomfy", page, model_id="me/mine")
    assert {"strength": {"type": "number", "default": 0.5}, "seed": {"type": ["integer", "null"]}} == properties(model)
    assert (0, None, "jpeg") == (model.price_microdollars, model.price_field, model.output_format)
    assert page == model.entry["input_schema"]
    assert page == model.entry["input_schema"]
    api = catalogue.model_from_entry("wavespeed", page, model_id="me/mine").entry["api_schema"]["api_schemas"][0]
    assert (page, "/api/v3/me/mine") == (api["request_schema"], api["api_path"])


def test_a_users_own_model_may_be_an_entry() -> None:
    model = catalogue.model_from_entry("wavespeed", WAVESPEED.entry)
    assert WAVESPEED.input_schema == model.input_schema
    assert (27_000, "max_images") == (model.price_microdollars, model.price_field)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"properties": {}}, "a bare input schema does not say whose it is: give its model_id"),
        ({}, "a runcomfy model needs model_id, a non-empty string; got None"),
        ({"model_id": "a/b"}, "a/b: expected a JSON Schema with properties at input_schema"),
        (
            {"model_id": "a/b", "input_schema": {"properties": {}}},
            "a/b: base_price_usd must be a number of US dollars, 0 or more; got None",
        ),
        (
            {"model_id": "a/b", "input_schema": {"properties": {"x": {"type": "text"}}}, "base_price_usd": 1},
            'a/b: its input schema does not compile: "text" is not valid under any of the schemas listed in the '
            "'anyOf' keyword",
        ),
        ([], "a model is a JSON object, got list"),
    ],
)
def test_an_unusable_entry_is_refused_with_what_is_expected(entry: Any, message: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        catalogue.model_from_entry("runcomfy", entry)
    assert message == str(caught.value)


@each_switch
def test_a_switch_has_a_default_two_values_and_evidence_for_each(switch: Switch) -> None:
    assert switch.default in switch.values
    assert len(switch.values) > 1
    for value, reading in switch.readings.items():
        assert reading.means, value
        assert reading.evidence, value


@each_switch
def test_a_switch_of_two_states_is_off_or_on(switch: Switch) -> None:
    if {"on", "off"} & set(switch.values):
        assert ("off", "on") == switch.values
        assert "off" == switch.default


def test_switch_names_are_unique_and_an_unknown_one_is_refused() -> None:
    names = [switch.name for switch in catalogue.switches()]
    assert len(names) == len(set(names))
    with pytest.raises(CatalogueError, match=r'^no switch is called "cancel"; there are: wavespeed\.cancel, '):
        catalogue.switch("cancel")


def evidence(value: Any) -> Iterator[dict[str, str]]:
    if isinstance(value, dict) and set(value) == {"mark", "source"}:
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from evidence(one)


def test_every_source_of_a_documented_or_observed_fact_is_explained() -> None:
    known = {name for provider in catalogue.PROVIDERS for name in catalogue.sources(provider)}
    unknown = set()
    for file in CONTRACTS.rglob("*.json"):
        folder = file.relative_to(CONTRACTS).parts[0]
        names = set(catalogue.sources(folder)) if folder in catalogue.PROVIDERS else known
        for entry in evidence(json.loads(file.read_text())):
            source = re.split(r"[ /]", entry["source"])[0]
            if entry["mark"] in ("documented", "observed") and not source.startswith("#") and source not in names:
                unknown.add((folder, source))
    assert set() == unknown


def test_evidence_names_how_a_fact_is_known() -> None:
    known = catalogue.switch("runcomfy.auth_error").readings["400"].evidence
    assert (Evidence("documented", "D-MODEL"),) == known


def test_every_data_file_ships_in_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    globs = project["tool"]["setuptools"]["package-data"]["understudy.contracts"]
    files = [file.relative_to(CONTRACTS).as_posix() for file in CONTRACTS.rglob("*.json")]
    assert files
    # setuptools' `*` stops at a slash, fnmatch's does not.
    assert [
        file for file in files if not any(fnmatch(file, one) and file.count("/") == one.count("/") for one in globs)
    ] == []


def test_importing_the_catalogue_imports_nothing_heavy() -> None:
    program = (
        "import sys; before = set(sys.modules); import understudy.contracts.catalogue;"
        "new = set(sys.modules) - before;"
        "print(new & {'orjson', 'jsonschema_rs', 'importlib.resources', 'hypothesis', 'httpx'})"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "set()\n" == printed


@pytest.mark.parametrize("folder", ["wavespeed", "runcomfy", "seedream"])
def test_a_switch_lists_as_values_exactly_what_it_has_readings_for(folder: str) -> None:
    content = files("understudy.contracts").joinpath(folder, "switches.json").read_bytes()

    for one in orjson.loads(content):
        assert one["values"] == list(one["readings"]), one["name"]


def test_a_mark_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(
        CatalogueError, match=r'^unknown mark "guessed" of REC1; a fact is one of: documented, observed, '
    ):
        evidence_from([{"mark": "guessed", "source": "REC1"}])


SCHEMA = {"type": "object", "properties": {"prompt": {"type": "string"}}}


def test_an_entry_of_another_model_than_asked_for_is_refused() -> None:
    entry = {"model_id": "a/b", "base_price_usd": 0, "price_unit": "output", "input_schema": SCHEMA}

    with pytest.raises(CatalogueError, match=r'^the entry is of "a/b", not of "c/d"$'):
        model_from_entry("runcomfy", entry, model_id="c/d")


def test_a_price_by_an_input_that_there_is_not_is_refused() -> None:
    with pytest.raises(CatalogueError, match=r'^a/b: the price is multiplied by "count", which is not an input$'):
        model_from_entry("runcomfy", {**SCHEMA, "x-understudy": {"price_field": "count"}}, model_id="a/b")


def test_an_entry_without_properties_is_refused() -> None:
    entry = {"model_id": "a/b", "input_schema": {"properties": ["prompt"]}}

    with pytest.raises(CatalogueError, match=r"^a/b: expected a JSON Schema with properties at input_schema$"):
        model_from_entry("runcomfy", entry)
