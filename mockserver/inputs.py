"""What valid inputs ask for, whatever a model calls them: prompt, number, size, format, references."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import isqrt
from typing import Any

import orjson

from understudy.contracts.catalogue import Model
from understudy.mockserver.jobs import Submission

PROMPT_KEPT = 500
"""How many characters of a prompt are kept; its digest covers the whole."""

URL_KEPT = 2_048
"""URLs up to this many characters are kept as they are; of longer ones and of `data:` URIs, the digest."""

MOST_IMAGES = 100
"""The most images that one job draws, also where a user's own model has no maximum."""

DEFAULT_SIDES = (2048, 2048)
LONGEST_SIDE = 16_384
"""What the widest reading of the sources allows; models without a schema could ask for more."""

_PIXELS = {"1k": 1024**2, "1.5k": 1536**2, "2k": 2048**2, "4k": 4096**2}
_SIZE = re.compile(r"(\d{1,5})[*:](\d{1,5})(?: \(.*\))?", re.ASCII)


@lru_cache(maxsize=256)
def parse_sides(text: str) -> tuple[int, int] | None:
    """Width and height in pixels of `2048*1024` or `2560:1440 (16:9)`; None for any other text."""
    match = _SIZE.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


def read_inputs(model: Model, inputs: Mapping[str, Any], shown: Mapping[str, Any] | None = None) -> Submission:
    """The submission that a model's valid inputs, defaults applied, ask for. `shown` is what results show of them."""
    prompt = str(_first(inputs, ("prompt", "text")) or "")
    images = _first(inputs, ("images", "image", "image_urls"))
    seed = inputs.get("seed")
    width, height = _sides(inputs)
    count = _count(inputs.get(model.price_field)) if model.price_field else 1
    known = model.input_schema["properties"]
    return Submission(
        provider=model.provider,
        model=model.model_id,
        prompt=prompt[:PROMPT_KEPT],
        prompt_digest=_digest(prompt),
        count=count,
        width=width,
        height=height,
        image_format=_format(inputs, model),
        references=tuple(map(_reference, _list(images))),
        seed=int(seed) if isinstance(seed, (int, float)) else None,
        price=model.price_microdollars * count,
        base64=inputs.get("enable_base64_output") is True and "enable_base64_output" in known,
        sync=inputs.get("enable_sync_mode") is True and "enable_sync_mode" in known,
        thorough=inputs.get("optimize_prompt_options") == "standard",
        inputs=b"{}" if shown is None else orjson.dumps(_bounded(shown)),
    )


def _first(inputs: Mapping[str, Any], names: Sequence[str]) -> Any:
    for name in names:
        if name in inputs:
            return inputs[name]
    return None


def _count(value: Any) -> int:
    """The number of images asked for; only a model without bounds in its schema lets another value through."""
    return min(max(int(value), 1), MOST_IMAGES) if isinstance(value, (int, float)) else 1


def _list(value: Any) -> Sequence[Any]:
    """One or several, as a model may take either."""
    if isinstance(value, list):
        return value
    return [value] if value else []


def _format(inputs: Mapping[str, Any], model: Model) -> str:
    """The format asked for, where it is one that can be drawn."""
    named = inputs.get("output_format")
    return "jpeg" if named == "jpg" else named if named in ("jpeg", "png", "webp") else model.output_format


def _sides(inputs: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height: said outright, or by an aspect ratio and a resolution, rounded to 16 pixels (assumed)."""
    named = _first(inputs, ("size", "image_size"))
    if named is not None:
        sides = parse_sides(named) if isinstance(named, str) else None
        return sides if sides and all(1 <= side <= LONGEST_SIDE for side in sides) else DEFAULT_SIDES
    ratio = parse_sides(str(inputs.get("aspect_ratio", "1:1"))) or (1, 1)
    if not all(1 <= part <= 64 for part in ratio):  # only a model without a schema lets such through
        ratio = (1, 1)
    pixels = _PIXELS.get(str(inputs.get("resolution", "2k")).lower(), _PIXELS["2k"])
    width = isqrt(pixels * ratio[0] // ratio[1])
    height = isqrt(pixels * ratio[1] // ratio[0])
    return round(width / 16) * 16, round(height / 16) * 16


def _bounded(value: Any) -> Any:
    """A JSON value with long texts cut and `data:` URIs left out, so that keeping it costs little."""
    if isinstance(value, Mapping):
        return {key: _bounded(item) for key, item in list(value.items())[:100]}
    if isinstance(value, list):
        return [_bounded(item) for item in value[:100]]
    if not isinstance(value, str):
        return value
    return _reference(value) if value.startswith("data:") else value[:URL_KEPT]


def _reference(value: object) -> str:
    text = str(value)
    if len(text) <= URL_KEPT and not text.startswith("data:"):
        return text
    return f"blake2b:{_digest(text)}"


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
