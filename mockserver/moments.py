"""Instants as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_WHOLE_DAY = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=256)
def format_second(seconds: int) -> str:
    """A second since 1970 as `2026-01-31T12:00:00`, in UTC. Kept, since most answers fall into the same few seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def parse_moment(text: str, *, end: bool = False) -> int | None:
    """Milliseconds since 1970 of an ISO 8601 time, UTC unless it says otherwise; of a day alone, its beginning, or at
    `end` its last millisecond. None for any other text."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    return milliseconds + _WHOLE_DAY - 1 if end and _DAY.fullmatch(text) else milliseconds
