"""What somebody asks of the control API: the fields of a body and a query, read one by one; and what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.mockserver.durations import LONGEST, parse_duration

KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


@dataclass(eq=False)
class Wrong(Exception):
    """Why a call has no effect: the field that it is about, what was given there, and what there is instead."""

    field: str
    given: object
    message: str
    exists: Sequence[str] | None = None
    status: int = 422

    def shown(self) -> dict[str, Any]:
        error = {"field": self.field, "given": self.given, "message": self.message}
        return {"error": error if self.exists is None else {**error, "exists": list(self.exists)}}


def unknown(
    field: str, given: object, name: str, sentence: str, exists: Collection[str], *, status: int = 422
) -> Wrong:
    """For a name that is none. `sentence` says so; the nearest that there is is added to it."""
    import difflib  # late, as wherever somebody errs

    near = difflib.get_close_matches(name[:80], exists, n=1)  # what nobody means is long
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return Wrong(field, given, sentence + hint, tuple(exists), status)


@dataclass(frozen=True, slots=True)
class Asked:
    """A call: whose, the path's parameters, query, body, and the origin that URLs in the answer begin with."""

    tenant: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: object = None
    origin: str = ""

    def only(self, names: Sequence[str]) -> None:
        """Raises Wrong for a parameter in the query that is none of these."""
        for name in self.query:
            if name not in names:
                given = self.query[name]
                raise unknown(f"query.{name}", given, name, f"There is no parameter {name!r} here.", names)

    def fields(self, *names: str) -> dict[str, Any]:
        """The body's fields, none but these. Raises Wrong."""
        body = {} if self.body is None else self.body
        if not isinstance(body, dict):
            raise Wrong("", short(body), f"The body is {kind_of(body)}: expected an object.")
        for name in body:
            if name not in names:
                given = short(body[name])
                raise unknown(name, given, name, f"There is no field {name!r} here.", names)
        return body

    def count(self, name: str, least: int) -> int | None:
        """A whole number of the query; None where it is not given."""
        text = self.query.get(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 18 or int(text) < least:
            raise Wrong(f"query.{name}", text, f"{text!r} is not allowed: expected a whole number from {least}.")
        return int(text)

    def choice(self, name: str, values: Sequence[str]) -> str | None:
        """One of so many values of the query; None where it is not given."""
        text = self.query.get(name)
        if text is not None and text not in values:
            raise unknown(f"query.{name}", text, text, f"There is no {name} {text!r}.", values)
        return text

    def duration(self, name: str) -> int | None:
        """A length of time of the query, in milliseconds; None where it is not given."""
        return read_duration(f"query.{name}", self.query[name]) if name in self.query else None


def read_duration(field: str, given: object) -> int:
    """Milliseconds, out of text as `parse_duration` reads it or a number of them. Raises Wrong."""
    if isinstance(given, str):
        try:
            return (
                int(given) if given.isascii() and given.isdigit() and int(given) <= LONGEST else parse_duration(given)
            )
        except ValueError as error:
            raise Wrong(field, given, f"{error}.") from error
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= LONGEST:
        expected = "a duration such as '30s', or a whole number of milliseconds, of at most a year"
        raise Wrong(field, short(given), f"{shown(given)} is no length of time: expected {expected}.")
    return given


def read_text(field: str, given: object) -> str:
    """Raises Wrong for anything but text."""
    if not isinstance(given, str):
        raise Wrong(field, short(given), f"{field} is {kind_of(given)}: expected text.")
    return given


def read_integer(field: str, given: object, least: int, most: int) -> int:
    """Raises Wrong for anything but a whole number within the bounds."""
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        expected = f"expected a whole number from {least} to {most}"
        raise Wrong(field, short(given), f"{shown(given)} is not allowed: {expected}.")
    return given


def kind_of(given: object) -> str:
    """What a JSON value is, in words."""
    return "null" if given is None else KINDS[type(given)]


def short(given: object) -> object:
    """A value that was given, as far as it is worth telling back."""
    if isinstance(given, str) and len(given) > 200:
        return given[:200] + "…"
    return given if not isinstance(given, dict | list) else kind_of(given)


def shown(given: object) -> str:
    """A value that was given, in a sentence."""
    told = short(given)
    return repr(told) if isinstance(given, str | int | float) and not isinstance(given, bool) else kind_of(given)
