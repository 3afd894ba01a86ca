"""A body from the wire against a golden sample: field by field, in order, with the origin replaced."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from understudy.contracts.catalogue import Sample

ORIGINS = ("https://api.wavespeed.ai", "https://model-api.runcomfy.net", "https://api.runcomfy.net")


def differences(sample: Sample, body: Any, *, origin: str) -> list[str]:
    """What in `body` is not as in the sample, one sentence each; empty when they agree.

    `origin` is the server's own, as in `http://127.0.0.1:8787`. Where the sample varies, the JSON type alone counts.
    """
    return list(_compare(_moved(sample.body, origin), body, "", sample.varies))


def _moved(value: Any, origin: str) -> Any:
    if isinstance(value, dict):
        return {key: _moved(one, origin) for key, one in value.items()}
    if isinstance(value, list):
        return [_moved(one, origin) for one in value]
    if isinstance(value, str):
        for known in ORIGINS:
            if value == known or value.startswith(f"{known}/"):
                return origin + value.removeprefix(known)
    return value


def _compare(expected: Any, found: Any, place: str, varies: Collection[str]) -> Iterator[str]:
    name = place or "the body"
    if type(expected) is not type(found):
        yield f"{name}: expected {expected!r}, got {found!r}"
    elif isinstance(expected, dict):
        if list(expected) != list(found):
            yield f"{name}: expected the fields {', '.join(expected)}, got {', '.join(found)}"
        for key in expected.keys() & found.keys():
            yield from _compare(expected[key], found[key], f"{place}/{key}", varies)
    elif isinstance(expected, list):
        if len(expected) != len(found):
            yield f"{name}: expected {len(expected)} items, got {len(found)}"
        for index, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from _compare(one, other, f"{place}/{index}", varies)
    elif expected != found and place not in varies:
        yield f"{name}: expected {expected!r}, got {found!r}"
