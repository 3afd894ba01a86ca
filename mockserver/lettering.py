"""Text on a canvas, in a small font of our own: the same pixels whatever FreeType a machine has.

The font covers printable ASCII. Accents are taken off, typographic marks become their plain relatives, and every other
character (CJK, emoji) is shown as a hollow box, so that a reader sees that there was text, and how much.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

HEIGHT = 8  # canvas rows of one line: seven above the baseline and one for descenders
SPACE = 3
BOX = bytes((0x7F, 0x41, 0x41, 0x41, 0x7F))
RELATIVES = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "…": "...", "×": "x", "·": "-", "•": "-"}
    | {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
)
# One glyph for each character from "!" to "~": its columns from the left, bit 0 on top.
GLYPHS = bytes.fromhex(
    "000000005f 0000070007 147f147f14 242a7f2a12 2313086462 3649552250 0000000007 00001c2241 000041221c 14083e0814"
    "08083e0808 0000008060 0808080808 0000000060 2010080402 3e5149453e 0000427f40 4261514946 2141454b31 1814127f10"
    "2745454539 3c4a494930 0171090503 3649494936 064949291e 0000000036 0000008076 0008142241 1414141414 0041221408"
    "0201510906 324979413e 7e1111117e 7f49494936 3e41414122 7f4141221c 7f49494941 7f09090901 3e4149497a 7f0808087f"
    "0000417f41 2040413f01 7f08142241 7f40404040 7f020c027f 7f0408107f 3e4141413e 7f09090906 3e4151215e 7f09192946"
    "4649494931 01017f0101 3f4040403f 1f2040201f 3f4038403f 6314081463 0708700807 6151494543 00007f4141 0204081020"
    "000041417f 0402010204 4040404040 0000000102 2054545478 7f48444438 3844444420 384444487f 3854545418 00087e0902"
    "18a4a4a47c 7f08040478 0000447d40 004080847d 007f102844 0000417f40 7c04180478 7c08040478 3844444438 fc24242418"
    "18242418fc 7c08040400 4854545420 00043f4420 3c4040207c 1c2040201c 3c4030403c 4428102844 1ca0a0a07c 4464544c44"
    "0000083641 000000007f 0000413608 0804080402"
)


def plain(text: str) -> str:
    """The text in characters that the font has, plus U+FFFD for each that it has not."""
    apart = unicodedata.normalize("NFKD", " ".join(text.translate(RELATIVES).split()))
    kept = (letter for letter in apart if not unicodedata.combining(letter))
    return "".join(letter if " " <= letter <= "~" else "\N{REPLACEMENT CHARACTER}" for letter in kept)


@cache
def _glyph(letter: str) -> bytes:
    """The columns of one character, without the empty ones around it."""
    at = 5 * (ord(letter) - ord("!"))
    return GLYPHS[at : at + 5].strip(b"\0") if "!" <= letter <= "~" else BOX


def _columns(text: str) -> bytes:
    return b"\0".join(bytes(SPACE - 1) if letter == " " else _glyph(letter) for letter in text)


def measure(text: str) -> int:
    """How many canvas columns the (plain) text takes."""
    return len(_columns(text))


def wrap(text: str, room: int, lines: int) -> list[str]:
    """Break (plain) text into at most that many lines of at most that many columns; what is cut off ends in dots."""
    broken = list(_broken(text, room))
    if len(broken) <= lines:
        return broken
    return [*broken[: lines - 1], shorten(broken[lines - 1] + "...", room)] if lines > 0 else []


def shorten(text: str, room: int) -> str:
    """The text if it fits, else as much of it as fits with dots behind."""
    if measure(text) <= room:
        return text
    kept = text.removesuffix("...")
    while kept and measure(kept + "...") > room:
        kept = kept[:-1]
    return kept.rstrip() + "..." if kept else ""


def _broken(text: str, room: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and measure(f"{line} {word}") > room:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
        # A word wider than a line (or text that knows no spaces) is broken where it must be.
        while measure(line) > room and len(line) > 1:
            fits = len(line) - 1
            while fits > 1 and measure(line[:fits]) > room:
                fits -= 1
            yield line[:fits]
            line = line[fits:]
    if line:
        yield line


def letter(image: "Image", left: int, top: int, text: str, colour: int | tuple[int, int, int], size: int = 1) -> None:
    """Write one line of (plain) text on an image, each dot `size` cells square."""
    from PIL import Image

    columns = _columns(text)
    if not columns:
        return
    # Eight dots of a column are one byte, so the columns are a 1-bit picture lying on its side.
    lying = Image.frombytes("1", (HEIGHT, len(columns)), columns.translate(REVERSED)).transpose(
        Image.Transpose.TRANSPOSE
    )
    mask = lying.resize((lying.width * size, lying.height * size), Image.Resampling.NEAREST)
    image.paste(colour, (left, top, left + mask.width, top + mask.height), mask)


REVERSED = bytes(int(f"{index:08b}"[::-1], 2) for index in range(256))
