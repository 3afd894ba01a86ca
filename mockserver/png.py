"""A canvas as PNG, where a repeated row costs next to nothing.

A row of pixels that equals the one above is a row of zeros under PNG's Up filter, and long runs of zeros compress to
the same few bytes every time. So only distinct rows are compressed; the runs between them are pasted in ready-made.
"""

import struct
import zlib
from collections.abc import Iterator

from understudy.mockserver.canvas import Canvas

SIGNATURE = b"\x89PNG\r\n\x1a\n"
UNFILTERED, UP = b"\x00", b"\x02"
DOUBLED = bytes(index % 16 * 17 for index in range(256))
SHIFTED = bytes(index % 16 * 16 for index in range(256))
ADLER_BASE = 65521
# An empty final block with fixed codes: ends a deflate stream at a byte boundary.
LAST_BLOCK = b"\x03\x00"


def encode_png(canvas: Canvas, text: str | None = None) -> bytes:
    """The picture as a palette PNG of exactly its width and height; `text` (ASCII) goes into a tEXt chunk."""
    depth = 4 if len(canvas.colours) <= 48 else 8
    header = struct.pack(">IIBBBBB", canvas.width, canvas.height, depth, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", canvas.colours)]
    if text is not None:
        chunks.append((b"tEXt", b"understudy\0" + text.encode("ascii")))
    chunks += [(b"IDAT", _stream(canvas, depth)), (b"IEND", b"")]
    return SIGNATURE + b"".join(map(_chunk, *zip(*chunks, strict=True)))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _stream(canvas: Canvas, depth: int) -> bytes:
    """A zlib stream (RFC 1950) joined from deflate blocks that refer to nothing before them."""
    # Run lengths are all that a row holds once it is scaled up, and a small table is quicker to reset at each flush.
    packer = zlib.compressobj(1, zlib.DEFLATED, -15, 4, zlib.Z_DEFAULT_STRATEGY)
    length = 1 + (canvas.width * depth + 7) // 8
    blank = UP + bytes(length - 1)
    ready: list[tuple[bytes, int, int]] = []
    parts, adler = [b"\x78\x01"], 1
    for line, count in canvas.runs():
        row = UNFILTERED + _pixels(line, canvas.width, canvas.scale, depth)
        parts.append(packer.compress(row) + packer.flush(zlib.Z_FULL_FLUSH))
        adler = zlib.adler32(row, adler)
        for block, check, size in _blanks(blank, count - 1, ready):
            parts.append(block)
            adler = _joined(adler, check, size)
    return b"".join([*parts, LAST_BLOCK, struct.pack(">I", adler)])


def _blanks(blank: bytes, count: int, ready: list[tuple[bytes, int, int]]) -> Iterator[tuple[bytes, int, int]]:
    """Blocks of 1, 2, 4, 8… empty rows that add up to `count`; each is compressed once and kept in `ready`."""
    while len(ready) < count.bit_length():
        rows = blank * (1 << len(ready))
        packer = zlib.compressobj(1, zlib.DEFLATED, -15)
        ready.append((packer.compress(rows) + packer.flush(zlib.Z_FULL_FLUSH), zlib.adler32(rows), len(rows)))
    return (ready[bit] for bit in range(count.bit_length()) if count >> bit & 1)


def _joined(first: int, second: int, size: int) -> int:
    """The Adler-32 of two pieces, from the checksums of both and the length of the second."""
    low = (first & 0xFFFF) - 1
    return ((first >> 16) + (second >> 16) + size * low) % ADLER_BASE << 16 | (low + (second & 0xFFFF)) % ADLER_BASE


def _pixels(line: bytes, width: int, scale: int, depth: int) -> bytes:
    """One row of indexes, scaled up and packed to `depth` bits a pixel."""
    if depth == 4 and scale == 1:
        pairs = line + bytes(len(line) % 2)
        high, low = pairs[0::2].translate(SHIFTED), pairs[1::2]
        return (int.from_bytes(high) | int.from_bytes(low)).to_bytes(len(high))
    if depth == 4:
        line, scale, width = line.translate(DOUBLED), scale // 2, (width + 1) // 2
    wide = bytearray(len(line) * scale)
    for offset in range(scale):
        wide[offset::scale] = line
    return bytes(wide[:width])
