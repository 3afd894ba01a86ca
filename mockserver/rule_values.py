"""What the values in a rule's written form may be: each kind reads one, writes it again, and has a JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from understudy.mockserver.rule_errors import RuleError, near, written, wrong

LONGEST_TEXT = 10_000


class Kind(Protocol):
    """What a field's value may be. `read` makes of what was written what rules are made of, or raises RuleError;
    `write` is its opposite."""

    def read(self, field: str, given: object) -> Any: ...

    def write(self, value: Any) -> object: ...

    def schema(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Switch:
    """True, or as if it were not there."""

    def read(self, field: str, given: object) -> bool:
        if not isinstance(given, bool):
            raise wrong(field, given, "true or false")
        return given

    def write(self, value: bool) -> bool:
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words, each with what it stands for; `noun` is what they are."""

    noun: str
    words: Mapping[str, Any]

    def read(self, field: str, given: object) -> Any:
        if not isinstance(given, str) or given not in self.words:
            message = f"There is no {self.noun} {written(given)}. {near(str(given), self.words)}"
            raise RuleError(field, given, message, self.words)
        return self.words[given]

    def write(self, value: Any) -> str:
        return next(word for word, one in self.words.items() if one == value)

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in bounds, both included, that may not be `but`."""

    least: int
    most: int
    but: int | None = None

    def read(self, field: str, given: object) -> int:
        number = as_whole(given)
        if number is None or not self.least <= number <= self.most or number == self.but:
            but = "" if self.but is None else f" that is not {self.but}"
            raise wrong(field, given, f"a whole number from {self.least} to {self.most}{but}")
        return number

    def write(self, value: int) -> int:
        return value

    def schema(self) -> dict[str, Any]:
        bounds = {"type": "integer", "minimum": self.least, "maximum": self.most}
        return bounds if self.but is None else {**bounds, "not": {"const": self.but}}


@dataclass(frozen=True, slots=True)
class Share:
    """A number from 0 to 1."""

    def read(self, field: str, given: object) -> float:
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= 1:
            raise wrong(field, given, "a number from 0 to 1")
        return given

    def write(self, value: float) -> float:
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": 0, "maximum": 1}


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is not empty. `pattern` is one that both Python and ECMAScript understand, `expected` its words."""

    expected: str = f"a text of 1 to {LONGEST_TEXT} characters"
    pattern: str | None = None

    def read(self, field: str, given: object) -> str:
        if not isinstance(given, str) or not 1 <= len(given) <= LONGEST_TEXT or not can_be_sent(given):
            raise wrong(field, given, self.expected)
        if self.pattern is not None and re.fullmatch(self.pattern, given) is None:
            raise wrong(field, given, self.expected)
        return given

    def write(self, value: str) -> str:
        return value

    def schema(self) -> dict[str, Any]:
        bounds: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
        return bounds if self.pattern is None else {**bounds, "pattern": f"^{self.pattern}$"}


@dataclass(frozen=True, slots=True)
class Pattern(Text):
    """A regular expression, as Python has them."""

    def read(self, field: str, given: object) -> str:
        text = Text.read(self, field, given)
        try:
            re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            raise wrong(field, given, f"a regular expression, and this is none ({error})") from error
        return text


@dataclass(frozen=True, slots=True)
class Shorthand:
    """In place of an object: true for none of its fields, or a text for the one that it names."""

    name: str

    def read(self, field: str, given: object) -> dict[str, Any]:
        if given is True:
            return {}
        if not isinstance(given, str):
            raise wrong(field, given, "true, a text, or an object")
        return {self.name: Text().read(field, given)}

    def write(self, value: Mapping[str, Any]) -> object:
        return value.get(self.name, True) if value.keys() <= {self.name} else value

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"const": True}, Text().schema()]}


@dataclass(frozen=True, slots=True)
class Only:
    """Nothing but an object with fields of its own."""

    def read(self, field: str, given: object) -> Any:
        raise wrong(field, given, "an object")

    def write(self, value: Mapping[str, Any]) -> object:
        return value

    def schema(self) -> dict[str, Any]:
        return {}


def as_whole(given: object) -> int | None:
    """A whole number; one that is written with a fraction of 0 is whole too, as JSON Schema has it."""
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        return None
    return int(given) if isinstance(given, int) or given.is_integer() else None


def can_be_sent(text: str) -> bool:
    """Whether it can be sent: halves of surrogate pairs cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
