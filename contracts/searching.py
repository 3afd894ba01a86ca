"""Tries a property on scenarios that Hypothesis draws, and shrinks what breaks it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

from understudy.contracts.actor import Stuck
from understudy.contracts.findings import Broken, NotApplicable, Unable
from understudy.contracts.properties import Property
from understudy.contracts.scenario import Scenario

SHRINKING = 8.0
"""Seconds after the first break at which the smallest one known is taken."""


class Enough(BaseException):
    """Ends a search at once. Not an Exception, which Hypothesis would take for another break."""


class Search:
    """`attempt` plays one scenario and raises Broken. `examples` is how many there are at most."""

    def __init__(self, number: int, examples: int, database: str | None) -> None:
        self._seed = number
        self._settings = settings(
            max_examples=examples,
            stateful_step_count=10,
            deadline=None,
            derandomize=False,
            database=DirectoryBasedExampleDatabase(database) if database is not None else None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.reuse, Phase.generate, Phase.shrink),
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
            print_blob=False,
        )
        self._breaks: list[Broken] = []
        self._first = 0.0
        self._unable: NotApplicable | Unable | None = None

    def scenarios(self, found: Property, provider: str, attempt: Callable[[Scenario], None]) -> None:
        """Raises Broken, with the smallest case that was found."""

        for scenario in found.first(provider):
            attempt(scenario)  # plain ones: there is nothing to shrink

        def tried(scenario: Scenario) -> None:
            with self.searching(shrinks=not found.wall):
                attempt(scenario)

        tried.__name__ = tried.__qualname__ = found.name  # the database tells tests apart by their names
        self._run(self._settings(seed(self._seed)(given(found.scenarios(provider))(tried))))

    def machine(self, machine: Any) -> None:
        """The same for a state machine, each of whose steps is `searching`."""
        self._run(lambda: run_state_machine_as_test(seed(self._seed)(machine), settings=self._settings))

    @contextmanager
    def searching(self, *, shrinks: bool = True) -> Iterator[None]:
        """Around whatever may break. Ends the search when nothing can be said, or when a break cannot be made smaller
        in a reasonable time."""
        try:
            yield
        except Broken as broken:
            self._first = self._first or time.monotonic()
            self._breaks.append(broken)
            if not shrinks or isinstance(broken, Stuck) or time.monotonic() - self._first > SHRINKING:
                raise Enough from None
            raise
        except (NotApplicable, Unable) as unable:
            self._unable = unable
            raise Enough from None

    def _run(self, test: Callable[[], Any]) -> None:
        try:
            test()
        except Enough:
            pass
        except Broken as broken:
            self._breaks = [broken]
        except Flaky:
            self._smallest().sentence += " (Not every time: it depends on how fast things are.)"
        if self._unable is not None:
            raise self._unable
        if self._breaks:
            raise self._smallest() from None

    def _smallest(self) -> Broken:
        return min(self._breaks, key=lambda broken: len(json.dumps(broken.case)))
