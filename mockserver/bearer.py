"""The key in an Authorization header."""

from __future__ import annotations

from collections.abc import Container

from understudy.mockserver.refusals import Unauthenticated


def read_key(authorization: bytes, keys: Container[str] | None) -> str:
    """The key of `Bearer <key>`, if it is one of `keys`, or any without them. Raises Unauthenticated."""
    scheme, _, key = _text(authorization).partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key or (keys is not None and key not in keys):
        raise Unauthenticated
    return key


def _text(header: bytes) -> str:
    """A header as text: most clients that send more than ASCII send UTF-8."""
    try:
        return header.decode()
    except UnicodeDecodeError:
        return header.decode("latin-1")
