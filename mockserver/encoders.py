"""From a canvas to a file in the format that was asked for, its mark inside."""

import io
from typing import TYPE_CHECKING

from understudy.mockserver import marks
from understudy.mockserver.canvas import Canvas
from understudy.mockserver.images import ImageSpec
from understudy.mockserver.jpeg import encode_jpeg
from understudy.mockserver.png import encode_png

if TYPE_CHECKING:
    from PIL.Image import Image


def encode(canvas: Canvas, spec: ImageSpec) -> bytes:
    """The file: PNG and JPEG by our own encoders, WebP by Pillow's."""
    text = marks.metadata(spec)
    if spec.format == "png":
        return encode_png(canvas, text)
    if spec.format == "jpeg":
        return encode_jpeg(canvas, marks.exif(text))
    out = io.BytesIO()
    # Lossless, as flat colours are smaller that way.
    to_image(canvas).save(out, "WEBP", lossless=True, quality=0, method=0, exif=marks.exif(text))
    return out.getvalue()


def to_image(canvas: Canvas) -> "Image":
    """The picture in RGB, every pixel of it: what the encoders must agree with."""
    from PIL import Image

    small = Image.frombytes("P", (canvas.columns, canvas.rows), canvas.cells)
    small.putpalette(canvas.colours)
    box = (0, 0, canvas.width / canvas.scale, canvas.height / canvas.scale)
    return small.convert("RGB").resize((canvas.width, canvas.height), Image.Resampling.NEAREST, box)
