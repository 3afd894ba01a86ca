"""The side-by-side as one picture: bars in three panels, written as SVG."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from statistics import median

from contender import Contender
from memory import Grown
from table import Measured

Value = Callable[[Contender], float]

WIDTH, LABELS, FIGURES = 720, 150, 130
ROW, BAR, GAP, TITLE = 22, 14, 18, 26
OURS, OTHERS, INK = "#2a6fbb", "#b9c2cc", "#24292f"
BACKGROUND = "#ffffff"


def chart(
    ours: Contender, measured: Mapping[Contender, Sequence[Measured]], grown: Mapping[Contender, Sequence[Grown]]
) -> str:
    """One SVG document: the rate of cycles, the time to the first answer, the memory after jobs."""
    jobs = grown[ours][1].jobs
    panels: tuple[tuple[str, str, Value], ...] = (
        (
            "One submit and two polls, requests a second: longer is better",
            ",.0f",
            lambda one: median(each.load.requests_per_second for each in measured[one]),
        ),
        (
            "From start to first answer, ms: shorter is better",
            ",.0f",
            lambda one: median(each.start_seconds * 1e3 for each in measured[one]),
        ),
        (
            f"Memory after {jobs:,} jobs, MB: shorter is better",
            ",.0f",
            lambda one: grown[one][1].resident_bytes / 1e6,
        ),
    )
    # Whoever was looked at after fewer jobs than the title says.
    fewer = {one: f" after {each[1].jobs:,}" for one, each in grown.items() if each[1].jobs != jobs}
    shapes: list[str] = []
    top = 0
    for title, form, value in panels:
        notes = {one.name: note for one, note in fewer.items()} if title.startswith("Memory") else {}
        shapes += panel(top, title, form, {one.name: value(one) for one in measured}, ours.name, notes)
        top += TITLE + ROW * len(measured) + GAP
    return document(shapes, top)


def document(shapes: Sequence[str], height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="13">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="{BACKGROUND}"/>\n' + "\n".join(shapes) + "\n</svg>\n"
    )


def panel(
    top: int, title: str, form: str, values: Mapping[str, float], ours: str, notes: Mapping[str, str]
) -> list[str]:
    """A title and a bar for each name; that of `ours` is coloured."""
    longest = max(values.values())
    room = WIDTH - LABELS - FIGURES
    shapes = [f'<text x="8" y="{top + 18}" font-weight="600" fill="{INK}">{escape(title)}</text>']
    for index, (name, value) in enumerate(values.items()):
        y = top + TITLE + ROW * index
        length = max(1.0, room * value / longest)
        colour, weight = (OURS, "600") if name == ours else (OTHERS, "400")
        shapes += [
            f'<text x="{LABELS - 8}" y="{y + 12}" text-anchor="end" font-weight="{weight}" fill="{INK}">'
            f"{escape(name)}</text>",
            f'<rect x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" fill="{colour}"/>',
            f'<text x="{LABELS + length + 6:.1f}" y="{y + 12}" font-weight="{weight}" fill="{INK}">'
            f"{value:{form}}{notes.get(name, '')}</text>",
        ]
    return shapes
