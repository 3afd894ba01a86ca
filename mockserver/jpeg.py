"""A canvas as JPEG, where equal strips of 16 rows are encoded once.

With a restart marker after each row of blocks, the bytes of such a row depend on nothing before it. So Pillow encodes
each distinct strip, and the strips are put together in order with the markers renumbered. The result decodes to the
very pixels of an ordinary encoding, because the coefficients are the same.
"""

import io
import re
import struct
from typing import TYPE_CHECKING

from understudy.mockserver.canvas import Canvas

if TYPE_CHECKING:
    from PIL.Image import Image

QUALITY = 85
STRIP = 16  # rows of pixels that 4:2:0 sampling encodes together
BATCH_PIXELS = 1 << 19  # encoded at once: enough to hide the cost of a call, 2 MB at Pillow's 4 bytes a pixel
RESTART = re.compile(rb"\xff[\xd0-\xd7]")
FRAME, SCAN = b"\xff\xc0", b"\xff\xda"


def encode_jpeg(canvas: Canvas, exif: bytes = b"") -> bytes:
    """The picture as a baseline 4:2:0 JPEG of exactly its width and height; `exif` is what its APP1 segment holds."""
    lines = canvas.lines()
    strips = [_strip(canvas, lines, top) for top in range(0, canvas.height, STRIP)]
    distinct = list(dict.fromkeys(strips))
    batch = max(1, BATCH_PIXELS // (canvas.width * STRIP))
    header, encoded = b"", dict[tuple[bytes, ...], bytes]()
    for first in range(0, len(distinct), batch):
        some = distinct[first : first + batch]
        header, scans = _encode(canvas, some, exif)
        encoded.update(zip(some, scans, strict=True))
    return b"".join([_with_height(header, canvas.height), *_numbered(strips, encoded), b"\xff\xd9"])


def _numbered(strips: list[tuple[bytes, ...]], encoded: dict[tuple[bytes, ...], bytes]) -> list[bytes]:
    """The strips in order, each but the last followed by the next of the eight restart markers."""
    parts = []
    for number, strip in enumerate(strips):
        parts += [encoded[strip], bytes((0xFF, 0xD0 + number % 8))]
    return parts[:-1]


def _strip(canvas: Canvas, lines: list[bytes], top: int) -> tuple[bytes, ...]:
    """The canvas rows that 16 rows of pixels show; below the picture, the last one again, as an encoder pads it."""
    step, bottom = min(canvas.scale, STRIP), canvas.height - 1
    return tuple(lines[min(row, bottom) // canvas.scale] for row in range(top, top + STRIP, step))


def _encode(canvas: Canvas, strips: list[tuple[bytes, ...]], exif: bytes) -> tuple[bytes, list[bytes]]:
    """Encode strips one below the other: everything before the scan's data, and the data of each strip."""
    from PIL import Image

    rows = [row for strip in strips for row in strip]
    small = Image.frombytes("P", (canvas.columns, len(rows)), b"".join(rows))
    small.putpalette(canvas.colours)
    # Colours first: the copy that is scaled up is the expensive one.
    box = (0, 0, canvas.width / canvas.scale, len(rows))
    image = small.convert("RGB").resize((canvas.width, STRIP * len(strips)), Image.Resampling.NEAREST, box)
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
