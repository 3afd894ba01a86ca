"""What is drawn: exact sizes and formats, the same everywhere, different where it should be."""

import io
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from image_specs import a_spec, encoded, pixels, sides, specs
from PIL import Image, ImageChops, ImageStat

from understudy.mockserver.images import ImageSpec, as_format, draw, media_type
from understudy.mockserver.palette import Colour, Hues, mix
from understudy.mockserver.references import read_reference

few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@few
@given(specs())
def test_an_image_has_exactly_the_size_and_format_that_were_asked_for(spec: ImageSpec) -> None:
    with Image.open(io.BytesIO(draw(spec))) as image:
        assert (spec.width, spec.height) == image.size
        assert spec.format.upper() == image.format
        image.load()


@pytest.mark.parametrize("image_format", ["png", "jpeg"])
@pytest.mark.parametrize("size", [(8192, 8192), (8192, 512), (4096, 4096), (4095, 4097)])
def test_the_largest_sizes_are_exact_too(size: tuple[int, int], image_format: str) -> None:
    data = draw(a_spec(width=size[0], height=size[1], format=image_format))
    with Image.open(io.BytesIO(data)) as image:
        assert size == image.size


@few
@given(sides(1, 80), st.booleans())
def test_a_picture_of_a_few_pixels_is_drawn_as_well(size: tuple[int, int], flagged: bool) -> None:
    with Image.open(io.BytesIO(draw(a_spec(width=size[0], height=size[1], flagged=flagged)))) as image:
        assert size == image.size


@few
@given(specs(format="png"), st.integers(1, 15), st.integers(1, 15))
def test_two_panels_of_a_job_never_have_the_same_pixels(spec: ImageSpec, one: int, other: int) -> None:
    assume(one != other)
    first, second = (a_spec(width=spec.width, height=spec.height, count=15, index=index) for index in (one, other))
    assert sha256(pixels(draw(first))).digest() != sha256(pixels(draw(second))).digest()


@few
@given(sides(), st.integers(0, 2**31), st.integers(0, 2**31))
def test_two_seeds_never_give_the_same_pixels(size: tuple[int, int], one: int, other: int) -> None:
    assume(one != other)
    first, second = (a_spec(width=size[0], height=size[1], seed=seed) for seed in (one, other))
    assert sha256(pixels(draw(first))).digest() != sha256(pixels(draw(second))).digest()


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
def test_another_process_draws_the_same_bytes(image_format: str) -> None:
    code = (
        "import sys; from hashlib import sha256; from image_specs import a_spec\n"
        "from understudy.mockserver.images import draw\n"
        f"print(sha256(draw(a_spec(width=333, height=517, format={image_format!r}))).hexdigest(), 'PIL' in sys.modules)"
    )
    there = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, check=True, capture_output=True, text=True
    )
    here = sha256(draw(a_spec(width=333, height=517, format=image_format))).hexdigest()
    assert [here, "True"] == there.stdout.split()


def test_the_pixels_are_the_same_on_every_machine_and_release() -> None:
    digests = [sha256(pixels(draw(a_spec(width=300, height=200, seed=seed)))).hexdigest()[:16] for seed in range(4)]
    assert digests == GOLDEN


