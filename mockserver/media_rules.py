"""What a published schema says of input images beyond JSON Schema: scheme, format, megabytes, ratio, pixels.

Only `data:` URIs can be looked into: a URL in an input is never fetched.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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
_COMPARISONS = {"<": (operator.lt, operator.le), ">": (operator.gt, operator.ge)}


@dataclass(frozen=True, slots=True)
class MediaPolicy:
    """Which reading of the sources holds: may images be `data:` URIs, may URLs be plain `http:`, and are the limits
    themselves allowed, as the messages of the rules say. A `data:` URI may hold `image_limit` bytes, a setting."""

    data_uris: bool = True
    http_urls: bool = True
    inclusive: bool = False
    image_limit: int = 50 * MEGABYTE


class MediaRules:
    """The rules of one model's image inputs."""

    def __init__(self, properties: Mapping[str, Mapping[str, Any]], policy: MediaPolicy) -> None:
        self._rules = {name: schema["validations"] for name, schema in properties.items() if "validations" in schema}
        self._images = [name for name, schema in properties.items() if name in self._rules or _holds_images(schema)]
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
            yield from self._measure(self._rules[name], value)

    def _measure(self, rules: list[Mapping[str, Any]], value: str) -> Iterator[str]:
        try:
            data = parse_data_uri(value, most_bytes=self._policy.image_limit).data
        except UnreadableDataUri as error:
            yield f"{error}."
            return
        facts = facts_of(data)
        if facts is None or facts.format not in ("jpeg", "png"):
            yield NOT_AN_IMAGE
            return
        told = set()
        for rule in rules:
            words, sign = rule["validation_rule"][:-1], rule["validation_rule"][-1]
            holds = _COMPARISONS[sign][self._policy.inclusive]
            text = rule["validation_error"]
            if not holds(_MEASURES[words](len(data), facts), rule["validation_value"]) and text not in told:
                told.add(text)
                yield text


def _holds_images(schema: Mapping[str, Any]) -> bool:
    formats = {str(schema.get("format", "")), str(schema.get("items", {}).get("format", ""))}
    return bool(formats & {"image_uri", "image_uris"})
