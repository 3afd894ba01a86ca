"""Format and size of an image from its first bytes: nothing is decoded, whatever size the header claims."""

from dataclasses import dataclass
from typing import Literal

SourceFormat = Literal["jpeg", "png", "webp", "gif", "bmp"]
# Start-of-frame markers; the gaps are tables and markers of other kinds.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
LONE = frozenset((0x01, *range(0xD0, 0xD9)))


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the header says. `width` and `height` are pixels as stored, before any EXIF rotation."""

    format: SourceFormat
    width: int
    height: int


def facts_of(data: bytes) -> ImageFacts | None:
    """The facts of a JPEG, PNG, WebP, GIF or BMP; None for anything else and for a header that ends too early."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
        return _facts("png", data, 16, 20, 4, "big")
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return _facts("gif", data, 6, 8, 2, "little")
    if data[:2] == b"BM" and len(data) >= 26:
        return _bmp(data)
    return None


def _facts(
    kind: SourceFormat, data: bytes, width: int, height: int, size: int, order: Literal["big", "little"]
) -> ImageFacts | None:
    """Two numbers of `size` bytes at two places."""
    if len(data) < max(width, height) + size:
        return None
    at_width, at_height = data[width : width + size], data[height : height + size]
    return ImageFacts(kind, int.from_bytes(at_width, order), int.from_bytes(at_height, order))


def _jpeg(data: bytes) -> ImageFacts | None:
    """The first frame: segments are walked, for a thumbnail inside of one has a frame of its own."""
    at = 2
    while len(data) > at + 3 and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in FRAMES:
            return _facts("jpeg", data, at + 7, at + 5, 2, "big")
        if marker == 0xFF:  # padding
            at += 1
        elif marker in LONE:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


def _webp(data: bytes) -> ImageFacts | None:
    kind = data[12:16]
    if kind == b"VP8L" and len(data) >= 25:  # 14 bits each
        bits = int.from_bytes(data[21:25], "little")
        return ImageFacts("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 " and len(data) >= 30:
        return ImageFacts("webp", *(int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28)))
    if kind == b"VP8X" and len(data) >= 30:
        return ImageFacts("webp", *(int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27)))
    return None


def _bmp(data: bytes) -> ImageFacts | None:
    if int.from_bytes(data[14:18], "little") < 40:  # OS/2
        return _facts("bmp", data, 18, 20, 2, "little")
    # A negative height says that the rows are stored from the top.
    width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
    return ImageFacts("bmp", abs(width), abs(height))
