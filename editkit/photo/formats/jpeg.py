"""JPEG files as segments, and their blocks of coefficients, kept where nothing was edited.

Decoding and encoding a JPEG again loses quality everywhere. An edit can be added to the
coefficients instead: the cosine transform is linear, so a difference of samples is a difference of
coefficients, and unedited blocks stay unchanged.
"""

import re
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from editkit.errors import ImageError
from editkit.photo.color import Samples
from editkit.photo.silence import silence_libraries
from editkit.types import Box

APP0, APP1, APP2, APP11, APP13, APP14, COMMENT = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE, 0xFE
EXIF, XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
IPTC, MPF, ADOBE = b"Photoshop 3.0\0", b"MPF\0", b"Adobe"
LONGEST = 65533
"""The largest content of a segment, in bytes."""

_SCAN = 0xDA
_AFTER_FILL = re.compile(rb"[^\xff]")
_ARITHMETIC = (0xC9, 0xCA, 0xCB, 0xCC, 0xCD, 0xCE, 0xCF)
_BLOCK = 8
# BT.601 as JFIF has it; offsets do not matter to differences.
_YCBCR = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)


class Segment(NamedTuple):
    """A marker and its content."""

    marker: int
    data: bytes


@dataclass(frozen=True)
class BlockCounts:
    """Counts of blocks of 8x8 coefficients, over all components."""

    total: int
    changed: int


def read_segments(data: bytes) -> list[Segment]:
    """The application and comment segments before the first scan."""
    return [found for found, _, _ in _headers(data) if _is_carried(found.marker)]


def is_arithmetic(data: bytes) -> bool:
    """True if the coefficients are arithmetically coded, which jpeglib does not support."""
    return any(found.marker in _ARITHMETIC for found, _, _ in _headers(data))


def replace_segments(data: bytes, segments: Sequence[Segment]) -> bytes:
    """The file with the given application and comment segments in place of its own.

    Its Adobe segment, which declares the color coding, stays unless one is given.
    """
    given = any(segment.data.startswith(ADOBE) for segment in segments)
    parts, end = [b"\xff\xd8", *map(_encode_segment, segments)], 2
    for found, start, end in _headers(data):
        own_adobe = found.marker == APP14 and not given
        if own_adobe or not _is_carried(found.marker):
            parts.append(data[start:end])
    return b"".join([*parts, data[end:]])


def swap_density(segment: Segment) -> Segment:
    """A JFIF segment with across and down swapped in its density; other segments unchanged."""
    if segment.marker != APP0 or not segment.data.startswith(b"JFIF\0") or len(segment.data) < 12:
        return segment
    data = segment.data
    return Segment(APP0, data[:8] + data[10:12] + data[8:10] + data[12:])


