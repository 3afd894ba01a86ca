"""The fast encoders against Pillow's ordinary ones: the same pixels for any canvas."""

import io
import struct
import zlib
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from image_specs import a_spec, encoded, pixels
from PIL import Image

from understudy.mockserver.canvas import Canvas, scale_for
from understudy.mockserver.composition import compose
from understudy.mockserver.encoders import to_image
from understudy.mockserver.jpeg import encode_jpeg, to_jpeg
from understudy.mockserver.png import encode_png
from understudy.mockserver.references import read_reference


@st.composite
def canvases(draw: st.DrawFn) -> Canvas:
    """Rows repeat now and then, far apart and side by side; sizes are mostly no multiple of anything."""
    width, height = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    scale = draw(st.sampled_from([1, 2, 4, 8, 16, 32]))
    colours = draw(st.sampled_from([1, 2, 16, 17, 256]))
    random = draw(st.randoms(use_true_random=False))
    columns, rows = -(-width // scale), -(-height // scale)
    some = [bytes(random.randrange(colours) for _ in range(columns)) for _ in range(4)]
    cells = b"".join(random.choice(some) for _ in range(rows))
    return Canvas(width, height, scale, random.randbytes(3 * colours), cells)


def same(expected: bytes, got: bytes) -> bool:
    """Megabytes are nothing to print."""
    return expected == got


@settings(max_examples=150, deadline=None)
@given(canvases())
def test_the_png_has_the_pixels_of_the_canvas(canvas: Canvas) -> None:
    assert same(to_image(canvas).tobytes(), pixels(encode_png(canvas)))


@settings(max_examples=100, deadline=None)
@given(canvases())
def test_the_jpeg_decodes_to_what_pillows_own_encoding_decodes_to(canvas: Canvas) -> None:
    ordinary = to_jpeg(to_image(canvas), b"", restart=False)
    assert same(pixels(ordinary), pixels(encode_jpeg(canvas)))


def test_whole_drawings_agree_as_well() -> None:
    photo = read_reference(encoded(Image.linear_gradient("L").convert("RGB")))
    for references in ((), (photo,)):
        for width, height in ((1024, 1024), (1001, 777), (2560, 1080)):
            canvas = compose(a_spec(width=width, height=height, references=references))
            assert same(to_image(canvas).tobytes(), pixels(encode_png(canvas)))
            assert same(pixels(to_jpeg(to_image(canvas), b"", restart=False)), pixels(encode_jpeg(canvas)))


@settings(max_examples=50, deadline=None)
@given(canvases())
def test_the_png_keeps_to_the_letter_of_its_specification(canvas: Canvas) -> None:
    """Pillow forgives wrong checksums of the stream; others do not."""
    chunks = dict(chunks_of(encode_png(canvas, "a text")))
    depth = chunks[b"IHDR"][8]
    rows = zlib.decompress(chunks[b"IDAT"])
    assert list(chunks) == [b"IHDR", b"PLTE", b"tEXt", b"IDAT", b"IEND"]
    assert len(rows) == canvas.height * (1 + -(-canvas.width * depth // 8))
    assert (4 if len(canvas.colours) <= 48 else 8) == depth


def chunks_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        content = data[at + 8 : at + 8 + size]
        assert zlib.crc32(name + content) == int.from_bytes(data[at + 8 + size : at + 12 + size])
        yield name, content
        at += 12 + size


def test_a_repeated_row_costs_next_to_nothing() -> None:
    line = bytes(index % 16 for index in range(64))
    low, high = (Canvas(1024, height, 16, bytes(48), line * (height // 16)) for height in (1024, 8192))
    assert len(encode_png(high)) - len(encode_png(low)) < (8192 - 1024) * 512 // 100


def test_the_exif_of_a_jpeg_may_contain_what_looks_like_a_frame() -> None:
    canvas = Canvas(40, 40, 4, bytes(range(48)), bytes(range(10)) * 10)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\0" + b"\xff\xc0\xff\xda\xff\xd0" * 4
    with Image.open(io.BytesIO(encode_jpeg(canvas, exif))) as image:
        assert image.size == (40, 40)
        assert image.info["exif"] == exif


@given(st.integers(1, 16383), st.integers(1, 16383))
def test_the_scale_is_a_power_of_two_that_leaves_room_for_a_text(width: int, height: int) -> None:
    scale = scale_for(width, height)
    assert scale.bit_count() == 1
    assert scale == 1 or min(width, height) // scale >= 64


def test_runs_add_up_to_the_height() -> None:
    canvas = Canvas(3, 7, 2, bytes(6), b"\0\0\0\0\1\0\0\0")
    assert list(canvas.runs()) == [(b"\0\0", 4), (b"\1\0", 2), (b"\0\0", 1)]
