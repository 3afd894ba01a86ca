"""What an output image shows, and the one function that draws it."""

from dataclasses import dataclass
from typing import Literal

ImageFormat = Literal["jpeg", "png", "webp"]
LARGEST_SIDE = 16384  # pixels: the most that any reading of a provider's pages allows
LARGEST_WEBP = 16383


@dataclass(frozen=True, slots=True)
class Reference:
    """A readable input image, reduced: what is kept of it is bounded whatever was sent.

    `digest` is the SHA-256 of the bytes as sent (hex), `width` and `height` are those of the original in pixels, held
    upright; `thumbnail` is a PNG of at most 64 pixels a side.
    """

    digest: str
    width: int
    height: int
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """Everything that decides the pixels: equal specs are equal pictures, on every machine and in every process.

    `index` counts from 1 to `count`; `width` and `height` are pixels; `prompt` is an excerpt and `prompt_digest` the
    hex digest of the whole. A `flagged` picture shows that it was; a `black` one is what some providers return instead.
    """

    provider: str
    model: str
    job: str
    index: int
    count: int
    width: int
    height: int
    format: ImageFormat
    seed: int
    prompt: str
    prompt_digest: str
    flagged: bool = False
    black: bool = False
    references: tuple[Reference, ...] = ()

    def __post_init__(self) -> None:
        assert 1 <= self.index <= self.count, f"panel {self.index} of {self.count} does not exist"
        for side in (self.width, self.height):
            assert 1 <= side <= LARGEST_SIDE, f"{self.width}x{self.height} is no size for a picture"


def draw(spec: ImageSpec) -> bytes:
    """The finished file. Costs a few milliseconds of processor time for JPEG and PNG, so call it off the event loop.

    WebP takes the ordinary way through Pillow: 4 bytes of memory for each pixel, and hundreds of milliseconds at 4096².
    """
    from understudy.mockserver.composition import compose
    from understudy.mockserver.encoders import encode

    return encode(compose(spec), spec)


def as_format(name: str) -> ImageFormat:
    """The format of that name in whatever spelling; anything unknown is drawn as PNG, which every client can open."""
    match name.lower():
        case "jpeg" | "jpg":
            return "jpeg"
        case "webp":
            return "webp"
        case _:
            return "png"


def media_type(image_format: ImageFormat) -> str:
    """The Content-Type to serve an image with."""
    return f"image/{image_format}"
