"""What an earlier run saw: the JSON report of it, so that only what is new since then counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from understudy.contracts.drift_compare import Comparison
from understudy.contracts.drift_facts import ADDITIVE, COSMETIC, Change
from understudy.contracts.findings import Unable

SLOWER = 3.0
"""Times as long as before is a shift, if it is also LATER milliseconds more."""
LATER = 500.0

_PASSING = ("date", "connection", "keep-alive", "transfer-encoding", "content-length", "server", "vary", "etag", "age")
"""Headers that come and go with what carries an answer."""


def read_baseline(path: Path, provider: str) -> Mapping[str, Any]:
    """The report of an earlier run. Raises Unable for a file that is none, or another provider's."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unable(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise Unable(f"{path} is no JSON: {error}.") from error
    if not isinstance(report, dict) or not isinstance(report.get("drifted"), list) or "provider" not in report:
        raise Unable(f"{path} is no report of `understudy drift --json`, which a baseline is.")
    if report["provider"] != provider:
        raise Unable(f"{path} is a report on {report['provider']}, not on {provider}.")
    return report


def apply_baseline(comparison: Comparison, baseline: Mapping[str, Any]) -> list[str]:
    """Marks the drifts that were there before, and compares headers and times. Says what is no drift any more."""
    facts = comparison.facts
    before = {(one["fact"], one["kind"]) for one in baseline["drifted"]}
    for fact in facts:
        fact.known = fact.change is not None and (fact.name, fact.change.kind) in before
    _shifts(comparison, baseline.get("headers", {}), baseline.get("took", {}))
    held = {fact.name for fact in facts if fact.outcome == "held"}
    return [f"No drift any more since the baseline: {name}" for name in sorted({name for name, _ in before} & held)]


def _shifts(comparison: Comparison, headers: Mapping[str, list[str]], took: Mapping[str, float]) -> None:
    facts, now = comparison.facts, comparison.summary()
    for operation, names in headers.items():
        fact = facts.expect(f"{operation}: headers", ", ".join(names), reason="it was not asked this time")
        seen = set(now["headers"].get(operation, ())) - set(_PASSING)
        known = set(names) - set(_PASSING)
        if seen:
            facts.held(fact.name, operation)
        for name in sorted(seen - known):
            change = Change("new header", ADDITIVE, "no such header", name, operation)
            facts.drifted(fact.name, change)
        for name in sorted(known - seen if seen else ()):
            facts.drifted(fact.name, Change("header gone", ADDITIVE, name, "no such header", operation))
    for operation, before in took.items():
        fact = facts.expect(f"{operation}: time", f"about {before:.0f} ms", reason="it was not asked this time")
        after = now["took"].get(operation)
        if after is None:
            continue
        if after > before * SLOWER and after > before + LATER:
            facts.drifted(fact.name, Change("slower", COSMETIC, fact.expected, f"{after:.0f} ms", operation))
        else:
            facts.held(fact.name, operation)
