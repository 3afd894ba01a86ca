"""Which of a provider's operations a request is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from understudy.contracts.operations import Operation, wire


class Route(NamedTuple):
    """`parameters` are those in the path."""

    operation: Operation
    parameters: Mapping[str, str]


class Routes:
    """The operations of a provider under some readings; those with a fixed path come before those with parameters."""

    def __init__(self, provider: str, assumed: Mapping[str, str] | None = None) -> None:
        table = wire(provider, assumed)
        self.operations = table.operations
        self.server = table.server
        ways = [(one, path) for one in table.operations for path in (one.path, *one.aliases)]
        self._ways = [
            (one.method, _pattern(path), one) for one, path in sorted(ways, key=lambda way: _openness(way[1]))
        ]

    def find(self, method: str, path: str) -> Route | None:
        for known, pattern, operation in self._ways:
            match = pattern.fullmatch(path)
            if known == method and match is not None:
                return Route(operation, match.groupdict())
        return None


def _openness(path: str) -> tuple[bool, int]:
    return "{model_id}" in path, path.count("{")


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    wide = {"model_id": ".+"}
    return re.compile(
        "".join(
            f"(?P<{part}>{wide.get(part, '[^/]+')})" if index % 2 else re.escape(part)
            for index, part in enumerate(parts)
        )
    )
