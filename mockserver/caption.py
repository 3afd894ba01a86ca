"""The words of a picture: which panel, what size, which model, and the beginning of the prompt."""

from typing import TYPE_CHECKING

from understudy.mockserver.images import ImageSpec
from understudy.mockserver.layout import LINE, LONGEST, Layout
from understudy.mockserver.lettering import HEIGHT, letter, measure, plain, shorten, wrap
from understudy.mockserver.palette import Colour

if TYPE_CHECKING:
    from PIL.Image import Image


def write_caption(image: "Image", layout: Layout, spec: ImageSpec) -> None:
    """Write as many lines as there is room for, the most telling first."""
    box, margin = layout.caption, layout.margin
    left, top, room = box.left + margin, box.top + margin, box.right - box.left - 2 * margin
    bottom = box.bottom - margin // 2
    title = f"Panel {spec.index} of {spec.count}"
    size = 2 if measure(title) * 2 <= room and top + 5 * LINE <= bottom else 1
    if top + size * HEIGHT <= bottom:
        letter(image, left, top, shorten(title, room), Colour.ACCENT, size)
        top += size * LINE
    size_and_seed, model = f"{spec.width} x {spec.height}  seed {spec.seed}", plain(spec.model)
    facts = [f"{size_and_seed}  {model}"]
    if measure(facts[0]) > room:
        facts = [size_and_seed, model]
    for text in facts:
        if top + HEIGHT <= bottom:
            letter(image, left, top, shorten(text, room), Colour.FAINT)
            top += LINE
    for text in wrap(plain(spec.prompt[:LONGEST]), room, (bottom - top + LINE - HEIGHT) // LINE):
        letter(image, left, top, text, Colour.PAPER)
        top += LINE
