"""Edits made elsewhere and brought home: `python tests/benchmarks/composite.py FOLDER`.

FOLDER holds photos NN.jpg. Each gets an edit inside a known area (content of another photo, a
change of color, something taken out by Navier-Stokes, or `editkit inpaint`), and the whole then a
known journey: warp, resize, cast, JPEG. What comes back is brought home and held against the truth.
Prints a Markdown table, one row for each edit and journey.

`--known` tells how well the area could be found by somebody who had the same copy without the edit,
too: nothing to register, no drift, the same JPEG, and a threshold on the difference that is left.

`--graded` grades the whole of each edited picture, too (`tests/support/grades.py`), and tells how
well the area is found and what is found far from it.

`--megapixels 24` measures time and memory instead, on one photo enlarged to that size.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import morphology

import editkit
from editkit.compare.aligned import overlay_copy
from editkit.compare.detect import find_changes
from editkit.compare.registration import register
from editkit.photo.io.files import read_photo

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
from away import Journey, differing, iou
from grades import GRADES, vignette

Array = NDArray[np.uint8]
Bits = NDArray[np.bool_]

JOURNEYS: Mapping[str, Journey] = {
    "none at all": Journey(),
    "JPEG 75": Journey(quality=75),
    "cast, JPEG 85": Journey(cast=(1.1, 1, 0.88), gamma=1.15, quality=85),
    "half size, JPEG 85": Journey(scale=0.5, quality=85),
    "quarter size, JPEG 90": Journey(scale=0.25, quality=90),
    "double size, JPEG 85": Journey(scale=2, quality=85),
    "shift 3.4/-2.7, JPEG 85": Journey(shift=(3.4, -2.7), quality=85),
    "padded, 0.6 of the size, JPEG 85": Journey(zoom=0.93, scale=0.6, quality=85),
    "perspective, turn, zoom, cast, JPEG 80": Journey(
        tilt=0.02,
        turn=-0.5,
        zoom=1.02,
        shift=(-6, 3.3),
        quality=80,
        cast=(1.05, 1, 0.9),
        gamma=0.9,
    ),
}


@dataclass(frozen=True)
class Score:
    """One edit brought home."""

    mean: float
    largest: float
    copy_mean: float
    found: float
    mask: float
    missed: float
    outside: int
    off: float
    naive: float


Edit = Callable[[Array, Array], tuple[Array, Bits]]


def ellipse(photo: Array, across: float, down: float) -> Bits:
    height, width = photo.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    x, y = (columns - 0.5 * width) / (across * width), (rows - 0.48 * height) / (down * height)
    return x**2 + y**2 < 1


def pasted(photo: Array, other: Array) -> tuple[Array, Bits]:
    """Content of another photo, a seventh of the picture."""
    where = ellipse(photo, 0.2, 0.22)
    return np.where(where[..., None], other, photo), where


def large(photo: Array, other: Array) -> tuple[Array, Bits]:
    """The same, two fifths of it."""
    where = np.zeros(photo.shape[:2], np.bool_)
    height, width = photo.shape[:2]
    where[int(0.1 * height) : int(0.82 * height), int(0.2 * width) : int(0.755 * width)] = True
    return np.where(where[..., None], other, photo), where


def recolored(photo: Array, _: Array) -> tuple[Array, Bits]:
    """Warmer by a quarter."""
    where = ellipse(photo, 0.2, 0.22)
    toned = np.clip(photo * np.array([1.25, 0.95, 0.7]), 0, 255).astype(np.uint8)
    return np.where(where[..., None], toned, photo), where


def taken_out(photo: Array, _: Array) -> tuple[Array, Bits]:
    """An object filled over by a classic method; where that differs from before is the area."""
    where = ellipse(photo, 0.1, 0.1)
    filled = np.asarray(cv2.inpaint(photo, where.astype(np.uint8), 5, cv2.INPAINT_NS), np.uint8)
    return filled, differing(photo, filled, where)


def inpainted(photo: Array, _: Array) -> tuple[Array, Bits]:
    """By the built-in model."""
    where = ellipse(photo, 0.12, 0.12)
    made = np.asarray(editkit.inpaint(photo, where, steps=8).image)
    return made, differing(photo, made, where)


EDITS: Mapping[str, Edit] = {
    "pasted": pasted,
    "two fifths pasted": large,
    "recolored": recolored,
    "taken out": taken_out,
    "inpainted": inpainted,
}


def photos(folder: Path, limit: int) -> Iterator[Array]:
    files = sorted(folder.glob("*.jpg"))
    for place in np.linspace(0, len(files) - 1, min(limit, len(files))):
        yield np.asarray(Image.open(files[round(place)]).convert("RGB"))


def judged(before: Array, edited: Array, where: Bits, journey: Journey) -> Score:
    photo, copy = read_photo(before), read_photo(journey.file(edited))
    place = register(photo, copy)
    mean, largest = journey.error(before, place.matrix)
    size = (before.shape[1], before.shape[0])
    laid = np.asarray(Image.fromarray(copy.samples).resize(size, Image.Resampling.LANCZOS))
    naive = error(laid, edited, where)
    try:
        found = find_changes(overlay_copy(photo, copy, place.matrix, drift=True))
    except editkit.MaskError:
        return Score(mean, largest, mean * journey.scale, 0, 0, 1, 0, naive, naive)
    result = editkit.composite(photo, copy, grain=0.0)
    now, mask = np.asarray(result.image), found.coverage > 0
    outside = int(np.count_nonzero(now[~mask] != before[~mask]))
    return Score(
        mean,
        largest,
        mean * journey.scale,
        iou(found.area, where),
        iou(mask, where),
        float(np.mean(~mask[where])),
        outside,
        error(now, edited, where),
        naive,
    )


def error(now: Array, edited: Array, where: Bits) -> float:
    return float(np.abs(now[where].astype(np.float32) - edited[where]).mean())


def known(before: Array, edited: Array, where: Bits, journey: Journey) -> dict[float, float]:
    """The area's IoU by threshold in CIELAB, of the difference to the same copy without the edit.

    Gaps are closed as in the true area, specks and holes removed.
    """
    size = (before.shape[1], before.shape[0])
    one, other = (lab(journey.of(picture)) for picture in (before, edited))
    apart = cv2.resize(np.linalg.norm(one - other, axis=2), size, interpolation=cv2.INTER_LINEAR)
    found = dict[float, float]()
    for threshold in (2, 3, 4, 5, 6, 8, 10, 14, 20):
        bits = morphology.closing(np.asarray(apart) > threshold, morphology.disk(4))
        bits = morphology.remove_small_objects(bits, max_size=200)
        found[threshold] = iou(morphology.remove_small_holes(bits, max_size=2000), where)
    return found


def lab(picture: Array) -> NDArray[np.float32]:
    unit = picture.astype(np.float32) / np.float32(255)
    return np.asarray(cv2.cvtColor(unit, cv2.COLOR_RGB2LAB), np.float32)


def print_known(folder: Path, limit: int, edits: list[str]) -> None:
    before = list(photos(folder, limit))
    print("| edit | journey | found | known: one threshold for all | the best for each photo |")
    print("| --- | --- |" + " ---: |" * 3)
    for name in edits:
        made = [EDITS[name](photo, other(before, k)) for k, photo in enumerate(before)]
        for title in ("JPEG 75", "half size, JPEG 85", "quarter size, JPEG 90"):
            pairs = [(p, *edit, JOURNEYS[title]) for p, edit in zip(before, made, strict=True)]
            ours = np.mean([judged(*pair).found for pair in pairs])
            by = [known(*pair) for pair in pairs]
            one = max(float(np.mean([each[t] for each in by])) for t in by[0])
            best = np.mean([max(each.values()) for each in by])
            print(f"| {name} | {title} | {ours:.3f} | {one:.3f} | {best:.3f} |", flush=True)


def table(folder: Path, limit: int, edits: list[str]) -> None:
    before = list(photos(folder, limit))
    print(
        "| edit | journey | error, px: mean | largest | in copy's px | area IoU: mean | worst "
        "| grown mask IoU | missed | changed outside | off inside: naive | ours |"
    )
    print("| --- | --- |" + " ---: |" * 10)
    for name in edits:
        made = [EDITS[name](photo, other(before, k)) for k, photo in enumerate(before)]
        for title, journey in JOURNEYS.items():
            pairs = zip(before, made, strict=True)
            scores = [judged(photo, *edit, journey) for photo, edit in pairs]
            print(row(name, title, scores), flush=True)


GRADED: Mapping[str, Journey] = {
    "PNG": Journey(),
    "JPEG 85": Journey(quality=85),
    "0.6 of the size, JPEG 85": Journey(scale=0.6, quality=85),
}
_FAR = 17
_ENOUGH = 0.3


@dataclass(frozen=True)
class Far:
    """One graded edit brought home: the area's IoU, patches far from it, whether that was said."""

    found: float
    patches: int
    said: bool


