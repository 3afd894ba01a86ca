"""The sixteen colours of a job, in whole numbers, so that every machine mixes the same ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from understudy.mockserver.images import Reference
from understudy.mockserver.variation import Variation


class Colour(IntEnum):
    """What an index in the palette is for."""

    INK = 0
    PAPER = 1
    ZENITH = 2
    UPPER = 3
    LOWER = 4
    HORIZON = 5
    GLOW = 6
    SUN = 7
    FAR = 8
    MIDDLE = 9
    NEAR = 10
    CAP = 11
    FAINT = 12
    ACCENT = 13
    ALARM = 14
    CLOUD = 15


@dataclass(frozen=True, slots=True)
class Hues:
    """What a palette is mixed from: two hues in degrees and how colourful they are, 0 to 100."""

    main: int
    other: int
    strength: int


# Lightness of four bands of sky, of the sun and its glow, of three ridges from far to near, of their caps, of clouds.
LIGHTS = (
    (52, 63, 74, 84, 60, 88, 50, 36, 24, 88, 93),  # day
    (24, 37, 50, 64, 78, 70, 36, 25, 15, 72, 52),  # dusk
    (11, 17, 24, 33, 90, 42, 27, 18, 11, 62, 22),  # night
)
DAY, DUSK, NIGHT = range(3)


def mix(hues: Hues, light: int) -> bytes:
    """RGB triples in the order of `Colour`; `light` is one of DAY, DUSK and NIGHT."""
    main, other, strength = hues.main, hues.other, hues.strength
    zenith, upper, lower, horizon, sun, glow, far, middle, near, cap, cloud = LIGHTS[light]
    lean = _towards(main, other)
    soft = strength * 3 // 5
    shades = {
        Colour.INK: (main, strength // 3, 9),
        Colour.PAPER: (main, strength // 3, 97),
        Colour.ZENITH: (main, soft, zenith),
        Colour.UPPER: (main + lean // 3, soft, upper),
        Colour.LOWER: (main + lean * 2 // 3, soft, lower),
        Colour.HORIZON: (main + lean, strength * 4 // 5, horizon),
        Colour.GLOW: (other, soft, glow),
        Colour.SUN: (other, strength, sun),
        Colour.FAR: (main - 8, strength // 2, far),
        Colour.MIDDLE: (main - 14, strength // 2, middle),
        Colour.NEAR: (main - 20, soft, near),
        Colour.CAP: (other, strength // 2, cap),
        Colour.FAINT: (main, strength // 4, 72),
        Colour.ACCENT: (other, strength, 62),
        Colour.ALARM: (354, 82, 47),
        Colour.CLOUD: (main + lean, soft, cloud),
    }
    return b"".join(_rgb(*shades[role]) for role in Colour)


def pick_hues(variation: Variation, light: int) -> Hues:
    """A job's own: any hue for the sky, but by day one that a warm sun stands out from."""
    main = 85 + variation.pick("hue", 250) if light == DAY else variation.pick("hue", 360)
    return Hues(main, variation.pick("other", 360) if light == NIGHT else 12 + variation.pick("other", 45), 72)


def hues_of(references: Sequence[Reference]) -> Hues:
    """The two strongest hues of the references: a set looks related to what it was made from."""
    import io

    from PIL import Image

    weights = [0] * 24
    for reference in references:
        small = Image.open(io.BytesIO(reference.thumbnail)).convert("RGB").resize((16, 16), Image.Resampling.NEAREST)
        pixels = small.tobytes()
        for red, green, blue in zip(pixels[0::3], pixels[1::3], pixels[2::3], strict=True):
            weights[_hue(red, green, blue) // 15] += max(red, green, blue) - min(red, green, blue)
    first = max(range(24), key=weights.__getitem__)
    # At least 60 degrees apart, or the sun would drown in the sky.
    second = max(((first + step) % 24 for step in range(4, 21)), key=weights.__getitem__)
    if not weights[second]:
        second = (first + 12) % 24
    colourful = sum(weights) // (256 * len(references))
    return Hues(first * 15 + 7, second * 15 + 7, min(85, colourful * 3))


def _towards(start: int, end: int) -> int:
    """How far the sky's hue leans towards the sun's, the short way round, at most 40 degrees."""
    apart = (end - start + 180) % 360 - 180
    return max(-40, min(40, apart))


def _hue(red: int, green: int, blue: int) -> int:
    high, low = max(red, green, blue), min(red, green, blue)
    if high == low:
        return 0
    if high == red:
        return 60 * (green - blue) // (high - low) % 360
    if high == green:
        return 120 + 60 * (blue - red) // (high - low)
    return (240 + 60 * (red - green) // (high - low)) % 360


def _rgb(hue: int, saturation: int, lightness: int) -> bytes:
    """HSL to RGB; saturation and lightness in percent."""
    hue %= 360
    chroma = (100 - abs(2 * lightness - 100)) * saturation
    between = chroma * (60 - abs(hue % 120 - 60)) // 60
    base = 100 * lightness - chroma // 2
    sector = (
        (chroma, between, 0),
        (between, chroma, 0),
        (0, chroma, between),
        (0, between, chroma),
        (between, 0, chroma),
        (chroma, 0, between),
    )[hue // 60]
    return bytes((part + base) * 255 // 10000 for part in sector)
