"""A canvas as JPEG, where equal strips of 16 rows are encoded once.

With a restart marker after each row of blocks, the bytes of such a row depend on nothing before it. So Pillow encodes
each distinct strip, and the strips are put together in order with the markers renumbered. The result decodes to the
very pixels of an ordinary encoding, because the coefficients are the same.
"""

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from understudy.mockserver.canvas import Canvas

if TYPE_CHECKING:
    from PIL.Image import Image

QUALITY = 85
STRIP = 16  # rows of pixels that 4:2:0 sampling encodes together
BATCH_PIXELS = 1 << 19  # encoded at once: enough to hide the cost of a call, 2 MB at Pillow's 4 bytes a pixel
RESTART = re.compile(rb"\xff[\xd0-\xd7]")
FRAME, SCAN = b"\xff\xc0", b"\xff\xda"


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of blocks: `lines` of the canvas that `height` rows of pixels show (16, but for the last strip)."""

    height: int
    lines: tuple[bytes, ...]


def encode_jpeg(canvas: Canvas, exif: bytes = b"") -> bytes:
    """The picture as a baseline 4:2:0 JPEG of exactly its width and height; `exif` is what its APP1 segment holds."""
    lines = canvas.lines()
    strips = [_strip(canvas, lines, top) for top in range(0, canvas.height, STRIP)]
    header, encoded = b"", dict[Strip, bytes]()
    for some in _batches(canvas, strips):
        header, scans = _encode(canvas, some, exif)
        encoded.update(zip(some, scans, strict=True))
    return b"".join([_with_height(header, canvas.height), *_numbered(strips, encoded), b"\xff\xd9"])


def _strip(canvas: Canvas, lines: list[bytes], top: int) -> Strip:
    bottom, step = min(top + STRIP, canvas.height), min(canvas.scale, STRIP)
    return Strip(bottom - top, tuple(lines[row // canvas.scale] for row in range(top, bottom, step)))


def _batches(canvas: Canvas, strips: list[Strip]) -> Iterator[list[Strip]]:
    """The distinct strips, some at a time. A low last one goes alone: libjpeg knows how to pad it."""
    distinct = list(dict.fromkeys(strips))
    whole = [strip for strip in distinct if strip.height == STRIP]
    most = max(1, BATCH_PIXELS // (canvas.width * STRIP))
    for first in range(0, len(whole), most):
        yield whole[first : first + most]
    for strip in distinct:
        if strip.height < STRIP:
            yield [strip]


def _numbered(strips: list[Strip], encoded: dict[Strip, bytes]) -> list[bytes]:
    """The strips in order, each but the last followed by the next of the eight restart markers."""
    parts = []
    for number, strip in enumerate(strips):
        parts += [encoded[strip], bytes((0xFF, 0xD0 + number % 8))]
    return parts[:-1]


def _encode(canvas: Canvas, strips: list[Strip], exif: bytes) -> tuple[bytes, list[bytes]]:
    """Encode strips one below the other: everything before the scan's data, and the data of each strip."""
    from PIL import Image

    rows = [line for strip in strips for line in strip.lines]
    small = Image.frombytes("P", (canvas.columns, len(rows)), b"".join(rows))
    small.putpalette(canvas.colours)
    high = sum(strip.height for strip in strips)
    box = (0, 0, canvas.width / canvas.scale, high / min(canvas.scale, STRIP))
    # Colours first: the copy that is scaled up is the expensive one.
    image = small.convert("RGB").resize((canvas.width, high), Image.Resampling.NEAREST, box)
    data = to_jpeg(image, exif, restart=True)
    scan = data.index(SCAN, _segment(data, FRAME))
    start = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4])
    return data[:start], RESTART.split(data[start:-2])


def to_jpeg(image: "Image", exif: bytes, *, restart: bool) -> bytes:
    """Pillow's ordinary encoding with our settings."""
    out = io.BytesIO()
    image.save(
        out,
        "JPEG",
        quality=QUALITY,
        subsampling="4:2:0",
        exif=exif,
        restart_marker_rows=1 if restart else 0,
    )
    return out.getvalue()


def _segment(data: bytes, marker: bytes) -> int:
    """Where a segment of the header starts, walking from one to the next: its marker may occur inside another."""
    at = 2
    while data[at : at + 2] != marker:
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return at


def _with_height(header: bytes, height: int) -> bytes:
    frame = _segment(header, FRAME)
    return header[: frame + 5] + struct.pack(">H", height) + header[frame + 7 :]
