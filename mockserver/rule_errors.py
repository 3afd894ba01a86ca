"""What is said of a rule that cannot be: where, what stands there, what there is, which may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHOWN = 80
_WORDS = {True: "true", False: "false", None: "null"}


class RuleError(ValueError):
    """A rule that cannot be.

    `field` is where in it, names and indexes with dots between; `given` what stands there; `exists` the names or values
    that there are, where they can be counted. `message` says all of it in a sentence.
    """

    def __init__(self, field: str, given: object, message: str, exists: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.field = field
        self.given = given
        self.message = message
        self.exists = list(exists)


def written(given: object) -> str:
    """A value as it is shown in a message: not for ever, and a boolean as JSON and TOML have it."""
    text = _WORDS[given] if given is None or isinstance(given, bool) else repr(given)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def near_one(given: str, exists: Iterable[str]) -> str | None:
    """Which of those that there are may have been meant, if any."""
    # What nobody means is long and would be compared for long.
    found = difflib.get_close_matches(given[:_SHOWN], exists, n=1)
    return found[0] if found else None


def near(given: str, exists: Iterable[str]) -> str:
    """The sentence after "There is no …": which one may have been meant, or all that there are."""
    exists = list(exists)
    found = near_one(given, exists)
    return f"There are: {', '.join(exists)}." if found is None else f"Did you mean {found!r}?"


def wrong(field: str, given: object, expected: str) -> RuleError:
    return RuleError(field, given, f"{field} is {written(given)}: expected {expected}.")
