"""What a published schema says of input images beyond JSON Schema: scheme, format, megabytes, ratio, pixels.

Only `data:` URIs can be looked into: a URL in an input is never fetched.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from understudy.mockserver.data_uris import UnreadableDataUri, is_data_uri, parse_data_uri
from understudy.mockserver.image_facts import ImageFacts, facts_of
from understudy.mockserver.refusals import Problem

MEGABYTE = 1_000_000
NOT_AN_IMAGE = "The uploaded file must be a JPEG or PNG image."  # assumed: the pages say what is meant, not how

_MEASURES: Mapping[str, Callable[[int, ImageFacts], float]] = {
    "file_size_mb": lambda size, facts: size / MEGABYTE,
    "width/height": lambda size, facts: facts.width / max(facts.height, 1),
    "width_pixels": lambda size, facts: facts.width,
    "height_pixels": lambda size, facts: facts.height,
}
_COMPARISONS = {
    "<": (operator.lt, operator.le),
    ">": (operator.gt, operator.ge),
    "<=": (operator.le, operator.le),
    ">=": (operator.ge, operator.ge),
}
_IMAGES = {"image_uri", "image_uris"}
EXPECTED = '{"validation_rule": "file_size_mb<", "validation_value": 10, "validation_error": "..."}'


@dataclass(frozen=True, slots=True)
class MediaPolicy:
    """Which reading of the sources holds: may images be `data:` URIs, may URLs be plain `http:`, and are the limits
    themselves allowed, as the messages of the rules say. A `data:` URI may hold `image_limit` bytes, a setting."""

    data_uris: bool = True
    http_urls: bool = True
    inclusive: bool = False
    image_limit: int = 50 * MEGABYTE


class MediaRule(NamedTuple):
    """One limit: `measure` of an image's bytes and facts `holds` against `limit`, or `text` is told."""

    measure: Callable[[int, ImageFacts], float]
    holds: Callable[[float, float], bool]
    limit: float
    text: str


class MediaRules:
    """The rules of one model's image inputs. Raises ValueError for one that cannot be read."""

    def __init__(self, properties: Mapping[str, Mapping[str, Any]], policy: MediaPolicy) -> None:
        self._rules = {
            name: tuple(_rules_of(name, schema["validations"], policy.inclusive))
            for name, schema in properties.items()
            if "validations" in schema
        }
        self._told_images = {name for name, schema in properties.items() if _holds_images(schema)}
        self._images = [name for name in properties if name in self._rules or name in self._told_images]
        self._policy = policy

    def problems(self, inputs: Mapping[str, Any]) -> Iterator[Problem]:
        for name in self._images:
            given = inputs.get(name)
            for index, value in enumerate(given if isinstance(given, list) else [given]):
                if isinstance(value, str):
                    path = (name, index) if isinstance(given, list) else (name,)
                    yield from (
                        Problem(path, "validation", text, value[:100]) for text in self._complaints(name, value)
                    )

    def _complaints(self, name: str, value: str) -> Iterator[str]:
        if not is_data_uri(value):
            if not self._policy.http_urls and not value.lower().startswith("https://"):
                yield "must be an https: URL"
            return
        if not self._policy.data_uris:
            yield "must be a URL, not a data: URI"
            return
        if name in self._rules:
            yield from self._measure(name, value)

    def _measure(self, name: str, value: str) -> Iterator[str]:
        try:
            found = parse_data_uri(value, most_bytes=self._policy.image_limit)
        except UnreadableDataUri as error:
            yield f"{error}."
            return
        if name not in self._told_images and not found.media_type.startswith("image/"):
            return  # a film or a sound, of which nothing is measured
        facts = facts_of(found.data)
        if facts is None or facts.format not in ("jpeg", "png"):
            yield NOT_AN_IMAGE
            return
        broken = (
            rule.text for rule in self._rules[name] if not rule.holds(rule.measure(len(found.data), facts), rule.limit)
        )
        yield from dict.fromkeys(broken)


def _rules_of(name: str, validations: object, inclusive: bool) -> Iterator[MediaRule]:
    """The rules among an input's `validations` whose measure can be taken of an image; the others count as met."""
    if not isinstance(validations, list):
        raise ValueError(f'the validations of input "{name}" must be an array of {EXPECTED}; got {validations!r}')
    for number, rule in enumerate(validations, 1):
        match rule:
            case {"validation_rule": str(words), "validation_error": str(text), **others}:
                measured = words.rstrip("<>=! ")
                sign, limit = words[len(measured) :].strip(), others.get("validation_value")
                if measured.strip() not in _MEASURES:
                    continue
                if sign in _COMPARISONS and isinstance(limit, int | float) and not isinstance(limit, bool):
                    yield MediaRule(_MEASURES[measured.strip()], _COMPARISONS[sign][inclusive], limit, text)
                    continue
        raise ValueError(f'validation {number} of input "{name}" must be like {EXPECTED}; got {rule!r}')


def _holds_images(schema: Mapping[str, Any]) -> bool:
    items = schema.get("items")
    return any(isinstance(one, Mapping) and one.get("format") in _IMAGES for one in (schema, items))
