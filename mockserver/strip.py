"""The machine-readable strip: 160 square cells along the bottom edge that survive another encoding and another size.

Dark is 0 and light is 1. 128 bits of payload and their CRC-32 are read row by row, each cell from the mean of its
middle, at places that follow from the picture's proportions alone: nothing is searched for, and the checksum says
whether it was there.
"""

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

PAYLOAD = 16  # bytes
CELLS = 8 * (PAYLOAD + 4)
ROWS = range(1, 11)
NARROWEST_CELL = 4  # pixels: less does not survive halving


def rows_for(width: int, height: int) -> int | None:
    """In how many rows a picture carries its cells; None if it is too narrow to carry them legibly."""
    # More rows are larger cells. A twentieth of the height is enough for them where the width allows it …
    rows = max((count for count in ROWS if 20 * count * width <= columns(count) * height), default=1)
    # … and where it does not, they may take up to seven tenths.
    for count in ROWS[rows - 1 :]:
        if width >= columns(count) * NARROWEST_CELL and 10 * count * width <= 7 * columns(count) * height:
            return count
    return None


def columns(rows: int) -> int:
    """How many cells lie side by side; the last row may have a few to spare."""
    return -(-CELLS // rows)


def high(rows: int, width: int) -> int:
    """The height of a strip in pixels, rounded up."""
    return -(-rows * width // columns(rows))


def lines(payload: bytes, rows: int, width: int, height: int, scale: int) -> Iterator[tuple[int, bytes]]:
    """The canvas rows that hold the strip, as (number of the row, a 0 or 1 for each column)."""
    code = int.from_bytes(payload + zlib.crc32(payload).to_bytes(4))
    across = columns(rows)
    bits = [code >> (CELLS - 1 - cell) & 1 if cell < CELLS else 0 for cell in range(across * rows)]
    cells = [min(across - 1, (2 * column + 1) * scale * across // (2 * width)) for column in range(-(-width // scale))]
    shown = [bytes(bits[row * across + cell] for cell in cells) for row in range(rows)]
    for line in range(-(-height // scale)):
        from_below = max(0, 2 * height - (2 * line + 1) * scale) * across // (2 * width)
        if from_below < rows:
            yield line, shown[rows - 1 - from_below]


def read(image: "Image") -> bytes | None:
    """The payload of a picture's strip, or None."""
    grey = image.convert("L")
    for rows in ROWS:
        for means in _means(grey, rows):
            middle = (min(means) + max(means)) / 2
            code = int("".join("1" if mean > middle else "0" for mean in means[:CELLS]), 2).to_bytes(PAYLOAD + 4)
            payload, check = code[:PAYLOAD], int.from_bytes(code[PAYLOAD:])
            if zlib.crc32(payload) == check:
                return payload
    return None


def _means(grey: "Image", rows: int) -> Iterator[list[int]]:
    """The lightness of each cell: of its middle, then (for cells of few pixels) of all of it."""
    from PIL import Image

    across = columns(rows)
    deep = grey.width * rows / across
    if deep > grey.height:
        return
    box = (0, grey.height - deep, grey.width, grey.height)
    quarters = grey.resize((4 * across, 4 * rows), Image.Resampling.BOX, box).tobytes()
    yield [
        sum(quarters[at] for at in (start, start + 1, start + 4 * across, start + 4 * across + 1))
        for row in range(rows)
        for start in range((4 * row + 1) * 4 * across + 1, (4 * row + 2) * 4 * across, 4)
    ]
    yield list(grey.resize((across, rows), Image.Resampling.BOX, box).tobytes())
