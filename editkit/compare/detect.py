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
    """The edited area.

    Attributes:
        area: bool (H, W), the differing pixels, at the photo's size.
        coverage: float32 (H, W), the area, slightly grown, as a mask.
    """

    area: Bits
    coverage: Coverage

    @property
    def share(self) -> float:
        """The edited share of the photo."""
        return float(np.mean(self.area))


def find_changes(
    over: Overlay, *, threshold: float = THRESHOLD, grow: int | None = None
) -> Changes:
    """The area where the copy shows something else than the photo.

    Args:
        over: the two pictures.
        threshold: the multiple of the noise floor that counts as a change; ignored if the copy is
            exact.
        grow: pixels of the photo to add around the area; by default two, or one pixel of the copy
            if that is larger.

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
    """The noise floor, and the regions of the grid with enough evidence of a change.

    Args:
        over: the two pictures; an exact copy has no noise, and every differing sample counts.
        threshold: see `find_changes`.
    """
    usual = [] if over.exact else estimate_noise_floor(over)
    weak, excess = _mark_candidates(over, usual, threshold)
    pixel = sqrt(over.photo.size.area / over.grid.area)
    return usual, _keep_evident_parts(weak, excess, 0.5 if over.exact else _EVIDENCE / pixel)


def _mark_candidates(
    over: Overlay, usual: Sequence[NoiseFloor], threshold: float
) -> tuple[Bits, NDArray[np.uint8]]:
    """Candidate pixels of the grid, and how far each exceeds the threshold."""
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
    """The difference relative to the smallest one that counts."""
    if over.exact:
        one, other, covered = over.pair(box)
        return np.where(covered, 2 * np.abs(one - other).max(axis=2), np.float32(0))
    scales = measure_differences(over, box)
    if usual[0].is_redrawn:
        return np.where(scales[0].photo.covered, np.float32(2), np.float32(0))
    # The scale with the stronger evidence counts.
    own = [level.times(looks, thresholds) for level, looks in zip(usual, scales, strict=True)]
    return np.maximum.reduce(own)


def _remove_thin_lines(bits: Bits) -> Bits:
    """The mask without lines one pixel wide."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return np.asarray(cv2.morphologyEx(bits.astype(np.uint8), cv2.MORPH_OPEN, cross)) > 0


def _keep_evident_parts(weak: Bits, excess: NDArray[np.uint8], evidence: float) -> Bits:
    """The connected parts with enough evidence, with holes filled."""
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
        # An outline runs through the grid's pixels, not along their borders.
        shown = cv2.resize(found, size[::-1], interpolation=cv2.INTER_LINEAR)
    area = np.asarray(shown) > HALF
    pixel = sqrt(size.area / over.grid.area)
    width = max(2, round(pixel)) if grow is None else grow
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1,) * 2)
    grown = np.asarray(cv2.dilate(area.astype(np.uint8), disc))
    return Changes(area, grown.astype(np.float32))
