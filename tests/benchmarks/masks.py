"""Time of masks on a 24-megapixel photo: `python tests/benchmarks/masks.py PHOTO`.

PHOTO is brought to 6000x4000 (or 4000x6000), and each expression is evaluated as `editkit mask
--no-cache` does, in this process, imports and reading left out; the last line finds what GrabCut
said in the cache. Seconds are the fewest of the rounds; each is printed with the CPU seconds of all
threads, and with its ratio to a Gaussian blur of the same photo by OpenCV in the same round, since
machines differ and other work comes and goes. With `--pictures`, the overlays are written to be
looked at.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from editkit.masks.preview import overlay
from editkit.masks.value import select_in
from editkit.photo.io.files import Photo, read_photo, write_photo

LONG, SHORT = 6000, 4000
EXPRESSIONS = (
    "box:20%,20%,80%,80%",
    "ellipse:50%,50%,30%,20%",
    "polygon:10%,10%,90%,20%,50%,90%",
    "stroke:10%,10%,90%,20%,50%,90%",
    "point:50%,50%",
    "color:#808080,20",
    "luma:20..60",
    "edges",
    "grabcut:20%,20%,80%,80%",
    "superpixels:40%,50%,60%,50%",
    "saliency",
    "sky",
    "face",
    "ellipse:50%,50%,30% ~grow:5%",
    "ellipse:50%,50%,30% ~shrink:5%",
    "ellipse:50%,50%,30% ~feather:5%",
    "ellipse:50%,50%,30% ~blur:2%",
    "ellipse:50%,50%,30% ~smooth:2%",
    "luma:20..60 ~holes",
    "luma:20..60 ~islands",
    "luma:20..60 ~hull",
    "ellipse:50%,50%,30% ~snap",
    "ellipse:50%,50%,30% ~snap:grabcut",
    "luma:20..60 ~snap:grabcut",
    "saliency - box:0,0,100%,30% ~snap ~feather:4",
)
"""What is timed: each selection without a model, each refinement, and one as people write."""

CACHED = "grabcut:20%,20%,80%,80%"


def enlarged(path: str) -> Photo:
    """The photo at 24 megapixels, upright or not as it is."""
    with Image.open(path) as image:
        size = (LONG, SHORT) if image.width >= image.height else (SHORT, LONG)
        return read_photo(image.convert("RGB").resize(size, Image.Resampling.BICUBIC))


def timed(expression: str, photo: Photo) -> tuple[float, float, float, float]:
    """Seconds, CPU seconds, the ratio to a blur, and the share that is selected."""
    rgb = photo.rgb()
    start = time.perf_counter()
    cv2.GaussianBlur(rgb, (0, 0), 5)
    blur = time.perf_counter() - start
    start, cpu = time.perf_counter(), time.process_time()
    coverage = select_in(expression, photo)
    took, used = time.perf_counter() - start, time.process_time() - cpu
    return took, used, took / blur, float(np.mean(coverage, dtype=np.float64))


def picture(expression: str, photo: Photo, folder: Path, number: int) -> None:
    """An overlay, to be looked at."""
    coverage = select_in(expression, photo)
    write_photo(overlay(photo.rgb(), coverage), folder / f"{number:02d}.jpg", force=True)


def report(name: str, expression: str, photo: Photo, count: int) -> None:
    """Prints a line of the table: the least of some rounds."""
    rounds = [timed(expression, photo) for _ in range(count)]
    took, used, ratio = (min(column) for column in list(zip(*rounds, strict=True))[:3])
    print(f"| {name} | {took:.2f} | {used:.2f} | {ratio:.1f} | {rounds[0][3]:.0%} |", flush=True)


def main() -> None:
    """Times every expression, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photo")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    os.environ["EDITKIT_NO_CACHE"] = "1"
    photo = enlarged(args.photo)
    select_in("color:red | edges | sky | face | grabcut:1,1,9,9", read_photo(photo.rgb()[:64, :64]))
    print("| expression | s | CPU s | blurs | selected |\n| --- | ---: | ---: | ---: | ---: |")
    for number, expression in enumerate(EXPRESSIONS):
        report(f"`{expression}`", expression, photo, args.rounds)
        if args.pictures:
            picture(expression, photo, args.pictures, number)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"EDITKIT_CACHE": folder, "EDITKIT_NO_CACHE": "0"}
        timed(CACHED, photo)
        report(f"`{CACHED}`, again", CACHED, photo, args.rounds)


if __name__ == "__main__":
    main()
