"""Every way to break a schema, in the words of each provider: a model of the user's own has all of them."""

from __future__ import annotations

from typing import Any

import pytest
from live import MakeLive

from understudy.contracts.catalogue import model_from_entry

SCHEMA = {
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "prompt": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]*$"},
        "count": {"type": "integer", "minimum": 2, "maximum": 4, "multipleOf": 2},
        "images": {"type": "array", "minItems": 2, "maxItems": 3},
        "mode": {"type": "string", "enum": ["fast", "slow"]},
        "options": {"type": ["object", "null"]},
    },
}
OWN = {provider: model_from_entry(provider, SCHEMA, model_id="own/model") for provider in ("wavespeed", "runcomfy")}
LENGTH, VALUE, RANGE, TYPE, NUMBER = (
    "use an allowed length",
    "use an allowed value",
    "use a value in the allowed range",
    "use the expected type",
    "use an allowed number of items",
)

CASES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"prompt": "x"}, "have at least 2 characters", 'string "x"', LENGTH),
    ({"prompt": "abcdef"}, "have at most 5 characters", 'string "abcdef"', LENGTH),
    ({"prompt": "x" * 300}, "have at most 5 characters", "string of 302 characters", LENGTH),
    ({"prompt": "AB"}, "satisfy pattern", 'string "AB"', VALUE),
    ({"count": 0}, "be at least 2", "integer 0", RANGE),
    ({"count": 6}, "be at most 4", "integer 6", RANGE),
    ({"count": 3}, "satisfy multipleOf", "integer 3", VALUE),
    ({"count": "2"}, "be of type integer", 'string "2"', TYPE),
    ({"images": []}, "have at least 2 items", "array with 0 items", NUMBER),
    ({"images": [1] * 4}, "have at most 3 items", "array with 4 items", NUMBER),
    ({"mode": "no"}, 'be one of ["fast", "slow"]', 'string "no"', "use one of the allowed values"),
    ({"options": 1.5}, "be of type null or object", "number 1.5", TYPE),
]


@pytest.mark.parametrize(("inputs", "must", "found", "please"), CASES)
def test_a_broken_rule_is_told_with_the_field_the_rule_and_what_was_found(
    make_live: MakeLive, inputs: dict[str, Any], must: str, found: str, please: str
) -> None:
    live = make_live(models=tuple(OWN.values()))
    body = {"prompt": "abc", **inputs}
    name = next(iter(inputs))

    first = live.client.post("/api/v3/own/model", json=body).json()
    second = live.client.post("/v1/models/own/model", json=body).json()

    assert f'field "{name}" must {must}, got {found}; please {please}' == first["message"]
    assert second["error_message"].startswith(f"Input validation failed: {name}: must {must}")
    assert ["body", name] == second["detail"][0]["loc"]


def test_a_body_that_is_too_long_is_told_so_by_runcomfy(make_live: MakeLive) -> None:
    answer = make_live(body_limit=10).client.post("/v1/models/x", content=b"x" * 11)

    assert {"error_code": 413001, "error_message": "The request body must be at most 10 bytes."} == answer.json()


def test_an_unknown_path_is_told_so_by_runcomfy(make_live: MakeLive) -> None:
    answer = make_live().client.delete("/v1/requests/x")

    assert {"error_code": 404001, "error_message": "DELETE /v1/requests/x was not found."} == answer.json()
