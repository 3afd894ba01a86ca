"""What a comparison says: facts of the contract, each held, drifted or not checked, and what was seen instead."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

HELD, DRIFTED, NOT_CHECKED = "held", "drifted", "not checked"
BREAKING, ADDITIVE, COSMETIC = "breaking", "additive", "cosmetic"
SEVERITIES = (COSMETIC, ADDITIVE, BREAKING)
"""From the mildest. Breaking: a client that keeps to the contract may stop working, or pay more. Additive: there is
more than before, and a client may ignore it. Cosmetic: what only people read, and how long things take."""

LONGEST = 300
"""Characters of what was seen that are told."""


class Edit(NamedTuple):
    """What makes a file of the contract data say what was seen. `old` is what it says now; `value` None with `gone`
    where there is nothing any more. `pointer` is a JSON pointer."""

    file: str
    pointer: str
    old: Any
    value: Any
    evidence: str
    """A JSON pointer to the list of evidence that is to say `observed`."""


class Change(NamedTuple):
    """One way in which something is not as expected. `kind` names it in a few words: `new field`, `price`."""

    kind: str
    severity: str
    expected: str
    seen: str
    where: str
    edit: Edit | None = None


@dataclass(slots=True)
class Fact:
    """`assumed`: nobody has known it yet. `times` counts the exchanges in which it held."""

    name: str
    expected: str
    assumed: bool = False
    times: int = 0
    change: Change | None = None
    others: int = 0
    where: str = ""
    reason: str = ""
    confirms: Edit | None = None
    ignored: str = ""
    known: bool = False

    @property
    def outcome(self) -> str:
        if self.change is not None:
            return DRIFTED
        return HELD if self.times else NOT_CHECKED

    @property
    def counts(self) -> bool:
        """Whether it is a drift that somebody has to look at."""
        return self.change is not None and not self.ignored and not self.known

    @property
    def learnt(self) -> bool:
        """Whether it was assumed and is known now."""
        return self.assumed and self.outcome != NOT_CHECKED


@dataclass(slots=True)
class Facts:
    """All facts of a provider by name, as they are found out."""

    provider: str
    by_name: dict[str, Fact] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Fact]:
        return iter(self.by_name.values())

    def expect(self, name: str, expected: str, *, assumed: bool = False, reason: str = "") -> Fact:
        """The fact of that name, made where there is none yet."""
        fact = self.by_name.get(name)
        if fact is None:
            fact = self.by_name[name] = Fact(name, expected, assumed, reason=reason)
        return fact

    def held(self, name: str, where: str, *, edit: Edit | None = None) -> None:
        """What an assumed fact's data should say of its evidence, now that it was seen, is in `edit`."""
        fact = self.by_name[name]
        fact.times += 1
        fact.where = fact.where or where
        fact.confirms = fact.confirms or edit

    def drifted(self, name: str, change: Change) -> None:
        """The gravest change of a fact is the one that is told; others are counted."""
        fact = self.by_name[name]
        if fact.change is None:
            fact.change = change
            return
        fact.others += 1
        if SEVERITIES.index(change.severity) > SEVERITIES.index(fact.change.severity):
            fact.change = change

    def count(self, outcome: str) -> int:
        return sum(fact.outcome == outcome for fact in self)

    @property
    def compared(self) -> int:
        return len(self.by_name) - self.count(NOT_CHECKED)


def shown(value: Any) -> str:
    """A value as it is told: JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def all_assumed(evidence: list[Mapping[str, str]]) -> bool:
    return bool(evidence) and all(one["mark"] == "assumed" for one in evidence)
