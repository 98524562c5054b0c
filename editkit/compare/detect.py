"""Where an edited copy differs from its photo by more than a copy does.

First where there is evidence enough of an edit, by what is usual (`usual.py`), then how far each of
those edits goes (`outlines.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.compare.aligned import Bits, Overlay, Values, with_margin
from editkit.compare.noise_floor import Usual, looks_at, usual_in
from editkit.compare.outline import HALF, Shares, outlined, whole, without_holes
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
class Found:
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


def find_changes(over: Overlay, *, threshold: float = THRESHOLD, grow: int | None = None) -> Found:
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
    usual, found = first_found(over, threshold=threshold)
    if not found.any():
        border = " but an even border" if over.hidden else ""
        raise MaskError(
            f"the edited picture shows nothing else than the original{border}; is it the right "
            "file? A lower threshold finds more, a mask names the place"
        )
    if over.exact or usual[0].redrawn:
        return _grown(whole(found), over, grow)
    return _grown(outlined(over, usual, found), over, grow)


def first_found(over: Overlay, *, threshold: float = THRESHOLD) -> tuple[list[Usual], Bits]:
    """What is usual, and what on the grid has evidence enough of a change.

    Args:
        over: the two; of an exact copy nothing is usual, and every sample that differs counts.
        threshold: see `find_changes`.
    """
    usual = [] if over.exact else usual_in(over)
    weak, excess = _marked(over, usual, threshold)
    pixel = sqrt(over.photo.size.area / over.grid.area)
    return usual, _cleaned(weak, excess, 0.5 if over.exact else _EVIDENCE / pixel)


def _marked(
    over: Overlay, usual: Sequence[Usual], threshold: float
) -> tuple[Bits, NDArray[np.uint8]]:
    """Where on the grid something may have changed, and how much more than what counts."""
    more = _FORESEEN if over.foreseen.encoded else _UNFORESEEN
    weak, excess = np.zeros(over.grid, np.bool_), np.zeros(over.grid, np.uint8)
    for box in over.parts():
        outer, inner = with_margin(box, over.grid)
        times = _times(over, outer, usual, (threshold, more * threshold))
        own = times > _WEAK
        weak[box.slices] = (own if over.exact else _opened(own))[inner]
        over_one = np.clip(times[inner] - 1, 0, 255 / _STEPS - 0.1)
        excess[box.slices] = np.rint(over_one * _STEPS)
    return weak, excess


def _times(
    over: Overlay, box: Box, usual: Sequence[Usual], thresholds: tuple[float, float]
) -> Values:
    """The difference over the least one that counts."""
    if over.exact:
        one, other, covered = over.pair(box)
        return np.where(covered, 2 * np.abs(one - other).max(axis=2), np.float32(0))
    scales = looks_at(over, box)
    if usual[0].redrawn:
        return np.where(scales[0].photo.covered, np.float32(2), np.float32(0))
    # At the scale that says more.
    own = [level.times(looks, thresholds) for level, looks in zip(usual, scales, strict=True)]
    return np.maximum.reduce(own)


def _opened(bits: Bits) -> Bits:
    """Without what is one pixel wide."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return np.asarray(cv2.morphologyEx(bits.astype(np.uint8), cv2.MORPH_OPEN, cross)) > 0


def _cleaned(weak: Bits, excess: NDArray[np.uint8], evidence: float) -> Bits:
    """Connected parts with enough evidence, without holes."""
    cell = ceil(sqrt(max(1.0, weak.size / _CELLS)))
    ring = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    closed = np.asarray(cv2.morphologyEx(weak.astype(np.uint8), cv2.MORPH_CLOSE, ring)) > 0
    cells = _pooled(closed, cell)
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
    solid = _spread_out(without_holes(kept) & ~kept, cell, weak.shape)
    return (closed & _spread_out(kept, cell, weak.shape)) | solid


def _pooled(bits: Bits, cell: int) -> Bits:
    if cell == 1:
        return bits
    for axis in (0, 1):
        bits = np.logical_or.reduceat(bits, np.arange(0, bits.shape[axis], cell), axis=axis)
    return bits


def _spread_out(cells: Bits, cell: int, shape: tuple[int, ...]) -> Bits:
    if cell == 1:
        return cells
    return cells.repeat(cell, axis=0).repeat(cell, axis=1)[: shape[0], : shape[1]]


def _grown(found: Shares, over: Overlay, grow: int | None) -> Found:
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
    return Found(area, grown.astype(np.float32))
