"""A contact sheet: a set of images side by side, each with its label."""

import io
from collections.abc import Iterator, Sequence
from math import isqrt
from typing import TYPE_CHECKING

from understudy.mockserver.image_facts import facts_of
from understudy.mockserver.lettering import HEIGHT, letter, plain, shorten

if TYPE_CHECKING:
    from PIL.Image import Image

PROPORTION = 170  # width in percent of the height, roughly
AREA = 256 * 256  # of each picture: proportions differ, weight does not
LONGEST = 400
NARROWEST = 96  # of a place: a label needs some room
GAP = 12
LABEL = 2 * HEIGHT + 4
MOST_PIXELS = 100_000_000
NARROWEST_SHEET = 4 * (256 + GAP) + GAP  # a set of four is a row
BACKGROUND, TEXT = (244, 244, 242), (40, 40, 44)
COLOURS = 256


def contact_sheet(images: Sequence[tuple[str, bytes]]) -> bytes:
    """The PNG of a sheet that shows (label, file) in the given order, from left to right and top to bottom.

    What cannot be read is shown as an empty frame, so that a broken set can be looked at too.
    """
    from PIL import Image

    tiles = [(label, _tile(data)) for label, data in images]
    area = sum((_place(tile) + GAP) * (tile.height + LABEL + GAP) for _, tile in tiles)
    rows = list(_rows(tiles, max(NARROWEST_SHEET, isqrt(area * PROPORTION // 100))))
    high = sum(_height(row) + LABEL + GAP for row in rows) + GAP
    wide = max((sum(_place(tile) + GAP for _, tile in row) for row in rows), default=0) + GAP
    sheet = Image.new("RGB", (wide, high), BACKGROUND)
    top = GAP
    for row in rows:
        left, bottom = GAP, top + _height(row)
        for label, tile in row:
            sheet.paste(tile, (left, bottom - tile.height))
            _label(sheet, left, bottom + 4, label, _place(tile))
            left += _place(tile) + GAP
        top = bottom + LABEL + GAP
    out = io.BytesIO()
    sheet.quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _tile(data: bytes) -> "Image":
    from PIL import Image, ImageOps

    facts = facts_of(data)
    try:
        if facts is None or facts.width * facts.height > MOST_PIXELS:
            raise ValueError("no image, or one that is too large")
        with Image.open(io.BytesIO(data)) as image:
            size = _size(*image.size)
            image.draft(None, (2 * size[0], 2 * size[1]))
            # Boxes keep the edges of blocks sharp where the size is a whole fraction.
            return image.convert("RGB").resize(size, Image.Resampling.BOX)
    except Exception:  # Pillow's readers raise a dozen kinds for damaged files
        empty = Image.new("RGB", (isqrt(AREA), isqrt(AREA)), BACKGROUND)
        return ImageOps.expand(empty.crop((1, 1, empty.width - 1, empty.height - 1)), 1, TEXT)


def _size(width: int, height: int) -> tuple[int, int]:
    """Of the common area, but no longer than the longest."""
    wide, high = isqrt(AREA * width // height), isqrt(AREA * height // width)
    longest = max(wide, high, 1)
    if longest > LONGEST:
        wide, high = wide * LONGEST // longest, high * LONGEST // longest
    return max(1, wide), max(1, high)


def _rows(tiles: list[tuple[str, "Image"]], most: int) -> Iterator[list[tuple[str, "Image"]]]:
    row: list[tuple[str, Image]] = []
    wide = GAP
    for label, tile in tiles:
        if row and wide + _place(tile) + GAP > most:
            yield row
            row, wide = [], GAP
        row.append((label, tile))
        wide += _place(tile) + GAP
    if row:
        yield row


def _place(tile: "Image") -> int:
    return max(NARROWEST, tile.width)


def _height(row: list[tuple[str, "Image"]]) -> int:
    return max(tile.height for _, tile in row)


def _label(sheet: "Image", left: int, top: int, label: str, room: int) -> None:
    text = plain(label)
    size = 2 if shorten(text, room // 2) == text else 1
    letter(sheet, left, top, shorten(text, room // size), TEXT, size)
