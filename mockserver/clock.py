"""Time as a value: a tenant's clock says what time it is for that tenant when the wall shows a given instant.

All instants are integer milliseconds since 1970-01-01T00:00:00Z. A clock never goes back, whatever is done to it.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

Wall = Callable[[], int]
"""Tells the real time in milliseconds, and never goes back."""

MANUAL_START = 1_767_225_600_000
"""Where a manual clock starts when nobody says: 2026-01-01T00:00:00Z, so that runs repeat."""


def wall() -> Wall:
    """The real time: that of the system when this is called, counted on by the monotonic clock."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: (time.monotonic_ns() + offset) // 1_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """`rate` milliseconds pass here for each one on the wall: 1 is real, 60 is scaled, 0 is manual.

    At the wall's `origin` this clock shows `reading`. An `auto` clock, whose rate is 0, is set forward to what happens
    next whenever a client waits for it.
    """

    rate: int = 1
    origin: int = 0
    reading: int = 0
    auto: bool = False

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError(f"A clock cannot run at {self.rate}: time does not go back. Give a rate of 0 or more.")
        assert not (self.auto and self.rate), "An automatic clock stands still between the events it is set to."

    @classmethod
    def real(cls) -> Clock:
        """Shows what the wall shows."""
        return cls()

    @classmethod
    def scaled(cls, rate: int, wall_now: int) -> Clock:
        """Shows the wall's time now, and runs `rate` times as fast from here."""
        return cls(rate, wall_now, wall_now)

    @classmethod
    def manual(cls, start: int = MANUAL_START) -> Clock:
        """Stands still until it is advanced."""
        return cls(0, 0, start)

    def now(self, wall_now: int) -> int:
        """What this clock shows when the wall shows `wall_now`."""
        return self.reading + (wall_now - self.origin) * self.rate

    def wall_at(self, instant: int, wall_now: int) -> int | None:
        """What the wall shows when this clock shows `instant`: now at the latest for what has passed on a manual
        clock, None for what lies ahead of one."""
        if self.rate == 0:
            return wall_now if instant <= self.reading else None
        return self.origin - (self.reading - instant) // self.rate

    def advance(self, milliseconds: int) -> Clock:
        """The same clock, that much later."""
        if milliseconds < 0:
            raise ValueError(f"Cannot advance a clock by {milliseconds} ms: time does not go back. Give 0 or more.")
        return dataclasses.replace(self, reading=self.reading + milliseconds)

    def at_rate(self, rate: int, wall_now: int, *, auto: bool = False) -> Clock:
        """A clock that shows the same time now and runs at another rate from here."""
        return Clock(rate, wall_now, self.now(wall_now), auto)

    def set_to(self, instant: int, wall_now: int) -> Clock:
        """The same clock, showing this instant now if that is later than what it shows."""
        return self.advance(max(instant - self.now(wall_now), 0))


@dataclass(frozen=True, slots=True)
class ClockMode:
    """How a tenant's time passes when nobody has said otherwise: `rate` as for a clock."""

    rate: int = 1
    auto: bool = False

    def clock(self, wall_now: int) -> Clock:
        """The clock to begin with: one that stands still begins where it always does, any other shows real time."""
        if self.rate == 0:
            return dataclasses.replace(Clock.manual(), auto=self.auto)
        return Clock.real() if self.rate == 1 else Clock.scaled(self.rate, wall_now)

    def __str__(self) -> str:
        if self.rate == 0:
            return "auto" if self.auto else "manual"
        return "real" if self.rate == 1 else f"{self.rate}x"


def parse_clock(text: str) -> ClockMode:
    """`real`, `manual`, `auto`, or how many times as fast: `60x`. Raises ValueError, which says what is expected."""
    if text in ("manual", "auto"):
        return ClockMode(0, text == "auto")
    match = re.fullmatch(r"(\d{1,6})x", text, re.ASCII)
    if text != "real" and (match is None or int(match[1]) == 0):
        raise ValueError(f"{text!r} is no clock: expected real, manual, auto, or how many times as fast, such as 60x")
    return ClockMode(int(match[1]) if match else 1)