def test_importing_what_draws_does_not_import_pillow() -> None:
    code = (
        "import sys, understudy.mockserver.composition, understudy.mockserver.encoders, understudy.mockserver.sheet\n"
        "import understudy.mockserver.references, understudy.fixtures, understudy.fixtures.images\n"
        "print([name for name in ('PIL', 'faker') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout == "[]\n"


def test_a_job_keeps_its_palette_and_another_has_its_own() -> None:
    palettes = [palette(draw(a_spec(seed=seed, index=index))) for seed in (1, 2) for index in (1, 4)]
    assert palettes[0] == palettes[1]
    assert palettes[2] == palettes[3]
    assert palettes[0] != palettes[2]


def palette(data: bytes) -> list[int] | None:
    with Image.open(io.BytesIO(data)) as image:
        return image.getpalette()


def test_a_flagged_panel_has_a_red_band_that_no_other_has() -> None:
    shares = [red_share(draw(a_spec(flagged=flagged, seed=seed))) for seed in range(8) for flagged in (True, False)]
    assert min(shares[0::2]) > 0.06
    assert max(shares[1::2]) < 0.01


def red_share(data: bytes) -> float:
    picture = pixels(data)
    triples = zip(picture[0::3], picture[1::3], picture[2::3], strict=True)
    return sum(triple == ALARM for triple in triples) / (len(picture) // 3)


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
def test_a_black_picture_is_black_from_edge_to_edge(image_format: str) -> None:
    assert set(pixels(draw(a_spec(black=True, width=201, height=99, format=image_format)))) == {0}


def test_references_lend_their_colours_and_appear_in_the_picture() -> None:
    red, blue = (read_reference(encoded(Image.new("RGB", (200, 120), colour))) for colour in ("red", "blue"))
    plain, with_red, with_both = (draw(a_spec(references=shown)) for shown in ((), (red,), (red, blue)))
    assert not shows(plain, (255, 0, 0))
    assert shows(with_red, (255, 0, 0))
    assert not shows(with_red, (0, 0, 255))
    assert shows(with_both, (0, 0, 255))
    assert palette(plain) != palette(with_red)


def shows(data: bytes, colour: tuple[int, int, int]) -> bool:
    with Image.open(io.BytesIO(data)) as image:
        return colour in {found for _, found in image.convert("RGB").getcolors(1 << 16) or ()}


@pytest.mark.parametrize("count", [1, 5, 14, 200])
@pytest.mark.parametrize("size", [(1024, 1024), (64, 1024), (1024, 64), (64, 64)])
def test_any_number_of_references_is_drawn_as_far_as_it_fits(count: int, size: tuple[int, int]) -> None:
    tall = read_reference(encoded(Image.new("RGB", (20, 500), "teal")))
    with Image.open(io.BytesIO(draw(a_spec(width=size[0], height=size[1], references=(tall,) * count)))) as image:
        assert size == image.size


def test_grey_references_give_a_palette_too() -> None:
    grey = read_reference(encoded(Image.new("L", (40, 40), 120)))
    assert draw(a_spec(references=(grey,)))


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
def test_ffmpeg_sees_the_same_picture_as_pillow(image_format: str) -> None:
    data = draw(a_spec(width=500, height=301, format=image_format))
    with av.open(io.BytesIO(data), "r") as container:
        theirs = next(container.decode(video=0)).to_image()  # type: ignore[no-untyped-call]  # no types in its stubs
    with Image.open(io.BytesIO(data)) as image:
        difference = ImageStat.Stat(ImageChops.difference(image.convert("RGB"), theirs.convert("RGB")))
    assert max(difference.mean) < (0.01 if image_format != "jpeg" else 3)  # JPEG: two ways to scale the colours up


def test_a_text_without_glyphs_is_drawn_as_boxes_instead_of_failing() -> None:
    pictures = [pixels(draw(a_spec(prompt=text, prompt_digest="00"))) for text in ("東京の灯台", "灯台", "")]
    assert len(pictures) == len(set(pictures))


def test_formats_are_known_by_their_usual_spellings() -> None:
    assert [as_format(name) for name in ("JPG", "jpeg", "WebP", "png", "?")] == ["jpeg", "jpeg", "webp", "png", "png"]
    assert media_type("jpeg") == "image/jpeg"


@pytest.mark.parametrize("changed", [{"index": 5}, {"index": 0}, {"width": 0}, {"height": 20_000}])
def test_what_cannot_be_a_panel_is_refused_when_it_is_specified(changed: dict[str, int]) -> None:
    with pytest.raises(AssertionError, match=r"does not exist|is no size"):
        a_spec(**changed)


ALARM = tuple(mix(Hues(0, 0, 0), 0)[3 * Colour.ALARM : 3 * Colour.ALARM + 3])
GOLDEN = ["229bc8ce46fbf792", "5c92bb2bf309ba91", "7850aca54ca0bc37", "c20087dbf89484b2"]
