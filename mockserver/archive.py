"""The journals of all tenants together, which are bounded in bytes too: the oldest entries of all make room."""

from __future__ import annotations

from collections import deque

from understudy.mockserver.journal import Entry, Journal

AROUND = 900
"""Bytes that an entry takes beside its texts, as measured: the tuple, its numbers, its places in journal and order."""

SLACK = 1_000
"""Places of entries that have gone, which are let be."""


class Archive:
    """Opens journals of at most `each` entries, and keeps all of them below about `most` bytes."""

    def __init__(self, each: int, most: int) -> None:
        self._each = each
        self._most = most
        self._order: deque[Journal] = deque()
        """Whose the entries are, the oldest first. Who lets an entry go by itself keeps its place here and counts it in
        `left`: the first places of a journal are those of what has left it."""
        self._left = 0
        self.size = 0

    def open(self) -> Journal:
        return Journal(self._each)

    def add(self, journal: Journal, entry: Entry) -> None:
        """Keeps an entry in a journal. What has to go for it goes."""
        weight = weight_of(entry)
        self._order.append(journal)
        gone = journal.add(entry, weight)
        self.size += weight - gone
        if gone:
            self._left += 1
            if self._left > SLACK + len(self._order) // 2:
                self._tidy()
        while self.size > self._most:
            oldest = self._order.popleft()
            if oldest.left:
                oldest.left -= 1
                self._left -= 1
            else:
                self.size -= oldest.drop()

    def close(self, journal: Journal) -> None:
        """Forgets a journal with all that is in it."""
        count = len(journal)
        for _ in range(count):
            self.size -= journal.drop()
        journal.left += count
        self._left += count

    def _tidy(self) -> None:
        kept: deque[Journal] = deque()
        for journal in self._order:
            if journal.left:
                journal.left -= 1
            else:
                kept.append(journal)
        self._order = kept
        self._left = 0


def weight_of(entry: Entry) -> int:
    """About how many bytes an entry takes."""
    weight = AROUND + len(entry.target) + len(entry.request) + len(entry.response)
    return weight + sum(map(len, entry.notes)) if entry.notes else weight
