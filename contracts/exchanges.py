"""One request and its answer, wherever they come from: a live provider, or a recording of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

NO_KEY, WRONG_KEY, KEY, UNTOLD = "none", "wrong", "key", "untold"
"""What a request said of who asks. A recording from elsewhere without a key does not tell whether there was one."""

ABSENT = object()
"""What stands in a body where there is nothing."""


class Text(str):
    """A body that is no JSON, or not all of it."""

    __slots__ = ()


class Cut(Text):
    """What a recording has kept of a longer body."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """`target` is path and query. `sent` and `body` are what the JSON says, a Text where it is none, None where nothing
    was sent. `headers` are the answer's, their names in lower case. `took` is in milliseconds, None where nobody
    measured; `at` are milliseconds since some moment that all exchanges of a recording share. `where` says in which
    probe or recording this is. `status` is None where there was no answer."""

    where: str
    method: str
    target: str
    auth: str
    sent: Any
    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    took: float | None = None
    at: float = 0.0
    host: str = ""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def asked(self) -> str:
        return f"{self.method} {self.path}"


def parsed(content: bytes | str | None) -> Any:
    """What the JSON says, a Text where it is none, None where it is empty."""
    import orjson

    if not content:
        return None
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return Text(content.decode("utf-8", "replace") if isinstance(content, bytes) else content)


def at(body: Any, *path: str) -> Any:
    """What is at a place of a body; None where there is nothing."""
    for name in path:
        body = body.get(name) if isinstance(body, Mapping) else None
    return body
