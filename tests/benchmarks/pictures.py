"""The pictures of the documents, made again: `python tests/benchmarks/pictures.py [--only tiles]`.

Each is made from the samples, by the recommended settings but for what it is to show alone, and
written where the documents show it.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import editkit
from editkit.types import Rgb

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "samples"
GUIDES = SAMPLES / "guides"
WHITE = 255
MARKS = ((40, 60), (300, 290), (60, 330))
"""Where the marks of `regions` are: left and top."""


def sample(name: str) -> Rgb:
    return np.asarray(Image.open(SAMPLES / f"{name}.jpg").convert("RGB"))


def ellipse(
    shape: Sequence[int], left: int, top: int, width: int, height: int
) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    x, y = (columns - left - width / 2) / (width / 2), (rows - top - height / 2) / (height / 2)
    return x**2 + y**2 < 1


def beside(pictures: Sequence[Rgb], gap: int = 0, axis: int = 1) -> Rgb:
    """Pictures in a row, with white between them."""
    widths = [[0, 0], [0, 0], [0, 0]]
    widths[axis] = [0, gap]
    padded = [np.pad(one, widths, constant_values=WHITE) for one in pictures[:-1]]
    return np.concatenate([*padded, pictures[-1]], axis=axis)


def regions() -> Rgb:
    """Three marks: filled together, then each by itself; no tiles."""
    photo = sample("coffee")
    holes = [ellipse(photo.shape, left, top, 32, 24) for left, top in MARKS]
    hole = np.logical_or.reduce(holes)
    marked = np.where(hole[..., None], np.uint8(WHITE), photo)
    made = [
        np.asarray(editkit.inpaint(marked, hole, regions=how, detail=0.0).image)
        for how in ("together", "each")
    ]
    rows = [
        beside([enlarged(p, left - 34, top - 26, 100, 75, 2) for p in (marked, *made)], 5)
        for left, top in MARKS
    ]
    return beside(rows, 5, axis=0)


def enlarged(picture: Rgb, left: int, top: int, width: int, height: int, times: int) -> Rgb:
    box = (max(0, left), max(0, top), max(0, left) + width, max(0, top) + height)
    cut = Image.fromarray(picture).crop(box)
    return np.asarray(cut.resize((times * width, times * height), Image.Resampling.NEAREST))


def tiles() -> Rgb:
    """Holes larger than the model's own size: enlarged, and painted once more in tiles."""
    sky = np.asarray(Image.fromarray(sample("rocket")).resize((1280, 854)))
    rows = [tiled(sample("astronaut"), 140, 160), tiled(sky, 120, 330)]
    return beside(rows, 5, axis=0)


def tiled(photo: Rgb, left: int, top: int) -> Rgb:
    hole = ellipse(photo.shape, left, top, 340, 340)
    gray = np.where(hole[..., None], np.uint8(127), photo)
    made = [
        np.asarray(editkit.inpaint(gray, hole, grain=0.0, detail=detail).image)
        for detail in (0.0, None)
    ]
    here = (slice(top - 20, top + 350), slice(left - 20, left + 360))
    return beside([one[here] for one in (gray, *made)], 5)


def first() -> Rgb:
    """The README's first command."""
    photo, mask = sample("rocket"), np.asarray(Image.open(SAMPLES / "rocket.mask.png")) > 0
    made = editkit.inpaint(SAMPLES / "rocket.jpg", SAMPLES / "rocket.mask.png", "dark blue sky")
    veil = np.rint(0.2 * photo + 0.8 * np.array([238, 51, 187])).astype(np.uint8)
    pictures = (photo, np.where(mask[..., None], veil, photo), np.asarray(made.image))
    return beside([one[:, 190:] for one in pictures], 10)


def frame() -> Rgb:
    """A photo and the same in a wider frame."""
    made = editkit.outpaint(SAMPLES / "chelsea.jpg", aspect="2:1").image
    pictures = [Image.fromarray(sample("chelsea")), made.convert("RGB")]
    small = [one.resize((round(260 * one.width / one.height), 260), 1) for one in pictures]
    return beside([np.asarray(one) for one in small], 8)


def home() -> Rgb:
    """A blue plate made elsewhere, and brought home; what differs, four times as strong."""
    photo = sample("coffee")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, SAMPLES / "edited_elsewhere.py", folder]
        subprocess.run(command, check=True, capture_output=True)
        came = Path(folder) / "elsewhere.jpg"
        made = np.asarray(editkit.composite(SAMPLES / "coffee.jpg", came).image)
        edited = Image.open(came).convert("RGB").resize(photo.shape[1::-1], 1)
    pictures = [photo, np.asarray(edited), apart(photo, edited), made, apart(photo, made)]
    small = [Image.fromarray(one).resize((276, 184), Image.Resampling.LANCZOS) for one in pictures]
    return beside([np.asarray(one) for one in small], 5)


def mended() -> tuple[Rgb, Rgb]:
    """A photo with scratches painted on it, and mended by PatchMatch."""
    photo = sample("chelsea")
    mask = np.asarray(Image.open(SAMPLES / "chelsea.mask.png").convert("L")) > 0
    scratched = np.where(mask[..., None], np.uint8(235), photo)
    return scratched, np.asarray(editkit.erase(scratched, mask, method="patchmatch").image)


def replaced() -> tuple[Rgb, Rgb]:
    """A badge on a suit, replaced by cloth."""
    files = (SAMPLES / "astronaut.jpg", SAMPLES / "astronaut.mask.png")
    return sample("astronaut"), np.asarray(editkit.inpaint(*files, "orange cloth").image)


