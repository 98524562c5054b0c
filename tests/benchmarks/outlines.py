"""The network that outlines edits, trained: `python tests/benchmarks/outlines.py make FOLDER FILE`.

`make` takes pictures of FOLDER (none of those that are measured on), edits each inside of a random
area, sends the whole on a few random journeys, and writes what the network is shown and should
answer; run it with other seeds for more. `train FILE ... --out WEIGHTS` trains on such files.
`composite.py` then tells how well areas are found.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import numpy as plain
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

import editkit
from editkit.compare.aligned import overlay_copy
from editkit.compare.detect import detect_regions
from editkit.compare.outline import input_planes
from editkit.compare.outline_net import PLANES, OutlineNet
from editkit.photo.fill.classic import prefill
from editkit.photo.io.files import read_photo
from editkit.types import Box

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
from away import differing

Array = NDArray[np.uint8]
Values = NDArray[np.float32]
Bits = NDArray[np.bool_]
Sample = tuple[NDArray[np.float16], NDArray[np.float16]]

JOURNEYS = 3
SIDE = 96
BATCH = 16
RATE = 2e-3
RESIZINGS = (
    Image.Resampling.LANCZOS,
    Image.Resampling.BICUBIC,
    Image.Resampling.BOX,
    Image.Resampling.HAMMING,
    Image.Resampling.BILINEAR,
)


class Maker:
    """Samples from pictures, the same from the same seed."""

    def __init__(self, files: Sequence[Path], seed: int) -> None:
        self.files, self.rng = files, np.random.default_rng(seed)
        self.edits: Mapping[str, Callable[[Array, Bits], NDArray[Any]]] = {
            "ns": lambda photo, area: prefill(photo, area, "ns"),
            "telea": lambda photo, area: prefill(photo, area, "telea"),
            "built-in": self._painted,
            "smooth": self._smooth,
            "grain": self._grain,
            "paste": lambda photo, _: self._other(photo),
            "blend": self._blend,
            "clone": self._clone,
            "tone": self._tone,
        }
        self.shares = (0.2, 0.1, 0.14, 0.12, 0.08, 0.12, 0.08, 0.06, 0.1)

    def __iter__(self) -> Iterator[Sample]:
        while True:
            photo = self._photo()
            area = self._area(photo.shape[:2])
            if not 0.004 < area.mean() < 0.35:
                continue
            edited, area = self._edited(photo, area)
            truth = differing(photo, edited, area)
            if truth.sum() < 100:
                continue
            for _ in range(JOURNEYS):
                sample = self._sample(photo, edited, truth)
                if sample is not None:
                    yield sample

    def _chance(self, of: float) -> bool:
        return bool(self.rng.random() < of)

    def _photo(self) -> Array:
        """A crop of a picture, at times made smaller, and so sharper."""
        with Image.open(self.files[int(self.rng.integers(len(self.files)))]) as file:
            image = file.convert("RGB")
        factor = self.rng.choice([1, 1, 0.8, 0.65])
        if min(image.size) * factor >= 256:
            image = image.resize((round(image.width * factor), round(image.height * factor)))
        width, height = (
            min(side, int(self.rng.integers(256, 641))) for side in (image.width, image.height)
        )
        left = int(self.rng.integers(image.width - width + 1))
        top = int(self.rng.integers(image.height - height + 1))
        return np.asarray(image.crop((left, top, left + width, top + height)))

    def _area(self, shape: tuple[int, int]) -> Bits:
        """An ellipse, a blob, a box, a polygon or strokes; at times two."""
        draw = [self._ellipse, self._blob, self._polygon, self._strokes][
            self.rng.choice(4, p=[0.4, 0.25, 0.2, 0.15])
        ]
        area = draw(shape)
        return area | self._area(shape) if self._chance(0.15) else area

    def _ellipse(self, shape: tuple[int, int]) -> Bits:
        height, width = shape
        out = np.zeros(shape, np.uint8)
        middle = (self.rng.uniform(0.1, 0.9) * width, self.rng.uniform(0.1, 0.9) * height)
        axes = (self.rng.uniform(0.05, 0.28) * width, self.rng.uniform(0.05, 0.28) * height)
        angle = 0.0 if self._chance(0.5) else self.rng.uniform(0, 180)
        cv2.ellipse(out, (_ints(middle), _ints(axes), angle), 1, -1)  # pyright: ignore[reportCallIssue, reportArgumentType]
        return out > 0

    def _blob(self, shape: tuple[int, int]) -> Bits:
        noise = self.rng.standard_normal(shape).astype(np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), self.rng.uniform(0.05, 0.15) * min(shape))
        area = (np.asarray(noise) > np.quantile(noise, self.rng.uniform(0.7, 0.97))).astype(
            np.uint8
        )
        _, labels, stats, _ = cv2.connectedComponentsWithStats(area)
        return np.asarray(labels) == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])

    def _polygon(self, shape: tuple[int, int]) -> Bits:
        """A box, or any."""
        height, width = shape
        size = self.rng.uniform(0.1, 0.5, 2) * (width, height)
        at = self.rng.uniform(0, 1, 2) * ((width, height) - size)
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
        if self._chance(0.6):
            corners = self.rng.random((int(self.rng.integers(3, 8)), 2))
            corners = np.asarray(cv2.convexHull(corners.astype(np.float32)))[:, 0]
        out = np.zeros(shape, np.uint8)
        cv2.fillPoly(out, [np.rint(at + corners * size).astype(np.int32)], 1)
        return out > 0

    def _strokes(self, shape: tuple[int, int]) -> Bits:
        out = np.zeros(shape, np.uint8)
        for _ in range(int(self.rng.integers(1, 4))):
            points = np.cumsum(self.rng.normal(0, 0.12, (5, 2)) * min(shape), axis=0)
            points += self.rng.uniform(0.2, 0.8, 2) * shape[::-1]
            thickness = int(self.rng.uniform(0.02, 0.1) * min(shape)) + 2
            cv2.polylines(out, [np.rint(points).astype(np.int32)], False, 1, thickness)  # noqa: FBT003
        return out > 0

    def _edited(self, photo: Array, area: Bits) -> tuple[Array, Bits]:
        kind = self.rng.choice(list(self.edits), p=self.shares)
        now = self.edits[kind](photo, area).astype(np.float32)
        if self._chance(0.3) and kind != "built-in":
            now += self.rng.normal(0, self.rng.uniform(0, 3), now.shape)
        share = area.astype(np.float32)
        if self._chance(0.3):
            share = np.asarray(cv2.GaussianBlur(share, (0, 0), self.rng.uniform(0.7, 4)))
        out = photo + (now - photo) * share[..., None]
        return np.rint(np.clip(out, 0, 255)).astype(np.uint8), share > 0.02

    def _painted(self, photo: Array, area: Bits) -> Array:
        start = "none" if self._chance(0.3) else None
        steps, seed = (int(self.rng.integers(*ends)) for ends in ((4, 9), (0, 1 << 30)))
        made = editkit.inpaint(photo, area, steps=steps, seed=seed, prefill=start)
        return np.asarray(made.image)

    def _smooth(self, photo: Array, area: Bits) -> Values:
        """A fill that keeps some of what was there, blurred, as a model's autoencoder does."""
        share = self.rng.random()
        blurred = cv2.GaussianBlur(photo, (0, 0), self.rng.uniform(1.5, 8))
        mixed = share * prefill(photo, area, "ns") + (1 - share) * np.asarray(blurred)
        return mixed.astype(np.float32)

    def _grain(self, photo: Array, area: Bits) -> Values:
        noise = self.rng.standard_normal(photo.shape[:2]).astype(np.float32)
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), self.rng.uniform(0.5, 4)))[..., None]
        return prefill(photo, area, "ns") + noise / noise.std() * self.rng.uniform(1, 10)

    def _other(self, photo: Array) -> Array:
        return np.asarray(cv2.resize(self._photo(), photo.shape[1::-1]), np.uint8)

    def _blend(self, photo: Array, _: Bits) -> Values:
        share = self.rng.uniform(0.15, 0.8)
        return (share * self._other(photo) + (1 - share) * photo).astype(np.float32)

    def _clone(self, photo: Array, _: Bits) -> Array:
        return np.roll(photo, self.rng.integers(-60, 60, 2), axis=(0, 1))

    def _tone(self, photo: Array, _: Bits) -> NDArray[Any]:
        return photo * (1 + self.rng.normal(0, 0.15, 3)) + self.rng.normal(0, 8)

    def _journey(self, picture: Array) -> tuple[bytes | Array, NDArray[np.float64]]:
        """What comes back, and the photo's places in it."""
        height, width = picture.shape[:2]
        rng = self.rng
        scale = rng.choice([1, 0.5, 0.25, rng.uniform(0.2, 1), rng.uniform(0.2, 0.6)])
        left, top, share = 0.0, 0.0, 1.0
        if self._chance(0.4):
            share = rng.uniform(0.93, 1)
            left, top = rng.uniform(0, (1 - share) * np.array([width, height]))
        size = (max(32, round(width * share * scale)), max(32, round(height * share * scale)))
        image = Image.fromarray(picture)
        if share < 1 or size != (width, height):
            box = (left, top, left + share * width, top + share * height)
            image = image.resize(size, RESIZINGS[rng.integers(len(RESIZINGS))], box)
        came = self._encoded(self._touched(np.asarray(image)))
        across, down = size[0] / (share * width), size[1] / (share * height)
        shift = [(0.5 - left) * across - 0.5, (0.5 - top) * down - 0.5]
        if scale < 1 and self._chance(0.5):  # registration is not perfect
            shift = [at + rng.normal(0, 0.03) for at in shift]
        return came, np.array([[across, 0, shift[0]], [0, down, shift[1]], [0, 0, 1]])

    def _touched(self, picture: Array) -> Array:
        """Toned, sharpened, blurred or made noisy, as a whole."""
        values = picture.astype(np.float32)
        if self._chance(0.35):
            factors = self.rng.uniform(0.88, 1.12, 3)
            values = 255 * (values / 255) ** self.rng.uniform(0.85, 1.2) * factors
        if self._chance(0.15):
            blurred = np.asarray(cv2.GaussianBlur(values, (0, 0), self.rng.uniform(0.5, 1.2)))
            values = values + self.rng.uniform(-0.8, 0.6) * (values - blurred)
        if self._chance(0.1):
            values = values + self.rng.normal(0, self.rng.uniform(0.5, 3), values.shape)
        return np.rint(np.clip(values, 0, 255)).astype(np.uint8)

    def _encoded(self, picture: Array) -> bytes | Array:
        if self._chance(0.12):
            return picture
        held = BytesIO()
        quality, sampling = int(self.rng.integers(65, 96)), int(self.rng.choice([0, 2, 2]))
        Image.fromarray(picture).save(held, "JPEG", quality=quality, subsampling=sampling)
        return held.getvalue()

    def _sample(self, photo: Array, edited: Array, truth: Bits) -> Sample | None:
        """What the network is shown around an edit, and how much of each pixel is of the edit."""
        came, matrix = self._journey(edited)
        over = overlay_copy(read_photo(photo), read_photo(came), matrix, drift=True)
        if over.exact:
            return None
        usual, found = detect_regions(over)
        size = over.grid[::-1]
        wanted = np.asarray(
            cv2.resize(truth.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        )
        inside = wanted > 0.5
        if not found.any() or (found & inside).sum() < 0.1 * inside.sum():
            return None  # only what was found is outlined
        rows, columns = np.nonzero(found | (wanted > 0))
        box = Box(
            max(0, rows.min() - 24),
            max(0, columns.min() - 24),
            min(over.grid.height, rows.max() + 25),
            min(over.grid.width, columns.max() + 25),
        )
        shown = input_planes(over, usual, found, box)
        # In C's order, for files hold memory as it lies.
        halves = np.ascontiguousarray(shown, np.float16)
        return halves, np.ascontiguousarray(wanted[box.slices], np.float16)


def _ints(values: Sequence[float]) -> tuple[int, ...]:
    return tuple(round(value) for value in values)


def make(folder: Path, file: Path, count: int, seed: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    files = sorted(each for each in folder.rglob("*") if each.suffix in (".webp", ".jpg", ".png"))
    samples, started = list[Sample](), time.perf_counter()
    for sample in Maker(files, seed):
        samples.append(sample)
        if len(samples) % 200 == 0 or len(samples) == count:
            plain.save_file(dict(enumerated(samples)), file)
            print(f"{len(samples)} samples, {time.perf_counter() - started:.0f} s", flush=True)
        if len(samples) == count:
            break


def enumerated(samples: Sequence[Sample]) -> Iterator[tuple[str, NDArray[np.float16]]]:
    for number, (shown, wanted) in enumerate(samples):
        yield f"{number}.shown", shown
        yield f"{number}.wanted", wanted


def read(file: Path) -> list[Sample]:
    held = plain.load_file(file)
    return [(held[f"{n}.shown"], held[f"{n}.wanted"]) for n in range(len(held) // 2)]


def crop(sample: Sample, rng: np.random.Generator) -> Values:
    """Planes, answer, and what is covered, of a square near an outline, turned at random."""
    shown, wanted = sample
    rows, columns = np.nonzero((shown[-1] > 0) | (wanted > 0.5))
    place = rng.integers(len(rows))
    out = np.zeros((PLANES + 2, SIDE, SIDE), np.float32)
    parts = list[tuple[slice, slice]]()
    for at, most in zip((rows[place], columns[place]), wanted.shape, strict=True):
        first = int(at + rng.integers(-40, 41)) - SIDE // 2
        first = int(np.clip(first, min(0, most - SIDE), max(0, most - SIDE)))
        low, high = max(first, 0), min(first + SIDE, most)
        parts.append((slice(low - first, high - first), slice(low, high)))
    inner, outer = zip(*parts, strict=True)
    for planes_of, values in ((slice(0, PLANES), shown), (PLANES, wanted)):
        out[(planes_of, *inner)] = values[(..., *outer)]
    out[(-1, *inner)] = 1
    out = np.rot90(out, int(rng.integers(4)), axes=(1, 2))
    return out[:, :, ::-1] if rng.random() < 0.5 else out


def loss(logits: Tensor, wanted: Tensor, covered: Tensor) -> Tensor:
    """Cross entropy and half the soft Jaccard distance."""
    entropy = functional.binary_cross_entropy_with_logits(
        logits, wanted, weight=covered, reduction="sum"
    )
    inside, wanted = logits.sigmoid() * covered, wanted * covered
    both = (inside * wanted).sum((1, 2, 3))
    either = (inside + wanted - inside * wanted).sum((1, 2, 3))
    return entropy / covered.sum() + 0.5 * (1 - (both + 1) / (either + 1)).mean()


def train(files: Sequence[Path], out: Path, minutes: float) -> None:
    """AdamW with a rate that falls like a cosine over the time given."""
    samples = [sample for file in files for sample in read(file)]
    torch.manual_seed(0)
    rng, net = np.random.default_rng(0), OutlineNet()
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-2)
    print(f"{len(samples)} samples, {sum(p.numel() for p in net.parameters())} weights", flush=True)
    started, step, losses = time.perf_counter(), 0, list[float]()
    while (done := (time.perf_counter() - started) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * done))
        chosen = rng.integers(len(samples), size=BATCH)
        batch = torch.from_numpy(np.stack([crop(samples[k], rng) for k in chosen]))
        shown, wanted, covered = batch.split((PLANES, 1, 1), dim=1)
        value = loss(net(shown), wanted, covered)
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append(value.item())
        step += 1
        if step % 200 == 0:
            print(f"step {step}, {done:.0%}: {np.mean(losses[-200:]):.4f}", flush=True)
            save(net, out)
    save(net, out)


def save(net: OutlineNet, out: Path) -> None:
    """In halves, what counts as it is."""
    held = net.state_dict().items()
    save_file({key: v.half() if v.is_floating_point() else v for key, v in held}, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("folder", type=Path)
    making.add_argument("file", type=Path)
    making.add_argument("--count", type=int, default=3000)
    making.add_argument("--seed", type=int, default=0)
    training = commands.add_parser("train")
    training.add_argument("files", type=Path, nargs="+")
    training.add_argument("--out", type=Path, required=True)
    training.add_argument("--minutes", type=float, default=25)
    given = parser.parse_args()
    if given.command == "make":
        make(given.folder, given.file, given.count, given.seed)
    else:
        train(given.files, given.out, given.minutes)


if __name__ == "__main__":
    main()
