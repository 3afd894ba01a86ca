"""What a property is: a sentence that holds or does not, whom it is about, what it needs, and what it is tried on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from understudy.contracts.models import PROVIDERS
from understudy.contracts.scenario import Scenario
from understudy.contracts.trial import Trial

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Scenarios = Callable[[str], "SearchStrategy[Scenario]"]
"""Makes the scenarios for a provider."""

Cases = Callable[[str], Sequence[Scenario]]
"""Plain scenarios for a provider that are tried before any is drawn: one of each kind that must not be missed."""

Check = Callable[[Trial, Scenario], None]


class Property(NamedTuple):
    """`check` raises Broken. `about` is `client` or `provider`. `needs` are capabilities of the client, or `control`;
    `tells` are parts of a result. Of `wall`: it waits in real time, so its breaks are not shrunk. `timeout`: in
    seconds, in place of the usual one."""

    name: str
    meaning: str
    about: str
    check: Check
    scenarios: Scenarios
    first: Cases
    needs: frozenset[str]
    tells: frozenset[str]
    providers: tuple[str, ...]
    examples: int
    wall: bool
    timeout: float | None
    machine: bool

    def __str__(self) -> str:
        return self.name

    @property
    def sentence(self) -> str:
        return self.name.replace("_", " ")


def _none(provider: str) -> Sequence[Scenario]:
    return ()


def a_property(
    about: str,
    scenarios: Scenarios,
    *,
    first: Cases = _none,
    needs: Collection[str] = (),
    tells: Collection[str] = (),
    providers: tuple[str, ...] = PROVIDERS,
    examples: int = 15,
    wall: bool = False,
    timeout: float | None = None,
    machine: bool = False,
) -> Callable[[Check], Property]:
    """Makes a function a Property: its name says what holds, its docstring what that means."""

    def make(check: Check) -> Property:
        assert check.__doc__, f"A property says what it means; {check.__name__} does not."
        meaning = " ".join(check.__doc__.split())
        return Property(
            check.__name__,
            meaning,
            about,
            check,
            scenarios,
            first,
            frozenset(needs),
            frozenset(tells),
            providers,
            examples,
            wall,
            timeout,
            machine,
        )

    return make
