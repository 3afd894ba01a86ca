"""What becomes of inputs that their schema does not name, and of null for those that may be left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from understudy.contracts.catalogue import Model
from understudy.mockserver.refusals import Problem
from understudy.mockserver.switches import Switches


@dataclass(frozen=True, slots=True)
class KeyRules:
    """refuses_unknown: a key that the schema does not name is an error, but for the `allowed` ones. drops_nulls: null
    for an optional input counts as left out. Without either, inputs stay as they are."""

    refuses_unknown: bool = False
    drops_nulls: bool = False
    allowed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, provider: str, switches: Switches) -> KeyRules:
        """Only WaveSpeed's sources contradict each other in this."""
        if provider != "wavespeed":
            return STRICT
        refuses = switches["wavespeed.unknown_keys"] == "refused"
        allowed = frozenset({"webhook_url"} if switches.on("wavespeed.webhook_in_body") else ())
        drops = switches["wavespeed.null_inputs"] == "dropped"
        return cls(refuses, drops, allowed) if refuses or drops else STRICT

    def settle(self, model: Model, inputs: dict[str, Any]) -> dict[str, Any]:
        """The inputs that count."""
        if not self.drops_nulls:
            return inputs
        required = model.input_schema.get("required", ())
        return {name: value for name, value in inputs.items() if value is not None or name in required}

    def problems(self, model: Model, inputs: dict[str, Any]) -> tuple[Problem, ...]:
        """The keys that should not be there."""
        if not self.refuses_unknown:
            return ()
        known = model.input_schema["properties"].keys() | self.allowed
        return tuple(Problem((name,), "unknown", None, inputs[name]) for name in inputs if name not in known)


STRICT = KeyRules()
