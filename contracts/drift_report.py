"""A comparison as one plain value, with nothing secret in it: everything that is printed or written is made from it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from understudy.contracts.drift_compare import Comparison
from understudy.contracts.drift_facts import DRIFTED, HELD, NOT_CHECKED, SEVERITIES, Fact
from understudy.contracts.drift_patch import patches
from understudy.contracts.probes import NOT_ASKED
from understudy.contracts.secrecy import NAMES, SECRET, Scrubber

HELD_STATUS, DRIFTED_STATUS, USELESS_STATUS = 0, 1, 2
LEAST = 10
"""Facts that must have been compared for the report to mean anything."""

Report = dict[str, Any]


def report(
    comparison: Comparison,
    scrubber: Scrubber,
    *,
    source: str,
    today: date,
    fail_on: str = "breaking",
    least: int = LEAST,
    paid: bool = False,
    live: bool = True,
    notes: Iterable[str] = (),
) -> Report:
    """What `--json` writes. `status` is what the command ends with."""
    facts = comparison.facts
    drifts = sorted(
        (fact for fact in facts if fact.outcome == DRIFTED),
        key=lambda fact: (not fact.counts, -SEVERITIES.index(_severity(fact)), fact.name),
    )
    useless = _useless(comparison, least)
    grave = [fact for fact in drifts if fact.counts and _at_least(_severity(fact), fail_on)]
    status = USELESS_STATUS if useless else DRIFTED_STATUS if grave else HELD_STATUS
    reasons: dict[str, list[str]] = {}
    for fact in facts:
        if fact.outcome == NOT_CHECKED:
            reasons.setdefault(_why(fact, paid=paid, live=live), []).append(fact.name)
    plain: Report = {
        "provider": facts.provider,
        "source": source,
        "date": str(today),
        "status": status,
        "verdict": useless or _verdict(drifts, grave, fail_on),
        "fail_on": fail_on,
        "counts": {outcome: facts.count(outcome) for outcome in (HELD, DRIFTED, NOT_CHECKED)},
        "drifted": [_drift(fact) for fact in drifts],
        "learnt": [_learnt(fact) for fact in facts if fact.learnt],
        "patch": patches(facts, today),
        "held": [fact.name for fact in facts if fact.outcome == HELD],
        "not_checked": [{"reason": reason, "facts": names} for reason, names in reasons.items()],
        "unusable": comparison.coverage.told(),
        "notes": list(notes),
        **comparison.summary(),
    }
    clean: Report = scrubber.value(plain)
    return clean


def _useless(comparison: Comparison, least: int) -> str:
    """Why nothing can be said; empty where something can."""
    facts, coverage = comparison.facts, comparison.coverage
    told = coverage.told()
    if facts.compared == 0 or coverage.recognised == 0:
        return f"Nothing could be compared: {told or 'there was no exchange'}."
    if facts.compared < least:
        return f"Too little could be compared: {facts.compared} facts, and {least} are the least."
    if not coverage.useful:
        return f"Too little could be compared: {coverage.recognised} answers were of use, and these were not: {told}."
    return ""


def _verdict(drifts: list[Fact], grave: list[Fact], fail_on: str) -> str:
    fresh = [fact for fact in drifts if fact.counts]
    told = fail_on if fail_on == SEVERITIES[-1] else f"{fail_on} or worse"
    if grave:
        return f"{_counted(len(grave), 'fact has', 'facts have')} drifted: {told}."
    if fresh:
        return f"{_counted(len(fresh), 'fact has', 'facts have')} drifted; nothing is {told}."
    return "Nothing new has drifted." if drifts else "Everything that could be compared has held."


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _drift(fact: Fact) -> dict[str, Any]:
    change = fact.change
    assert change is not None, "Only a fact that has drifted is told so."
    secret = NAMES.search(fact.name.rpartition("/")[2]) is not None
    return {
        "fact": fact.name,
        "kind": change.kind,
        "severity": change.severity,
        "expected": change.expected,
        "seen": SECRET if secret else change.seen,
        "where": change.where,
        "others": fact.others,
        "assumed": fact.assumed,
        "ignored": fact.ignored,
        "known": fact.known,
    }


def _learnt(fact: Fact) -> dict[str, Any]:
    seen = fact.expected if fact.change is None else fact.change.seen
    return {"fact": fact.name, "assumed": fact.expected, "seen": seen, "right": fact.change is None}


def _severity(fact: Fact) -> str:
    return fact.change.severity if fact.change is not None else SEVERITIES[0]


def _at_least(severity: str, least: str) -> bool:
    return SEVERITIES.index(severity) >= SEVERITIES.index(least)


def _why(fact: Fact, *, paid: bool, live: bool) -> str:
    if fact.reason and live:
        return fact.reason if not paid else "nothing that was seen shows it"
    operation = fact.name.partition(":")[0].partition(" ")[0].partition("-")[0]
    whole = fact.name.partition(":")[0].partition(" ")[0]
    if live and (whole in NOT_ASKED or operation in NOT_ASKED):
        return NOT_ASKED[whole if whole in NOT_ASKED else operation]
    if live and not paid and fact.name.startswith(("submit 200", "result 200", "status 200", "cancel 2", "submit-")):
        return "it takes a submission: --spend"
    return "nothing that was seen shows it"
