"""Drawing sets of 15 images against a naive picture of the same size, interleaved: `python benchmarks/images.py`.

Prints a table of how many times faster an image is than the naive one, on one core, with the peak of memory that
drawing one image adds to a fresh process (Linux). With `--check` it fails when a goal is missed.
"""

import argparse
import hashlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

from PIL import Image

from understudy.mockserver.images import ImageFormat, ImageSpec, as_format, draw

PANELS = 15
# (side in pixels, format): at least so many times faster than naive
GOALS: dict[tuple[int, ImageFormat], int] = {
    (2048, "png"): 10,
    (2048, "jpeg"): 7,
    (4096, "png"): 30,
    (4096, "jpeg"): 12,
}
MOST_MEGABYTES = 12  # for one image of 4096 x 4096


def naive(side: int) -> bytes:
    """What a first attempt looks like: an RGB gradient, saved as PNG."""
    ramp = Image.linear_gradient("L")
    bands = (ramp, ramp.transpose(Image.Transpose.ROTATE_90), ramp.transpose(Image.Transpose.ROTATE_180))
    image = Image.merge("RGB", [band.resize((side, side)) for band in bands])
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def spec_of(side: int, kind: ImageFormat, index: int, seed: int) -> ImageSpec:
    prompt = (
        f"A series of {PANELS} images (Panels 1-{PANELS}) of one city bike, each in another season and another light"
    )
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    model = "bytedance/seedream-v4/sequential"
    return ImageSpec("wavespeed", model, f"{seed:032x}", index, PANELS, side, side, kind, seed, prompt, digest)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def per_image(side: int, kind: ImageFormat, seed: int) -> float:
    return seconds(lambda: [draw(spec_of(side, kind, index, seed)) for index in range(1, PANELS + 1)]) / PANELS


def megabytes(side: int, kind: str) -> float:
    """How far a fresh process grows beyond a small drawing of the same kind, by the kernel's high-water mark."""
    out = subprocess.run([sys.executable, __file__, "--peak", str(side), kind], check=True, capture_output=True)
    return float(out.stdout)


def print_peak(side: int, kind: str) -> None:
    def work(size: int) -> bytes:
        return naive(size) if kind == "naive" else draw(spec_of(size, as_format(kind), 1, 1))

    work(64)
    before = high_water()
    work(side)
    print(high_water() - before)


def high_water() -> float:
    """The most memory this process has held, in MB. Not `ru_maxrss`, which starts with what the parent held."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail when a goal is missed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", nargs=2, metavar=("SIDE", "FORMAT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print_peak(int(options.peak[0]), options.peak[1])
        return 0
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    missed = []
    print("| image | naive ms | ms | times faster: min | median | max | goal | peak MB |")
    print("|---|---|---|---|---|---|---|---|")
    for side in (2048, 4096):
        formats = [kind for size, kind in GOALS if size == side]
        naives: list[float] = []
        ours: dict[str, list[float]] = {kind: [] for kind in formats}
        for seed in range(options.rounds):
            naives.append(seconds(partial(naive, side)))
            for kind in formats:
                ours[kind].append(per_image(side, kind, seed))
        for kind in formats:
            ratios = sorted(slow / fast for slow, fast in zip(naives, ours[kind], strict=True))
            goal, peak = GOALS[side, kind], megabytes(side, kind)
            times = f"{median(naives) * 1000:.0f} | {median(ours[kind]) * 1000:.1f}"
            spread = f"{ratios[0]:.1f} | {median(ratios):.1f} | {ratios[-1]:.1f}"
            print(f"| {side}² {kind} | {times} | {spread} | {goal} | {peak:.1f} |")
            if median(ratios) < goal or peak > MOST_MEGABYTES:
                missed.append(f"{side}² {kind}")
        print(f"| {side}² naive | {median(naives) * 1000:.0f} | | 1 | 1 | 1 | | {megabytes(side, 'naive'):.0f} |")
    if missed:
        print(f"\nmissed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
