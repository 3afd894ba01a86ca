"""The parts of a picture by its proportions: the scene, the caption below it or beside it, and the strip."""

from dataclasses import dataclass

from understudy.mockserver import strip
from understudy.mockserver.canvas import scale_for
from understudy.mockserver.lettering import HEIGHT, plain, wrap

LINE = HEIGHT + 3
LONGEST = 600  # characters of a prompt that are looked at: more never fits
MOST_LINES = 14


@dataclass(frozen=True, slots=True)
class Box:
    """In canvas cells; `right` and `bottom` lie outside."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Layout:
    scale: int
    columns: int
    rows: int
    strip_rows: int | None  # None: too narrow to carry one
    scene: Box
    caption: Box

    @classmethod
    def of(cls, width: int, height: int, prompt: str) -> "Layout":
        scale = scale_for(width, height)
        # What is cut off in a last half cell is no place for anything.
        columns, rows = max(1, width // scale), max(1, height // scale)
        strip_rows = strip.rows_for(width, height)
        bottom = max(1, rows - -(-strip.high(strip_rows, width) // scale) if strip_rows else rows)
        if columns > 5 * rows // 2:
            middle = columns - min(columns * 2 // 5, 320)
            scene, caption = Box(0, 0, middle, bottom), Box(middle, 0, columns, bottom)
        else:
            high = min(bottom * 9 // 20, caption_rows(columns, margin_of(columns, rows), prompt))
            # Whole blocks of sixteen pixels for the scene: JPEG's strips stay alike.
            top = (bottom - high) // 4 * 4
            scene, caption = Box(0, 0, columns, max(1, top)), Box(0, max(1, top), columns, bottom)
        return cls(scale, -(-width // scale), -(-height // scale), strip_rows, scene, caption)

    @property
    def short(self) -> int:
        return min(self.columns, self.rows)

    @property
    def block(self) -> int:
        """The side of one block of the scene."""
        return 4 if self.short >= 100 else 2

    @property
    def margin(self) -> int:
        return margin_of(self.columns, self.rows)


def caption_rows(columns: int, margin: int, prompt: str) -> int:
    """How high a caption has to be to hold everything: a title of double size, two lines of facts, and the prompt."""
    lines = len(wrap(plain(prompt[:LONGEST]), columns - 2 * margin, MOST_LINES))
    return (4 + lines) * LINE + margin + margin // 2


def margin_of(columns: int, rows: int) -> int:
    return 8 if min(columns, rows) >= 100 else 2
