"""The same hole in ever larger photos: `python tests/benchmarks/sizes.py PHOTO`.

PHOTO is brought to each number of megapixels (with fresh noise, so that files are as large as those
of cameras), an elliptic hole of a given width is put into its middle, and `editkit inpaint` edits
it, as a process of its own: what is measured is all that a person waits for, and all the memory
that the process held at once.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

EDITKIT = Path(sys.executable).with_name("editkit")
UNITS = 2**20 if sys.platform == "darwin" else 2**10


@dataclass(frozen=True)
class Cost:
    """What an edit took: by the clock, of CPU, at most of memory."""

    seconds: float
    cpu: float
    mebibytes: float


def enlarged(source: Path, megapixels: float) -> Image.Image:
    """The photo at a number of megapixels, with noise of a deviation of 3."""
    photo = Image.open(source).convert("RGB")
    factor = (megapixels * 1e6 / (photo.width * photo.height)) ** 0.5
    size = round(photo.width * factor), round(photo.height * factor)
    samples = np.asarray(photo.resize(size, Image.Resampling.BICUBIC)).copy()
    random = np.random.default_rng(0)
    for row in samples:  # a row at a time: this process is not to be the largest
        row[:] = np.clip(row + random.normal(0, 3, row.shape), 0, 255)
    return Image.fromarray(samples)


def hole(size: tuple[int, int], width: int) -> Image.Image:
    """An ellipse in the middle, three quarters as high as wide."""
    mask = Image.new("L", size)
    x, y = size[0] / 2, size[1] / 2
    ImageDraw.Draw(mask).ellipse(
        (x - width / 2, y - 3 * width / 8, x + width / 2, y + 3 * width / 8), 255
    )
    return mask


def cost(photo: Path, mask: Path, options: Sequence[str]) -> Cost:
    """What one edit took, from the start of the process to its end."""
    out = photo.with_stem(f"{photo.stem}.edited")
    command = [str(EDITKIT), "inpaint", str(photo), str(mask), "-o", str(out), "--force", *options]
    started = time.perf_counter()
    process = subprocess.Popen([*command, "--quiet"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / UNITS)


def arguments() -> tuple[argparse.Namespace, list[str]]:
    """What was asked for on the command line; what is not known goes to editkit."""
    parser = argparse.ArgumentParser(description="The same hole in ever larger photos.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--megapixels", nargs="+", type=float, default=[1, 12, 24, 50, 100])
    parser.add_argument("--holes", nargs="+", type=int, default=[200, 500, 2000], metavar="PX")
    parser.add_argument("--formats", nargs="+", default=["png", "jpg"])
    return parser.parse_known_args()


def main() -> None:
    """Edits and prints a Markdown table."""
    asked, options = arguments()
    print("| hole, px | file | megapixels | s | CPU s | peak MiB |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for suffix in asked.formats:
            for megapixels in asked.megapixels:
                file, mask = Path(folder, f"photo.{suffix}"), Path(folder, "mask.png")
                photo = enlarged(asked.photo, megapixels)
                photo.save(file, quality=92, compress_level=1)
                for width in asked.holes:
                    if width > min(photo.size):
                        continue
                    hole(photo.size, width).save(mask)
                    took = cost(file, mask, options)
                    cells = f"{took.seconds:.1f} | {took.cpu:.1f} | {took.mebibytes:.0f}"
                    print(f"| {width} | {suffix} | {megapixels:g} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
