"""How two paths differ, part by part, with the least that explains it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

EXTRA = MISSING = 1.0

Fit = Callable[[str, str], float]
"""How badly a part of the path fits one of the route: 0 when it does, up to 2."""


class Difference(NamedTuple):
    """`found` in the path for `wanted` in the route; empty where there is nothing."""

    kind: Literal["changed", "missing", "extra"]
    found: str
    wanted: str


class Alignment(NamedTuple):
    cost: float
    differences: tuple[Difference, ...] = ()

    def and_then(self, cost: float, difference: Difference) -> Alignment:
        return Alignment(self.cost + cost, (*self.differences, difference)) if cost else self


def align(parts: Sequence[str], route: Sequence[str], fit: Fit) -> Alignment:
    """The cheapest way from the parts of a path to those of a route, of which the last may end in `:path}` and then
    stands for one part or more."""
    open_ended = bool(route) and route[-1].endswith(":path}")
    row = [Alignment(0.0)]
    for wanted in route:
        row.append(row[-1].and_then(MISSING, Difference("missing", "", wanted)))
    last_but_one = [row[-2]] if open_ended else []
    for found in parts:
        above, row = row, [row[0].and_then(EXTRA, Difference("extra", found, ""))]
        for place, wanted in enumerate(route):
            ways = (
                above[place].and_then(fit(wanted, found), Difference("changed", found, wanted)),
                above[place + 1].and_then(EXTRA, Difference("extra", found, "")),
                row[place].and_then(MISSING, Difference("missing", "", wanted)),
            )
            row.append(min(ways, key=lambda way: way.cost))
        if open_ended:
            last_but_one.append(row[-2])
    ends = [row[-1]]
    for place, before in enumerate(last_but_one[: len(parts)]):
        rest = "/".join(parts[place:])
        ends.append(before.and_then(fit(route[-1], rest), Difference("changed", rest, route[-1])))
    return min(ends, key=lambda way: way.cost)
