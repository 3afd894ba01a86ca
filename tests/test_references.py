"""Input images: whatever is sent becomes a small reference or a clear refusal, within a bound of memory."""

import base64
import io
import struct
import subprocess
import sys
import zlib
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_specs import encoded
from PIL import Image

from understudy.mockserver.data_uris import DataUri, UnreadableDataUri, is_data_uri, parse_data_uri
from understudy.mockserver.image_facts import ImageFacts, facts_of
from understudy.mockserver.images import Reference
from understudy.mockserver.references import UnreadableReference, read_reference

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP"]
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def halves(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    return image.convert(mode)


def thumbnail(reference: Reference) -> Image.Image:
    image = Image.open(io.BytesIO(reference.thumbnail))
    image.load()
    return image


def near(colour: tuple[int, int, int], image: Image.Image, x: float, y: float) -> bool:
    pixel = image.getpixel((int(x * image.width), int(y * image.height)))
    assert isinstance(pixel, tuple)
    return max(abs(one - other) for one, other in zip(colour, pixel, strict=True)) < 30


RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


@few
@given(st.sampled_from(FORMATS), st.integers(15, 900), st.integers(15, 900))
def test_an_image_becomes_a_small_reference_of_its_size(name: str, width: int, height: int) -> None:
    data = encoded(halves((width, height)), name)
    reference = read_reference(data)
    assert (sha256(data).hexdigest(), width, height) == (reference.digest, reference.width, reference.height)
    small = thumbnail(reference)
    assert (small.mode, small.format) == ("RGB", "PNG")
    assert max(small.size) <= 64
    if small.width >= 8:
        assert near(RED, small, 0.1, 0.5)
        assert near(BLUE, small, 0.9, 0.5)


@pytest.mark.parametrize("orientation", range(1, 10))
def test_exif_rotation_is_undone(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    reference = read_reference(encoded(halves((300, 200)), "JPEG", exif=exif))
    turned = orientation in (5, 6, 7, 8)
    assert ((200, 300) if turned else (300, 200)) == (reference.width, reference.height)
    x, y = {2: (0.9, 0.5), 3: (0.9, 0.5), 5: (0.5, 0.1), 6: (0.5, 0.1), 7: (0.5, 0.9), 8: (0.5, 0.9)}.get(
        orientation, (0.1, 0.5)
    )
    assert near(RED, thumbnail(reference), x, y)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
@pytest.mark.parametrize("side", [40, 1200])
def test_every_mode_of_png_is_read(mode: str, side: int) -> None:
    grey = (
        Image.new("I;16", (side, side), 0x8000) if mode == "I;16" else Image.new("L", (side, side), 128).convert(mode)
    )
    small = thumbnail(read_reference(encoded(grey)))
    assert small.mode == "RGB"
    if mode != "1":
        assert near((128, 128, 128), small, 0.5, 0.5)


def test_a_cmyk_jpeg_keeps_its_colours() -> None:
    assert near(RED, thumbnail(read_reference(encoded(halves((400, 300), "CMYK"), "JPEG"))), 0.2, 0.5)


@pytest.mark.parametrize("side", [40, 1200])
def test_what_is_transparent_is_shown_white(side: int) -> None:
    clear = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    palette = Image.new("P", (side, side), 0)
    for data in (encoded(clear), encoded(clear, "WEBP"), encoded(palette, transparency=0)):
        assert near(WHITE, thumbnail(read_reference(data)), 0.5, 0.5)


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation_counts(name: str) -> None:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue", "blue")]
    data = encoded(frames[0], name, save_all=True, append_images=frames[1:], duration=100)
    assert near(RED, thumbnail(read_reference(data)), 0.5, 0.5)


def problem(data: bytes) -> str:
    with pytest.raises(UnreadableReference) as caught:
        read_reference(data)
    return caught.value.problem


def test_every_refusal_has_a_word_and_a_sentence() -> None:
    assert [problem(data) for data in (b"", b"<svg/>", b"%PDF-1.7")] == ["empty", "not_an_image", "not_an_image"]
    with pytest.raises(UnreadableReference, match=r"^the image is 1x1 pixels; 15 a side is the least$"):
        read_reference(encoded(Image.new("RGB", (1, 1))))
    with pytest.raises(UnreadableReference, match=r"^the image is 300x200 pixels; 1000 in all is the most$"):
        read_reference(encoded(halves((300, 200))), most_pixels=1000)
    assert read_reference(encoded(Image.new("RGB", (1, 1))), smallest_side=1).width == 1


@pytest.mark.parametrize("name", FORMATS)
def test_a_truncated_image_is_damaged(name: str) -> None:
    data = encoded(Image.effect_noise((200, 200), 80).convert("RGB"), name)
    assert problem(data[: len(data) // 2]) == "damaged"


def test_an_image_that_contradicts_itself_is_damaged() -> None:
    """A GIF whose second size, of its frame, is larger than the first would be decoded at the larger."""
    data = bytearray(encoded(Image.new("P", (40, 40)), "GIF"))
    frame = data.index(b",\0\0\0\0")
    data[frame + 5 : frame + 9] = struct.pack("<HH", 9000, 9000)
    assert problem(bytes(data)) == "damaged"


def bomb(side: int) -> bytes:
    """A PNG of that many pixels a side in a few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [6001, 20_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    assert problem(bomb(side)) == "too_large"


PEAK = """
import sys
from pathlib import Path
from understudy.mockserver.references import read_reference

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

small, large = (Path(name).read_bytes() for name in sys.argv[1:])
read_reference(small)
before = peak()
read_reference(large)
print(peak() - before)
"""


def test_a_large_photo_is_reduced_while_it_is_decoded(tmp_path: Path) -> None:
    """36 million pixels are 144 MB to Pillow."""
    small, large = tmp_path / "small.jpg", tmp_path / "large.jpg"
    small.write_bytes(encoded(halves((300, 300)), "JPEG"))
    large.write_bytes(encoded(Image.new("L", (6000, 6000), 90), "JPEG"))
    kilobytes = subprocess.check_output([sys.executable, "-W", "ignore::ResourceWarning", "-c", PEAK, small, large])
    assert int(kilobytes) < 12_000


@few
@given(st.sampled_from(FORMATS), st.data())
def test_no_damage_leads_to_another_error(name: str, data: st.DataObject) -> None:
    image = bytearray(encoded(halves((60, 40)), name))
    for _ in range(data.draw(st.integers(1, 6))):
        image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.integers(0, 255))
    try:
        reference = read_reference(bytes(image))
    except UnreadableReference:
        return
    assert max(thumbnail(reference).size) <= 64


@few
@given(
    st.binary(max_size=60),
    st.sampled_from([b"", b"\xff\xd8\xff", b"GIF89a", b"BM", b"\x89PNG\r\n\x1a\n", b"RIFFxxxxWEBP"]),
)
def test_no_bytes_lead_to_another_error(data: bytes, head: bytes) -> None:
    with pytest.raises(UnreadableReference):
        read_reference(head + data)


@few
@given(st.sampled_from(FORMATS), st.integers(1, 3000), st.integers(1, 30), st.booleans())
def test_the_facts_of_a_header_are_those_of_the_image(name: str, width: int, height: int, lossless: bool) -> None:
    options = {"lossless": lossless} if name == "WEBP" else {"progressive": lossless} if name == "JPEG" else {}
    data = encoded(halves((width, height)), name, **options)
    assert ImageFacts(name.lower(), width, height) == facts_of(data)  # type: ignore[arg-type]  # FORMATS are all known


@pytest.mark.parametrize("size", [(1, 1), (16383, 1), (300, 200)])
def test_the_facts_of_a_lossless_webp_are_read(size: tuple[int, int]) -> None:
    assert facts_of(encoded(Image.new("RGB", size), "WEBP", lossless=True)) == ImageFacts("webp", *size)


def test_the_facts_of_a_webp_with_extensions_are_read() -> None:
    data = encoded(halves((33, 44)), "WEBP", exif=Image.Exif().tobytes())
    assert ImageFacts("webp", 33, 44) == facts_of(data)


def test_the_facts_of_old_and_upside_down_bitmaps_are_read() -> None:
    os2 = b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 30, 20, 1, 24)
    from_the_top = b"BM" + bytes(12) + struct.pack("<Iii", 40, 30, -20)
    assert ImageFacts("bmp", 30, 20) == facts_of(os2) == facts_of(from_the_top)


def test_a_thumbnail_inside_of_a_jpeg_is_not_taken_for_it() -> None:
    inner = encoded(Image.new("RGB", (16, 16)), "JPEG")
    outer = encoded(halves((300, 200)), "JPEG")
    with_thumbnail = outer[:2] + b"\xff\xff\xff\x01\xff\xe5" + struct.pack(">H", 2 + len(inner)) + inner + outer[2:]
    assert ImageFacts("jpeg", 300, 200) == facts_of(with_thumbnail)


@pytest.mark.parametrize("name", FORMATS)
def test_a_header_that_ends_early_has_no_facts(name: str) -> None:
    assert facts_of(encoded(halves((30, 30)), name)[:9]) is None


def test_a_webp_of_an_unknown_kind_has_no_facts() -> None:
    assert facts_of(b"RIFFxxxxWEBPVP9 " + bytes(30)) is None


def test_a_data_uri_is_taken_apart() -> None:
    data = encoded(halves((30, 30)))
    text = "data:image/PNG;charset=utf-8;base64," + base64.b64encode(data).decode()
    assert is_data_uri(text)
    assert DataUri("image/png", data) == parse_data_uri(text, most_bytes=len(data))
    assert data == parse_data_uri("DATA:;base64," + quote(base64.b64encode(data)), most_bytes=10_000).data
    assert DataUri("text/plain", b"a b") == parse_data_uri("data:,a%20b", most_bytes=3)


@given(st.binary(max_size=200))
def test_any_bytes_come_back_from_a_data_uri(data: bytes) -> None:
    text = "data:image/jpeg;base64," + base64.b64encode(data).decode()
    assert DataUri("image/jpeg", data) == parse_data_uri(text, most_bytes=len(data))


@given(st.integers(0, 300), st.integers(0, 300), st.booleans())
def test_a_data_uri_holds_no_more_than_it_may(size: int, most: int, in_base64: bool) -> None:
    body = ";base64," + base64.b64encode(bytes(size)).decode() if in_base64 else "," + "%00" * size
    if size <= most:
        assert size == len(parse_data_uri("data:" + body, most_bytes=most).data)
    else:
        with pytest.raises(UnreadableDataUri, match=f"{most} is the most") as caught:
            parse_data_uri("data:" + body, most_bytes=most)
        assert caught.value.problem == "too_large"


def test_padding_does_not_hide_a_byte_too_many() -> None:
    with pytest.raises(UnreadableDataUri, match=r"holds 5 bytes; 4 is the most"):
        parse_data_uri("data:;base64,AAAAAAA=", most_bytes=4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org/a.png", "not_a_data_uri"),
        ("data:image/png;base64", "not_a_data_uri"),
        ("data:image/png;base64,AAA", "not_base64"),
        ("data:image/png;base64,AA_A", "not_base64"),
        ("data:image/png;base64,ÄÄÄÄ", "not_base64"),
    ],
)
def test_a_data_uri_that_cannot_be_taken_says_why(text: str, expected: str) -> None:
    with pytest.raises(UnreadableDataUri) as caught:
        parse_data_uri(text, most_bytes=1000)
    assert expected == caught.value.problem
