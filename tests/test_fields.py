"""Schemas in words: every field, every condition, and how each is known."""

from __future__ import annotations

from typing import Any

import pytest

from understudy.contracts import catalogue
from understudy.contracts.evidence import Evidence
from understudy.contracts.fields import Condition, conditions_of, fields_of

KNOWN = [{"mark": "observed", "source": "REC1"}]
EVIDENCE = (Evidence("observed", "REC1"),)


@pytest.mark.parametrize(
    ("schema", "form"),
    [
        ({"const": 200}, "always `200`"),
        ({"enum": ["a", 1]}, "`a` · `1`"),
        ({"$ref": "prediction.json"}, "prediction, see there"),
        ({"type": ["string", "null"]}, "string or null"),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 1}, "array of boolean, of 1 or more"),
        ({"type": "array"}, "array"),
        ({"type": "number", "minimum": 0, "maximum": 9}, "number, ≥ 0, ≤ 9"),
        ({"type": "string", "pattern": "^x$", "minLength": 2}, "string, matches `^x$`, of 2 characters or more"),
        ({"type": "string", "pattern": "x" * 200}, "string"),
        ({}, "any"),
    ],
)
def test_what_a_field_looks_like_is_said_in_words(schema: dict[str, Any], form: str) -> None:
    (field,) = fields_of({"properties": {"one": {**schema, "x-evidence": KNOWN}}, "required": ["one"]})

    assert ("one", form, True, EVIDENCE) == field


def test_fields_inside_of_others_have_a_path() -> None:
    inner = {"properties": {"b": {"type": "string", "x-evidence": KNOWN}}}
    schema = {"properties": {"a": {"type": "array", "items": inner, "x-evidence": KNOWN}, "plain": inner}}

    assert ["a", "a[].b", "plain.b"] == [field.path for field in fields_of(schema)]


def test_of_several_forms_no_field_is_always_there() -> None:
    branch = {"properties": {"a": {"type": "string", "x-evidence": KNOWN}}, "required": ["a"]}

    assert [("a", False)] == [(field.path, field.required) for field in fields_of({"oneOf": [branch]})]


def test_what_holds_in_a_state_is_said_in_words() -> None:
    schema = {
        "$defs": {
            "done": {
                "if": {"properties": {"status": {"enum": ["failed", "done"]}}},
                "then": {
                    "required": ["code"],
                    "properties": {
                        "outputs": {"maxItems": 0},
                        "flags": {"minItems": 1},
                        "input": False,
                        "code": {"not": {"const": 0}},
                        "timings": {"properties": {"inference": {"const": 0}}},
                        "late": {"const": 5004},
                    },
                    "if": {"required": ["late"]},
                },
                "x-evidence": KNOWN,
            },
            "always": {"required": ["id"], "x-evidence": KNOWN},
            "nothing": {"required": [], "x-evidence": KNOWN},
            "another.json": {"$id": "another", "properties": {"id": {"type": "string"}}},
        }
    }

    assert [
        Condition(
            "`status` is `failed` or `done`",
            "`code` is there; `outputs` is empty; `flags` is not empty; no `input`; `code` is not 0; "
            "`timings.inference` is `0`; `late` is `5004`, if it is there",
            EVIDENCE,
        ),
        Condition("", "`id` is there", EVIDENCE),
    ] == list(conditions_of(schema))


@pytest.mark.parametrize("provider", catalogue.PROVIDERS)
def test_every_field_on_record_says_how_it_is_known(provider: str) -> None:
    for name in catalogue.response_names(provider):
        schema = catalogue.response_schema(provider, name)
        assert all(field.evidence for field in fields_of(schema))
        assert all(condition.evidence for condition in conditions_of(schema))
