"""A picture before it is encoded: a few hundred rows of palette indexes that stand for up to 8192 rows of pixels."""

from collections.abc import Iterator
from dataclasses import dataclass, field

# Below this the text of a caption no longer fits; above twice this, the next power of two is taken.
SHORT_SIDE = 160
# Very long pictures give up some of that, or their canvas would be most of the work.
LONG_SIDE = 2048
NARROWEST = 64


def scale_for(width: int, height: int) -> int:
    """How many pixels one canvas cell is wide and high: a power of two, so that every encoder can repeat whole rows."""
    short, long, scale = min(width, height), max(width, height), 1
    while short >= 2 * scale * SHORT_SIDE or (long > scale * LONG_SIDE and short >= 2 * scale * NARROWEST):
        scale *= 2
    return scale


@dataclass(frozen=True, slots=True)
class Canvas:
    """`cells` holds `columns` x `rows` palette indexes; each is `scale` pixels square, cut off at `width` and `height`.

    `colours` are RGB triples: 16 at most for a picture that fits four bits a pixel, else 256 at most.
    """

    width: int
    height: int
    scale: int
    colours: bytes
    cells: bytes = field(repr=False)

    @property
    def columns(self) -> int:
        return -(-self.width // self.scale)

    @property
    def rows(self) -> int:
        return -(-self.height // self.scale)

    def lines(self) -> list[bytes]:
        """The rows of the canvas, top to bottom."""
        columns = self.columns
        return [self.cells[start : start + columns] for start in range(0, columns * self.rows, columns)]

    def runs(self) -> Iterator[tuple[bytes, int]]:
        """Neighbouring rows that are equal, as (row of indexes, how many rows of pixels)."""
        lines, first = self.lines(), 0
        for row in range(1, len(lines) + 1):
            if row == len(lines) or lines[row] != lines[first]:
                yield lines[first], min(row * self.scale, self.height) - first * self.scale
                first = row
