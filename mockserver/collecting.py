"""Where the images of a contact sheet come from: a job on a server, a folder, files, addresses."""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Labelled = tuple[str, bytes]
Fetch = Callable[..., bytes]

TIMEOUT = 30
MOST_BYTES = 200_000_000
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"})
_JOB = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
ENDED_BADLY = ("failed", "cancelled", "timeout")


class CollectError(Exception):
    """An image that cannot be had: the message says which, why, and what to do."""


def collect(
    sources: tuple[str, ...], base_url: str, key: str | None, *, most_bytes: int = MOST_BYTES
) -> Iterator[Labelled]:
    """Every image that the sources name, in order, each with a label, of at most so many bytes. Raises CollectError."""

    def fetch(url: str, headers: Mapping[str, str] | None = None) -> bytes:
        return _fetch(url, headers or {}, most_bytes)

    for source in sources:
        path = Path(source)
        if source.startswith(("http://", "https://")):
            data = fetch(source)
            yield urlsplit(source).path.rpartition("/")[2] or source, data
        elif path.is_dir():
            yield from _folder(path)
        elif path.is_file():
            yield path.name, _read(path)
        elif _JOB.fullmatch(source):
            yield from _job(source, base_url.rstrip("/"), key, fetch)
        else:
            raise CollectError(
                f"{source!r} is no job's id, no folder, no file and no http(s) URL. A job's id has 32 hexadecimal "
                "digits (WaveSpeed), or 36 characters with dashes (RunComfy)."
            )


def _folder(path: Path) -> Iterator[Labelled]:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    if not files:
        raise CollectError(f"There are no images in {path}: expected files that end in {', '.join(sorted(SUFFIXES))}.")
    for file in files:
        yield file.name, _read(file)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CollectError(f"{path} cannot be read: {error.strerror or error}.") from error


def _job(job_id: str, base_url: str, key: str | None, fetch: Fetch) -> Iterator[Labelled]:
    if not key:
        raise CollectError("The images of a job are asked for with its API key: give --key, or set UNDERSTUDY_KEY.")
    if "-" in job_id:
        body = _json(f"{base_url}/v1/requests/{job_id}/result", key, fetch)
        output = body.get("output") or {}
        urls = output.get("images") or [url for url in [output.get("image")] if url]
    else:
        body = _json(f"{base_url}/api/v3/predictions/{job_id}/result", key, fetch).get("data") or {}
        urls = body.get("outputs") or []
    if not urls:
        state = body.get("status", "in no state that is known")
        told = f": {body['error']}" if body.get("error") else ""
        what_next = "it has no images" if state in ENDED_BADLY else "try again when it has succeeded"
        raise CollectError(f"The job {job_id} is {state}{told}; {what_next}.")
    for index, url in enumerate(urls, 1):
        # In place of a URL there are the file's bytes where the submission asked for that.
        yield f"{job_id[:8]} {index}/{len(urls)}", fetch(url) if url.startswith("http") else _decoded(url, job_id)


def _decoded(text: str, job_id: str) -> bytes:
    try:
        return b64decode(text.rpartition(",")[2], validate=True)
    except ValueError as error:
        raise CollectError(f"An output of the job {job_id} is neither a URL nor base64.") from error


def _json(url: str, key: str, fetch: Fetch) -> Any:
    try:
        body = json.loads(fetch(url, {"Authorization": f"Bearer {key}"}))
    except ValueError as error:
        raise CollectError(f"{url} did not answer with JSON: is --base-url right?") from error
    return body if isinstance(body, dict) else {}


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Asks the proxies of the environment, but for this machine's loopback, which they cannot reach."""
    here = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if here else []))


def _fetch(url: str, headers: Mapping[str, str], most_bytes: int) -> bytes:
    try:
        with _opener(url).open(urllib.request.Request(url, headers=dict(headers)), timeout=TIMEOUT) as answer:
            data: bytes = answer.read(most_bytes + 1)
    except urllib.error.HTTPError as error:
        with error:
            told = error.read(500).decode(errors="replace").strip()
        raise CollectError(f"{url} was answered with {error.code}: {told or error.reason}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise CollectError(
            f"{url} cannot be fetched: {reason}. Is the server running, and the address right?"
        ) from error
    if len(data) > most_bytes:
        raise CollectError(f"{url} has more than {most_bytes} bytes.")
    return data