def splice(original: bytes, before: Samples, after: Samples, box: Box) -> tuple[bytes, BlockCounts]:
    """The JPEG with a difference of samples added to its coefficients, and counts of its blocks.

    Args:
        original: a JPEG of gray, RGB or YCbCr.
        before: its samples, (H, W) or (H, W, C), as stored (not rotated upright).
        after: the edited samples.
        box: the area where they differ.

    Raises:
        ImageError: a JPEG of another kind, or damaged.
    """
    import jpeglib

    with _folder() as folder:
        source, target = folder / "a.jpg", folder / "b.jpg"
        source.write_bytes(original)
        jpeg = jpeglib.read_dct(str(source))
        total = changed = 0
        factors = np.asarray(jpeg.samp_factor)
        box = _align_box(box, _BLOCK * factors.max(axis=0), before.shape)
        planes = _planes(_difference(before, after, box), str(jpeg.jpeg_color_space))
        for index, name in enumerate(("Y", "Cb", "Cr")[: len(planes)]):
            ratio = factors.max(axis=0) // factors[index]
            step = _downsample_plane(planes[index], ratio, factors, index)
            table = np.asarray(jpeg.get_component_qt(index), np.float32)
            if not table.all():
                raise ImageError(
                    "the JPEG's coefficients cannot be read: a step of 0 in its tables"
                )
            every = np.asarray(getattr(jpeg, name))
            top, left = box.top // (_BLOCK * int(ratio[0])), box.left // (_BLOCK * int(ratio[1]))
            old = every[top:, left:][: -(-step.shape[0] // _BLOCK), : -(-step.shape[1] // _BLOCK)]
            new = _add_difference(old, step, table)
            total += every.shape[0] * every.shape[1]
            changed += int((old != new).any(axis=(2, 3)).sum())
            old[:] = new
            setattr(jpeg, name, every)
        jpeg.write_dct(str(target))
        return target.read_bytes(), BlockCounts(total, changed)


def _align_box(box: Box, unit: NDArray[Any], shape: tuple[int, ...]) -> Box:
    """The box grown to whole units, within the samples."""
    down, across = (int(length) for length in unit)
    return Box(
        box.top // down * down,
        box.left // across * across,
        min(-(-box.bottom // down) * down, shape[0]),
        min(-(-box.right // across) * across, shape[1]),
    )


def _difference(before: Samples, after: Samples, box: Box) -> NDArray[np.int16]:
    step = after[box.slices].astype(np.int16) - before[box.slices]
    return step.reshape(*box.size, -1)


def compare_blocks(original: bytes, edited: bytes, mask: NDArray[np.bool_]) -> BlockCounts:
    """Counts of blocks without masked pixels, and of those with differing coefficients.

    Args:
        original: a JPEG.
        edited: a JPEG of the same size.
        mask: (H, W), true where edits are allowed, as stored (not rotated upright).

    Raises:
        ImageError: the two have different block structures, or one is damaged.
    """
    total = changed = 0
    for old, new in zip(_components(original), _components(edited), strict=True):
        if old.blocks.shape != new.blocks.shape or old.size != new.size:
            raise ImageError("the two JPEGs are not built of the same blocks")
        free = ~_covered_blocks(mask, old.blocks.shape[:2], old.size)
        total += int(free.sum())
        changed += int((old.differs(new) & free).sum())
    return BlockCounts(total, changed)


@dataclass(frozen=True)
class _Component:
    """The coefficients of a component, its quantization table, and the pixels of a block."""

    blocks: NDArray[Any]
    table: NDArray[np.int32]
    size: tuple[int, int]

    def differs(self, other: "_Component") -> NDArray[np.bool_]:
        """For each block, whether a dequantized coefficient differs."""
        rows = zip(self.blocks, other.blocks, strict=True)  # one at a time, to save memory
        return np.stack([(a * self.table != b * other.table).any(axis=(1, 2)) for a, b in rows])


def _components(data: bytes) -> list[_Component]:
    import jpeglib

    with _folder() as folder:
        file = folder / "a.jpg"
        file.write_bytes(data)
        jpeg = jpeglib.read_dct(str(file))
        factors = np.asarray(jpeg.samp_factor)
        names = ("Y", "Cb", "Cr", "K")[: int(jpeg.num_components)]
        found = list[_Component]()
        for index, name in enumerate(names):
            table = np.asarray(jpeg.get_component_qt(index), np.int32)
            down, across = (_BLOCK * int(f) for f in factors.max(axis=0) // factors[index])
            found.append(_Component(np.asarray(getattr(jpeg, name)), table, (down, across)))
        return found


@contextmanager
def _folder() -> Generator[Path]:
    """A temporary folder for jpeglib, which reads only files; errors become ImageError."""
    try:
        with tempfile.TemporaryDirectory(prefix="editkit-") as folder, silence_libraries():
            yield Path(folder)
    except OSError as error:
        # jpeglib's message names only our temporary copy.
        reason = error.strerror or "it is damaged"
        raise ImageError(f"the JPEG's coefficients cannot be read: {reason}") from error


def _covered_blocks(
    mask: NDArray[np.bool_], count: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """The blocks that contain a masked pixel."""
    padded = np.zeros((count[0] * size[0], count[1] * size[1]), np.bool_)
    rows, columns = min(mask.shape[0], len(padded)), min(mask.shape[1], padded.shape[1])
    padded[:rows, :columns] = mask[:rows, :columns]
    cells = padded.reshape(count[0], size[0], count[1], size[1])
    return np.asarray(cells.any(axis=(1, 3)))


def _headers(data: bytes) -> list[tuple[Segment, int, int]]:
    """Segments up to the first scan, each with its start and end."""
    found, at = list[tuple[Segment, int, int]](), 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, start = data[at + 1], at
        if marker == 0xFF:  # fill, of any length
            ended = _AFTER_FILL.search(data, at)
            at = len(data) if ended is None else ended.start() - 1
            continue
        if marker == _SCAN:
            break
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        found.append((Segment(marker, data[start + 4 : at]), start, at))
    return found


def _is_carried(marker: int) -> bool:
    return 0xE0 <= marker <= 0xEF or marker == COMMENT


def _encode_segment(segment: Segment) -> bytes:
    return bytes([0xFF, segment.marker]) + (len(segment.data) + 2).to_bytes(2) + segment.data


def _planes(difference: NDArray[np.int16], space: str) -> list[NDArray[np.float32]]:
    real = difference.astype(np.float32)
    if space.endswith("GRAYSCALE") and real.shape[2] == 1:
        return [real[..., 0]]
    if space.endswith("RGB") and real.shape[2] == 3:
        return [real[..., k] for k in range(3)]
    if space.endswith("YCbCr") and real.shape[2] == 3:
        return [real @ row for row in _YCBCR]
    raise ImageError(f"a JPEG of {space} keeps no blocks; write it with jpeg=auto")


def _downsample_plane(
    plane: NDArray[np.float32], ratio: NDArray[Any], factors: NDArray[Any], index: int
) -> NDArray[np.float32]:
    """The plane at a component's own resolution, each sample the mean of its pixels."""
    down, across = (int(value) for value in ratio)
    if (factors.max(axis=0) % factors[index]).any():
        raise ImageError("a JPEG of fractional sampling keeps no blocks; write it with jpeg=auto")
    height, width = plane.shape
    rows, columns = -(-height // down), -(-width // across)
    padded = np.pad(plane, ((0, rows * down - height), (0, columns * across - width)), "edge")
    return padded.reshape(rows, down, columns, across).mean(axis=(1, 3))


def _add_difference(
    old: NDArray[Any], plane: NDArray[np.float32], table: NDArray[np.float32]
) -> NDArray[Any]:
    """The coefficients with the rounded transform of a difference added, where it is not 0."""
    from scipy.fft import dctn

    new = old.copy()
    rows, columns = (-(-length // _BLOCK) for length in plane.shape)
    gaps = ((0, rows * _BLOCK - plane.shape[0]), (0, columns * _BLOCK - plane.shape[1]))
    cut = np.pad(plane, gaps, "edge").reshape(rows, _BLOCK, columns, _BLOCK).swapaxes(1, 2)
    where = np.nonzero(cut.any(axis=(2, 3)))
    step = np.rint(np.asarray(dctn(cut[where], axes=(1, 2), norm="ortho")) / table)
    # The range of a baseline file.
    new[where] = np.clip(old[where] + step, -1023, 1023).astype(old.dtype)
    return new
