"""Lengths of time as people write them: `500ms`, `2s`, `5m`; ranges such as `1s..4s`; `lognormal(2s, 0.5)`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Protocol

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
LONGEST = 365 * 24 * UNITS["h"]
EXPECTED = "a number and a unit (ms, s, m or h), such as 500ms or 2s, of at most a year"
SPREAD = "a duration (2s), a range (1s..4s) or a lognormal distribution with its median and sigma: lognormal(2s, 0.5)"
_DURATION = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(ms|s|m|h)", re.ASCII)
_LOGNORMAL = re.compile(r"lognormal\(\s*([^,\s]+)\s*,\s*(\d{1,2}(?:\.\d{1,9})?)\s*\)", re.ASCII)


def parse_duration(text: str) -> int:
    """Milliseconds. Raises ValueError, which says what is expected; `0` needs no unit."""
    match = _DURATION.fullmatch(text.strip())
    if text.strip() == "0":
        return 0
    if match is None:
        raise ValueError(f"{text!r} is not a duration: expected {EXPECTED}")
    from fractions import Fraction  # late: a millisecond of each start, and few say how long

    length = round(Fraction(match[1]) * UNITS[match[2]])
    if length > LONGEST:
        raise ValueError(f"{text!r} is too long: expected {EXPECTED}")
    return length


def format_duration(milliseconds: int) -> str:
    """The shortest exact way to write it, which `parse_duration` reads back."""
    unit = max((name for name, size in UNITS.items() if milliseconds % size == 0), key=UNITS.__getitem__)
    return f"{milliseconds // UNITS[unit]}{unit}" if milliseconds else "0"


class Spread(Protocol):
    """A distribution of lengths."""

    def at(self, fraction: float) -> int:
        """The length in milliseconds that this fraction, from 0 to 1, of all draws stays below."""


@dataclass(frozen=True, slots=True)
class DurationRange:
    """From `least` to `most` milliseconds, both included; the same twice for a fixed length."""

    least: int
    most: int

    def at(self, fraction: float) -> int:
        """The length at a fraction from 0 to 1 of the way, for a uniform draw."""
        if self.least == self.most:
            return self.least
        return self.least + int((self.most - self.least + 1) * min(fraction, 0.999_999_999))

    def __str__(self) -> str:
        least = format_duration(self.least)
        return least if self.least == self.most else f"{least}..{format_duration(self.most)}"


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Half of the lengths are below `median` milliseconds; `sigma` is the standard deviation of their logarithm."""

    median: int
    sigma: float

    def at(self, fraction: float) -> int:
        """A year at the most, as for any duration."""
        from statistics import NormalDist  # late: it brings a dozen modules of the standard library

        middle = min(max(fraction, 1e-12), 1 - 1e-12)
        return min(round(self.median * math.exp(self.sigma * NormalDist().inv_cdf(middle))), LONGEST)

    def __str__(self) -> str:
        sigma = f"{self.sigma:.9f}".rstrip("0").rstrip(".")  # as many digits as are read
        return f"lognormal({format_duration(self.median)}, {sigma})"


def parse_spread(text: str) -> Spread:
    """`2s`, `1s..4s` or `lognormal(2s, 0.5)`. Raises ValueError, which says what is expected."""
    match = _LOGNORMAL.fullmatch(text.strip())
    if match is not None:
        return Lognormal(parse_duration(match[1]), float(match[2]))
    if text.strip().startswith("lognormal"):
        raise ValueError(f"{text!r} is not a distribution: expected {SPREAD}")
    return parse_range(text)


def parse_range(text: str) -> DurationRange:
    """`2s` or `1s..4s`. Raises ValueError, which says what is expected."""
    least, dots, most = text.partition("..")
    bounds = DurationRange(parse_duration(least), parse_duration(most if dots else least))
    if bounds.least > bounds.most:
        raise ValueError(f"{text!r} is an empty range: expected the shorter duration first")
    return bounds
