"""Tries properties one after the other, and says of each what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from understudy.contracts.findings import Broken, NotApplicable
from understudy.contracts.harness import Harness
from understudy.contracts.properties import Property
from understudy.contracts.registry import CLIENT_PROPERTIES, PROVIDER_PROPERTIES
from understudy.contracts.repeating import repeating_test

HELD, BROKEN, NOT_APPLICABLE = "held", "broken", "not applicable"


class Finding(NamedTuple):
    """What came of one property. `detail` says what was seen, or what was missing; `story` holds the exchanges of the
    smallest case, a line each, and `test` is a test that repeats it."""

    provider: str
    name: str
    meaning: str
    outcome: str
    seconds: float
    detail: str = ""
    story: tuple[str, ...] = ()
    case: Mapping[str, Any] = {}
    test: str = ""

    @property
    def sentence(self) -> str:
        return self.name.replace("_", " ")


def properties_for(harness: Harness, only: str = "") -> Sequence[Property]:
    """Those of its client, or without one those of the provider, whose name or sentence holds a text."""
    every = PROVIDER_PROPERTIES if harness.factory is None else CLIENT_PROPERTIES
    return [one for one in every if only in one.name or only in one.sentence]


def check(harness: Harness, properties: Sequence[Property]) -> Iterator[Finding]:
    """Raises Unable when nothing can be said."""
    for one in properties:
        began = time.monotonic()
        detail, outcome, broken = "", HELD, None
        try:
            harness.hold(one)
        except NotApplicable as reason:
            outcome, detail = NOT_APPLICABLE, str(reason)
        except Broken as found:
            outcome, detail, broken = BROKEN, _writable(found.sentence), found
        finding = Finding(harness.provider, one.name, one.meaning, outcome, time.monotonic() - began, detail)
        if broken is not None:
            test = repeating_test(harness, one.name, broken.case)
            finding = finding._replace(story=tuple(map(_writable, broken.story)), case=broken.case, test=test)
        yield finding


def _writable(text: str) -> str:
    """A text without halves of characters, which no file and no terminal takes: clients cut texts in the middle."""
    return text.encode("utf-8", "backslashreplace").decode()
