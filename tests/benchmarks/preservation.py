"""Many random edits, and what they left of the photo: `python tests/benchmarks/preservation.py`.

Each edit takes a random photo (size, mode, depth, profile, orientation, container), a random mask
and random options, by a tiny model of random weights: what it paints is noise, which no mistake in
the way back into the file could hide in. The file that was written is read by OpenCV, ImageMagick
or libjpeg's coefficients, not by editkit, and compared with the source read the same way. Prints a
table; exits with 1 if one kept sample changed.
"""

import argparse
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}
KINDS = (
    *(("png", mode, bits) for mode in ("L", "LA", "RGB", "RGBA") for bits in (8, 16)),
    *(("tif", mode, bits) for mode in ("L", "RGB", "RGBA", "CMYK") for bits in (8, 16)),
    *(("webp", mode, 8) for mode in ("RGB", "RGBA")),
    *(("jpg", mode, 8) for mode in ("L", "RGB")),
)
"""What is edited: container, mode and bits."""

_COLORS = {"L": 0, "LA": 4, "RGB": 2, "RGBA": 6}
_CONVERT = shutil.which("convert", path="/usr/bin:/usr/local/bin:/opt/homebrew/bin") or "convert"
_RAW = {"L": "gray", "LA": "graya", "RGB": "rgb", "RGBA": "rgba", "CMYK": "cmyk"}


@dataclass(frozen=True)
class Case:
    """A photo in a file.

    Attributes:
        path: where it is.
        mode: Pillow's name of its channels.
        bits: of a sample.
        orientation: the EXIF orientation in it.
        size: height and width as stored.
    """

    path: Path
    mode: str
    bits: int
    orientation: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Outcome:
    """What one edit did, by the files: samples, or for a JPEG coefficients."""

    kind: tuple[str, str, int]
    kept: int
    kept_changed: int
    edited: int
    edited_changed: int
    reader: str
    told: str


# Photos and masks.


def make_photo(folder: Path, rng: np.random.Generator, kind: tuple[str, str, int]) -> Case:
    """A photo of random size, content, profile and orientation, written without editkit."""
    suffix, mode, bits = kind
    size = (int(rng.integers(16, 120)), int(rng.integers(16, 120)))
    samples = _content(rng, (*size, CHANNELS[mode]), bits)
    profile = _profile(rng, mode)
    orientation = int(rng.choice([1, 1, *range(2, 9)]))
    path = folder / f"photo.{suffix}"
    if suffix == "tif":
        _write_tiff(path, samples, mode, rng, profile, orientation)
    elif suffix == "png" and bits == 16:
        path.write_bytes(_png16(samples, mode, profile, orientation))
    else:
        options: dict[str, Any] = {"webp": {"lossless": True, "exact": True}}.get(suffix, {})
        if suffix == "jpg":
            options = {"quality": int(rng.integers(50, 100)), "progressive": bool(rng.integers(2))}
            options |= {"subsampling": int(rng.integers(3))} if mode == "RGB" else {}
        exif = Image.Exif()
        exif[0x0112] = orientation
        flat = samples if mode != "L" else samples[..., 0]
        image = Image.frombytes(mode, (size[1], size[0]), np.ascontiguousarray(flat).tobytes())
        image.save(path, exif=exif.tobytes(), icc_profile=profile, **options)
    return Case(path, mode, bits, orientation, size)


def _content(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> NDArray[Any]:
    """Noise, or slopes with some noise, over the whole range."""
    top = 2**bits - 1
    values = rng.random(shape)
    if rng.random() < 0.5:
        rows, columns = np.mgrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j]
        values = 0.1 * values + 0.9 * ((rows + columns) / 2)[..., None]
    return np.rint(values * top).astype(np.uint16 if bits == 16 else np.uint8)


def _profile(rng: np.random.Generator, mode: str) -> bytes | None:
    if mode not in ("RGB", "RGBA") or rng.random() < 0.4:
        return None
    if rng.random() < 0.3:
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    import imagecodecs

    return bytes(imagecodecs.cms_profile("adobergb"))


def _write_tiff(
    path: Path,
    samples: NDArray[Any],
    mode: str,
    rng: np.random.Generator,
    profile: bytes | None,
    orientation: int,
) -> None:
    options: dict[str, Any] = {"extrasamples": ("unassalpha",)} if mode == "RGBA" else {}
    if mode != "L":
        options["planarconfig"] = "contig"
    photometric = {"L": "minisblack", "CMYK": "separated"}.get(mode, "rgb")
    tifffile.imwrite(
        path,
        samples[..., 0] if mode == "L" else samples,
        photometric=photometric,
        compression=[None, "zlib", "lzw"][rng.integers(3)],
        iccprofile=profile,
        metadata=None,
        extratags=[(274, 3, 1, orientation, True)],
        **options,
    )


