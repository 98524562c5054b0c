"""Blending a patch into a photo, and the proof that everything else stayed."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.errors import InputError
from editkit.masks.read import bounding_box
from editkit.photo import colour
from editkit.photo.files import Photo
from editkit.types import Box, Coverage

_STRIP = 1 << 20
_SHARE = 8


def feathered(coverage: Coverage, width: float = 4.0) -> Coverage:
    """The composite alpha: the coverage, faded over `width` pixels inside of its own edge.

    The alpha is the coverage times `clip(d / (width + 1), 0, 1)`, with d the distance in pixels
    to the nearest pixel of coverage 0; so it never leaks outward. In each connected part the
    width is at most an eighth of that part's greatest d - 1: a thin scratch is replaced as a whole,
    and every part reaches its full coverage. The border of the photo is not an edge.

    Raises:
        InputError: a negative width.
    """
    if not 0 <= width < float("inf"):
        raise InputError(f"a feather of {width} pixels; give a number from 0 on")
    if width == 0 or not coverage.any():
        return coverage.copy()
    box = _grown(bounding_box(coverage), coverage.shape)
    inner = coverage[box.slices]
    out = np.zeros_like(coverage, dtype=np.float32)
    out[box.slices] = inner * _ramp(inner > 0, width)
    return out


def composite(photo: Photo, patch: NDArray[np.uint8], box: Box, alpha: Coverage) -> Photo:
    """The photo with the patch blended in: `round(old + alpha * (new - old))` in its own samples.

    Where alpha is 0, and outside of the box, samples are copies. An alpha channel of the photo is
    left as it is: an edit changes what is seen, not where the photo is transparent.

    Args:
        photo: the photo.
        patch: RGB of the box's size, uint8.
        box: where the patch lies.
        alpha: composite alpha at the photo's size, in [0, 1].

    Raises:
        InputError: a patch or an alpha of the wrong size.
    """
    if patch.shape != (*box.size, 3) or alpha.shape != photo.size:
        raise InputError(
            f"a patch of shape {patch.shape} and an alpha of shape {alpha.shape} do not fit "
            f"a box of {box.size} in a photo of {photo.size}"
        )
    samples = photo.samples.copy()
    new = colour.from_rgb(patch, photo.mode)
    for rows in _strips(box):
        here = (slice(box.top + rows.start, box.top + rows.stop), slice(box.left, box.right))
        _blend(samples[here], new[rows], alpha[here])
    return photo.with_samples(samples)


def changed_outside(before: Photo, after: Photo, alpha: Coverage) -> int:
    """How many stored samples differ where alpha is 0, found by comparing the two photos.

    Raises:
        InputError: photos of different size or mode.
    """
    if before.samples.shape != after.samples.shape or before.samples.dtype != after.samples.dtype:
        raise InputError(
            f"photos of {before.size} {before.mode} and {after.size} {after.mode} "
            "cannot be compared"
        )
    count = 0
    for rows in _strips(Box(0, 0, *before.size)):
        differs = before.samples[rows] != after.samples[rows]
        if differs.any():
            count += int(np.count_nonzero(differs[alpha[rows] == 0]))
    return count


def _blend(old: colour.Samples, new: colour.Samples, alpha: Coverage) -> None:
    """Blends into `old` in place; where alpha is 0 nothing is written."""
    colours = new.shape[2] if new.ndim == 3 else 1
    target = old.reshape(*old.shape[:2], -1)
    source = new.reshape(*new.shape[:2], colours)
    edited = alpha > 0
    # float32 holds every integer up to 2**24, so 16-bit samples come through exactly.
    was = target[edited][:, :colours].astype(np.float32)
    step = alpha[edited].astype(np.float32)[:, None] * (source[edited] - was)
    result = target[edited]
    result[:, :colours] = np.rint(was + step).astype(old.dtype)
    target[edited] = result


def _strips(box: Box) -> Iterator[slice]:
    """Rows of the box, from 0, in portions that keep temporary arrays small."""
    portion = max(1, _STRIP // box.size.width)
    for start in range(0, box.size.height, portion):
        yield slice(start, min(start + portion, box.size.height))


def _grown(box: Box, shape: tuple[int, ...]) -> Box:
    """One pixel more on each side, if the photo has it: there the kept pixels begin."""
    return Box(
        max(box.top - 1, 0),
        max(box.left - 1, 0),
        min(box.bottom + 1, shape[0]),
        min(box.right + 1, shape[1]),
    )


def _ramp(masked: NDArray[np.bool_], width: float) -> NDArray[np.float32]:
    if masked.all():
        return np.ones(masked.shape, np.float32)
    bits = masked.astype(np.uint8)
    distance = cv2.distanceTransform(bits, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    count, found = cv2.connectedComponents(bits, connectivity=8)
    parts = np.asarray(found, np.int32)
    greatest = np.zeros(count, np.float32)
    np.maximum.at(greatest, parts[masked], distance[masked])
    widths = np.minimum(np.float32(width), np.maximum(greatest - 1, 0) / _SHARE)
    return np.clip(distance / (widths[parts] + 1), 0, 1).astype(np.float32)
