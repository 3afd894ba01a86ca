"""Specifications of images to draw, for the tests of everything that draws."""

import io
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st
from PIL import Image

from understudy.mockserver.images import ImageSpec

PROMPT = "A series of 4 images (Panels 1-4) of a lighthouse, one for each season"


def a_spec(**changed: Any) -> ImageSpec:
    """A small PNG, panel 2 of 4."""
    fields: dict[str, Any] = {
        "provider": "wavespeed",
        "model": "bytedance/seedream-v4/sequential",
        "job": "5f0c9a",
        "index": 2,
        "count": 4,
        "width": 256,
        "height": 256,
        "format": "png",
        "seed": 7,
        "prompt": PROMPT,
    }
    fields |= changed
    return ImageSpec(**{"prompt_digest": sha256(str(fields["prompt"]).encode()).hexdigest()} | fields)


@st.composite
def sides(draw: st.DrawFn, least: int = 64, most: int = 8192, area: int = 700_000) -> tuple[int, int]:
    """Width and height, odd and extreme ones among them, of not too many pixels to look at each."""
    one = draw(st.integers(least, most))
    other = draw(st.integers(least, max(least, min(most, area // one))))
    return draw(st.sampled_from([(one, other), (other, one)]))


@st.composite
def specs(draw: st.DrawFn, /, **fixed: Any) -> ImageSpec:
    """Any image that could be asked for."""
    width, height = draw(sides())
    count = draw(st.integers(1, 15))
    changed = {
        "width": width,
        "height": height,
        "count": count,
        "index": draw(st.integers(1, count)),
        "format": draw(st.sampled_from(["png", "jpeg", "webp"])),
        "seed": draw(st.integers(0, 2**31 - 1)),
        "prompt": draw(st.text(max_size=300)),
        "model": draw(st.sampled_from(["bytedance/seedream-v4", "someone/" + "long" * 40])),
        "flagged": draw(st.booleans()),
        "job": draw(st.text("0123456789abcdef-", min_size=8, max_size=36)),
    }
    return a_spec(**changed | fixed)


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB").tobytes()


def encoded(image: Image.Image, name: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **options)
    return out.getvalue()