def _png16(samples: NDArray[Any], mode: str, profile: bytes | None, orientation: int) -> bytes:
    """A PNG by hand: filter 0 before each row, big-endian."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = samples.astype(">u2").reshape(len(samples), -1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    parts = [
        chunk(b"IHDR", struct.pack(">IIBBBBB", *samples.shape[1::-1], 16, _COLORS[mode], 0, 0, 0)),
        chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile)) if profile else b"",
        chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")),
        chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def make_mask(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W): a box, strokes, a blob, or soft; something of it above 0."""
    height, width = size
    mask = np.zeros(size, np.uint8)
    kind = rng.integers(4)
    if kind == 0:
        top, left = int(rng.integers(height - 4)), int(rng.integers(width - 4))
        mask[
            top : top + int(rng.integers(4, height)), left : left + int(rng.integers(4, width))
        ] = 255
    elif kind == 1:
        for _ in range(int(rng.integers(1, 4))):
            ends = rng.integers(0, min(size), 4).tolist()
            cv2.line(mask, ends[:2], ends[2:], (255,), int(rng.integers(1, 8)))
    else:
        center = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(3, width // 2)), int(rng.integers(3, height // 2)))
        cv2.ellipse(mask, center, axes, float(rng.integers(180)), 0, 360, (255,), -1)
        if kind == 3:
            mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(1, 5))), np.uint8)
    return mask


# Reading without editkit.


