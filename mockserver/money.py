"""Money as whole microdollars: exact to add up, and a number of US dollars on the wire."""

from __future__ import annotations

import re

MICRO = 1_000_000
_DOLLARS = re.compile(r"(\d{1,9})(?:\.(\d{1,6}))?", re.ASCII)


def dollars(microdollars: int) -> float:
    """US dollars: the number nearest to the exact value, and its shortest form is that value."""
    return microdollars / MICRO


def parse_dollars(text: str) -> int:
    """Microdollars of a decimal number of US dollars, exactly. Raises ValueError, which says what is expected."""
    match = _DOLLARS.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not an amount of money: expected US dollars, such as 25 or 0.054")
    return int(match[1]) * MICRO + int((match[2] or "").ljust(6, "0"))
