"""The motif: a landscape of blocks, the same in every panel of a job while sun and camera move from one to the next.

Only blocks: a circle or a diagonal makes every row of pixels distinct, and the encoders pay for distinct rows.
"""

from understudy.mockserver.palette import NIGHT, Colour
from understudy.mockserver.variation import Variation

PEAKS, DUNES, TOWERS, FOREST = range(4)
# Of three ridges from far to near: colour, height of its base and its relief in percent of the scene, blocks per panel.
RIDGES = ((Colour.FAR, 30, 34, 2), (Colour.MIDDLE, 16, 26, 5), (Colour.NEAR, 5, 20, 9))
SPACING = {PEAKS: 9, DUNES: 17, TOWERS: 4, FOREST: 4}


def landscape(variation: Variation, light: int, columns: int, rows: int, index: int, count: int) -> bytearray:
    """Palette indexes of a scene of that many blocks."""
    blocks = bytearray()
    for row in range(rows):
        band = min(3, row * 5 // rows)
        blocks += bytes((Colour.ZENITH + band,)) * columns
    if light == NIGHT:
        _stars(blocks, variation, columns, rows)
    _sun(blocks, variation, columns, rows, index, count)
    _clouds(blocks, variation, columns, rows, index)
    kind = variation.pick("kind", 4)
    for layer in range(3):
        _ridge(blocks, variation, kind, layer, columns, rows, index)
    return blocks


def _stars(blocks: bytearray, variation: Variation, columns: int, rows: int) -> None:
    spots = variation.bytes("stars")
    for across, down in zip(spots[0::2], spots[1::2], strict=True):
        blocks[down * rows // 512 * columns + across * columns // 256] = Colour.FAINT


def _sun(blocks: bytearray, variation: Variation, columns: int, rows: int, index: int, count: int) -> None:
    """It rises on the left of the first panel and sets on the right of the last one."""
    radius = max(1, min(columns, rows) * (13 + variation.pick("sun", 5)) // 100)
    centre = columns * (2 * index - 1) // (2 * count)
    centre = radius + centre * max(1, columns - 2 * radius) // columns
    away = abs(2 * index - 1 - count) * 100 // count
    height = rows * (26 + away * away * 22 // 10000) // 100
    for row in range(max(0, height - radius - 2), min(rows, height + radius + 3)):
        for reach, colour in ((radius + 2, Colour.GLOW), (radius, Colour.SUN)):
            square = reach * reach + reach - (row - height) ** 2
            if square < 0:
                continue
            half = next(step for step in range(reach, -1, -1) if step * step <= square)
            left, right = max(0, centre - half), min(columns, centre + half + 1)
            blocks[row * columns + left : row * columns + right] = bytes((colour,)) * (right - left)


def _clouds(blocks: bytearray, variation: Variation, columns: int, rows: int, index: int) -> None:
    for number, spot in enumerate(variation.bytes("clouds")[:5]):
        width = max(2, min(columns, rows) * (12 + spot % 16) // 100)
        drift = index * 3 + number * columns // 5 + spot
        row = 1 + rows * (12 + spot * 7 % 34) // 100
        for step, (start, length) in enumerate(((0, width), (width // 4, width // 2))):
            for across in range(start, start + length):
                at = (row - step) * columns + (drift + across) % columns
                if at < len(blocks) and blocks[at] not in (Colour.SUN, Colour.GLOW):
                    blocks[at] = Colour.CLOUD


def _ridge(blocks: bytearray, variation: Variation, kind: int, layer: int, columns: int, rows: int, index: int) -> None:
    colour, base, relief, pan = RIDGES[layer]
    knots = variation.bytes(f"ridge {layer}")
    scene = min(rows, columns * 3)
    for column in range(columns):
        place = column + pan * (index - 1) + 64 * layer
        rise = scene * relief * _height(kind, knots, place) // 25500
        top = max(0, rows - scene * base // 100 - rise)
        start = top * columns + column
        blocks[start::columns] = bytes((colour,)) * (rows - top)
        if kind == PEAKS and layer < 2 and rise * 100 > scene * relief * 7 // 10:
            blocks[start] = Colour.CAP
        elif kind == TOWERS and layer > 0:
            _windows(blocks, columns, start, place, knots)


def _height(kind: int, knots: bytes, place: int) -> int:
    """0 to 255, at a place on the ground."""
    spacing = SPACING[kind]
    number, part = divmod(place, spacing)
    here, there = knots[number % 64], knots[(number + 1) % 64]
    if kind == TOWERS:
        return here
    if kind == FOREST:
        return (40 + here * 2 // 3) * (spacing - abs(2 * part - spacing + 1)) // spacing
    if kind == DUNES:  # eased in and out
        ease = part * part * (3 * spacing - 2 * part)
        return here + (there - here) * ease // spacing**3
    return here + (there - here) * part // spacing


def _windows(blocks: bytearray, columns: int, top: int, place: int, knots: bytes) -> None:
    if place % SPACING[TOWERS] in (1, 2):
        for floor, at in enumerate(range(top + 2 * columns, len(blocks), 2 * columns)):
            if knots[(place * 7 + floor * 11) % 64] < 70:
                blocks[at] = Colour.ACCENT