def turned(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Upright, by the eight cases of the EXIF standard."""
    if orientation in (2, 4, 5, 7):
        samples = samples[:, ::-1]
    quarters = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}[orientation]
    return np.rot90(samples, quarters)


def reader_of(case: Case) -> str:
    """Who reads a photo and what was made of it."""
    # OpenCV knows no CMYK, multiplies the alpha of a TIFF into its colors, and turns some TIFFs.
    tiff = case.path.suffix == ".tif" and (case.mode == "RGBA" or case.orientation != 1)
    return "ImageMagick" if tiff or case.mode == "CMYK" else "OpenCV"


def read(path: Path, case: Case) -> NDArray[Any]:
    """The stored samples (H, W, C), not turned."""
    if reader_of(case) == "OpenCV":
        found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
        if found is None:
            raise ValueError(f"OpenCV cannot read what was made of {case}")
        return np.atleast_3d(np.asarray(found))
    raw = _converted(path, "-depth", str(case.bits), "-endian", "LSB", f"{_RAW[case.mode]}:-")
    height, width = map(int, _converted(path, "-format", "%h %w", "info:-").split())
    return np.frombuffer(raw, f"<u{case.bits // 8}").reshape(height, width, CHANNELS[case.mode])


def _converted(path: Path, *args: str) -> bytes:
    return subprocess.run([_CONVERT, path, *args], capture_output=True, check=True).stdout


def compared(case: Case, made: Path, mask: NDArray[np.uint8]) -> tuple[int, int, int, int, str]:
    """Kept, of these changed, edited, of these changed, and the reader; `mask` is upright."""
    if case.path.suffix == ".jpg":
        return (*_coefficients(case, made, mask), "libjpeg")
    old, new = read(case.path, case), read(made, case)
    upright = turned(old, case.orientation)
    if upright.shape != new.shape or upright.dtype != new.dtype:
        raise ValueError(f"{case}: {upright.dtype} {upright.shape} became {new.dtype} {new.shape}")
    differs, inside = upright != new, mask > 0
    counts = (int(part.size) for part in (differs[~inside], differs[inside]))
    changed = (int(np.count_nonzero(part)) for part in (differs[~inside], differs[inside]))
    (kept, edited), (wrong, right) = counts, changed
    return kept, wrong, edited, right, reader_of(case)


def _coefficients(case: Case, made: Path, mask: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    import jpeglib

    old, new = (jpeglib.read_dct(str(path)) for path in (case.path, made))
    # Back to how it is stored: by where each pixel's number went.
    places = turned(np.arange(case.size[0] * case.size[1]).reshape(case.size), case.orientation)
    stored = np.zeros(case.size[0] * case.size[1], np.bool_)
    stored[places.ravel()] = mask.ravel() > 0
    stored = stored.reshape(case.size)
    total = [0, 0, 0, 0]
    factors = np.asarray(old.samp_factor)
    for index, name in enumerate(("Y", "Cb", "Cr")[: int(old.num_components)]):
        down, across = (8 * int(v) for v in factors.max(axis=0) // factors[index])
        before, after = np.asarray(getattr(old, name)), np.asarray(getattr(new, name))
        differs = before != after
        for row, column in np.ndindex(before.shape[:2]):
            area = stored[row * down : (row + 1) * down, column * across : (column + 1) * across]
            at = 2 if area.any() else 0
            total[at] += 64
            total[at + 1] += int(np.count_nonzero(differs[row, column]))
    return total[0], total[1], total[2], total[3]


# Editing.


def run_edit(models: Sequence[Any], seed: int, number: int) -> Outcome:
    """One edit, of which everything follows from the two numbers."""
    import editkit
    from editkit.ops.output import Saving

    rng = np.random.default_rng([seed, number])
    kind = KINDS[number % len(KINDS)]
    with tempfile.TemporaryDirectory(prefix="preservation-") as name:
        folder = Path(name)
        case = make_photo(folder, rng, kind)
        height, width = case.size
        upright = (height, width) if case.orientation < 5 else (width, height)
        mask = make_mask(rng, upright)
        cv2.imwrite(str(folder / "mask.png"), mask)
        edit, options = _edit(rng)
        made = folder / f"made.{_suffix(rng, kind)}"
        saving = Saving("lossless" if kind[0] == "jpg" else "auto", bool(rng.integers(2)))
        model = models[int(rng.integers(len(models)))]
        result = getattr(editkit, edit)("a wall", **options)(model, case.path, folder / "mask.png")
        before = case.path.read_bytes()
        result.save(made, saving=saving)
        assert case.path.read_bytes() == before
        return Outcome(kind, *compared(case, made, mask), told=f"{case} {edit} {options}")


def _suffix(rng: np.random.Generator, kind: tuple[str, str, int]) -> str:
    """Mostly the source's container; sometimes another that holds the same samples."""
    suffix, mode, _ = kind
    others = {"png": "tif", "tif": "png", "webp": "png"}
    free = mode in ("L", "RGB") and suffix in others and rng.random() < 0.25
    return others[suffix] if free else suffix


def _edit(rng: np.random.Generator) -> tuple[str, dict[str, Any]]:
    options: dict[str, Any] = {
        "seed": int(rng.integers(1000)),
        "steps": int(rng.integers(1, 3)),
        "guidance": float(rng.choice([1.0, 3.0])),
        "strength": float(rng.uniform(0.5, 1)),
        "prefill": str(rng.choice(["none", "telea", "ns"])),
        "context": float(rng.uniform(0, 1)),
        "seam": str(rng.choice(["feather", "multiband", "poisson", "none"])),
        "grain": float(rng.choice([0, 1, 4])),
        "sharpen": bool(rng.integers(2)),
        "match": bool(rng.integers(2)),
        "work_size": 64,
    }
    if options["seam"] == "feather":
        options["feather"] = float(rng.choice([0, 1, 2, 8]))
    if rng.random() < 0.3:
        return "Resample", {**options, "repeats": 2}
    options["solver"] = str(rng.choice(["ddim", "euler", "ddpm", "dpmpp_2m"]))
    return "Inpaint", {**options, "blend_known": bool(rng.integers(2))}


def _run_part(folders: Sequence[Path], seed: int, numbers: Sequence[int]) -> list[Outcome]:
    """In a process of its own."""
    import torch

    import editkit

    torch.set_num_threads(1)
    models = [editkit.load_model(folder, device="cpu") for folder in folders]
    return [run_edit(models, seed, number) for number in numbers]


def run_all(count: int, seed: int, jobs: int) -> list[Outcome]:
    """All edits, shared out to processes."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
    import tiny

    with tempfile.TemporaryDirectory() as name:
        folders = [tiny.save_checkpoint(Path(name) / f"tiny{n}", n) for n in (4, 9)]
        # Numbers are dealt in runs of all kinds, so that each process has as much to do.
        parts = [range(count)[k::jobs] for k in range(jobs)]
        with ProcessPoolExecutor(jobs) as pool:
            done = pool.map(partial(_run_part, folders, seed), parts)
            return [outcome for part in done for outcome in part]


def table(outcomes: Sequence[Outcome]) -> str:
    """A row for each kind of photo, and one for all."""
    lines = [
        "| photo | read by | edits | kept samples | of them changed | edited samples | changed |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    groups = [(k, [o for o in outcomes if o.kind == k]) for k in KINDS]
    groups = [(f"{k[0]} {k[1]}, {k[2]} bits", group) for k, group in groups if group]
    for title, group in [*groups, ("all", list(outcomes))]:
        readers = ", ".join(sorted({o.reader for o in group})) if title != "all" else ""
        sums = [
            sum(getattr(o, name) for o in group)
            for name in ("kept", "kept_changed", "edited", "edited_changed")
        ]
        numbers = " | ".join(f"{value:,}" for value in (len(group), *sums))
        lines.append(f"| {title} | {readers} | {numbers} |")
    return "\n".join(lines)


def main() -> int:
    """Runs them, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    if not Path(_CONVERT).exists():
        parser.error("ImageMagick's convert is needed for CMYK and TIFF with alpha")
    outcomes = run_all(given.count, given.seed, given.jobs)
    print(table(outcomes))
    wrong = [outcome for outcome in outcomes if outcome.kept_changed]
    for outcome in wrong:
        print(outcome)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
