"""Keeps keys out of what is recorded."""

from __future__ import annotations

from urllib.parse import quote

MASK = "[key]"


def mask(path: str, query: bytes, key: str) -> tuple[str, bool]:
    """Path and query as one text, the key of whoever asked masked; and whether it stood there.

    Keys of a single character are not looked for: they would be found everywhere.
    """
    target = f"{path}?{query.decode('latin-1')}" if query else path
    if len(key) > 1:
        for form in (key, quote(key, safe="", errors="surrogateescape")):
            if form in target:
                return target.replace(form, MASK), True
    return target, False
