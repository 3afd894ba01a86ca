"""Reads recordings of a provider: HAR files, VCR cassettes, and JSON lines, a journal's or our recorder's."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import NoneType
from typing import Any
from urllib.parse import urlsplit

from understudy.contracts.exchanges import KEY, UNTOLD, WRONG_KEY, Cut, Exchange, Text, parsed
from understudy.contracts.findings import Unable
from understudy.contracts.probes import WRONG_KEYS
from understudy.contracts.secrecy import Scrubber, carried, fields, key_in, parameters

OURS = {"wavespeed": "wavespeed.ai", "runcomfy": "runcomfy.net"}
"""The provider's own domain. Where a recording has it, what it says of other hosts is about something else."""

_FORMS = "expected a HAR file, a VCR cassette (YAML or JSON), or the JSON lines of a journal or of `understudy record`"


def read_recording(path: Path, provider: str, scrubber: Scrubber) -> list[Exchange]:
    """The exchanges of a recording, in order. The keys that it holds become secrets of the scrubber. Raises Unable."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Unable(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError:
        raise Unable(f"{path} is no text: {_FORMS}.") from None
    name = path.name
    with _reading(name, scrubber):
        found = list(_exchanges(name, text, provider, scrubber))
    for exchange in found:
        scrubber.also(*secrets_in(exchange))
    hosts = [exchange.host for exchange in found]
    if any(_is_ours(host, provider) for host in hosts):
        return [exchange for exchange in found if _is_ours(exchange.host, provider)]
    return found


@contextmanager
def _reading(where: str, scrubber: Scrubber) -> Iterator[None]:
    """Around what may find another form than a recording's. Raises Unable, which says where."""
    try:
        yield
    except json.JSONDecodeError as error:
        raise Unable(f"{where}, column {error.colno} is no JSON ({error.msg}): {_FORMS}.") from None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, zlib.error) as error:
        told = scrubber.text(f"{type(error).__name__} {error}")
        raise Unable(f"{where} cannot be read as a recording ({told}): {_FORMS}.") from None


def secrets_in(exchange: Exchange) -> Iterator[str]:
    """What an exchange has under the name of a secret. A request's headers are not part of it."""
    yield from parameters(exchange.target)
    yield from carried(exchange.headers.items())
    yield from fields(exchange.sent)
    yield from fields(exchange.body)


def line_of(exchange: Exchange, scrubber: Scrubber) -> str:
    """An exchange as a line of a recording, with nothing secret in it."""
    line = {
        "at": round(exchange.at, 1),
        "took": None if exchange.took is None else round(exchange.took, 1),
        "method": exchange.method,
        "target": scrubber.text(exchange.target),
        "auth": exchange.auth,
        **_told("request", scrubber.value(exchange.sent)),
        "status": exchange.status,
        "headers": scrubber.headers(exchange.headers),
        **_told("response", scrubber.value(exchange.body)),
    }
    return json.dumps(line, ensure_ascii=False) + "\n"


def _told(name: str, body: Any) -> dict[str, Any]:
    return {f"{name}_text": str(body)} if isinstance(body, Text) else {name: body}


def _is_ours(host: str, provider: str) -> bool:
    domain = OURS[provider]
    return host == domain or host.endswith(f".{domain}")


def _exchanges(name: str, text: str, provider: str, scrubber: Scrubber) -> Iterator[Exchange]:
    if not text.strip():
        return
    whole: Any = None
    wrong: json.JSONDecodeError | None = None
    try:
        whole = _loaded(text)
    except json.JSONDecodeError as error:
        wrong = error
    if isinstance(whole, Mapping) and "log" in whole:
        yield from _har(name, whole["log"]["entries"], scrubber)
    elif isinstance(whole, Mapping) and "interactions" in whole:
        yield from _cassette(name, whole["interactions"], scrubber)
    elif wrong is not None and not text.lstrip().startswith("{"):
        yield from _cassette(name, _yaml(text)["interactions"], scrubber)
    elif wrong is not None and not _is_lines(text):
        with _reading(f"{name}, line {wrong.lineno}", scrubber):
            raise wrong
    elif wrong is None:
        with _reading(f"{name}, line 1", scrubber):
            yield from _line(f"{name}, line 1", whole, provider)
    else:
        # Not splitlines: texts within JSON may hold what Unicode takes for the end of a line.
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                where = f"{name}, line {number}"
                with _reading(where, scrubber):
                    yield from _line(where, _loaded(line), provider)


