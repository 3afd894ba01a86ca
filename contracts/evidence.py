"""How a fact of the wire is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Mark = Literal["documented", "observed", "inferred", "assumed"]
MARKS: tuple[Mark, ...] = get_args(Mark)


class CatalogueError(Exception):
    """Contract data that cannot be used: what was found, where, and what is expected."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`source` is a short name from the provider's list of sources; an assumed fact gives its reason there."""

    mark: Mark
    source: str


def evidence_from(entries: Sequence[Mapping[str, str]]) -> tuple[Evidence, ...]:
    return tuple(_evidence(entry) for entry in entries)


def _evidence(entry: Mapping[str, str]) -> Evidence:
    for mark in MARKS:
        if entry["mark"] == mark:
            return Evidence(mark, entry["source"])
    raise CatalogueError(f'unknown mark "{entry["mark"]}" of {entry["source"]}; a fact is one of: {", ".join(MARKS)}')
