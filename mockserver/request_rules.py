"""What the body of a call about jobs may be, as a JSON Schema of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from understudy.mockserver.moments import parse_moment
from understudy.mockserver.refusals import Invalid, Problem
from understudy.mockserver.validation import parse_object, problem_of


class RequestRules:
    """An object with these properties and any others. Among its problems the first one counts."""

    def __init__(self, properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> None:
        schema = {"type": "object", "properties": dict(properties), "required": list(required)}
        self._validator = jsonschema_rs.validator_for(schema)
        self._moments = [name for name, rule in properties.items() if rule.get("format") == "date-time"]

    def read(self, body: bytes) -> dict[str, Any]:
        """The object that a body is. Raises Malformed or Invalid."""
        content = parse_object(body)
        problems = [problem_of(error) for error in self._validator.iter_errors(content)]
        for name in self._moments:
            value = content.get(name)
            if isinstance(value, str) and parse_moment(value) is None:
                problems.append(Problem((name,), "format", "a time in ISO 8601", value))
        if problems:
            raise Invalid(tuple(problems))
        return content


MOMENT = {"type": "string", "format": "date-time"}
TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
GREATEST = 2**53 - 1
"""The greatest whole number that every reader of JSON takes exactly, and that can be answered (assumed)."""

PAGE = {
    "page": {"type": "integer", "minimum": 1, "maximum": GREATEST},
    "page_size": {"type": "integer", "minimum": 1, "maximum": 100},
}
"""Documented of the list of predictions, with 1 and 100 as defaults; assumed of the list of billings."""


def period(asked: Mapping[str, Any], starts: tuple[str, ...], ends: tuple[str, ...], now: int) -> tuple[int, int]:
    """The first and last millisecond asked for, both included: from ever and until now unless something is said."""
    start = next((parse_moment(asked[name]) for name in starts if asked.get(name)), None)
    end = next((parse_moment(asked[name], end=True) for name in ends if asked.get(name)), None)
    return start if start is not None else 0, end if end is not None else now
