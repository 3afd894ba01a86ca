"""Instants as text."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=256)
def format_second(seconds: int) -> str:
    """A second since 1970 as `2026-01-31T12:00:00`, in UTC. Kept, since most answers fall into the same few seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
