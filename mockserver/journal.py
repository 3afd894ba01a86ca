"""What a tenant's clients asked and were told, as a bounded ring of exchanges."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from understudy.mockserver.jobs import Phase

BODY_KEPT = 2_048
"""How many bytes of a body are kept."""


class Entry(NamedTuple):
    """One exchange. `at` is when it began on the tenant's clock, `wall` the real time, both
    in milliseconds; `took` is microseconds of real time. `operation` is a dialect's own name for it, `unknown` when it
    matched none. `target` is path and query, the key masked. `job` is the job that it was about, `phase` what it was
    told to be in. `status` is None when no answer was begun. `rules` are the ids of the rules that acted, `notes`
    what the user should know. Of the bodies, up to BODY_KEPT bytes, the key masked; what is no text is left out. `sent`
    is the length of the whole answer's body, `received` of the whole request's. `retry_after` is milliseconds that the
    client was told to wait; `broken` is what happened to the bytes on their way, or that they were `garbled` or
    `altered`; `exposed` that the key stood in the URL. `known` is the number of the last exchange that was over when
    this one began: whoever asked can have heard of that one and those before it.
    """

    at: int
    wall: int
    took: int
    provider: str
    operation: str
    method: str
    target: str
    job: str | None
    phase: Phase | None
    status: int | None
    rules: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    request: bytes = b""
    response: bytes = b""
    sent: int = 0
    retry_after: int | None = None
    broken: str | None = None
    exposed: bool = False
    received: int = 0
    known: int = 0

    @property
    def arrived(self) -> bool:
        """Whether the answer went out whole and as it should be; slowly counts."""
        return self.status is not None and (self.broken is None or self.broken == "drip")

    @property
    def accepted(self) -> bool:
        """Whether the answer arrived, and said yes."""
        return self.arrived and self.status is not None and 200 <= self.status < 300


class Journal:
    """The last `bound` entries of one tenant and what each weighs. `count` is how many there have been, `left` how many
    have gone by themselves that others still have a place for."""

    __slots__ = ("_bound", "_entries", "_weights", "count", "left")

    def __init__(self, bound: int) -> None:
        self._entries: deque[Entry] = deque()
        self._weights: deque[int] = deque()
        self._bound = bound
        self.count = 0
        self.left = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry, weight: int) -> int:
        """Keeps an entry, and returns the weight of the oldest when there were too many and it has left."""
        self.count += 1
        self._entries.append(entry)
        self._weights.append(weight)
        if len(self._entries) <= self._bound:
            return 0
        self.left += 1
        return self.drop()

    def drop(self) -> int:
        """Lets go of the oldest entry, and returns its weight."""
        self._entries.popleft()
        return self._weights.popleft()

    def has(self, operation: str) -> bool:
        """Whether an entry that is kept is of this operation."""
        return any(entry.operation == operation for entry in tuple(self._entries))

    def after(self, number: int) -> Logged:
        """The entries with a greater number that are kept."""
        gone = max(self.count - len(self._entries), number)
        return Logged(gone + 1, tuple(itertools.islice(self._entries, gone - (self.count - len(self._entries)), None)))


class Logged(NamedTuple):
    """Entries of a journal, the oldest first; `first` is the number of the first one, from 1 for a tenant's first."""

    first: int
    entries: Sequence[Entry]

    @property
    def numbered(self) -> Iterator[tuple[int, Entry]]:
        return enumerate(self.entries, self.first)
