"""What an image says about itself comes back: from the file as served, and from the picture after another encoding."""

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from image_specs import a_spec, encoded, sides, specs
from PIL import Image

import understudy.fixtures
from understudy.fixtures.images import ImageMark, NotOurImageError, read_image
from understudy.mockserver import marks, strip
from understudy.mockserver.images import ImageSpec, draw

few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FILTERS = [Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS]


def expected(spec: ImageSpec) -> ImageMark:
    digest = marks.digest_of(spec.job)
    return ImageMark(
        source="metadata",
        job_digest=digest,
        index=spec.index,
        count=spec.count,
        flagged=spec.flagged,
        provider=spec.provider,
        model=spec.model,
        job=spec.job,
        width=spec.width,
        height=spec.height,
        seed=spec.seed,
        prompt_digest=spec.prompt_digest,
        black=spec.black,
    )


@few
@given(specs())
def test_a_file_as_served_has_every_field(spec: ImageSpec) -> None:
    mark = read_image(draw(spec))
    assert expected(spec) == mark
    assert mark.belongs_to(spec.job)


def repainted(data: bytes) -> Image.Image:
    """The pixels alone."""
    with Image.open(io.BytesIO(data)) as image:
        return Image.frombytes("RGB", image.size, image.convert("RGB").tobytes())


@few
@given(specs(), st.sampled_from(["JPEG", "WEBP"]), st.sampled_from([None, *FILTERS]))
def test_a_picture_encoded_again_and_halved_still_has_its_strip(
    spec: ImageSpec, name: str, resample: Image.Resampling | None
) -> None:
    picture = repainted(draw(spec))
    if resample is not None:
        picture = picture.resize((spec.width // 2, spec.height // 2), resample)
    mark = read_image(encoded(picture, name, quality=60))
    assert ImageMark("strip", marks.digest_of(spec.job), spec.index, spec.count, spec.flagged) == mark
    assert mark.belongs_to(spec.job)
    assert not mark.belongs_to(spec.job + "0")


@pytest.mark.parametrize("size", [(2048, 2048), (3024, 1296), (512, 8192), (4096, 256)])
def test_large_and_extreme_pictures_are_read_after_halving(size: tuple[int, int]) -> None:
    spec = a_spec(width=size[0], height=size[1], format="jpeg")
    picture = repainted(draw(spec)).resize((size[0] // 2, size[1] // 2))
    assert read_image(encoded(picture, "JPEG", quality=60)).index == 2


@given(sides(64, 16383, 16383**2))
def test_every_size_that_is_sold_has_room_for_a_strip(size: tuple[int, int]) -> None:
    assume(size[0] <= 100 * size[1])
    rows = strip.rows_for(*size)
    assert rows
    assert strip.high(rows, size[0]) <= size[1] * 7 // 10 + 1


def test_a_picture_too_narrow_for_a_strip_still_has_its_metadata() -> None:
    spec = a_spec(width=256, height=16)
    assert expected(spec) == read_image(draw(spec))
    with pytest.raises(NotOurImageError, match=r"256x16 PNG has neither our metadata nor a readable strip"):
        read_image(encoded(repainted(draw(spec))))


def test_a_black_picture_says_so_in_its_metadata() -> None:
    assert read_image(draw(a_spec(black=True, flagged=True))).black


def test_a_path_is_read_like_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "panel.png"
    path.write_bytes(draw(a_spec()))
    assert read_image(path) == read_image(str(path)) == read_image(path.read_bytes())


def test_a_picture_of_somebody_else_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(encoded(Image.linear_gradient("L"), "JPEG"))
    with pytest.raises(
        NotOurImageError, match=r"holiday\.jpg is not one of understudy's: this 256x256 JPEG has neither"
    ):
        read_image(path)


@pytest.mark.parametrize("size", [(1, 1), (300, 2), (64, 64), (640, 480)])
def test_noise_and_blank_pictures_are_not_mistaken_for_ours(size: tuple[int, int]) -> None:
    for picture in (Image.effect_noise(size, 90), Image.new("L", size), Image.new("L", size, 255)):
        with pytest.raises(NotOurImageError, match="neither our metadata nor a readable strip"):
            read_image(encoded(picture))


def test_what_is_no_image_is_told_apart_from_a_foreign_one() -> None:
    with pytest.raises(
        NotOurImageError, match=r"the image is not one of understudy's: it is no image at all \(5 bytes\)"
    ):
        read_image(b"hello")


def test_a_damaged_image_is_told_apart_from_a_foreign_one() -> None:
    picture = encoded(repainted(draw(a_spec())), "JPEG")
    with pytest.raises(NotOurImageError, match="it is damaged"):
        read_image(picture[: len(picture) // 2])


def test_an_image_in_another_format_than_the_header_reader_knows_is_refused_too() -> None:
    with pytest.raises(NotOurImageError, match="this image has neither"):
        read_image(encoded(Image.new("RGB", (80, 80)), "TIFF"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"understudy": 2}',
        '{"understudy": 1}',
        '{"understudy": 1, "job": 3}',
        '{"understudy": 1, "job": "a"}',
    ],
)
def test_metadata_that_is_not_ours_is_passed_over(text: str) -> None:
    assert marks.from_metadata(text) is None


def test_foreign_metadata_does_not_hide_the_strip() -> None:
    picture = repainted(draw(a_spec()))
    assert read_image(encoded(picture, "JPEG", exif=marks.exif("A camera"))).source == "strip"


def test_a_strip_of_a_later_version_is_not_misread() -> None:
    assert marks.from_payload(bytes([0xF0]) + bytes(15)) is None


def test_indexes_beyond_the_strips_twelve_bits_are_capped_there() -> None:
    picture = repainted(draw(a_spec(index=5000, count=5001)))
    assert ((mark := read_image(encoded(picture))).index, mark.count) == (4095, 4095)


def test_the_fixtures_package_offers_the_reader_by_name() -> None:
    assert understudy.fixtures.read_image is read_image
    assert understudy.fixtures.NotOurImageError is NotOurImageError
    with pytest.raises(AttributeError, match="no attribute 'read_picture'"):
        _ = understudy.fixtures.read_picture
