"""Rules as people write them: JSON, TOML, Python's plain values."""

from __future__ import annotations

from understudy.mockserver.rules import Rule


def parse_rules(path: str) -> tuple[Rule, ...]:
    """The rules in a TOML file. Raises ValueError."""
    raise NotImplementedError