def _is_lines(text: str) -> bool:
    """Whether each line is to be JSON of its own, and not all of them together."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return len(lines) == 1 or lines[0].endswith("}") or lines[1].startswith("{")


def _loaded(text: str) -> Any:
    """What JSON says, with halves of characters told as their escapes: no file takes them."""
    value = json.loads(text)
    return _whole(value) if re.search(r"\\u[dD][89a-fA-F]", text) else value


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        joined = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return joined.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_whole(name): _whole(one) for name, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise Unable(f"{error}: `pip install 'understudy[drift]'` has what reading YAML needs.") from error
    try:
        return _whole(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ValueError(f"no YAML: {type(error).__name__}") from None


def _line(where: str, line: Mapping[str, Any], provider: str) -> Iterator[Exchange]:
    if "operation" in line:
        yield from _journal(where, line, provider)
        return
    yield _checked(
        where=where,
        method=line["method"],
        target=line["target"],
        auth=line["auth"],
        sent=_kept(line, "request"),
        status=line["status"],
        headers=line["headers"],
        body=_kept(line, "response"),
        took=line["took"],
        at=line["at"],
    )


def _checked(**parts: Any) -> Exchange:
    """Raises TypeError for a part that no exchange has; its value may be a secret, and is not told."""
    for name, kinds, expected in _PARTS:
        if not isinstance(parts[name], kinds) or isinstance(parts[name], bool):
            raise TypeError(f"{name} is of type {type(parts[name]).__name__}; expected {expected}")
    if not all(isinstance(one, str) for pair in parts["headers"].items() for one in pair):
        raise TypeError("a header is no text")
    return Exchange(**parts)


_PARTS: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("method", (str,), "a text"),
    ("target", (str,), "a text"),
    ("auth", (str,), "a text"),
    ("status", (int, NoneType), "a whole number"),
    ("headers", (Mapping,), "an object"),
    ("took", (int, float, NoneType), "a number"),
    ("at", (int, float), "a number"),
)


def _kept(line: Mapping[str, Any], name: str) -> Any:
    return Text(line[f"{name}_text"]) if f"{name}_text" in line else line[name]


def _journal(where: str, line: Mapping[str, Any], provider: str) -> Iterator[Exchange]:
    """An exchange that a fake was told to spoil says nothing of the contract."""
    if line["provider"] != provider or line["rules"] or line["broken"]:
        return
    yield _checked(
        where=where,
        method=line["method"],
        target=line["target"],
        auth=KEY,
        sent=_journalled(line["request"]),
        status=line["status"],
        body=_journalled(line["response"]),
        took=line["took"] / 1000 if line.get("took") is not None else None,
        headers={},
        at=line["at"],
    )


def _journalled(body: Any) -> Any:
    if not isinstance(body, str):
        return body
    return Cut(body) if body.endswith(("bytes in all]", "…", "are no text]")) else Text(body)


def _har(name: str, entries: Iterable[Mapping[str, Any]], scrubber: Scrubber) -> Iterator[Exchange]:
    for number, entry in enumerate(entries, 1):
        where = f"{name}, entry {number}"
        with _reading(where, scrubber):
            request, answer = entry["request"], entry["response"]
            content = answer.get("content", {})
            raw = content.get("text")
            body = base64.b64decode(raw) if raw and content.get("encoding") == "base64" else raw
            started = entry.get("startedDateTime")
            for side in (request, answer):
                scrubber.also(*carried((one["name"], one["value"]) for one in side.get("headers", ())))
                scrubber.also(*carried(("cookie", f"{one['name']}={one['value']}") for one in side.get("cookies", ())))
            headers = {one["name"].lower(): one["value"] for one in answer.get("headers", ())}
            if "content-type" not in headers and content.get("mimeType"):
                headers["content-type"] = content["mimeType"]
            yield _exchange(
                where,
                request["method"],
                request["url"],
                {one["name"].lower(): one["value"] for one in request.get("headers", ())},
                request.get("postData", {}).get("text"),
                answer["status"] or None,
                headers,
                body,
                entry.get("time"),
                datetime.fromisoformat(started).timestamp() * 1000 if started else float(number),
                scrubber,
            )


def _cassette(name: str, interactions: Iterable[Mapping[str, Any]], scrubber: Scrubber) -> Iterator[Exchange]:
    for number, one in enumerate(interactions, 1):
        where = f"{name}, interaction {number}"
        with _reading(where, scrubber):
            request, answer = one["request"], one["response"]
            status = answer["status"]
            for side in (request, answer):
                scrubber.also(*carried(_every_value(side.get("headers"))))
            yield _exchange(
                where,
                request["method"],
                request["uri"],
                _first_values(request.get("headers")),
                _cassette_body(request.get("body")),
                status["code"] if isinstance(status, Mapping) else status,
                _first_values(answer.get("headers")),
                _cassette_body(answer.get("body")),
                None,
                float(number),
                scrubber,
            )


def _every_value(headers: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    for name, value in (headers or {}).items():
        for one in value if isinstance(value, list) and value else [value]:
            yield str(name).lower(), one.decode("latin-1") if isinstance(one, bytes) else str(one)


def _first_values(headers: Mapping[str, Any] | None) -> dict[str, str]:
    return dict(reversed(list(_every_value(headers))))


def _cassette_body(body: Any) -> bytes | str | None:
    if isinstance(body, Mapping):
        encoded = body.get("base64_string")
        body = body.get("string") if encoded is None else base64.b64decode(encoded)
    if isinstance(body, bytes) and body[:2] == b"\x1f\x8b":
        return zlib.decompress(body, wbits=31)
    return body if isinstance(body, bytes | str) else None


def _exchange(
    where: str,
    method: str,
    url: str,
    asked: Mapping[str, str],
    sent: bytes | str | None,
    status: int | None,
    headers: Mapping[str, str],
    body: bytes | str | None,
    took: float | None,
    at: float,
    scrubber: Scrubber,
) -> Exchange:
    parts = urlsplit(url)
    authorization = asked.get("authorization")
    key = key_in(authorization) if authorization is not None else None
    if parts.password:
        scrubber.also(parts.password)
    auth = UNTOLD if key is None else WRONG_KEY if key in ("", WRONG_KEYS) else KEY
    return _checked(
        where=where,
        method=method,
        target=f"{parts.path}?{parts.query}" if parts.query else parts.path,
        auth=auth,
        sent=parsed(sent),
        status=status,
        headers=headers,
        body=parsed(body),
        took=took,
        at=at,
        host=(parts.hostname or "").lower(),
    )
