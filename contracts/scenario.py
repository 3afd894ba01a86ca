"""One example that a property is tried on, as plain JSON: so a break can be shrunk, shown, kept and repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

Rule = Mapping[str, Any]
"""A rule of the control API: docs/control.md."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A model, what is asked of it, and the rules that the fake gets beforehand.

    `moments` are milliseconds, each after the one before, that pass before somebody looks. `choice` is a number for
    whatever else a property has to choose. `steps` are those of a state machine, each its name and its arguments.
    """

    model: str
    inputs: Mapping[str, Any]
    rules: tuple[Rule, ...] = ()
    moments: tuple[int, ...] = ()
    choice: int = 0
    steps: tuple[tuple[Any, ...], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """What `Scenario(**…)` makes the same again of; what is empty is left out."""
        return {name: value for name, value in asdict(self).items() if value or name in ("model", "inputs")}
