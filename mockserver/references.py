"""From the bytes of an input image, which anybody may have made, to the little that is kept of it."""

import hashlib
import io
from typing import TYPE_CHECKING, Literal

from understudy.mockserver.image_facts import facts_of
from understudy.mockserver.images import Reference

if TYPE_CHECKING:
    from PIL.Image import Image, Transpose

Problem = Literal["missing", "empty", "not_an_image", "too_small", "too_large", "damaged"]
THUMBNAIL = 64  # pixels a side
# RunComfy's node for Seedream 5 takes images of more than 14 pixels a side; nobody says that less is accepted.
SMALLEST_SIDE = 15
# 6000 x 6000, the largest that RunComfy's Seedream nodes document. Pillow takes up to 4 bytes a pixel to decode it.
MOST_PIXELS = 36_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")


class UnreadableReference(ValueError):
    """An input image that cannot be used: `problem` is a word to act on, the message a sentence for a person."""

    def __init__(self, problem: Problem, message: str) -> None:
        super().__init__(message)
        self.problem = problem


def read_reference(data: bytes, *, smallest_side: int = SMALLEST_SIDE, most_pixels: int = MOST_PIXELS) -> Reference:
    """Reduce an image to a `Reference`, turned upright; of an animation the first frame counts.

    Raises `UnreadableReference`, and nothing else, for whatever else the bytes may be. The size is judged by the
    header, before anything is decoded. Large images cost hundreds of milliseconds: call it off the event loop.
    """
    if not data:
        raise UnreadableReference("empty", "the image is empty")
    facts = facts_of(data)
    if facts is None:
        raise UnreadableReference("not_an_image", "the data is not a JPEG, PNG, WebP, GIF or BMP image")
    size = f"{facts.width}x{facts.height}"
    if min(facts.width, facts.height) < smallest_side:
        raise UnreadableReference("too_small", f"the image is {size} pixels; {smallest_side} a side is the least")
    if facts.width * facts.height > most_pixels:
        raise UnreadableReference("too_large", f"the image is {size} pixels; {most_pixels} in all is the most")
    try:
        (width, height), thumbnail = _reduce(data, (facts.width, facts.height))
    except Exception as error:  # Pillow's readers raise a dozen kinds for damaged files
        raise UnreadableReference("damaged", f"the image is damaged or truncated: {error}") from error
    return Reference(hashlib.sha256(data).hexdigest(), width, height, thumbnail)


def _reduce(data: bytes, size: tuple[int, int]) -> tuple[tuple[int, int], bytes]:
    """The upright size of the original, and the thumbnail's PNG."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.size != size:  # the limits were checked for another size than the one that would be decoded
            raise ValueError(f"its headers contradict each other: {image.size} and {size}")
        # JPEG alone can be decoded at an eighth of its size; twice the target leaves something to average.
        image.draft(None, (2 * THUMBNAIL, 2 * THUMBNAIL))
        orientation = image.getexif().get(0x0112, 1)
        image.load()
        small = _flat(image)
        small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
        turn = _turns().get(orientation)
        upright = small if turn is None else small.transpose(turn)
        out = io.BytesIO()
        upright.save(out, "PNG", exif=b"", icc_profile=None)
        return (size[::-1] if orientation in (5, 6, 7, 8) else size), out.getvalue()


def _turns() -> "dict[int, Transpose]":
    """What makes a picture upright, by its EXIF orientation."""
    from PIL.Image import Transpose

    return {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }


def _flat(image: "Image") -> "Image":
    """A small enough RGB copy, transparency on white."""
    from PIL import Image

    # Reduced in its own mode first, where that has a meaning: a conversion would hold the whole picture twice.
    factor = max(1, min(image.size) // (4 * THUMBNAIL))
    if image.mode in ("P", "PA", "1"):
        image = image.resize([max(1, side // factor) for side in image.size], Image.Resampling.NEAREST)
    elif factor > 1 and not image.mode.startswith("I"):
        image = image.reduce(factor)
    if image.mode.startswith("I"):  # 16-bit greyscale
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    seen = image.convert("RGBA")
    paper = Image.new("RGB", seen.size, "white")
    paper.paste(seen, mask=seen)
    return paper
