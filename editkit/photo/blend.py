"""How a patch fades into a photo."""

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.errors import InputError
from editkit.masks.read import bounding_box
from editkit.types import Box, Coverage

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
