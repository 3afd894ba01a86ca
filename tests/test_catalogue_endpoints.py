"""The catalogues as both providers serve them, and WaveSpeed's paths of the second generation."""

from typing import Any

import pytest
from talking import QUEUE, RUN, RUNCOMFY, WAVESPEED, Talk, conforms, talking

from understudy.contracts import catalogue


def ids(talk: Talk, query: str) -> list[str]:
    return [model["model_id"] for model in talk.get(f"/v1/models?{query}")["models"]]


@pytest.mark.parametrize(("reading", "sample"), [("present", "models"), ("absent", "models-no_formula")])
def test_wavespeeds_models_are_a_bare_array_of_entries_as_published_with_a_formula_and_without(
    reading: str, sample: str
) -> None:
    assume = {"wavespeed.formula": reading}
    with talking(assume=assume) as talk:
        body = talk.get("/api/v3/models")
        assert [] == conforms(body, "wavespeed", "models", assume)
        assert list(catalogue.models("wavespeed")) == [entry["model_id"] for entry in body["data"]]
        assert {reading == "present"} == {"formula" in entry for entry in body["data"]}
        body["data"] = [entry for entry in body["data"] if entry["model_id"] == WAVESPEED]
        assert [] == talk.differs("wavespeed", sample, body)
        price = {"model_id": WAVESPEED, "inputs": {"prompt": "A shoe", "max_images": 2}}
        assert 0.054 == talk.data("/model/price", price)["price"]


def test_an_entry_follows_the_readings_chosen() -> None:
    with talking(assume={"wavespeed.size": "llms"}) as talk:
        (entry,) = (one for one in talk.get("/api/v3/models")["data"] if one["model_id"] == WAVESPEED)
        size = entry["api_schema"]["api_schemas"][0]["request_schema"]["properties"]["size"]
        assert (64, 16_384) == (size["minimum"], size["maximum"])


@pytest.mark.parametrize("sample", ["models", "models-include_schema", "categories", "model", "model-unknown"])
def test_runcomfys_catalogue_answers_as_recorded(talk: Talk, sample: str) -> None:
    assert [] == talk.replay("runcomfy", sample)


def test_runcomfys_catalogue_conforms_to_its_schemas(talk: Talk) -> None:
    for query in ("", "?include_schema=true"):
        assert [] == conforms(talk.get(f"/v1/models{query}"), "runcomfy", "models")
    assert [] == conforms(talk.get("/v1/models/categories"), "runcomfy", "categories")
    for model_id, model in catalogue.models("runcomfy").items():
        body = talk.get(f"/v1/models/{model_id}")
        assert [] == conforms(body, "runcomfy", "model")
        assert model.entry == body


def test_every_page_of_every_size_is_a_slice_of_the_whole(talk: Talk) -> None:
    whole = talk.get("/v1/models")
    every = [model["model_id"] for model in whole["models"]]
    assert (len(every), 100, 0) == (whole["total"], whole["limit"], whole["offset"])
    for limit in (1, 3, 500):
        for offset in (0, 2, len(every), 2**53 - 1):
            page = talk.get(f"/v1/models?limit={limit}&offset={offset}")
            assert every[offset : offset + limit] == [model["model_id"] for model in page["models"]]
            assert (len(every), limit, offset) == (page["total"], page["limit"], page["offset"])


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("limit=0", "limit: must be at least 1"),
        ("offset=9007199254740992", "offset: must be at most 9007199254740991"),
        ("limit=501", "limit: must be at most 500"),
        ("limit=-1", "limit: must be at least 1"),
        ("limit=ten", "limit: must be of type integer, not string"),
        ("limit=1.5", "limit: must be of type integer, not string"),
        ("offset=-1", "offset: must be at least 0"),
        ("offset=%D9%A3", "offset: must be of type integer, not string"),
    ],
)
def test_a_page_that_cannot_be_is_refused(talk: Talk, query: str, text: str) -> None:
    answer = talk.call("GET", f"/v1/models?{query}")
    assert (422, f"Input validation failed: {text}") == (answer.status_code, answer.json()["error_message"])
    (detail,) = answer.json()["detail"]
    assert ["query", query.partition("=")[0]] == detail["loc"]


def test_models_are_found_by_text_category_and_kind(talk: Talk) -> None:
    assert [RUNCOMFY] == ids(talk, "search=SEEDREAM-4-0/EDIT-seq")
    assert [RUNCOMFY] == ids(talk, "search=4.0%20edit%20sequential")
    assert [] == ids(talk, "search=no-such-model")
    every = set(ids(talk, ""))
    edits, texts = set(ids(talk, "category=image-to-image")), set(ids(talk, "category=text-to-image"))
    assert (every, set()) == (edits | texts, edits & texts)
    assert [] == ids(talk, "category=image")
    assert every == set(ids(talk, "kind=model"))
    assert [] == ids(talk, "kind=workflow")


def test_the_schema_is_in_the_list_only_where_it_is_asked_for(talk: Talk) -> None:
    def schemas(query: str) -> set[bool]:
        return {"input_schema" in model for model in talk.get(f"/v1/models{query}")["models"]}

    assert ({False}, {False}, {True}) == (
        schemas(""),
        schemas("?include_schema=false"),
        schemas("?include_schema=true"),
    )


def test_the_catalogues_need_a_key(talk: Talk) -> None:
    for path in ("/api/v3/models", "/v1/models", "/v1/models/categories", f"/v1/models/{RUNCOMFY}"):
        assert 401 == talk.client.get(path).status_code


def test_a_client_of_the_second_generation_submits_and_polls_as_one_of_the_third() -> None:
    with talking() as talk:
        job = talk.post(f"/api/v2/{WAVESPEED}", {"prompt": "A shoe", "max_images": 2})["data"]["id"]
        talk.advance(QUEUE + RUN)
        body = talk.get(f"/api/v2/predictions/{job}/result")
        assert [] == talk.differs("wavespeed", "result-completed-v2_path", body)
        assert talk.get(f"/api/v3/predictions/{job}/result") == body


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/api/v2/balance",
            {"code": 404, "message": "GET /api/v2/balance not found. Please check the path and the method."},
        ),
        ("/prod/v2/deployments", {"error_code": 404001, "error_message": "GET /prod/v2/deployments was not found."}),
    ],
)
def test_what_lies_beside_the_known_paths_is_refused_in_the_providers_words(talk: Talk, path: str, body: Any) -> None:
    answer = talk.call("GET", path)
    assert (404, body) == (answer.status_code, answer.json())