def graded(photo: Array, edited: Array, where: Bits, grade: Any, journey: Journey) -> Far | None:
    """None where the grade leaves less than a third of the edit visible."""
    true = differing(grade(photo), grade(edited), where)
    if true.sum() < _ENOUGH * where.sum():
        return None
    original, copy = read_photo(photo), read_photo(journey.file(grade(edited)))
    try:
        result = editkit.composite(original, copy, grow=0)
    except editkit.MaskError:
        return Far(0, 0, said=True)
    assert result.mask is not None
    area = result.mask > 0
    near = cv2.dilate(where.astype(np.uint8), np.ones((_FAR, _FAR), np.uint8)) > 0
    count, labels = cv2.connectedComponents(area.astype(np.uint8))
    patches = count - len(np.unique(labels[near & area])) - 1
    said = any("MASK" in note for note in result.report["notes"])
    return Far(iou(area, true), patches, said=said)


def print_graded(folder: Path, limit: int, edits: list[str]) -> None:
    before = list(photos(folder, limit))
    print("| grade | edit | " + " | ".join(GRADED) + " | far patches | without a note |")
    print("| --- | --- |" + " ---: |" * 5)
    for title, grade in {**GRADES, "vignette": vignette}.items():
        for name in edits:
            made = [EDITS[name](photo, other(before, k)) for k, photo in enumerate(before)]
            pairs = list(zip(before, made, strict=True))
            rows = [
                [far for p, edit in pairs if (far := graded(p, *edit, grade, j))]
                for j in GRADED.values()
            ]
            cells = [
                f"{np.mean([far.found for far in row]):.3f} ({min(f.found for f in row):.3f})"
                if row
                else "-"
                for row in rows
            ]
            every = [far for row in rows for far in row]
            cells.append(str(sum(far.patches for far in every)))
            cells.append(str(sum(far.patches for far in every if not far.said)))
            print(f"| {title} | {name} | " + " | ".join(cells) + " |", flush=True)


