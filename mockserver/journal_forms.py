"""A journal's entries as JSON: one by one for whoever asks, as lines for comparing one run with another."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import orjson

from understudy.mockserver.journal import BODY_KEPT, Entry, Logged
from understudy.mockserver.rules import POLLS
from understudy.mockserver.traces import is_text

Numbered = tuple[int, Entry]

STEADY = BODY_KEPT - 256
"""How many characters of a longer body a steady line has: what is left when the ports of some forty URLs are gone."""

_PORT = re.compile(
    rb"((?::|%3a)(?:/|%2f){2}(?:\[[0-9a-f:.]+\]|[^\s/?#\"'\\:%\[\]]+))(?::|%3a)[0-9]{1,5}(?![0-9])", re.IGNORECASE
)
"""Where a URL, quoted or not, has a port: all before it is kept."""


def show_entry(number: int, entry: Entry) -> dict[str, Any]:
    """An exchange as the control API tells it. A body is JSON where it is JSON and whole, else text, which says at its
    end how many bytes there were beyond it; None where there was none."""
    return {
        "number": number,
        "at": entry.at,
        "wall": entry.wall,
        "took": entry.took,
        "provider": entry.provider,
        "operation": entry.operation,
        "method": entry.method,
        "target": entry.target,
        "job": entry.job,
        "state": None if entry.phase is None else entry.phase.name.lower(),
        "status": entry.status,
        "rules": list(entry.rules),
        "notes": list(entry.notes),
        "request": _body(entry.request, entry.received),
        "response": _body(entry.response, entry.sent),
        "sent": entry.sent,
        "retry_after": entry.retry_after,
        "broken": entry.broken,
        "exposed": entry.exposed,
    }


def select(
    logged: Logged,
    *,
    after: int = 0,
    operation: str | None = None,
    provider: str | None = None,
    job: str | None = None,
    status: int | None = None,
    limit: int | None = None,
) -> list[Numbered]:
    """The entries with a greater number than `after` that agree with all that is not None, oldest first, of many the
    newest `limit`. The operation `poll` stands for whatever tells a job's state."""
    found = [
        (number, entry)
        for number, entry in logged.numbered
        if number > after
        and (operation is None or entry.operation == operation or (operation == "poll" and entry.operation in POLLS))
        and (provider is None or entry.provider == provider)
        and (job is None or entry.job == job)
        and (status is None or entry.status == status)
    ]
    return found if limit is None else found[max(len(found) - limit, 0) :]


def to_lines(entries: Iterable[Numbered], *, steady: bool = False) -> str:
    """JSON lines, one for each entry. `steady` ones are equal in two runs with the same seed, a manual clock and a
    client that asks the same one thing after the other: they lack real time and the ports in URLs, and a body that was
    cut ends a little earlier, since where it was cut depends on the ports."""
    return "".join(orjson.dumps(_line(number, entry, steady)).decode() + "\n" for number, entry in entries)


def _line(number: int, entry: Entry, steady: bool) -> dict[str, Any]:
    if not steady:
        return show_entry(number, entry)
    request, response = _PORT.sub(rb"\1", entry.request), _PORT.sub(rb"\1", entry.response)
    target = _PORT.sub(rb"\1", entry.target.encode("utf-8", "replace")).decode()
    line = show_entry(number, entry._replace(target=target))
    del line["wall"], line["took"]
    line["request"] = _body(request, entry.received, STEADY)
    line["response"] = _body(response, entry.sent, STEADY)
    line["sent"] = None if entry.sent > BODY_KEPT and response else entry.sent - len(entry.response) + len(response)
    return line


def _body(kept: bytes, length: int, most: int | None = None) -> Any:
    """What is kept of a body of this length; of one that was cut, up to `most` characters."""
    if not kept or not is_text(kept):
        return f"[{length} bytes that are no text]" if length else None
    if length > BODY_KEPT:
        text = kept.decode("utf-8", "ignore")
        return f"{text}… [{length} bytes in all]" if most is None else f"{text[:most]}…"
    try:
        return orjson.loads(kept)
    except orjson.JSONDecodeError:
        return kept.decode("utf-8", "replace")
