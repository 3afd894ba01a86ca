"""Contact sheets: every image in its place, whatever its proportions, and whether it can be read or not."""

import io
import runpy
import sys
from pathlib import Path

import pytest
from image_specs import a_spec, encoded
from PIL import Image

from understudy.mockserver.images import draw
from understudy.mockserver.sheet import contact_sheet


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_images_appear_from_left_to_right_and_top_to_bottom() -> None:
    colours = ["red", "green", "blue", "white", "black"]
    sheet = opened(contact_sheet([(colour, encoded(Image.new("RGB", (256, 256), colour))) for colour in colours]))
    assert sheet.format == "PNG"
    places = [(100 + 268 * (number % 4), 100 + 288 * (number // 4)) for number in range(5)]
    found = [sheet.convert("RGB").getpixel(place) for place in places]
    assert found == [(255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]


def test_pictures_of_different_proportions_have_the_same_weight() -> None:
    wide, high = (opened(contact_sheet([("", encoded(Image.new("RGB", size)))])) for size in ((800, 400), (400, 800)))
    assert (wide.width - 24, wide.height - 44) == (high.height - 44, high.width - 24)


@pytest.mark.parametrize("size", [(8192, 8), (8, 8192), (1, 1)])
def test_extreme_pictures_fit(size: tuple[int, int]) -> None:
    sheet = opened(
        contact_sheet([("a label that is much longer than its picture is wide", encoded(Image.new("L", size)))])
    )
    assert max(sheet.size) < 512


def test_what_cannot_be_read_is_an_empty_frame() -> None:
    good = draw(a_spec())
    for bad in (b"no image", good[: len(good) // 2]):
        sheet = opened(contact_sheet([("good", good), ("bad", bad)]))
        assert sheet.convert("RGB").getpixel((12 + 256 + 12 + 100, 100)) == (244, 244, 242)


def test_a_sheet_of_nothing_is_a_picture_still() -> None:
    assert opened(contact_sheet([])).size == (12, 12)


def test_the_same_set_gives_the_same_sheet() -> None:
    images = [(f"{index}/4", draw(a_spec(index=index, format="jpeg"))) for index in range(1, 5)]
    assert contact_sheet(images) == contact_sheet(images)


def test_the_example_draws_a_sheet_small_enough_for_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = Path(__file__).parent.parent / "examples" / "contact_sheet.py"
    monkeypatch.setattr(sys, "argv", [str(example), str(tmp_path / "new" / "sheet.png")])
    runpy.run_path(str(example), run_name="__main__")
    data = (tmp_path / "new" / "sheet.png").read_bytes()
    assert len(data) < 400_000
    assert opened(data).width > 1000
