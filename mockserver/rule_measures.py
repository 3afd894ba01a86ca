"""Kinds of values of a rule's written form that are more than words and numbers: times, images, parts of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from understudy.mockserver.durations import (
    EXPECTED,
    LONGEST,
    SPREAD,
    DurationRange,
    Spread,
    format_duration,
    parse_duration,
    parse_spread,
)
from understudy.mockserver.rule_errors import RuleError, near, written, wrong
from understudy.mockserver.rule_values import as_whole, can_be_sent
from understudy.mockserver.rules import ALL_IMAGES

OR_NUMBER = "; or a whole number of milliseconds"
"""What is expected of a length where numbers can be told from text."""

_DURATION = r"\s*(0|\d{1,15}(\.\d{1,9})?(ms|s|m|h))\s*"


@dataclass(frozen=True, slots=True)
class Length:
    """A duration, as text or in milliseconds; milliseconds."""

    least: int = 0

    def read(self, field: str, given: object) -> int:
        length = _milliseconds(given)
        if length is None or length < self.least:
            more = f", {format_duration(self.least)} at least" if self.least else ""
            raise wrong(field, given, f"{EXPECTED}{more}{OR_NUMBER}")
        return length

    def write(self, value: int) -> str:
        return format_duration(value)

    def schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.least, "maximum": LONGEST}
        return {"anyOf": [{"type": "string", "pattern": f"^{_DURATION}$"}, number]}


@dataclass(frozen=True, slots=True)
class Lengths:
    """A distribution of durations, as text, or one of so many milliseconds."""

    def read(self, field: str, given: object) -> Spread:
        try:
            if isinstance(given, str):
                return parse_spread(given)
        except ValueError as error:
            raise wrong(field, given, f"{SPREAD}{OR_NUMBER}") from error
        length = _milliseconds(given)
        if length is None:
            raise wrong(field, given, f"{SPREAD}{OR_NUMBER}")
        return DurationRange(length, length)

    def write(self, value: Spread) -> str:
        return str(value)

    def schema(self) -> dict[str, Any]:
        several = rf"^({_DURATION}(\.\.{_DURATION})?|\s*lognormal\(.+,.+\)\s*)$"
        number = {"type": "integer", "minimum": 0, "maximum": LONGEST}
        return {"anyOf": [{"type": "string", "pattern": several}, number]}


@dataclass(frozen=True, slots=True)
class Indexes:
    """Images by their indexes, which begin at 1; or all."""

    most: int

    def read(self, field: str, given: object) -> frozenset[int]:
        if given is True:
            return ALL_IMAGES
        numbers = [as_whole(one) for one in given] if isinstance(given, (list, tuple, set, frozenset)) else []
        if not numbers or not all(number is not None and 1 <= number <= self.most for number in numbers):
            raise wrong(field, given, f"true for all images, or a list of their indexes, from 1 to {self.most}")
        return frozenset(number for number in numbers if number is not None)

    def write(self, value: frozenset[int]) -> object:
        return True if value == ALL_IMAGES else sorted(value)

    def schema(self) -> dict[str, Any]:
        indexes = {"type": "integer", "minimum": 1, "maximum": self.most}
        return {"anyOf": [{"const": True}, {"type": "array", "minItems": 1, "items": indexes}]}


@dataclass(frozen=True, slots=True)
class Puts:
    """Paths into an answer, and what to put there. `@` begins a path of which the dialect knows the rest."""

    roots: tuple[str, ...] = ("@data", "@status")

    def read(self, field: str, given: object) -> tuple[tuple[str, Any], ...]:
        import orjson  # late: everything else here is plain

        if not isinstance(given, Mapping) or not given:
            raise wrong(field, given, 'an object of paths and values, such as {"@status": "melting"}')
        for path in given:
            if not isinstance(path, str) or not all(path.split(".")) or not can_be_sent(path):
                raise RuleError(field, path, f"{field} has no path {written(path)}: expected names with dots between.")
            root = path.partition(".")[0]
            if root.startswith("@") and root not in self.roots:
                message = f"There is no {written(root)} to set. {near(root, self.roots)}"
                raise RuleError(f"{field}.{path}", given[path], message, self.roots)
        try:
            return tuple((path, orjson.loads(orjson.dumps(value))) for path, value in given.items())
        except TypeError as error:
            raise RuleError(field, given, f"{field} cannot be sent as JSON: {error}.") from error

    def write(self, value: tuple[tuple[str, Any], ...]) -> object:
        import orjson

        return {path: orjson.loads(orjson.dumps(one)) for path, one in value}

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "minProperties": 1}


def _milliseconds(given: object) -> int | None:
    if isinstance(given, str):
        try:
            return parse_duration(given)
        except ValueError:
            return None
    number = as_whole(given)
    return number if number is not None and 0 <= number <= LONGEST else None
