"""What each step of harmonizing is worth: `python tests/benchmarks/harmonize.py FOLDER`.

FOLDER is as for `quality.py`. Each hole is painted once by the built-in model; what it painted is
put into the photo with one set of steps after another, and the results are measured at the edge of
the mask (`editkit.photo.quality.scores`), by the detail on its two sides, and against the truth
(the perceptual distance of `quality.py`). Prints one Markdown table for each kind of case.

Beside the kinds of mask there are two kinds of case with a grain that is known: `grainy`, blobs in
photos with noise added as a sensor has it, and `large`, boxes in photos enlarged threefold before
that noise, so that the patch must be enlarged as well.
"""

import argparse
import resource
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from quality import GRAY, Case, Perception, cases, seen, window

import editkit
from editkit.models.base import Model
from editkit.ops.engine.canvas import make_canvas, to_values
from editkit.ops.engine.masked import harmony_of
from editkit.ops.engine.masked_walk import latents
from editkit.ops.engine.strategies import strategy_of
from editkit.photo.blend.harmonize import Harmonization, harmonize
from editkit.photo.geometry.boxes import bounding_box
from editkit.photo.geometry.crops import Region, crop_mask, crop_photo, paste, plan_region
from editkit.photo.io.files import read_photo
from editkit.photo.quality.scores import scores
from editkit.types import Box, Rgb, Size

KINDS = ("strokes", "blob", "box", "grainy", "large")
ENLARGED = 3
FIGURES = ("seam", "ring", "grain", "detail", "perceptual")
OFF = Harmonization(color=False, blend="none", feather=2.0, grain=0.0, sharpen=False)

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Painted:
    """What the model painted, at its own size, and where that lies in the photo."""

    patch: Values
    region: Region

    def harmonized(self, case: Case, harmony: Harmonization) -> Rgb:
        """The case's photo with its hole filled."""
        out, box = case.photo.copy(), self.region.box
        here, hole = out[box.slices], case.hole[box.slices]
        values = harmonize(paste(self.patch, self.region), here, hole, harmony, seed=0)
        here[hole] = np.rint(values[hole])
        return out


def ways() -> Mapping[str, Harmonization]:
    """Nothing, each step alone, and the steps that edits take, with and without each."""
    default = harmony_of(editkit.Inpaint())
    return {
        "nothing": OFF,
        "color": replace(OFF, color=True),
        "color, feather": replace(OFF, color=True, blend="feather"),
        "poisson": replace(OFF, blend="poisson"),
        "multiband": replace(OFF, blend="multiband"),
        "color, multiband": replace(OFF, color=True, blend="multiband"),
        "color, multiband, sharpen": replace(OFF, color=True, blend="multiband", sharpen=True),
        "color, multiband, grain (the default)": default,
        "all four": replace(default, sharpen=True),
        "poisson, grain": replace(default, color=False, blend="poisson"),
        "color, poisson, grain": replace(default, blend="poisson"),
    }


def noise(size: tuple[int, ...], seed: int) -> Values:
    """A sensor's, after demosaicking: of all channels, a little correlated, softened a little."""
    drawn = np.random.default_rng(seed).normal(size=(*size, 4)).astype(np.float32)
    mixed = 0.8 * drawn[..., :3] + 0.6 * drawn[..., 3:]
    soft = np.asarray(cv2.GaussianBlur(mixed, (0, 0), 0.6), np.float32)
    return soft / soft.std()


def grainy(case: Case, sigma: float = 5.0) -> Case:
    """The case with noise in its photo, more of it in the midtones than in the shadows."""
    real = case.truth.astype(np.float32)
    strength = sigma * np.sqrt((real + 20) / 148)
    grain = noise(case.hole.shape, int(case.name))
    truth = np.rint(np.clip(real + strength * grain, 0, 255)).astype(np.uint8)
    photo = np.where(case.hole[..., None], np.uint8(GRAY), truth)
    return replace(case, truth=truth, photo=photo)


