"""Drifts that are known and put up with for a while: a TOML file of facts, reasons and dates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from understudy.contracts.drift_facts import Facts
from understudy.contracts.findings import Unable

_FORM = 'expected [[ignore]] with fact = "…", reason = "…" and until = 2026-12-31'


class Ignored(NamedTuple):
    """`fact` is a fact's name, `*` standing for anything; it counts again from the day after `until`."""

    fact: str
    reason: str
    until: date


def read_ignored(path: Path) -> list[Ignored]:
    """Raises Unable, which says what is wrong in which file."""
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unable(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise Unable(f"{path} is no TOML: {error}.") from error
    entries = table.get("ignore", [])
    if set(table) - {"ignore"} or not isinstance(entries, list):
        raise Unable(f"{path} has {', '.join(table)}: {_FORM}.")
    return [_entry(path, number, entry) for number, entry in enumerate(entries, 1)]


def _entry(path: Path, number: int, entry: object) -> Ignored:
    where = f"{path}, entry {number}"
    if not isinstance(entry, dict) or set(entry) != {"fact", "reason", "until"}:
        has = ", ".join(entry) if isinstance(entry, dict) else repr(entry)
        raise Unable(f"{where} has {has}: {_FORM}.")
    fact, reason, until = entry["fact"], entry["reason"], entry["until"]
    if not isinstance(fact, str) or not fact.strip() or not isinstance(reason, str) or not reason.strip():
        raise Unable(f"{where}: fact and reason are texts, and neither is empty.")
    if type(until) is not date:
        raise Unable(f"{where}: until is {until!r}; expected a date, as in until = 2026-12-31.")
    return Ignored(fact, reason, until)


def apply_ignored(facts: Facts, ignored: Iterable[Ignored], today: date) -> list[str]:
    """Marks what is put up with. Says which entries are over, and which are of no use."""
    notes = []
    for entry in ignored:
        found = [fact for fact in facts if fact.change is not None and _names(entry.fact, fact.name)]
        if today > entry.until:
            notes.append(f"Ignored until {entry.until}, which is over: {entry.fact} ({entry.reason})")
        elif not found:
            notes.append(f"Ignored, and there is nothing to ignore: {entry.fact} ({entry.reason})")
        else:
            for fact in found:
                fact.ignored = f"{entry.reason} (until {entry.until})"
    return notes


def _names(pattern: str, name: str) -> bool:
    """A `*` alone is special: names of facts are full of it already where they speak of arrays, and of brackets."""
    return pattern == name or fnmatchcase(name, pattern.replace("[", "[[]"))
