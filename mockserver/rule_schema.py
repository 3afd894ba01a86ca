"""The JSON Schema of a rule's written form, out of the table that it is parsed by."""

from __future__ import annotations

from typing import Any

from understudy.mockserver.rule_fields import RULE, Field, Fields

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def rule_schema() -> dict[str, Any]:
    """JSON Schema 2020-12. Every rule that is accepted agrees with it; contradictions between fields are not in it."""
    return {"$schema": DIALECT, "title": "Rule", **_object(RULE)}


def _object(fields: Fields) -> dict[str, Any]:
    needed = [field.name for field in fields if field.needed]
    properties = {field.name: {"description": field.meaning, **_value(field)} for field in fields}
    required = {"required": needed} if needed else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, **required}


def _value(field: Field) -> dict[str, Any]:
    schema = field.kind.schema()
    if not field.fields:
        return schema
    return {"anyOf": [*schema["anyOf"], _object(field.fields)]} if schema else _object(field.fields)
