"""What an image of ours says about itself: as metadata of the file, and in short in its machine-readable strip."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from understudy.mockserver.images import ImageSpec

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = 1
DIGEST = 12  # bytes of the SHA-256 of a job's id that fit into the strip
MOST = 0xFFF  # indexes and counts have 12 bits there
KEY = "understudy"
IMAGE_DESCRIPTION = 0x010E  # the EXIF tag


@dataclass(frozen=True, slots=True)
class ImageMark:
    """What was read from an image.

    `source` says where: `metadata` has every field; a picture that was encoded again has only its `strip`, which holds
    `job_digest` (hex), `index`, `count` and `flagged`, and the other fields are None. `width` and `height` are the
    pixels that were drawn, whatever the picture has been scaled to since.
    """

    source: Literal["metadata", "strip"]
    job_digest: str
    index: int
    count: int
    flagged: bool
    provider: str | None = None
    model: str | None = None
    job: str | None = None
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    prompt_digest: str | None = None
    black: bool | None = None

    def belongs_to(self, job: str) -> bool:
        """Whether the image is one of this job's (by its provider's job id), from whatever source it was read."""
        return self.job_digest == digest_of(job)


def digest_of(job: str) -> str:
    """The hex digest of a job's id that the strip carries."""
    return hashlib.sha256(job.encode()).digest()[:DIGEST].hex()


def payload(spec: ImageSpec) -> bytes:
    """The 128 bits of the strip: version, flag, index, count, digest of the job."""
    head = VERSION << 28 | spec.flagged << 24 | min(spec.index, MOST) << 12 | min(spec.count, MOST)
    return head.to_bytes(4) + bytes.fromhex(digest_of(spec.job))


def from_payload(data: bytes) -> ImageMark | None:
    """The mark in a strip's payload, or None if it is of no version that we know."""
    head = int.from_bytes(data[:4])
    if head >> 28 != VERSION:
        return None
    return ImageMark("strip", data[4:].hex(), head >> 12 & MOST, head & MOST, bool(head >> 24 & 1))


def metadata(spec: ImageSpec) -> str:
    """The fields of the mark as ASCII JSON."""
    fields = (
        "provider",
        "model",
        "job",
        "index",
        "count",
        "width",
        "height",
        "seed",
        "prompt_digest",
        "flagged",
        "black",
    )
    return json.dumps({KEY: VERSION} | {name: getattr(spec, name) for name in fields})


def from_metadata(text: str) -> ImageMark | None:
    """The mark in a metadata text, or None if it is not one of ours."""
    try:
        fields = json.loads(text)
        if fields.pop(KEY) != VERSION:
            return None
        return ImageMark(source="metadata", job_digest=digest_of(fields["job"]), **fields)
    except (ValueError, TypeError, LookupError, AttributeError):
        return None


def exif(text: str) -> bytes:
    """An EXIF block (as in a JPEG's APP1 segment) whose image description is the ASCII text."""
    data = text.encode("ascii") + b"\0"
    # Big-endian TIFF header, then a directory of one entry: its tag, type ASCII, its length, and where it starts.
    entry = IMAGE_DESCRIPTION.to_bytes(2) + b"\0\x02" + len(data).to_bytes(4) + (26).to_bytes(4)
    return b"Exif\0\0MM\0*" + (8).to_bytes(4) + b"\0\x01" + entry + bytes(4) + data


def read(image: "Image") -> ImageMark | None:
    """The mark of a picture that Pillow has opened: from its metadata if that is there, else from its strip."""
    from understudy.mockserver import strip

    texts = (image.info.get(KEY), image.getexif().get(IMAGE_DESCRIPTION))
    for text in texts:
        if isinstance(text, str) and (mark := from_metadata(text)):
            return mark
    data = strip.read(image)
    return from_payload(data) if data else None
