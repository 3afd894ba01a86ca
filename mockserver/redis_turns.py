"""What the next submission of a tenant will probably find, so that it need not be asked first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from understudy.mockserver.clock import Clock
from understudy.mockserver.jobs import Job
from understudy.mockserver.store import Turn
from understudy.mockserver.wallets import MINUTE


def clock_of(words: Sequence[bytes | int]) -> Clock:
    """A clock out of rate, origin, reading, auto."""
    rate, origin, reading, auto = (int(word) for word in words)
    return Clock(rate, origin, reading, auto == 1)


class SharedWall:
    """What the store's wall shows, without asking it: never more than it does."""

    def __init__(self) -> None:
        self._ahead: int | None = None

    def heard(self, shown: int) -> None:
        """It showed that when the answer was written."""
        ahead = shown - _monotonic()
        self._ahead = ahead if self._ahead is None else max(ahead, self._ahead)

    def anew(self, shown: int) -> None:
        """The same, whatever was heard before: the server's own clock may have been set back."""
        self._ahead = None
        self.heard(shown)

    def now(self) -> int:
        assert self._ahead is not None, "Whoever guesses has heard the wall's time before."
        return _monotonic() + self._ahead


def _monotonic() -> int:
    return time.monotonic_ns() // 1_000_000


@dataclass(slots=True)
class Turns:
    """A run of submissions of one tenant, each counting on what the one before it will have changed. `gen` counts
    changes of the clock and interruptions, `spent` is microdollars by provider, `images` how many in which minute."""

    ordinal: int
    gen: int
    clock: Clock
    fresh: bool = True
    spent: dict[str, int] = field(default_factory=dict)
    images: dict[str, tuple[int, int]] = field(default_factory=dict)
    now: int = 0

    @classmethod
    def told(cls, provider: str, words: Sequence[Any]) -> Turns:
        """As the store says it is."""
        now, _, ordinal, gen, spent, images, clock = words
        told = cls(ordinal, gen, clock_of(clock), now=int(now))
        told.spent[provider] = int(spent)
        told.images[provider] = (told.now // MINUTE, images)
        return told

    def turn(self, provider: str, balance: int, wall: SharedWall) -> Turn | None:
        """The next one with a provider; None when nothing is known of it."""
        if provider not in self.spent:
            return None
        if not self.fresh and self.clock.rate:
            self.now = max(self.now, self.clock.now(wall.now()))
        minute, images = self.images[provider]
        return Turn(
            self.now, self.ordinal, balance - self.spent[provider], images if minute == self.now // MINUTE else 0
        )

    def taken(self, provider: str, turn: Turn, job: Job) -> None:
        """A job was made from it, and is on its way to the store."""
        self.fresh = False
        self.ordinal += 1
        self.spent[provider] += job.submission.price
        self.images[provider] = (turn.now // MINUTE, turn.images + job.submission.count)
