"""The states of a job as a provider tells them: its words for each, and which may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from understudy.contracts.evidence import Evidence, evidence_from
from understudy.contracts.files import load
from understudy.contracts.models import check_provider, merge_patch
from understudy.contracts.schemas import READINGS

DELETED = "deleted"
"""The one state that only the owner of a job brings it to."""


class KnownState(NamedTuple):
    """`words` are what the answers of each operation that tells a state call it, by the operation's name."""

    name: str
    means: str
    words: Mapping[str, str]
    evidence: tuple[Evidence, ...]


class Transition(NamedTuple):
    """`after` may come right after `before`."""

    before: str
    after: tuple[str, ...]
    evidence: tuple[Evidence, ...]


class Life(NamedTuple):
    """All states of a provider's jobs, and the transitions between them."""

    states: tuple[KnownState, ...]
    transitions: tuple[Transition, ...]

    @property
    def operations(self) -> tuple[str, ...]:
        """Those whose answers tell a state."""
        return tuple(sorted({operation for state in self.states for operation in state.words}))

    def named(self, operation: str) -> Mapping[str, str]:
        """The states that an operation's answers tell, by its words for them."""
        return {state.words[operation]: state.name for state in self.states if operation in state.words}

    def may_follow(self, before: str, after: str) -> bool:
        """Whether who has seen one state may see the other later on, with or without any in between."""
        reached, found = {before}, {before}
        while found:
            found = {to for one in self.transitions if one.before in found for to in one.after} - reached
            reached |= found
        return after in reached


def life(provider: str, assumed: Mapping[str, str] | None = None) -> Life:
    """The states that there are as the fake answers by default, or with some switches set otherwise.

    Raises CatalogueError for an unknown provider.
    """
    check_provider(provider)
    return _life(provider, frozenset((assumed or {}).items()))


@cache
def _life(provider: str, assumed: frozenset[tuple[str, str]]) -> Life:
    table = load(f"{provider}/states.json")
    readings = table.pop(READINGS, {})
    for switch, value in assumed:
        table = merge_patch(table, readings.get(switch, {}).get(value, {}))
    states = (
        KnownState(name, one["means"], MappingProxyType(one["words"]), evidence_from(one["evidence"]))
        for name, one in table["states"].items()
    )
    transitions = (
        Transition(one["from"], tuple(one["to"]), evidence_from(one["evidence"])) for one in table["transitions"]
    )
    return Life(tuple(states), tuple(transitions))
