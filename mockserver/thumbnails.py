"""The references of a set, as small framed pictures in the scene."""

import io
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from understudy.mockserver.images import Reference
from understudy.mockserver.layout import Box
from understudy.mockserver.palette import Colour

if TYPE_CHECKING:
    from PIL.Image import Image

SIDES = (64, 52, 44, 36, 30, 24, 20, 16, 12, 8)
FRAME = 2
REDS, GREENS, BLUES = 6, 8, 5  # 240 colours beside the sixteen of the job


@cache
def cube() -> bytes:
    """Evenly spaced colours: the same for every reference, so nothing depends on how a quantiser breaks a tie."""
    return bytes(
        part
        for red in range(REDS)
        for green in range(GREENS)
        for blue in range(BLUES)
        for part in (red * 255 // (REDS - 1), green * 255 // (GREENS - 1), blue * 255 // (BLUES - 1))
    )


def hang(image: "Image", box: Box, margin: int, references: Sequence[Reference]) -> None:
    """Paste the references from the right, as large as they fit into the upper part of the scene."""
    right, top = box.right - margin, box.top + margin
    wide, high = right - box.left - margin, box.bottom - top
    for side in SIDES:
        across, down = wide // (side + FRAME), high // (side + FRAME)
        if across * down >= len(references):
            break
    else:
        return
    across = min(across, len(references))
    for number, reference in enumerate(references):
        row, column = divmod(number, across)
        column = min(across, len(references) - row * across) - column
        _frame(image, reference, right - column * (side + FRAME), top + row * (side + FRAME), side)


def _frame(image: "Image", reference: Reference, left: int, top: int, side: int) -> None:
    from PIL import Image

    picture = Image.open(io.BytesIO(reference.thumbnail)).convert("RGB")
    room = side - 2 * FRAME
    longest = max(picture.size)
    size = (max(1, picture.width * room // longest), max(1, picture.height * room // longest))
    image.paste(Colour.PAPER, (left, top, left + side, top + side))
    small = _reduced(picture.resize(size, Image.Resampling.BOX))
    image.paste(small, (left + (side - size[0]) // 2, top + (side - size[1]) // 2))


def _reduced(picture: "Image") -> "Image":
    """Indexes into the palette of a picture: the nearest colour of the cube, for each of red, green and blue."""
    from PIL import ImageChops

    steps = zip(picture.split(), (REDS, GREENS, BLUES), (GREENS * BLUES, BLUES, 1), strict=True)
    parts = [
        band.point([(value * (count - 1) + 127) // 255 * weight + (16 if weight == 1 else 0) for value in range(256)])
        for band, count, weight in steps
    ]
    return ImageChops.add(ImageChops.add(parts[0], parts[1]), parts[2])
