"""What of an exchange is worth writing down, and what its client can have made of the answer."""

from __future__ import annotations

from collections.abc import Iterable

from understudy.mockserver.rules import AnswerEffect

NO_TEXT = bytes(code for code in range(32) if code not in b"\t\n\f\r\x1b")
"""Bytes that no text has."""


def is_text(body: bytes) -> bool:
    """Whether a body, or the beginning of one, is text in UTF-8, whatever its type says."""
    if len(body.translate(None, NO_TEXT)) != len(body):
        return False
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.end == len(body) and error.reason == "unexpected end of data"
    return True


def announced(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """How long the body of a request is by its headers; 0 when they do not say."""
    return next((int(value) for name, value in headers if name == b"content-length"), 0)


def spoilt(effect: AnswerEffect, *, put: bool) -> str | None:
    """What a rule did to an answer so that its client cannot have read it as it was meant; None when it could. `put`
    is whether fields were set."""
    if effect.garbled:
        return "garbled"
    changed = put or effect.content_type is not None or effect.error_in_200
    return "altered" if changed else None


def replaced(effect: AnswerEffect) -> bool:
    """Whether a rule sent another answer in place of the operation's own, which then told nothing of any job."""
    return effect.status is not None or effect.text is not None or effect.html or effect.error_in_200