def replace() -> Rgb:
    """The badge, and the suit without it, enlarged."""
    return beside([enlarged(one, 10, 190, 300, 260, 1) for one in replaced()], 8)


def gallery() -> Rgb:
    """Six edits, each before and after."""
    files = (SAMPLES / "rocket.jpg", SAMPLES / "rocket.mask.png")
    sky = np.asarray(editkit.inpaint(*files, "dark blue sky").image)
    wide = np.asarray(editkit.outpaint(SAMPLES / "chelsea.jpg", aspect="2:1").image.convert("RGB"))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, SAMPLES / "edited_elsewhere.py", folder]
        subprocess.run(command, check=True, capture_output=True)
        plate = editkit.composite(SAMPLES / "coffee.jpg", Path(folder) / "elsewhere.jpg").image
    again = editkit.img2img(SAMPLES / "coffee.jpg", "red plate, wood", strength=0.3, steps=10)
    pairs = [
        (sample("rocket"), sky),
        replaced(),
        mended(),
        (sample("chelsea"), wide),
        (sample("coffee"), np.asarray(plate)),
        (sample("coffee"), np.asarray(again.image)),
    ]
    tiles = [beside([high(one, 150) for one in pair], 3) for pair in pairs]
    rows = [beside([widened(one, 532) for one in tiles[k : k + 2]], 14) for k in (0, 2, 4)]
    return beside(rows, 10, axis=0)


def high(picture: Rgb, height: int) -> Rgb:
    """A picture of that height."""
    image = Image.fromarray(picture)
    size = (round(height * image.width / image.height), height)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def widened(picture: Rgb, width: int) -> Rgb:
    """A picture in the middle of white of that width."""
    free = max(0, width - picture.shape[1])
    sides = ((0, 0), (free // 2, free - free // 2), (0, 0))
    return np.pad(picture, sides, constant_values=WHITE)


def masks() -> Rgb:
    """A cup, and the same with what an expression selects."""
    photo = sample("coffee")
    where = editkit.Mask.parse("ellipse:52%,52%,28%,20% ~feather:4").on(photo)
    veil = photo + 0.6 * where[..., None] * (np.array([238, 51, 187]) - photo)
    pair = (
        photo,
        np.rint(veil).astype(np.uint8),
        np.rint(255 * where).astype(np.uint8)[..., None].repeat(3, 2),
    )
    return beside([high(one, 220) for one in pair], 8)


def batch() -> Rgb:
    """The contact sheet of a batch."""
    with tempfile.TemporaryDirectory() as folder:
        run = [sys.executable, "-m", "editkit_cli"]
        edit = ["batch", "inpaint", f"{SAMPLES}/c*.jpg", "--mask", SAMPLES, "--steps", "4"]
        for command in (
            [*edit, "-o", f"{folder}/mended", "-q"],
            ["report", f"{folder}/mended", "--sheet", f"{folder}/sheet.png"],
        ):
            subprocess.run([*run, *command], check=True, capture_output=True)
        return high(np.asarray(Image.open(f"{folder}/sheet.png").convert("RGB")), 480)


def proof() -> Rgb:
    """An edited photo, and the pixels that changed."""
    before = sample("rocket")
    files = (SAMPLES / "rocket.jpg", SAMPLES / "rocket.mask.png")
    after = np.asarray(editkit.inpaint(*files, "dark blue sky").image)
    changed = (before != after).any(axis=-1)
    shown = np.where(changed[..., None], after, np.uint8(128))
    return beside([high(one, 260) for one in (after, shown)], 8)


def python() -> Rgb:
    """What `samples/variants.py` paints."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, SAMPLES / "variants.py", folder]
        subprocess.run(command, check=True, capture_output=True)
        made = [np.asarray(Image.open(file)) for file in sorted(Path(folder).glob("*.png"))]
    return beside([enlarged(one, 10, 190, 300, 260, 1) for one in made], 8)


def extending() -> Rgb:
    """What the samples with a guide, a solver and a constraint of their own make."""
    made = list[Rgb]()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("own_guide", "own_solver", "own_constraint"):
            command = [sys.executable, SAMPLES / f"{name}.py", folder]
            subprocess.run(command, check=True, capture_output=True)
            file = next(Path(folder).glob(f"{name}.*"))
            made.append(np.asarray(Image.open(file).convert("RGB")))
    return beside([high(one, 256) for one in made], 8)


def apart(one: Rgb, other: object) -> Rgb:
    off = np.abs(one.astype(np.int16) - np.asarray(other, np.int16))
    return np.clip(4 * off, 0, 255).astype(np.uint8)


PICTURES: dict[str, tuple[Callable[[], Rgb], Path]] = {
    "regions": (regions, HERE / "regions.jpg"),
    "tiles": (tiles, HERE / "tiles.jpg"),
    "first": (first, SAMPLES / "before-mask-after.jpg"),
    "frame": (frame, SAMPLES / "before-after-outpaint.jpg"),
    "home": (home, SAMPLES / "brought-home.jpg"),
    "gallery": (gallery, SAMPLES / "gallery.jpg"),
    "replace": (replace, GUIDES / "replace.jpg"),
    "masks": (masks, GUIDES / "masks.jpg"),
    "batch": (batch, GUIDES / "batch.jpg"),
    "proof": (proof, GUIDES / "proof.jpg"),
    "python": (python, GUIDES / "python.jpg"),
    "extending": (extending, GUIDES / "extending.jpg"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PICTURES, default=list(PICTURES))
    for name in parser.parse_args().only:
        make, file = PICTURES[name]
        Image.fromarray(make()).save(file, quality=88)
        print(file)


if __name__ == "__main__":
    main()
