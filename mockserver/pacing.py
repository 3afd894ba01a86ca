"""How fast a client asks, and whether it slows down where it should."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from understudy.mockserver.case import Case, Exchange, describe, failed, question
from understudy.mockserver.durations import format_duration
from understudy.mockserver.findings import Finding

SHORT = 1_000
"""Milliseconds: whoever tries again no sooner than after this long needs no backoff."""

AT_ONCE = 20
"""Milliseconds: attempts that all come within this of each other have no pace that could grow."""

GROWTH = 1.5
"""How many times as long as the shortest pause the longest is where there is a backoff."""

ROW = 3
"""How many failed answers in a row, each of them followed by another attempt, it takes to tell a pace."""


def polled_too_fast(case: Case, fastest_poll: int) -> Iterator[Finding]:
    """On the wall clock, from the beginning of a poll that told that the job goes on to that of the next one. A poll
    that failed is another matter: see `no_backoff`."""
    for job in case.jobs:
        before: dict[str, Exchange] = {}
        pauses: list[tuple[int, Exchange]] = []
        for exchange in case.polls(job):
            entry = exchange[1]
            last = before.get(entry.operation)
            if last is not None and last[0] <= entry.known:
                going = last[1].accepted and last[1].phase is not None and not last[1].phase.ended
                pause = entry.wall - last[1].wall
                if going and pause < fastest_poll:
                    pauses.append((pause, exchange))
            before[entry.operation] = exchange
        if pauses:
            many = f"{len(pauses)} polls" if len(pauses) > 1 else "A poll"
            message = (
                f"{many} of job {job.id} came less than {format_duration(fastest_poll)} of real time after the one "
                f"before: the soonest after {min(pauses)[0]} ms."
            )
            yield Finding("polled_too_fast", message, tuple(exchange[0] for _, exchange in pauses), (job.id,))


def ignored_retry_after(case: Case) -> Iterator[Finding]:
    """The same was asked again sooner than told, on the wall clock and on the tenant's."""
    for row in _repeated(case):
        early = [
            (first, again)
            for first, again in itertools.pairwise(row)
            if (told := first[1].retry_after) is not None
            and again[1].wall - first[1].wall < told
            and again[1].at - first[1].at < told
        ]
        if early:
            first, again = early[0]
            pause = max(again[1].wall - first[1].wall, again[1].at - first[1].at)
            more = f" It did so {len(early)} times." if len(early) > 1 else ""
            message = (
                f"Exchange {first[0]} ({first[1].operation}, {describe(first[1])}) told the client to wait "
                f"{format_duration(first[1].retry_after or 0)}, and it asked the same again after {pause} ms, in "
                f"exchange {again[0]}.{more}"
            )
            numbers = sorted({number for pair in early for number, _ in pair})
            yield Finding("ignored_retry_after", message, tuple(numbers), _jobs(row))


def no_backoff(case: Case) -> Iterator[Finding]:
    """Failed answers in a row, retried at a short pace that did not grow, neither on the wall clock nor on the
    tenant's. Where an answer said how long to wait, there is nothing to be guessed: see `ignored_retry_after`."""
    for row in _repeated(case):
        tries: list[Exchange] = []
        for exchange in row:
            tries.append(exchange)
            if not failed(exchange[1]) or exchange[1].retry_after is not None:
                yield from _flat(tries)
                tries = []
        yield from _flat(tries)


def _flat(tries: Sequence[Exchange]) -> Iterator[Finding]:
    """The finding about attempts of which all but the last failed, if they came at one pace."""
    if len(tries) <= ROW:
        return
    pairs = list(itertools.pairwise(tries))
    wall = [again[1].wall - first[1].wall for first, again in pairs]
    own = [again[1].at - first[1].at for first, again in pairs]
    if _even(wall) and _even(own):
        told = ", ".join(describe(entry) for _, entry in tries[:ROW]) + (", …" if len(pairs) > ROW else "")
        message = (
            f"{len(pairs)} exchanges in a row failed ({told}), and the client asked the same again after {min(wall)} "
            f"to {max(wall)} ms each time: it should wait longer from one attempt to the next."
        )
        yield Finding("no_backoff", message, tuple(number for number, _ in tries), _jobs(tries))


def _even(pauses: Sequence[int]) -> bool:
    return max(pauses) < SHORT and (max(pauses) < AT_ONCE or max(pauses) < GROWTH * min(pauses))


def _repeated(case: Case) -> Iterator[Sequence[Exchange]]:
    """Exchanges that ask the same one after the other, each begun when the one before was over."""
    rows: dict[tuple[object, ...], list[Exchange]] = {}
    for number, entry in case.logged.numbered:
        row = rows.setdefault((entry.provider, entry.operation, *question(entry)), [])
        if row and row[-1][0] > entry.known:
            yield tuple(row)
            row.clear()
        row.append((number, entry))
    yield from rows.values()


def _jobs(exchanges: Sequence[Exchange]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.job for _, entry in exchanges if entry.job is not None))
