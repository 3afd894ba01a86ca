"""Keeps keys out of what is recorded."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

MASK = "[key]"


def mask(path: str, query: bytes, key: str) -> tuple[str, bool]:
    """Path and query as one text, the key of whoever asked masked; and whether it stood there.

    Keys of a single character are not looked for: they would be found everywhere.
    """
    target = f"{path}?{query.decode('latin-1')}" if query else path
    for form in _forms(key):
        if form in target:
            return target.replace(form, MASK), True
    return target, False


@lru_cache(maxsize=1_024)
def _forms(key: str) -> tuple[str, ...]:
    """How a key may be written in a URL."""
    quoted = quote(key, safe="", errors="surrogateescape")
    return () if len(key) == 1 else (key,) if quoted == key else (key, quoted)
