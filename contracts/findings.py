"""What can come of checking a property, beside that it holds."""

from __future__ import annotations

from typing import Any


class Broken(AssertionError):
    """A property that does not hold: what was seen in one sentence, and once it is known the `case` that shows it, as
    plain JSON, and the `story` of the exchanges, a line each."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.case: dict[str, Any] = {}
        self.story: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join((self.sentence, *(f"    {line}" for line in self.story)))


class NotApplicable(Exception):
    """A property that asks for what a client, or a server, does not have; it says what."""


class Unable(Exception):
    """Nothing can be said, since there was nothing to check with: what was asked for, and what came instead."""
