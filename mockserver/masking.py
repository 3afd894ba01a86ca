"""Keeps keys out of what is recorded."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote

MASK = "[key]"

SHORTEST = 4
"""Keys of fewer characters are not looked for in URLs: they are parts of words there."""

SECRET = 8
"""Keys of fewer characters are not looked for in bodies: they are words of test suites, and prompts contain them."""

LIKELY = 16
"""How many parts of a URL are looked at for a key."""


class _Forms(NamedTuple):
    """How a key may be written in a URL and in a body; and what finds it there, standing alone."""

    texts: tuple[str, ...]
    in_url: re.Pattern[str] | None
    raw: bytes
    in_body: re.Pattern[bytes] | None


def mask(path: str, query: bytes, key: str) -> tuple[str, bool]:
    """Path and query as one text, the key of whoever asked masked; and whether it stood there, by itself and not as a
    part of a longer word."""
    target = f"{path}?{query.decode('latin-1')}" if query else path
    forms = _forms(key)
    for form in forms.texts:
        if form in target:
            assert forms.in_url is not None, "A key with forms has a pattern."
            masked, count = forms.in_url.subn(MASK, target)
            return masked, count > 0
    return target, False


def mask_body(body: bytes, key: str, most: int) -> bytes:
    """The first `most` bytes of a body, the key masked wherever it begins there."""
    if not body:
        return b""
    forms = _forms(key)
    length = len(forms.raw)
    head = body if len(body) <= most else body[: most + length]
    if forms.in_body is not None and forms.raw in head:
        masked, count = forms.in_body.subn(MASK.encode(), head)
        return masked[: max(most - count * (length - len(MASK)), 0)]  # no further, since another key may begin there
    return head[:most]


def likely_keys(path: str, query: bytes) -> frozenset[str]:
    """What in a URL may be somebody's key: its parts, and the values of its query."""
    values = [value for _, value in parse_qsl(query[:8_192].decode("latin-1"))[:LIKELY]] if query else []
    parts = [unquote(part) for part in path[:8_192].split("/", LIKELY)[:LIKELY]]
    return frozenset(one for one in (*parts, *values) if len(one) >= SHORTEST)


@lru_cache(maxsize=1_024)
def _forms(key: str) -> _Forms:
    quoted = quote(key, safe="", errors="surrogateescape")
    raw = key.encode("utf-8", "surrogateescape")
    texts = () if len(key) < SHORTEST else (key,) if quoted == key else (key, quoted)
    in_url = f"(?<![0-9A-Za-z_-])(?:{'|'.join(map(re.escape, texts))})(?![0-9A-Za-z_-])"
    in_body = re.compile(rb"(?<![0-9A-Za-z_-])%b(?![0-9A-Za-z_-])" % re.escape(raw)) if len(key) >= SECRET else None
    return _Forms(texts, re.compile(in_url) if texts else None, raw, in_body)
