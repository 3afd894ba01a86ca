"""Text: what the font has, what stands in for what it has not, and where lines break."""

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from understudy.mockserver.lettering import letter, measure, plain, shorten, wrap


def test_accents_and_typographic_marks_become_plain_ones() -> None:
    assert plain("“Café”  –\nStraße…") == '"Cafe" - Strasse...'


def test_every_printable_character_has_a_glyph_of_its_own() -> None:
    assert len({drawn(chr(code)) for code in range(32, 127)}) == 95


def test_characters_without_a_glyph_are_shown_as_a_box() -> None:
    assert plain("灯台") == "\ufffd\ufffd"
    assert drawn("\ufffd") != drawn("?")


def drawn(text: str) -> bytes:
    image = Image.new("P", (12, 8))
    letter(image, 0, 0, text, 1)
    return image.tobytes()


@given(st.text(max_size=200), st.integers(1, 120), st.integers(0, 6))
def test_wrapped_lines_fit_the_room_and_are_no_more_than_asked_for(text: str, room: int, lines: int) -> None:
    broken = wrap(plain(text), room, lines)
    assert len(broken) <= lines
    assert all(measure(line) <= room or len(line) == 1 for line in broken)


@given(st.text(st.characters(codec="ascii", categories=["L", "Zs"]), max_size=80))
def test_a_text_with_room_enough_is_wrapped_without_a_loss(text: str) -> None:
    assert "".join(text.split()) == "".join("".join(wrap(plain(text), 40, 500)).split())


def test_what_is_cut_off_ends_in_dots() -> None:
    assert wrap("one two three four five", 42, 2) == ["one two", "three..."]
    assert shorten("anything", 1) == ""
