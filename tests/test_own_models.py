"""Models of the user's own, models that nobody knows, and what becomes of keys that a schema does not name."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live import MakeLive
from talking import QUEUE, RUN, WAVESPEED, conforms, talking

from understudy.contracts import catalogue
from understudy.contracts.catalogue import model_from_entry
from understudy.mockserver.images import LARGEST_SIDE
from understudy.mockserver.inputs import MOST_IMAGES, read_inputs
from understudy.mockserver.media_rules import MediaPolicy
from understudy.mockserver.own_models import is_model_id, parse_models, stand_in
from understudy.mockserver.settings import SettingsError, load
from understudy.mockserver.validation import InputRules

SCHEMA = {
    "type": "object",
    "properties": {"prompt": {"type": "string"}, "num_images": {"type": "integer", "maximum": 4, "default": 2}},
    "required": ["prompt"],
}
SCHEMAS = [
    {
        "type": "model_run",
        "method": "POST",
        "server": "https://api.wavespeed.ai",
        "api_path": "/api/v3/acme/dream/v1",
        "request_schema": {**SCHEMA, "additionalProperties": False},
    }
]
WAVESPEED_ENTRY: dict[str, Any] = {
    "model_id": "acme/dream/v1",
    "name": "acme/dream/v1",
    "base_price": 0.5,
    "description": "Dreams.",
    "type": "text-to-image",
    "formula": '{"total_price": base_price * num_images}',
    "api_schema": {"api_schemas": SCHEMAS},
}
RUNCOMFY_ENTRY: dict[str, Any] = {
    "model_id": "acme/dream",
    "display_name": "Dream",
    "categories": ["text-to-dream"],
    "kind": "model",
    "base_price_usd": 0.25,
    "price_unit": "output",
    "input_schema": SCHEMA,
}


def write(folder: Path, content: object) -> str:
    path = folder / "models.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def test_both_providers_entries_are_served_as_they_were_published(tmp_path: Path) -> None:
    with talking(models=parse_models(write(tmp_path, [WAVESPEED_ENTRY, RUNCOMFY_ENTRY]))) as talk:
        body = talk.get("/api/v3/models")
        assert [] == conforms(body, "wavespeed", "models")
        (entry,) = (one for one in body["data"] if one["model_id"] == "acme/dream/v1")
        assert entry["api_schema"]["api_schemas"][0].pop("server") == talk.origin
        assert SCHEMA | {"additionalProperties": False} == entry["api_schema"]["api_schemas"][0]["request_schema"]
        assert RUNCOMFY_ENTRY == talk.get("/v1/models/acme/dream")
        assert "text-to-dream" in talk.get("/v1/models/categories")["categories"]
        job = talk.data("/acme/dream/v1", {"prompt": "A shoe", "unknown": 1})["id"]
        request = talk.post("/v1/models/acme/dream", {"prompt": "A shoe", "num_images": 4})["request_id"]
        talk.advance(QUEUE + RUN)
        assert 2 == len(talk.get(f"/api/v3/predictions/{job}")["data"]["outputs"])
        result = talk.get(f"/v1/requests/{request}/result?include_cost=true")
        assert (4, 1.0) == (len(result["output"]["images"]), result["cost"])
        assert 999_999 == talk.get("/api/v3/balance")["data"]["balance"]
        assert 400 == talk.call("POST", "/api/v3/acme/dream/v1", {"num_images": 5, "prompt": "A shoe"}).status_code
        assert 422 == talk.call("POST", "/v1/models/acme/dream", {}).status_code


@pytest.mark.parametrize(
    ("more", "provider"),
    [({}, "runcomfy"), ({"provider": "runcomfy"}, "runcomfy"), ({"provider": "wavespeed"}, "wavespeed")],
)
def test_a_bare_page_schema_is_of_runcomfy_unless_it_says_otherwise(
    tmp_path: Path, more: dict[str, str], provider: str
) -> None:
    (model,) = parse_models(write(tmp_path, {"model_id": "acme/dream", "input_schema": SCHEMA, **more}))
    assert (provider, "acme/dream", 0) == (model.provider, model.model_id, model.price_microdollars)
    assert SCHEMA == model.input_schema


@pytest.mark.parametrize(
    "content",
    [
        WAVESPEED_ENTRY,
        [WAVESPEED_ENTRY],
        {"code": 200, "message": "success", "data": [WAVESPEED_ENTRY]},
        {"models": [WAVESPEED_ENTRY], "total": 1},
        {**WAVESPEED_ENTRY, "provider": "wavespeed"},
    ],
)
def test_one_entry_an_array_and_a_whole_answer_are_the_same(tmp_path: Path, content: object) -> None:
    (model,) = parse_models(write(tmp_path, content))
    assert ("wavespeed", "acme/dream/v1", 500_000, "num_images") == (
        model.provider,
        model.model_id,
        model.price_microdollars,
        model.price_field,
    )


def test_every_shipped_entry_is_accepted_as_a_file(tmp_path: Path) -> None:
    for provider in catalogue.PROVIDERS:
        shipped = catalogue.models(provider)
        found = parse_models(write(tmp_path, [model.entry for model in shipped.values()]))
        assert list(shipped) == [model.model_id for model in found]


def test_an_own_model_takes_the_place_of_a_shipped_one(tmp_path: Path) -> None:
    own = {**WAVESPEED_ENTRY, "model_id": WAVESPEED, "base_price": 9}
    with talking(models=parse_models(write(tmp_path, own))) as talk:
        assert 9 == talk.data("/model/price", {"model_id": WAVESPEED})["price"]


EXPECTED = (
    "expected a WaveSpeed /models entry, a RunComfy catalogue entry, or "
    '{"model_id": ..., "input_schema": {...}}, with "provider" where the shape does not tell'
)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([], f"holds no models: {EXPECTED}"),
        ("nonsense", "cannot be read as JSON: Expecting value: line 1 column 1 (char 0)"),
        (7, f"entry 1: it has no model_id; {EXPECTED}"),
        ([WAVESPEED_ENTRY, {"name": "x"}], f"entry 2: it has no model_id; {EXPECTED}"),
        ({"model_id": "acme/dream"}, f'entry 1: "acme/dream": its provider cannot be told; {EXPECTED}'),
        (
            {"model_id": "acme/dream", "provider": "acme"},
            f'entry 1: "acme/dream": its provider cannot be told; {EXPECTED}',
        ),
        (
            {"model_id": "dream", "input_schema": SCHEMA},
            'entry 1: "dream" cannot be called over HTTP: expected an id such as vendor/model',
        ),
        (
            {"model_id": "predictions/x", "input_schema": SCHEMA, "provider": "wavespeed"},
            'entry 1: "predictions/x" cannot be called over HTTP: expected an id such as vendor/model',
        ),
        (
            {"model_id": "acme/dream", "input_schema": {"type": "object"}},
            'entry 1: "acme/dream": expected a JSON Schema with properties at input_schema',
        ),
        (
            {**RUNCOMFY_ENTRY, "base_price_usd": "free"},
            "entry 1: acme/dream: base_price_usd must be a number of US dollars, 0 or more; got 'free'",
        ),
        (
            {**WAVESPEED_ENTRY, "api_schema": {}},
            "entry 1: acme/dream/v1: expected a JSON Schema with properties at "
            "api_schema.api_schemas[0].request_schema",
        ),
        (
            {**RUNCOMFY_ENTRY, "x-understudy": {"output_format": "gif"}},
            'entry 1: "acme/dream": output_format must be one of jpeg, png, webp',
        ),
        (
            {"provider": "wavespeed", "model_id": "acme/dream", "input_schema": {"type": "object"}},
            'entry 1: "acme/dream": expected a JSON Schema with properties at input_schema',
        ),
        (
            {**RUNCOMFY_ENTRY, "x-understudy": []},
            f"entry 1: \"acme/dream\": AttributeError(\"'list' object has no attribute 'get'\"); {EXPECTED}",
        ),
        (
            SCHEMA,
            "entry 1: it has no model_id: around a bare input schema, write "
            '{"provider": "runcomfy", "model_id": "vendor/model", "input_schema": {...}}',
        ),
        (
            {**RUNCOMFY_ENTRY, "categories": 5},
            "entry 1: acme/dream: categories must be an array of strings; got 5",
        ),
        (
            {**RUNCOMFY_ENTRY, "categories": ["a", 5]},
            "entry 1: acme/dream: categories must be an array of strings; got ['a', 5]",
        ),
        (
            {**WAVESPEED_ENTRY, "api_schema": {"api_schemas": [*SCHEMAS, 5]}},
            "entry 1: acme/dream/v1: api_schema.api_schemas must be an array of objects",
        ),
        (
            {**RUNCOMFY_ENTRY, "input_schema": {"properties": {"prompt": True}}},
            "entry 1: acme/dream: expected a JSON Schema with properties at input_schema",
        ),
        (
            {**RUNCOMFY_ENTRY, "input_schema": {"properties": {"a": {"$ref": "https://example.com/a.json"}}}},
            "entry 1: acme/dream: its input schema does not compile: Resource 'https://example.com/a.json' is not "
            "present in a registry and retrieving it failed: ValueError: schemas are never fetched, so put it under "
            "$defs and refer to that",
        ),
        ([RUNCOMFY_ENTRY, RUNCOMFY_ENTRY], 'entry 2: runcomfy has "acme/dream" already; remove one'),
    ],
)
def test_what_is_wrong_with_a_file_is_said_at_the_start(tmp_path: Path, content: object, text: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(SettingsError) as refused:
        load({"models": path}, {}, None)
    assert f"models (from --models): {path!r}{'' if text.startswith(('holds', 'cannot')) else ','} {text}." == str(
        refused.value
    )


@pytest.mark.parametrize(
    ("provider", "path", "refused"),
    [("wavespeed", "/api/v3/acme/dream", 400), ("runcomfy", "/v1/models/acme/dream", 422)],
)
def test_null_is_taken_where_it_is_the_default_that_was_published(
    tmp_path: Path, provider: str, path: str, refused: int
) -> None:
    properties = {
        "prompt": {"type": "string", "default": None},
        "style": {"type": "string", "enum": ["oil", "ink"], "default": None},
        "size": {"type": "string", "minimum": 64, "maximum": 128, "default": None},
        "seed": {"type": "integer"},
    }
    schema = {"type": "object", "properties": properties, "required": ["prompt"]}
    content = {"model_id": "acme/dream", "input_schema": schema, "provider": provider}
    more = ({"style": None, "size": None}, {"seed": None}, {"prompt": None}, {"style": "wax"}, {"size": "9*9"})
    with talking(models=parse_models(write(tmp_path, content))) as talk:
        statuses = [talk.call("POST", path, {"prompt": "A shoe", **one}).status_code for one in more]
        assert [200, *[refused] * 4] == statuses
        document = talk.client.get(f"/_understudy/openapi/{provider}.json").json()
        inputs = document["components"]["schemas"]["input.acme.dream"]["properties"]
        assert (["string", "null"], ["oil", "ink", None]) == (inputs["style"]["type"], inputs["style"]["enum"])
        assert (["string", "null"], "string") == (inputs["size"]["type"], inputs["prompt"]["type"])
        assert "pattern" in inputs["size"]
        assert 200 == talk.client.get(f"/_understudy/docs/{provider}").status_code


def test_an_image_without_validations_is_not_measured(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"image": {"type": "string", "format": "image_uri"}}}
    path = write(tmp_path, {"model_id": "acme/dream", "input_schema": schema})
    with talking(models=parse_models(path)) as talk:
        film = {"image": file_of("video/mp4", b"film")}
        assert 200 == talk.call("POST", "/v1/models/acme/dream", film).status_code


def test_null_that_says_no_more_than_its_absence_is_left_out() -> None:
    inputs = {"a": {"type": "string", "default": None}, "b": {"type": ["integer", "null"], "default": 5}}
    model = model_from_entry("runcomfy", {"type": "object", "properties": inputs}, model_id="acme/dream")
    rules = InputRules(model, MediaPolicy())
    assert {"b": None} == rules.complete({"a": None, "b": None})
    assert {"a": "x", "b": 5} == rules.complete({"a": "x"})


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^models \(from UNDERSTUDY_MODELS\): .* cannot be read as JSON: .*file"):
        load({}, {"UNDERSTUDY_MODELS": str(tmp_path / "none.json")}, None)


NUMBERS = st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=4), values, max_size=3),
    max_leaves=6,
)
KEYS = ["prompt", "text", "images", "image", "image_urls", "seed", "size", "image_size", "aspect_ratio", "resolution"]
KEYS += ["output_format", "max_images", "num_images", "sequential_image_generation_options"]
SIDES = st.sampled_from(
    ["0*5", "5*0", "99999*99999", "16384*16384", "16385*1", "0:1", "1:0", "64:1", "65:1", "99999:1"]
)


@settings(max_examples=200, deadline=None)
@given(inputs=st.dictionaries(st.sampled_from(KEYS), ANYTHING | SIDES))
def test_any_object_whatever_asks_for_something_that_can_be_drawn(inputs: dict[str, Any]) -> None:
    for price_field in (None, "max_images"):
        published = {"type": "object", "properties": {"max_images": {}}, "x-understudy": {"price_field": price_field}}
        found = read_inputs(model_from_entry("wavespeed", published, model_id="a/b"), inputs)
        assert 1 <= found.count <= MOST_IMAGES
        assert 1 <= found.width <= LARGEST_SIDE
        assert 1 <= found.height <= LARGEST_SIDE
        assert found.image_format in ("jpeg", "png", "webp")


def test_unknown_models_are_not_found_unless_any_model_will_do() -> None:
    for accepted in (False, True):
        with talking(any_model=accepted) as talk:
            answers = [
                talk.call("POST", "/api/v3/acme/dream", {"whatever": [1]}),
                talk.call("POST", "/v1/models/acme/dream", {}),
                talk.call("POST", "/api/v3/model/price", {"model_id": "acme/dream", "inputs": {"x": None}}),
                talk.call("GET", "/v1/models/acme/dream"),
            ]
            assert [200 if accepted else 404] * 4 == [answer.status_code for answer in answers]
            if accepted:
                assert [] == conforms(answers[3].json(), "runcomfy", "model")
                assert 0 == answers[2].json()["data"]["price"]
                job = answers[0].json()["data"]["id"]
                talk.advance(QUEUE + RUN)
                assert 1 == len(talk.get(f"/api/v3/predictions/{job}/result")["data"]["outputs"])


@pytest.mark.parametrize(
    "path", ["/api/v3/dream", "/api/v3/predictions/x/cancel", "/api/v3/media/x", "/api/v3/a//b", "/api/v3/"]
)
def test_not_every_path_is_a_model(path: str) -> None:
    with talking(any_model=True) as talk:
        assert 404 == talk.call("POST", path, {}).status_code


def test_any_model_takes_any_object_and_nothing_else() -> None:
    with talking(any_model=True) as talk:
        assert [400, 422] == [talk.call("POST", path, []).status_code for path in ("/api/v3/a/b", "/v1/models/a/b")]


def test_a_stand_in_has_no_price_and_can_be_called_like_any_model() -> None:
    assert 0 == stand_in("wavespeed", "acme/dream").price_microdollars
    assert (True, True, False) == (
        is_model_id("wavespeed", "acme/dream"),
        is_model_id("runcomfy", "balance/x"),
        is_model_id("wavespeed", "balance/x"),
    )


@pytest.mark.parametrize(("text", "value"), [("on", True), ("off", False)])
def test_any_model_is_on_or_off_in_every_source(tmp_path: Path, text: str, value: bool) -> None:
    (tmp_path / "settings.toml").write_text(f"any_model = {str(value).lower()}\n")
    assert value is load({}, {"UNDERSTUDY_ANY_MODEL": text}, None).any_model
    assert value is load({}, {}, str(tmp_path / "settings.toml")).any_model
    assert value is load({"any_model": text}, {}, None).any_model


def test_any_model_is_nothing_but_on_or_off(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load({}, {"UNDERSTUDY_ANY_MODEL": "1"}, None)
    assert "any_model (from UNDERSTUDY_ANY_MODEL): '1' is neither on nor off." == str(refused.value)
    (tmp_path / "settings.toml").write_text("port = true\n")
    with pytest.raises(SettingsError, match="True is a bool: expected text or a number"):
        load({}, {}, str(tmp_path / "settings.toml"))


@pytest.mark.parametrize(("reading", "status"), [("dropped", 200), ("refused", 400)])
def test_unknown_keys_are_dropped_or_refused(reading: str, status: int) -> None:
    with talking(assume={"wavespeed.unknown_keys": reading}) as talk:
        body = {"prompt": "A shoe", "seed": 7, "max_images": 2}
        assert status == talk.call("POST", f"/api/v3/{WAVESPEED}", body).status_code
        if reading == "refused":
            assert [] == talk.replay("wavespeed", "submit-unknown_key")
            assert 200 == talk.call("POST", f"/api/v3/{WAVESPEED}", {"prompt": "A shoe"}).status_code


@pytest.mark.parametrize(("reading", "status"), [("refused", 400), ("dropped", 200)])
def test_null_for_an_optional_input_is_refused_or_dropped(reading: str, status: int) -> None:
    with talking(assume={"wavespeed.null_inputs": reading}) as talk:
        body = {"prompt": "A shoe", "size": None, "max_images": None}
        assert status == talk.call("POST", f"/api/v3/{WAVESPEED}", body).status_code
        assert 400 == talk.call("POST", f"/api/v3/{WAVESPEED}", {"prompt": None}).status_code


def test_the_other_provider_keeps_to_its_schema_whatever_is_assumed_of_wavespeed() -> None:
    with talking(assume={"wavespeed.unknown_keys": "refused", "wavespeed.null_inputs": "dropped"}) as talk:
        body = {"text": "A shoe", "images": ["https://example.com/a.png"]}
        answers = [
            talk.call("POST", "/v1/models/bytedance/seedream-4-0/edit-sequential", {**body, **more}).status_code
            for more in ({"unknown": 1}, {"seed": None})
        ]
        assert [200, 422] == answers


@pytest.mark.parametrize(("reading", "status"), [("off", 200), ("on", 422)])
def test_the_number_of_images_may_be_left_out_or_not(reading: str, status: int) -> None:
    with talking(assume={"runcomfy.count_required": reading}) as talk:
        body = {"text": "A shoe", "images": ["https://example.com/a.png"]}
        path = "/v1/models/bytedance/seedream-4-0/edit-sequential"
        assert status == talk.call("POST", path, body).status_code
        assert 200 == talk.call("POST", path, {**body, "sequential_image_generation_options": 1}).status_code


@pytest.mark.parametrize(("reading", "status"), [("ignored", 200), ("required", 422)])
def test_image_urls_may_be_left_out_or_not(reading: str, status: int) -> None:
    with talking(assume={"runcomfy.image_urls": reading}) as talk:
        path = "/v1/models/bytedance/seedream-4-5/edit"
        assert status == talk.call("POST", path, {"prompt": "A shoe"}).status_code
        body = {"prompt": "A shoe", "image_urls": ["https://example.com/a.png"]}
        assert 200 == talk.call("POST", path, body).status_code


def test_the_webhook_in_the_body_is_known_where_it_counts() -> None:
    with talking(assume={"wavespeed.unknown_keys": "refused", "wavespeed.webhook_in_body": "on"}) as talk:
        body = {"prompt": "A shoe", "webhook_url": ""}
        assert 200 == talk.call("POST", f"/api/v3/{WAVESPEED}", body).status_code
        assert 400 == talk.call("POST", f"/api/v3/{WAVESPEED}", {**body, "webhook": ""}).status_code


def ruled(*validations: Any, **schema: Any) -> dict[str, Any]:
    """A model whose one file has these validations."""
    file = {"type": "string", **schema, "validations": list(validations)}
    schema = {"type": "object", "properties": {"file": file}}
    return {"model_id": "own/ruled", "base_price_usd": 0, "input_schema": schema}


def limit(rule: str, value: float, text: str = "too much") -> dict[str, Any]:
    return {"validation_rule": rule, "validation_value": value, "validation_error": text}


def file_of(kind: str, data: bytes) -> str:
    return f"data:{kind};base64," + b64encode(data).decode()


WIDE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (200).to_bytes(4, "big") + (100).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("rule", "value", "status"),
    [
        ("width_pixels<", 200, 422),
        ("width_pixels<=", 200, 200),
        ("height_pixels>", 100, 422),
        ("height_pixels>=", 100, 200),
        ("width/height<", 2.5, 200),
        ("width_pixels >=", 200, 200),
        ("width_pixels >=", 201, 422),
        ("width_pixels > ", 200, 422),
        ("duration_seconds<", 5, 200),
        ("container in", 5, 200),
    ],
)
def test_the_rules_of_an_own_model_are_held_as_far_as_they_can_be_measured(
    make_live: MakeLive, rule: str, value: float, status: int
) -> None:
    model = model_from_entry("runcomfy", ruled(limit(rule, value), format="image_uri"))
    live = make_live(models=(model,))

    assert status == live.client.post("/v1/models/own/ruled", json={"file": file_of("image/png", WIDE)}).status_code


@pytest.mark.parametrize(
    ("form", "kind", "status"),
    [
        ("video_uri", "video/mp4", 200),
        ("video_uri", "image/mp4", 422),
        ("uri", "video/mp4", 200),
        ("image_uri", "video/mp4", 422),
    ],
)
def test_a_file_that_is_no_image_is_not_measured_as_one(make_live: MakeLive, form: str, kind: str, status: int) -> None:
    model = model_from_entry("runcomfy", ruled(limit("file_size_mb<", 5), format=form))
    live = make_live(models=(model,))

    assert status == live.client.post("/v1/models/own/ruled", json={"file": file_of(kind, b"film")}).status_code


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (ruled({}), 'validation 1 of input "file" must be like {"validation_rule": "file_size_mb<", '),
        (ruled(limit("duration_seconds<", 5), {}), 'validation 2 of input "file" must be like '),
        (ruled("file_size_mb<"), 'validation 1 of input "file" must be like '),
        (ruled(limit("file_size_mb=", 1)), 'validation 1 of input "file" must be like '),
        (ruled(limit("file_size_mb", 1)), 'validation 1 of input "file" must be like '),
        (ruled({**limit("file_size_mb<", 1), "validation_value": "1"}), 'validation 1 of input "file" must be like '),
        (ruled({**limit("duration_seconds<", 1), "validation_error": None}), 'validation 1 of input "file" must be '),
        (ruled(limit("file_size_mb<", True)), 'validation 1 of input "file" must be like '),
        (
            {
                "model_id": "own/ruled",
                "base_price_usd": 0,
                "input_schema": {"properties": {"file": {"validations": 5}}},
            },
            'the validations of input "file" must be an array of ',
        ),
    ],
)
def test_an_own_model_with_rules_that_cannot_be_read_is_refused_at_start(
    tmp_path: Path, entry: dict[str, Any], told: str
) -> None:
    file = tmp_path / "models.json"
    file.write_text(json.dumps(entry | ({"provider": "runcomfy"} if "model_id" in entry else {})))

    with pytest.raises(SettingsError) as caught:
        load({"models": str(file)}, {}, None)
    assert told in str(caught.value)