def enlarged(case: Case) -> Case:
    """The case at three times its size."""
    size = tuple(ENLARGED * side for side in case.hole.shape[::-1])
    truth = np.asarray(cv2.resize(case.truth, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    bits = cv2.resize(case.hole.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return replace(case, truth=truth, hole=np.asarray(bits) > 0)


def kind_of(folder: Path, kind: str, limit: int | None) -> Iterator[Case]:
    """The cases of one kind."""
    if kind == "grainy":
        yield from (grainy(case) for case in cases(folder, "blob", limit))
    elif kind == "large":
        yield from (grainy(enlarged(case)) for case in cases(folder, "box", limit))
    else:
        yield from cases(folder, kind, limit)


def paint(model: Model, case: Case) -> Painted:
    """The hole as `editkit.Inpaint` paints it, before anything is done to it."""
    edit, photo = editkit.Inpaint(), read_photo(case.photo)
    coverage = case.hole.astype(np.float32)
    region = plan_region(
        photo.size,
        bounding_box(coverage),
        native=model.settings.native_size,
        multiple=model.multiple,
        context=edit.context,
    )
    sight = crop_photo(photo, region)
    canvas = make_canvas(
        sight, crop_mask(coverage, region), strategy_of(edit).start_settings(model.settings)[0]
    )
    return Painted(to_values(model.decode(latents(edit, model, canvas))), region)


def detail(rgb: Rgb, hole: NDArray[np.bool_]) -> float | None:
    """The detail of one to three pixels inside the mask over that of the kept ring.

    The strongest quarter of cells of 8 pixels counts: edges and texture, not noise.
    """
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    band = cv2.GaussianBlur(gray, (0, 0), 0.8) - cv2.GaussianBlur(gray, (0, 0), 1.6)
    energy = np.asarray(cv2.boxFilter(band * band, -1, (8, 8)))
    sides: list[float] = []
    for side in (hole, ~hole):
        depth = cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, 5)
        chosen = energy[(depth > 2) & (depth <= 32)]
        if not chosen.size:
            return None
        sides.append(float(np.sqrt(np.percentile(chosen, 75))))
    return sides[0] / max(sides[1], 0.1)


def figures(rgb: Rgb, case: Case, perception: Perception) -> dict[str, float | None]:
    """All that is measured of one result."""
    span = window(case.hole)
    distance = perception.distance(seen(rgb, span), seen(case.truth, span))
    told = scores(rgb, case.hole.astype(np.float32))
    return {**told, "detail": detail(rgb, case.hole), "perceptual": distance}


def mean(values: list[dict[str, float | None]], name: str) -> float:
    """Of those that could be measured; the geometric one where the figure is a ratio."""
    known = np.array([v[name] for v in values if v[name] is not None], np.float64)
    if name in ("grain", "detail"):
        return float(np.exp(np.log(np.maximum(known, 0.01)).mean()))
    return float(known.mean())


def kept(folder: Path | None, case: Case, model: Any) -> Painted:
    """What was painted, from an earlier run where there was one."""
    if folder is None:
        return paint(model, case)
    file = folder / f"{case.name}.{case.kind}.{len(case.hole)}.npz"
    file = file.with_stem(f"{file.stem}.{int(case.truth.sum())}")
    if not file.exists():
        painted = paint(model, case)
        (top, left, bottom, right), sizes = painted.region.box, painted.region
        where = [top, left, bottom, right, *sizes.scaled, *sizes.working]
        np.savez(file, patch=painted.patch, where=where)
    held = np.load(file)
    where = [int(number) for number in held["where"]]
    region = Region(Box(*where[:4]), Size(*where[4:6]), Size(*where[6:]))
    return Painted(held["patch"], region)


def show(model: Model, photo: Path, hole: tuple[int, int, int], sigma: float, out: Path) -> None:
    """A picture of a disc (row, column, radius) filled: no step, all but grain, the default."""
    truth = np.asarray(Image.open(photo).convert("RGB"))
    rows, columns = np.indices(truth.shape[:2])
    row, column, radius = hole
    inside = np.asarray((rows - row) ** 2 + (columns - column) ** 2 < radius**2)
    cut = np.where(inside[..., None], np.uint8(GRAY), truth)
    case = grainy(Case("0", "disc", truth, cut, inside), sigma)
    painted, default = paint(model, case), harmony_of(editkit.Inpaint())
    far = int(1.4 * radius)
    here = slice(max(row - far, 0), row + far), slice(max(column - far, 0), column + far)
    steps = (OFF, replace(default, grain=0.0), default)
    panels = [painted.harmonized(case, harmony)[here] for harmony in steps]
    Image.fromarray(np.concatenate(panels, axis=1)).save(out, quality=80)


def cost(across: int) -> None:
    """CPU seconds of each step on a round hole of that width, and the most memory it ever held."""
    side = int(1.6 * across)
    rows, columns = np.indices((side, side), np.float32)
    hole = np.hypot(rows - side / 2, columns - side / 2) < across / 2
    photo = np.clip(128 + 5 * noise(hole.shape, 1), 0, 255).astype(np.uint8)
    patch = np.asarray(cv2.GaussianBlur(photo, (0, 0), 2), np.float32) + 4
    start = time.process_time()
    cv2.GaussianBlur(photo, (0, 0), 5)
    blur = time.process_time() - start
    print("| step | CPU s | blurs | MiB |\n| --- | ---: | ---: | ---: |")
    for name, harmony in (
        ("color", replace(OFF, color=True)),
        ("feather", replace(OFF, blend="feather")),
        ("poisson", replace(OFF, blend="poisson")),
        ("multiband", replace(OFF, blend="multiband")),
        ("sharpen", replace(OFF, sharpen=True)),
        ("grain", replace(OFF, grain=1.0)),
        ("the default", Harmonization()),
    ):
        start = time.process_time()
        harmonize(patch, photo, hole, harmony)
        took = time.process_time() - start
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {name} | {took:.1f} | {took / blur:.0f} | {most:.0f} |", flush=True)


def main() -> None:
    """Paints, harmonizes, measures and prints."""
    parser = argparse.ArgumentParser(description="What each step of harmonizing is worth.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, metavar="N", help="only N photos, spread evenly")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what was painted here")
    parser.add_argument("--only", nargs="+", metavar="WAY", help="only ways that begin so")
    parser.add_argument("--cost", type=int, metavar="PX", help="only the cost of a hole so wide")
    asked = parser.parse_args()
    if asked.cost:
        cost(asked.cost)
        return
    model, perception = editkit.load_model(device="cpu"), Perception()
    if asked.keep:
        asked.keep.mkdir(parents=True, exist_ok=True)
    chosen = {
        name: way
        for name, way in ways().items()
        if not asked.only or name.startswith(tuple(asked.only))
    }
    for kind in asked.kinds:
        found: dict[str, list[dict[str, float | None]]] = {name: [] for name in ("truth", *chosen)}
        for case in kind_of(asked.folder, kind, asked.limit):
            painted = kept(asked.keep, case, model)
            found["truth"].append(figures(case.truth, case, perception))
            for name, harmony in chosen.items():
                filled = painted.harmonized(case, harmony)
                found[name].append(figures(filled, case, perception))
        print(f"### {kind} ({len(found['truth'])} photos)\n")
        print(f"| steps | {' | '.join(FIGURES)} |\n| --- |{' ---: |' * len(FIGURES)}")
        for name, values in found.items():
            cells = [f"{mean(values, figure):.2f}" for figure in FIGURES]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
        print()


if __name__ == "__main__":
    main()
