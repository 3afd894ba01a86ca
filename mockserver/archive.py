"""The journals of all tenants together, which are bounded in bytes too: the oldest entries of all make room."""

from __future__ import annotations

from collections import OrderedDict

from understudy.mockserver.journal import Entry, Journal

AROUND = 900
"""Bytes that an entry takes beside its texts, as measured: the tuple, its numbers, its places in journal and order."""


class Archive:
    """Opens journals of at most `each` entries, and keeps all of them below about `most` bytes."""

    def __init__(self, each: int, most: int) -> None:
        self._each = each
        self._most = most
        self._order: OrderedDict[int, Journal] = OrderedDict()
        """Whose the entries are, the oldest first. Entries are found by their identity: an entry is added once, and
        lives for as long as it is here."""
        self.size = 0

    def open(self) -> Journal:
        return Journal(self._each)

    def add(self, journal: Journal, entry: Entry) -> None:
        """Keeps an entry in a journal. What has to go for it goes."""
        self._order[id(entry)] = journal
        self.size += weight_of(entry)
        gone = journal.add(entry)
        if gone is not None:
            self._forget(gone)
        while self.size > self._most:
            oldest = next(iter(self._order.values()))
            self._forget(oldest.drop())

    def close(self, journal: Journal) -> None:
        """Forgets a journal with all that is in it."""
        while len(journal):
            self._forget(journal.drop())

    def _forget(self, entry: Entry) -> None:
        del self._order[id(entry)]
        self.size -= weight_of(entry)


def weight_of(entry: Entry) -> int:
    """About how many bytes an entry takes."""
    weight = AROUND + len(entry.target) + len(entry.request) + len(entry.response)
    return weight + sum(map(len, entry.notes)) if entry.notes else weight