def other(before: list[Array], number: int) -> Array:
    image = Image.fromarray(before[(number + 1) % len(before)])
    return np.asarray(image.resize(before[number].shape[1::-1], Image.Resampling.LANCZOS))


def row(name: str, title: str, scores: list[Score]) -> str:
    def mean(key: str) -> float:
        return float(np.mean([getattr(score, key) for score in scores]))

    figures = [
        f"{mean('mean'):.3f}",
        f"{max(score.largest for score in scores):.3f}",
        f"{mean('copy_mean'):.3f}",
        f"{mean('found'):.3f}",
        f"{min(score.found for score in scores):.3f}",
        f"{mean('mask'):.3f}",
        f"{mean('missed'):.1%}",
        str(sum(score.outside for score in scores)),
        f"{mean('naive'):.1f}",
        f"{mean('off'):.1f}",
    ]
    return f"| {name} | {title} | " + " | ".join(figures) + " |"


def cost(folder: Path, megapixels: float) -> None:
    """Time and memory of one edit, the same size and as a model returns it (1536 px)."""
    photo = next(photos(folder, 1))
    height = round((megapixels * 1e6 * photo.shape[0] / photo.shape[1]) ** 0.5)
    size = (round(height * photo.shape[1] / photo.shape[0]), height)
    before: Any = cv2.resize(photo, size, interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).integers(-6, 7, (height, size[0], 1), np.int8)
    before = cv2.add(before, np.repeat(noise, 3, axis=2), dtype=cv2.CV_8U)
    edited = before.copy()
    edited[500:1700, 400:2000] = edited[-1700:-500, -2000:-400]
    folder = Path("cost")
    folder.mkdir(exist_ok=True)
    Image.fromarray(before).save(folder / "before.jpg", quality=95)
    Image.fromarray(edited).save(folder / "same.jpg", quality=90)
    small: Any = cv2.resize(edited, (1536, 1536 * height // size[0]), interpolation=cv2.INTER_AREA)
    Image.fromarray(small).save(folder / "small.png")


def brought(folder: Path, name: str) -> None:
    started, used = time.perf_counter(), time.process_time()
    result = editkit.composite(folder / "before.jpg", folder / name)
    wall, cpu = time.perf_counter() - started, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name}: {wall:.1f} s, {cpu:.1f} CPU s, peak {peak:.0f} MiB", result.report["area"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=6)
    parser.add_argument("--edits", nargs="+", choices=EDITS, default=list(EDITS))
    parser.add_argument("--known", action="store_true", help="what the area could be found with")
    parser.add_argument("--graded", action="store_true", help="with all of each picture graded")
    parser.add_argument("--megapixels", type=float, help="write cost/: before, same, small")
    parser.add_argument("--brought", metavar="NAME", help="bring home one file of FOLDER")
    given = parser.parse_args()
    if given.brought is not None:
        brought(given.folder, given.brought)
    elif given.megapixels is not None:
        cost(given.folder, given.megapixels)
    elif given.graded:
        print_graded(given.folder, given.limit, given.edits)
    elif given.known:
        print_known(given.folder, given.limit, given.edits)
    else:
        table(given.folder, given.limit, given.edits)


if __name__ == "__main__":
    main()
