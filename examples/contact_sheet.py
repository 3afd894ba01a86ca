"""Draws sets of both providers' models and shows them on one sheet: `python examples/contact_sheet.py sheet.png`."""

import hashlib
import io
import sys
from pathlib import Path

from PIL import Image, ImageDraw

from understudy.fixtures.prompts import make_prompt, make_series
from understudy.mockserver.images import ImageSpec, Reference, draw
from understudy.mockserver.references import read_reference
from understudy.mockserver.sheet import contact_sheet

WAVESPEED = ("wavespeed", "bytedance/seedream-v4/sequential")
WAVESPEED_EDIT = ("wavespeed", "bytedance/seedream-v4/edit-sequential")
RUNCOMFY = ("runcomfy", "bytedance/seedream-4-5/text-to-image")
RUNCOMFY_EDIT = ("runcomfy", "bytedance/seedream-4-0/edit-sequential")
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "contact-sheet.png"

Labelled = list[tuple[str, bytes]]


def drawn_set(
    model: tuple[str, str],
    size: tuple[int, int],
    count: int,
    seed: int,
    *,
    flagged: int = 0,
    black: int = 0,
    references: tuple[Reference, ...] = (),
) -> Labelled:
    """One job's images, each with a label; `flagged` and `black` are the indexes of such panels."""
    prompt = make_series(count, seed).prompt if count > 1 else make_prompt(seed)
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    images = []
    for index in range(1, count + 1):
        spec = ImageSpec(
            *model,
            job=hashlib.md5(str(seed).encode()).hexdigest(),
            index=index,
            count=count,
            width=size[0],
            height=size[1],
            format="jpeg" if model[0] == "wavespeed" else "png",
            seed=seed,
            prompt=prompt,
            prompt_digest=digest,
            flagged=index in (flagged, black),
            black=index == black,
            references=references,
        )
        note = " black" if index == black else " flagged" if index == flagged else ""
        images.append((f"{model[0]} {index}/{count}{note}", draw(spec)))
    return images


def reference(ground: tuple[str, str], thing: str, shape: str) -> Reference:
    """A picture somebody might send: a thing in front of two colours."""
    image = Image.new("RGB", (600, 480), ground[0])
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 300, 600, 480), fill=ground[1])
    if shape == "ball":
        pen.ellipse((180, 120, 420, 360), fill=thing)
        pen.ellipse((235, 160, 290, 215), fill="white")
    else:
        pen.polygon([(150, 380), (300, 90), (450, 380)], fill=thing)
        pen.rectangle((270, 380, 330, 440), fill="saddlebrown")
    out = io.BytesIO()
    image.save(out, "JPEG")
    return read_reference(out.getvalue())


def every_set() -> Labelled:
    ball = reference(("lightskyblue", "sandybrown"), "crimson", "ball")
    tree = reference(("lavender", "seagreen"), "darkgreen", "tree")
    return [
        *drawn_set(WAVESPEED, (2048, 2048), 4, 11),
        *drawn_set(RUNCOMFY_EDIT, (2048, 2048), 4, 8, references=(ball, tree)),
        *drawn_set(WAVESPEED_EDIT, (1024, 1024), 4, 23, flagged=2, black=3, references=(tree,)),
        *drawn_set(RUNCOMFY_EDIT, (1024, 1024), 4, 35, flagged=3),
        *drawn_set(RUNCOMFY, (1440, 2560), 1, 40),
        *drawn_set(RUNCOMFY, (1664, 2496), 1, 12),
        *drawn_set(WAVESPEED, (2304, 1728), 1, 9),
        *drawn_set(RUNCOMFY, (2560, 1440), 1, 5),
        *drawn_set(WAVESPEED, (3024, 1296), 1, 6),
        *drawn_set(RUNCOMFY, (4096, 256), 1, 14),
        *drawn_set(WAVESPEED, (512, 8192), 1, 13),
        *drawn_set(WAVESPEED, (1024, 1024), 15, 41),
    ]


def main(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contact_sheet(every_set()))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
