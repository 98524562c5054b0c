"""The area where an edited copy differs from its photo by more than the noise floor.

First regions with enough evidence of an edit are found (`noise_floor.py`), then the outline of each
edit (`outline.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.compare.aligned import Bits, Overlay, Values, add_margin
from editkit.compare.noise_floor import NoiseFloor, estimate_noise_floor, measure_differences
from editkit.compare.outline import HALF, Shares, fill_small_holes, to_shares, trace_outline
from editkit.errors import MaskError
from editkit.types import Box, Coverage

THRESHOLD = 5.0
"""How many times the usual difference of the unchanged rest is a change."""

_WEAK = 0.5
_EVIDENCE = 50.0
_FORESEEN = 1.4
_UNFORESEEN = 1.2
_STEPS = 50
_CELLS = 1 << 24


@dataclass(frozen=True, eq=False)
class Changes:
    """What changed.

    Attributes:
        area: where the two differ, at the photo's size.
        coverage: the same, a little grown, as a mask.
    """

    area: Bits
    coverage: Coverage

    @property
    def share(self) -> float:
        """The share of the photo that changed."""
        return float(np.mean(self.area))


def find_changes(
    over: Overlay, *, threshold: float = THRESHOLD, grow: int | None = None
) -> Changes:
    """Where the copy shows something else than the photo.

    Args:
        over: the two.
        threshold: how many times the usual difference of the rest is a change; of no effect where
            the copy is exact.
        grow: pixels of the photo to add around what was found; by default two, or one of the
            copy's where these are larger.

    Raises:
        MaskError: nothing changed.
    """
    usual, found = detect_regions(over, threshold=threshold)
    if not found.any():
        border = " but an even border" if over.hidden else ""
        raise MaskError(
            f"the edited picture shows nothing else than the original{border}; is it the right "
            "file? A lower threshold finds more, a mask names the place"
        )
    if over.exact or usual[0].is_redrawn:
        return _grow_changes(to_shares(found), over, grow)
    return _grow_changes(trace_outline(over, usual, found), over, grow)


def detect_regions(over: Overlay, *, threshold: float = THRESHOLD) -> tuple[list[NoiseFloor], Bits]:
    """What is usual, and what on the grid has evidence enough of a change.

    Args:
        over: the two; of an exact copy nothing is usual, and every sample that differs counts.
        threshold: see `find_changes`.
    """
    usual = [] if over.exact else estimate_noise_floor(over)
    weak, excess = _mark_candidates(over, usual, threshold)
    pixel = sqrt(over.photo.size.area / over.grid.area)
    return usual, _keep_evident_parts(weak, excess, 0.5 if over.exact else _EVIDENCE / pixel)


def _mark_candidates(
    over: Overlay, usual: Sequence[NoiseFloor], threshold: float
) -> tuple[Bits, NDArray[np.uint8]]:
    """Where on the grid something may have changed, and how much more than what counts."""
    more = _FORESEEN if over.expected.is_encoded else _UNFORESEEN
    weak, excess = np.zeros(over.grid, np.bool_), np.zeros(over.grid, np.uint8)
    for box in over.parts():
        outer, inner = add_margin(box, over.grid)
        times = _excess_ratio(over, outer, usual, (threshold, more * threshold))
        own = times > _WEAK
        weak[box.slices] = (own if over.exact else _remove_thin_lines(own))[inner]
        over_one = np.clip(times[inner] - 1, 0, 255 / _STEPS - 0.1)
        excess[box.slices] = np.rint(over_one * _STEPS)
    return weak, excess


def _excess_ratio(
    over: Overlay, box: Box, usual: Sequence[NoiseFloor], thresholds: tuple[float, float]
) -> Values:
    """The difference over the least one that counts."""
    if over.exact:
        one, other, covered = over.pair(box)
        return np.where(covered, 2 * np.abs(one - other).max(axis=2), np.float32(0))
    scales = measure_differences(over, box)
    if usual[0].is_redrawn:
        return np.where(scales[0].photo.covered, np.float32(2), np.float32(0))
    # At the scale that says more.
    own = [level.times(looks, thresholds) for level, looks in zip(usual, scales, strict=True)]
    return np.maximum.reduce(own)


def _remove_thin_lines(bits: Bits) -> Bits:
    """Without what is one pixel wide."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return np.asarray(cv2.morphologyEx(bits.astype(np.uint8), cv2.MORPH_OPEN, cross)) > 0


def _keep_evident_parts(weak: Bits, excess: NDArray[np.uint8], evidence: float) -> Bits:
    """Connected parts with enough evidence, without holes."""
    cell = ceil(sqrt(max(1.0, weak.size / _CELLS)))
    ring = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    closed = np.asarray(cv2.morphologyEx(weak.astype(np.uint8), cv2.MORPH_CLOSE, ring)) > 0
    cells = _pool(closed, cell)
    count, labels = cv2.connectedComponents(cells.astype(np.uint8), connectivity=8)
    known = np.asarray(labels, np.int32)
    sums = np.zeros(count)
    for row in range(known.shape[0]):
        over = excess[row * cell : (row + 1) * cell].sum(axis=0, dtype=np.float64)
        over = np.add.reduceat(over, np.arange(0, len(over), cell))
        sums += np.bincount(known[row], over, minlength=count)
    enough = sums >= evidence * _STEPS
    enough[0] = False
    kept = enough[known]
    solid = _unpool(fill_small_holes(kept) & ~kept, cell, weak.shape)
    return (closed & _unpool(kept, cell, weak.shape)) | solid


def _pool(bits: Bits, cell: int) -> Bits:
    if cell == 1:
        return bits
    for axis in (0, 1):
        bits = np.logical_or.reduceat(bits, np.arange(0, bits.shape[axis], cell), axis=axis)
    return bits


def _unpool(cells: Bits, cell: int, shape: tuple[int, ...]) -> Bits:
    if cell == 1:
        return cells
    return cells.repeat(cell, axis=0).repeat(cell, axis=1)[: shape[0], : shape[1]]


def _grow_changes(found: Shares, over: Overlay, grow: int | None) -> Changes:
    size = over.photo.size
    shown = found
    if over.grid != size:
        # An outline runs through pixels of the grid, not along them.
        shown = cv2.resize(found, size[::-1], interpolation=cv2.INTER_LINEAR)
    area = np.asarray(shown) > HALF
    pixel = sqrt(size.area / over.grid.area)
    width = max(2, round(pixel)) if grow is None else grow
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1,) * 2)
    grown = np.asarray(cv2.dilate(area.astype(np.uint8), disc))
    return Changes(area, grown.astype(np.float32))
