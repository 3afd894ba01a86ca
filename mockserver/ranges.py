"""The Range header of HTTP (RFC 9110, section 14), one range at a time."""

from __future__ import annotations

import re

_BYTES = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


def parse_range(header: str | None, size: int) -> range | None:
    """The bytes a header asks for of `size`: an empty range when none of them exists.

    None where a server may answer with the whole: no header, another unit, several ranges, or no valid syntax.
    """
    match = _BYTES.fullmatch(header.replace(" ", "")) if header else None
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        return range(max(size - int(last), 0), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last), size - 1) + 1 if last else size)
