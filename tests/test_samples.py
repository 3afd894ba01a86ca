"""The golden samples against their schemas, which are shown to refuse what is not right."""

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest

from understudy.contracts import catalogue
from understudy.contracts.catalogue import Sample
from understudy.contracts.compare import ORIGINS, differences

SAMPLES = [sample for provider in catalogue.PROVIDERS for sample in catalogue.samples(provider)]

OPTIONAL = [
    "sort_order",
    "formula",
    "display_name",
    "description",
    "model_url",
    "required_inputs",
    "input_schema",
    "required",
    "x-order-properties",
    "access_key_name",
    "access_key_uuid",
    "order",
    "prediction",
    "consumption",
    "cost",
]
OPEN = ("request_schema", "input_schema", "input", "properties", "headers")

each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.provider}:{sample.name}")

Place = tuple[str | int, ...]


def validator(sample: Sample) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(catalogue.response_schema(sample.provider, sample.schema, sample.assume))


def keys(body: Any, place: Place = ()) -> Iterator[Place]:
    """The place of every key in a body, except inside what the schema leaves open."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield (*place, key)
            if key not in OPEN:
                yield from keys(value, (*place, key))
    elif isinstance(body, list):
        for index, value in enumerate(body):
            yield from keys(value, (*place, index))


def parent(body: Any, place: Place) -> Any:
    for part in place[:-1]:
        body = body[part]
    return body


@each_sample
def test_a_sample_validates_against_its_schema(sample: Sample) -> None:
    assert [] == [error.message for error in validator(sample).iter_errors(sample.body)]


@each_sample
def test_a_sample_names_its_evidence_and_source(sample: Sample) -> None:
    assert sample.evidence
    assert sample.source


@each_sample
def test_the_places_that_vary_exist(sample: Sample) -> None:
    for pointer in sample.varies:
        value = sample.body
        for part in pointer.split("/")[1:]:
            value = value[int(part)] if isinstance(value, list) else value[part]


@each_sample
def test_a_sample_assumes_switches_and_values_that_exist(sample: Sample) -> None:
    for name, value in sample.assume.items():
        switch = catalogue.switch(name)
        assert value in switch.values
        assert value != switch.default


@each_sample
def test_a_sample_without_one_of_its_fields_is_refused(sample: Sample) -> None:
    accept = []
    for place in keys(sample.body):
        body = copy.deepcopy(sample.body)
        del parent(body, place)[place[-1]]
        if place[-1] not in OPTIONAL and validator(sample).is_valid(body):
            accept.append(place)
    assert [] == accept


@each_sample
def test_a_sample_with_a_field_of_another_type_is_refused(sample: Sample) -> None:
    accept = []
    for place in keys(sample.body):
        body = copy.deepcopy(sample.body)
        # No field of either provider may be both what it is and this.
        parent(body, place)[place[-1]] = {"not": ["what", "was", "promised"]}
        if place[-1] not in ("input", "consumption", "properties", "input_schema") and validator(sample).is_valid(body):
            accept.append(place)
    assert [] == accept


@each_sample
def test_a_sample_with_a_field_too_many_is_refused(sample: Sample) -> None:
    body = copy.deepcopy(sample.body)
    body["surprise"] = 1
    assert not validator(sample).is_valid(body)


def find(provider: str, name: str) -> Sample:
    return next(sample for sample in SAMPLES if (sample.provider, sample.name) == (provider, name))


@pytest.mark.parametrize(
    ("provider", "name", "change"),
    [
        ("wavespeed", "submit-created", {"status": "completed"}),
        ("wavespeed", "submit-created", {"id": "0B" * 16}),
        ("wavespeed", "submit-created", {"created_at": "2025-10-26T08:14:21.684+00:00"}),
        ("wavespeed", "result-processing", {"outputs": ["https://example.com/1.jpeg"]}),
        ("wavespeed", "result-processing", {"error": "broken"}),
        ("wavespeed", "result-completed", {"error": "broken"}),
        ("wavespeed", "result-completed", {"outputs": []}),
        ("wavespeed", "result-completed", {"code": 0}),
        ("wavespeed", "result-completed", {"status": "succeeded"}),
        ("wavespeed", "result-failed", {"error": ""}),
        ("wavespeed", "result-failed", {"code": 0}),
        ("wavespeed", "sync-timeout", {"error": ""}),
        ("runcomfy", "status-in_queue", {"queue_position": "3"}),
        ("runcomfy", "status-in_progress", {"queue_position": 0}),
        ("runcomfy", "status-completed", {"status": "failed"}),
        ("runcomfy", "result-in_queue", {"finished_at": "2026-06-16T16:31:24.116290+00:00"}),
        ("runcomfy", "result-failed", {"output": {"images": ["https://example.com/1.jpeg"]}}),
        ("runcomfy", "result-failed", {"status": "succeeded"}),
        ("runcomfy", "result-succeeded", {"created_at": "2026-06-16T16:31:24.116290Z"}),
        ("runcomfy", "result-succeeded", {"output": {"images": ["https://example.com/1"]}}),
        ("runcomfy", "cancel-queued", {"status": "completed"}),
        ("runcomfy", "cancel-in_progress", {"status": "in_queue"}),
        ("runcomfy", "submit-unknown_model", {"error_code": "404001"}),
        ("runcomfy", "submit-no_images", {"detail": []}),
    ],
)
def test_what_contradicts_its_state_is_refused(provider: str, name: str, change: dict[str, Any]) -> None:
    sample = find(provider, name)
    body = copy.deepcopy(sample.body)
    body.get("data", body).update(change)
    assert not validator(sample).is_valid(body)


def test_the_other_reading_is_refused_by_default() -> None:
    for sample in SAMPLES:
        switches = set(sample.assume) & {"runcomfy.success_word", "wavespeed.execution_time", "runcomfy.cancel_body"}
        if switches:
            schema = catalogue.response_schema(sample.provider, sample.schema)
            assert not jsonschema_rs.is_valid(schema, sample.body), sample.name


def test_every_response_schema_has_a_sample() -> None:
    shared = {("wavespeed", "prediction"), ("runcomfy", "model-entry")}
    described = {(p, name) for p in catalogue.PROVIDERS for name in catalogue.response_names(p)}
    assert described - shared == {(sample.provider, sample.schema) for sample in SAMPLES}


def test_what_is_not_reproduced_says_why() -> None:
    for provider in catalogue.PROVIDERS:
        assert catalogue.unreproducible(provider)
        assert [] == [one.name for one in catalogue.unreproducible(provider) if not (one.source and one.reason)]


def served(sample: Sample) -> Any:
    """The sample as a server of its own would answer it."""
    text = orjson.dumps(sample.body).decode()
    for origin in ORIGINS:
        text = text.replace(origin, "http://127.0.0.1:8787")
    return orjson.loads(text)


@each_sample
def test_a_sample_equals_itself_on_another_origin(sample: Sample) -> None:
    assert [] == differences(sample, served(sample), origin="http://127.0.0.1:8787")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status": "completed"}, ["/data/status: expected 'created', got 'completed'"]),
        ({"error": None}, ["/data/error: expected '', got None"]),
        ({"outputs": ["x"]}, ["/data/outputs: expected 0 items, got 1"]),
        ({"id": "0" * 32}, []),
        ({"id": 5}, ["/data/id: expected '4f1c0e2ab7d94c5f8e6a3b2d1c0f9e87', got 5"]),
    ],
)
def test_a_difference_is_told_with_its_place(change: dict[str, Any], told: list[str]) -> None:
    sample = find("wavespeed", "submit-created")
    body = served(sample)
    body["data"].update(change)
    assert told == differences(sample, body, origin="http://127.0.0.1:8787")


def test_fields_in_another_order_are_a_difference() -> None:
    sample = find("runcomfy", "cancel-queued")
    body = dict(reversed(served(sample).items()))
    assert [
        "the body: expected the fields request_id, status, outcome, got outcome, status, request_id"
    ] == differences(sample, body, origin="http://127.0.0.1:8787")
