"""Placeholder images: drawn from a specification alone, when somebody fetches them."""

from __future__ import annotations

import io
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """One image of a job. `index` counts from 1; width and height are pixels."""

    provider: str
    model: str
    job: str
    index: int
    count: int
    width: int
    height: int
    format: str
    seed: int
    prompt: str
    prompt_digest: str
    flagged: bool = False


def draw(spec: ImageSpec) -> bytes:
    """The image file."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (spec.width, spec.height), (spec.seed % 200, 90, spec.index * 15))
    ImageDraw.Draw(image).text((8, 8), f"Panel {spec.index} of {spec.count}", fill="white")
    buffer = io.BytesIO()
    image.save(buffer, spec.format.upper())
    return buffer.getvalue()


def media_type(image_format: str) -> str:
    return f"image/{image_format}"
