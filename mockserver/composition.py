"""Where everything goes: scene, number, references, caption and strip on one canvas."""

from dataclasses import replace
from typing import TYPE_CHECKING

from understudy.mockserver import marks, strip
from understudy.mockserver.canvas import Canvas, scale_for
from understudy.mockserver.caption import write_caption
from understudy.mockserver.images import ImageSpec
from understudy.mockserver.layout import Layout
from understudy.mockserver.lettering import HEIGHT, letter, measure
from understudy.mockserver.palette import Colour, hues_of, mix, pick_hues
from understudy.mockserver.scene import landscape
from understudy.mockserver.thumbnails import cube, hang
from understudy.mockserver.variation import Variation

if TYPE_CHECKING:
    from PIL.Image import Image


def compose(spec: ImageSpec) -> Canvas:
    """The picture of a spec, not yet encoded."""
    from PIL import Image

    if spec.black:
        scale = scale_for(spec.width, spec.height)
        black = Canvas(spec.width, spec.height, scale, bytes(3), b"")
        return Canvas(spec.width, spec.height, scale, bytes(3), bytes(black.columns * black.rows))
    layout = Layout.of(spec.width, spec.height, spec.prompt)
    # The job's own, whatever the panel; the prompt takes part, as tests like to use one seed for everything.
    variation = Variation(f"{spec.seed} {spec.prompt_digest}")
    light = variation.pick("light", 3)
    hues = hues_of(spec.references) if spec.references else pick_hues(variation, light)
    colours = mix(hues, light)
    image = Image.new("P", (layout.columns, layout.rows), Colour.INK)
    _paint_scene(image, layout, spec, variation, light)
    _number(image, layout, spec)
    if spec.references:
        box = layout.scene
        # The banner of a flagged panel needs the middle for itself.
        bottom = box.top + (box.bottom - box.top) // (3 if spec.flagged else 2)
        hang(image, replace(box, bottom=bottom), layout.margin, spec.references)
        colours += cube()
    write_caption(image, layout, spec)
    cells = bytearray(image.tobytes())
    if layout.strip_rows:
        for line, bits in strip.lines(marks.payload(spec), layout.strip_rows, spec.width, spec.height, layout.scale):
            cells[line * layout.columns : (line + 1) * layout.columns] = bits
    return Canvas(spec.width, spec.height, layout.scale, colours, bytes(cells))


def _paint_scene(image: "Image", layout: Layout, spec: ImageSpec, variation: Variation, light: int) -> None:
    from PIL import Image

    block, box = layout.block, layout.scene
    columns, rows = -(-(box.right - box.left) // block), -(-(box.bottom - box.top) // block)
    blocks = landscape(variation, light, columns, rows, spec.index, spec.count)
    scene = Image.frombytes("P", (columns, rows), bytes(blocks))
    if spec.flagged:  # as a censor would: too coarse to make anything out
        coarse = scene.resize((max(1, columns // 4), max(1, rows // 4)), Image.Resampling.NEAREST)
        scene = coarse.resize((columns, rows), Image.Resampling.NEAREST)
    scene = scene.resize((columns * block, rows * block), Image.Resampling.NEAREST)
    image.paste(scene.crop((0, 0, box.right - box.left, box.bottom - box.top)), (box.left, box.top))
    if spec.flagged:
        _banner(image, layout)


def _banner(image: "Image", layout: Layout) -> None:
    box, text = layout.scene, "FLAGGED"
    size = max(1, (box.right - box.left) * 4 // 5 // measure(text))
    size = min(size, max(1, (box.bottom - box.top) // 3 // HEIGHT))
    high = size * (HEIGHT - 1)
    middle = (box.top + box.bottom) // 2
    image.paste(Colour.ALARM, (box.left, max(box.top, middle - high), box.right, min(box.bottom, middle + high)))
    left = (box.left + box.right - size * measure(text)) // 2
    letter(image, max(box.left, left), middle - high // 2, text, Colour.PAPER, size)


def _number(image: "Image", layout: Layout, spec: ImageSpec) -> None:
    """The panel's number, big enough for a thumbnail, as a tab at the foot of the scene: the sun stays above it."""
    box, text = layout.scene, f"{spec.index}/{spec.count}"
    room = (box.right - box.left) * 2 // 3
    size = max(1, min(room // measure(text), (box.bottom - box.top) // 3 // HEIGHT, layout.short // 44))
    wide, high = size * (measure(text) + 2), size * (HEIGHT + 1)
    top = max(box.top, box.bottom - high)
    image.paste(Colour.ALARM if spec.flagged else Colour.INK, (box.left, top, box.left + wide, box.bottom))
    letter(image, box.left + size, top + size, text, Colour.PAPER, size)
