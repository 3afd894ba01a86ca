"""How large the images are that inputs ask for, in pixels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from math import isqrt
from typing import Any

from understudy.contracts.catalogue import Model
from understudy.mockserver.images import LARGEST_SIDE, Reference

Sides = tuple[int, int]

DEFAULT_SIDES = (2048, 2048)
EDIT_LIMITS = (1024, 4096)
"""Of each side of an edit whose model names no limits: those of the fourth generation (assumed)."""

_PIXELS = {"1k": 1024**2, "1.5k": 1536**2, "2k": 2048**2, "4k": 4096**2}
_SIZE = re.compile(r"(\d{1,5})[*:](\d{1,5})(?: \(.*\))?", re.ASCII)
_AUTO = (None, "auto")


@lru_cache(maxsize=256)
def parse_sides(text: str) -> Sides | None:
    """Width and height in pixels of `2048*1024` or `2560:1440 (16:9)`; None for any other text."""
    match = _SIZE.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


def sides_of(inputs: Mapping[str, Any]) -> Sides:
    """Width and height that inputs ask for: said outright, or by an aspect ratio and a resolution."""
    named = inputs.get("size", inputs.get("image_size"))
    if named is not None:
        return _named_sides(named) if isinstance(named, str) else DEFAULT_SIDES
    return _shaped(parse_sides(str(inputs.get("aspect_ratio"))) or (1, 1), inputs)


@lru_cache(maxsize=256)
def _named_sides(text: str) -> Sides:
    width, height = parse_sides(text) or DEFAULT_SIDES
    return _limited(width, 1, LARGEST_SIDE), _limited(height, 1, LARGEST_SIDE)


def edit_sides(model: Model, inputs: Mapping[str, Any], reference: Reference) -> Sides | None:
    """Width and height of an edit whose inputs, defaults applied, leave them open; None when they do not.

    That it follows its first readable reference is assumed: its proportions where the model takes an aspect ratio, else
    its size, scaled as little as brings each side within the model's limits.
    """
    if "size" in inputs or "image_size" in inputs or inputs.get("aspect_ratio") not in _AUTO:
        return None
    properties = model.input_schema["properties"]
    if "aspect_ratio" in properties:
        return _shaped((reference.width, reference.height), inputs)
    size = properties.get("size", {})
    least, most = int(size.get("minimum", EDIT_LIMITS[0])), int(size.get("maximum", EDIT_LIMITS[1]))
    short, long = sorted((reference.width, reference.height))
    part, whole = (most, long) if long > most else (least, short) if short < least else (1, 1)
    width, height = ((2 * side * part + whole) // (2 * whole) for side in (reference.width, reference.height))
    return _limited(width, least, most), _limited(height, least, most)


def _shaped(ratio: Sides, inputs: Mapping[str, Any]) -> Sides:
    """Of these proportions, 16:1 at most, and of the resolution's pixels, rounded to 16 (assumed)."""
    pixels = _PIXELS.get(str(inputs.get("resolution", "2k")).lower(), _PIXELS["2k"])
    wide, high = ratio if all(ratio) else (1, 1)
    wide, high = min(wide, 16 * high), min(high, 16 * wide)
    return round(isqrt(pixels * wide // high) / 16) * 16, round(isqrt(pixels * high // wide) / 16) * 16


def _limited(side: int, least: int, most: int) -> int:
    return max(least, min(side, most))
