"""What a rule makes of an answer: another one in its place, or the same one spoilt."""

from __future__ import annotations

import re
from copy import deepcopy
from email.utils import formatdate
from html import escape
from typing import Any, NamedTuple

import orjson

from understudy.mockserver.dialect import Voice
from understudy.mockserver.exchange import BODILESS, Headers, Reply, phrase
from understudy.mockserver.rules import AnswerEffect
from understudy.mockserver.traces import spoilt
from understudy.mockserver.wires import SILENT

PAGE = "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n</body>\r\n</html>\r\n"
HTML: Headers = ((b"content-type", b"text/html"),)
_INDEX = re.compile(r"[0-9]{1,9}")

NOT_SET = "set: this answer has no JSON body, so its fields are as they were"


class Altered(NamedTuple):
    """A reply, for how many milliseconds it tells its client to wait, what whoever made the rule should know, and how
    the reply was spoilt, if it was."""

    reply: Reply
    retry_after: int | None = None
    notes: tuple[str, ...] = ()
    spoilt: str | None = None


def instead(dialect: Voice, effect: AnswerEffect) -> Reply | None:
    """The answer that stands in for the operation's own; None when there is no other.

    An effect that asks for an error without saying which means 500, for a gateway's page 502.
    """
    status = effect.status
    if status is None:
        if effect.html:
            status = 502
        elif effect.error_in_200 or effect.text is not None:
            status = 500
        elif effect.wire is not None and effect.wire.kind in SILENT:
            return Reply(500, b"", ())  # nobody sees it
        else:
            return None
    if status in BODILESS:
        return Reply(status, b"", ())
    if effect.html:
        title = f"{status} {phrase(status)}" if effect.text is None else escape(effect.text)
        reply = Reply(status, PAGE.format(title).encode("utf-8", "replace"), HTML)
    else:
        reply = dialect.fail(status, effect.text)
    return reply._replace(status=200) if effect.error_in_200 else reply


def altered(dialect: Voice, effect: AnswerEffect, reply: Reply, left: int | None, wall: int) -> Altered:
    """An answer as the effect spoils it. `left` is for how many milliseconds a rule that lasts goes on, `wall` the real
    time in milliseconds, which a date is counted from."""
    notes: tuple[str, ...] = ()
    body, headers, wire, told = reply.body, reply.headers, effect.wire, effect.retry_after
    put = False
    if effect.put:
        body, notes = _with_fields(dialect, effect, body)
        put = not notes
    if effect.garbled:
        body = _broken_off(body)
    if effect.content_type is not None:
        kept = (header for header in headers if header[0] != b"content-type")
        headers = ((b"content-type", effect.content_type.encode()), *kept)
    if told is not None:
        told = told if left is None else max(min(told, left), 0)
        headers = (*headers, (b"retry-after", _retry_after(effect, told, wall)))
    if wire is not None:
        if wire.kind in SILENT:
            told = None
        elif wire.kind == "cut" and wire.bytes >= len(body):
            notes += (f"cut: the answer has {len(body)} bytes, so all of it went out before byte {wire.bytes}",)
            wire = None
    return Altered(Reply(reply.status, body, headers, wire), told, notes, spoilt(effect, put=put))


def _retry_after(effect: AnswerEffect, told: int, wall: int) -> bytes:
    """Rounded up to a whole second, so that nobody who heeds it comes too early."""
    if effect.retry_after_form == "date":
        return formatdate(-(-(wall + told) // 1000), usegmt=True).encode()
    return b"%d" % -(-told // 1000)


def _broken_off(body: bytes) -> bytes:
    """The first half, and no character of it halved: no beginning of a JSON object or array is JSON."""
    end = len(body) // 2
    while end and body[end] & 0xC0 == 0x80:
        end -= 1
    return body[:end]


def _with_fields(dialect: Voice, effect: AnswerEffect, body: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The body with the effect's fields; where that cannot be, as it was and a note that says why."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body, (NOT_SET,)
    for path, value in effect.put:
        content = _put(content, _parts(dialect, path), deepcopy(value))
    try:
        return orjson.dumps(content), ()
    except orjson.JSONEncodeError as error:
        return body, (f"set: the fields are as they were, since JSON has no place for these ({error})",)


def _parts(dialect: Voice, path: str) -> list[str]:
    """The names and indexes of a path. `@data` and `@status`, at its beginning, are where the provider has them."""
    first, *rest = path.split(".")
    return [*(dialect.paths.get(first[1:], (first,)) if first.startswith("@") else (first,)), *rest]


def _put(content: Any, parts: list[str], value: Any) -> Any:
    """The content with the value at a path. What is missing is made, what stands in the way replaced. Indexes count
    from 0; one past a list's end appends."""
    root: list[Any] = [content]
    place: Any = root
    name: str | int = 0
    for part in parts:
        inner = place[name]
        index = int(part) if _INDEX.fullmatch(part) else None
        if isinstance(inner, list) and index is not None:
            name = min(index, len(inner))
            inner += [None] if name == len(inner) else []
        else:
            inner = place[name] = inner if isinstance(inner, dict) else [None] if index is not None else {}
            name = 0 if isinstance(inner, list) else part
            if isinstance(inner, dict):
                inner.setdefault(part, None)
        place = inner
    place[name] = value
    return root[0]
