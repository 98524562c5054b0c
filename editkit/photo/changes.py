"""Where an edited copy differs from its photo by more than a copy does.

Both are looked at on one grid on which neither is enlarged, a little blurred, so that resampling
and JPEG leave little. The difference is taken in CIELAB and held against what the unchanged rest
differs by where it is as rich in detail: edges move and blur more than skies do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.errors import MaskError
from editkit.photo.drift import Drift, fit_drift, no_drift
from editkit.photo.files import Photo
from editkit.photo.warp import Matrix, framed, sampled, scale_of, strips
from editkit.types import Box, Coverage, Size

THRESHOLD = 6.0
"""How many times the usual difference of the unchanged rest is a change."""

_STRIP = 1 << 21
_PROBED = 3
_SAMPLES = 60_000
_SIGMA = 1.0
_MARGIN = 16
_BINS = 10
_WEAK = 0.5
_LEAST = 0.25
_LOCAL = 0.35
_NEAR = 7
_HOLE = 0.25
_EVIDENCE = 100.0
_REDRAWN = 5.0
_STEPS = 50
_CELLS = 1 << 24
_BEYOND = 1.5
_ROUNDS = 5
_DENSE = 0.25
_DENSE_WITHIN = 31
_CLIPPED = 2.5
_TEXTURED = 1.0
_EQUAL = 0.3
_BLOCK = 8

Bits = NDArray[np.bool_]
Values = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Overlay:
    """A copy laid over its photo.

    Attributes:
        photo: the photo.
        copy: its edited copy.
        matrix: places in the photo to places in the copy.
        drift: of the copy's colours.
        exact: whether the copy's samples are the photo's wherever nothing was edited.
    """

    photo: Photo
    copy: Photo
    matrix: Matrix
    drift: Drift
    exact: bool = False

    @property
    def grid(self) -> Size:
        """The size to compare at: neither picture is enlarged."""
        factor = min(1.0, *scale_of(self.matrix, self.photo.size))
        return Size(*(max(1, round(side * factor)) for side in self.photo.size))

    def pair(self, box: Box) -> tuple[Values, Values, Bits]:
        """A box of the grid of both, and where the copy covers it."""
        grid = framed(self.grid, self.photo.size)
        photo, _ = sampled(self.photo, grid, box)
        copy, covered = sampled(self.copy, self.matrix @ grid, box)
        return photo, copy, covered

    def parts(self) -> list[Box]:
        """The grid in strips that are of bearable size in all three."""
        whole = self.grid
        finest = max(self.photo.size.area, self.copy.size.area) / whole.area
        return list(strips(np.eye(3), whole, max(1, int(_STRIP / max(1.0, finest)))))


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


@dataclass(frozen=True, eq=False)
class _Look:
    """A part of the grid: how much the two differ, and how rich in detail the photo is."""

    off: Values
    detail: Values
    covered: Bits

    def at(self, inner: tuple[slice, slice]) -> "_Look":
        return _Look(self.off[inner], self.detail[inner], self.covered[inner])


@dataclass(frozen=True, eq=False)
class _Levels:
    """How much the unchanged rest differs, where it is how rich in detail."""

    detail: NDArray[np.float64]
    off: NDArray[np.float64]

    def of(self, look: _Look) -> Values:
        return np.interp(look.detail, self.detail, self.off).astype(np.float32)


def lay(
    photo: Photo, copy: Photo, matrix: Matrix, changed: Coverage | None = None, *, drift: bool
) -> Overlay:
    """A copy over its photo, with the drift of its colours found where nothing changed.

    Args:
        photo: the photo.
        copy: its edited copy.
        matrix: places in the photo to places in the copy.
        changed: what is known to have changed.
        drift: whether to look for a drift; without it there is none.
    """
    over = Overlay(photo, copy, matrix, no_drift())
    probes = [_probe(over, box, changed) for box in _spread(over.parts())]
    if _is_exact(probes):
        return replace(over, exact=True)
    if not drift:
        return over
    rng = np.random.Generator(np.random.Philox(0))
    ours, theirs = list[Values](), list[Values]()
    for one, other, usable in probes:
        chosen = rng.permutation(np.flatnonzero(usable))[: _SAMPLES // len(probes)]
        ours.append(_soft(one).reshape(-1, 3)[chosen])
        theirs.append(_soft(other).reshape(-1, 3)[chosen])
    return replace(over, drift=fit_drift(np.concatenate(theirs), np.concatenate(ours)))


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
    boxes = over.parts()
    levels = None if over.exact else _levels([_look(over, box)[0] for box in _spread(boxes)])
    weak, excess = np.zeros(over.grid, np.bool_), np.zeros(over.grid, np.uint8)
    for box in boxes:
        look, inner = _look(over, box)
        times = _times_usual(look, levels, threshold)
        if levels is not None and levels.off.mean() > _REDRAWN:
            # No rest is left to tell what is usual: all was drawn anew.
            times = np.where(look.covered, np.float32(2), 0).astype(np.float32)
        own = (times > _WEAK) & (over.exact | _not_spilt(look))
        weak[box.slices] = own[inner]
        over_one = np.clip(times[inner] - 1, 0, 255 / _STEPS - 0.1)
        excess[box.slices] = np.rint(over_one * _STEPS)
    found = _cleaned(weak, excess, 0.5 if over.exact else _EVIDENCE)
    if not found.any():
        raise MaskError(
            "the edited picture shows nothing else than the original; is it the right file? "
            "A lower --threshold finds more, MASK names the place"
        )
    return _grown(found, over, grow)


def _look(over: Overlay, box: Box) -> tuple[_Look, tuple[slice, slice]]:
    """A box of the grid with a margin, and where in it the box lies."""
    top, bottom = max(0, box.top - _MARGIN), min(over.grid.height, box.bottom + _MARGIN)
    outer = Box(top, box.left, bottom, box.right)
    inner = (slice(box.top - top, box.bottom - top), slice(None))
    one, other, covered = over.pair(outer)
    if over.exact:
        off = np.abs(one - other).max(axis=2)
        return _Look(np.where(covered, off, 0), np.zeros_like(off), covered), inner
    ours, theirs = _soft(one), _soft(other)
    lab = _lab(ours)
    off = np.sqrt(((lab - _lab(_corrected(over.drift, theirs, ours))) ** 2).sum(axis=2))
    return _Look(np.where(covered, off, 0), _detail(lab), covered), inner


def _corrected(drift: Drift, copy: Values, photo: Values) -> Values:
    """The copy without its drift; what was cut off at white or black may have been the photo's."""
    if drift.nothing:
        return copy
    out = drift.undone(copy)
    out = np.where(copy > 255 - _CLIPPED, np.maximum(out, photo), out)
    return np.where(copy < _CLIPPED, np.minimum(out, photo), out)


def _soft(values: Values) -> Values:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), _SIGMA), np.float32)


def _lab(values: Values) -> Values:
    unit = np.clip(values / np.float32(255), 0, 1)
    return np.asarray(cv2.cvtColor(unit, cv2.COLOR_RGB2LAB), np.float32)


def _detail(lab: Values) -> Values:
    """The steepest slope of colour nearby."""
    across = cv2.Sobel(lab, -1, 1, 0, scale=1 / 8)
    down = cv2.Sobel(lab, -1, 0, 1, scale=1 / 8)
    slope = np.sqrt((np.asarray(across) ** 2 + np.asarray(down) ** 2).sum(axis=2))
    return np.asarray(cv2.dilate(slope, np.ones((5, 5), np.uint8)), np.float32)


def _times_usual(look: _Look, levels: _Levels | None, threshold: float) -> Values:
    """The difference over the least one that counts."""
    if levels is None:
        return (2 * look.off).astype(np.float32)
    least = np.maximum(threshold * levels.of(look), _BEYOND * threshold / THRESHOLD)
    return (look.off / least).astype(np.float32)


def _not_spilt(look: _Look) -> Bits:
    """Not what a much larger difference beside it was blurred into."""
    nearby = cv2.dilate(look.off, np.ones((_NEAR, _NEAR), np.uint8))
    return look.off > _LOCAL * np.asarray(nearby)


def _levels(looks: Sequence[_Look]) -> _Levels:
    """What the unchanged rest differs by, found together with what is unchanged."""
    step = max(1, ceil(sqrt(sum(look.off.size for look in looks) / (4 * _SAMPLES))))
    looks = [look.at((slice(None, None, step), slice(None, None, step))) for look in looks]
    usable = [look.covered for look in looks]
    levels = _fitted_levels(looks, usable)
    for _ in range(2):
        rest = [look.covered & ~_dense(look, levels) for look in looks]
        if sum(map(np.count_nonzero, rest)) < 0.1 * sum(map(np.count_nonzero, usable)):
            break
        levels = _fitted_levels(looks, rest)
    return levels


def _dense(look: _Look, levels: _Levels) -> Bits:
    """Where much of the surroundings differs more than usual: there is an edit, not a noise."""
    beyond = (_times_usual(look, levels, THRESHOLD) > 1).astype(np.float32)
    share = cv2.blur(beyond, (_DENSE_WITHIN, _DENSE_WITHIN))
    return np.asarray(share) > _DENSE


def _fitted_levels(looks: Sequence[_Look], usable: Sequence[Bits]) -> _Levels:
    pairs = list(zip(looks, usable, strict=True))
    off = np.concatenate([look.off[where] for look, where in pairs])
    detail = np.concatenate([look.detail[where] for look, where in pairs])
    if not off.size:
        return _Levels(np.zeros(1), np.zeros(1))
    edges = np.quantile(detail, np.linspace(0, 1, _BINS + 1))
    number = np.clip(np.searchsorted(edges, detail) - 1, 0, _BINS - 1)
    bins = [off[number == k] for k in range(_BINS)]
    middle = (edges[1:] + edges[:-1]) / 2
    # The quarter that differs least is unchanged, even where two fifths of all changed.
    heights = _numbers([1.5 * np.quantile(v, 0.25) if v.size else 0.0 for v in bins])
    for _ in range(_ROUNDS):
        heights = _tamed(middle, heights)
        kept = [v[v < 5 * h + 0.3] for v, h in zip(bins, heights, strict=True)]
        pairs = zip(kept, heights, strict=True)
        heights = _numbers([np.median(v) if v.size else h for v, h in pairs])
    return _Levels(middle, _tamed(middle, heights))


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    return np.array([float(value) for value in values], np.float64)


def _tamed(detail: NDArray[np.float64], heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels that rise with detail, and no faster than a shift or a blur would make them.

    Where most of what is rich in detail was edited, its own level would be that of the edit.
    """
    heights = np.maximum(heights, _LEAST * heights.mean())
    flat = float(np.median(heights[:3]))
    slope = float((heights[2:] / np.maximum(detail[2:], 1e-3)).min())
    most = 1.5 * np.sqrt(flat**2 + (slope * detail) ** 2)
    return np.maximum.accumulate(np.minimum(heights, most))


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
    solid = _spread_out(_without_holes(kept) & ~kept, cell, weak.shape)
    return (closed & _spread_out(kept, cell, weak.shape)) | solid


def _without_holes(bits: Bits) -> Bits:
    """With holes closed that are much smaller than what is around them."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (~bits).astype(np.uint8), connectivity=4
    )
    left, top, width, height, area = np.asarray(stats).T
    outside = (left == 0) | (top == 0)
    outside |= (left + width == bits.shape[1]) | (top + height == bits.shape[0])
    hole = ~outside & (area < _HOLE * np.count_nonzero(bits))
    hole[0] = False
    return bits | hole[np.asarray(labels)] if count > 1 else bits


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


def _grown(found: Bits, over: Overlay, grow: int | None) -> Found:
    size = over.photo.size
    area = found
    if over.grid != size:
        shown = cv2.resize(
            found.astype(np.uint8) * np.uint8(255), size[::-1], interpolation=cv2.INTER_LINEAR
        )
        area = np.asarray(shown) > 127
    pixel = sqrt(size.area / over.grid.area)
    width = max(2, round(pixel)) if grow is None else grow
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1,) * 2)
    grown = np.asarray(cv2.dilate(area.astype(np.uint8), disc))
    return Found(area, grown.astype(np.float32))


def _probe(over: Overlay, box: Box, changed: Coverage | None) -> tuple[Values, Values, Bits]:
    """A box of both, and where it can tell something of the unchanged rest."""
    one, other, covered = over.pair(box)
    if changed is None:
        return one, other, covered
    height, width = over.grid
    rows = slice(box.top * changed.shape[0] // height, -(-box.bottom * changed.shape[0] // height))
    masked = (changed[rows] > 0).astype(np.float32)
    seen = cv2.resize(masked, (width, box.size.height), interpolation=cv2.INTER_AREA)
    return one, other, covered & (np.asarray(seen)[:, box.left : box.right] == 0)


def _spread(boxes: Sequence[Box]) -> list[Box]:
    """A few of the strips, from the first to the last."""
    places = np.linspace(0, len(boxes) - 1, min(_PROBED, len(boxes)))
    return [boxes[round(place)] for place in places]


def _is_exact(probes: Sequence[tuple[Values, Values, Bits]]) -> bool:
    """Whether a good part of the squares that are no even areas are the same to the sample.

    Encoders leave even areas as they were, and nothing else.
    """
    textured = equal = 0
    for one, other, usable in probes:
        height, width = (side // _BLOCK * _BLOCK for side in usable.shape)
        same = _squares((one == other).all(axis=2)[:height, :width]).all(axis=(1, 3))
        rich = _squares(one.mean(axis=2)[:height, :width]).std(axis=(1, 3)) > _TEXTURED
        rich &= _squares(usable[:height, :width]).all(axis=(1, 3))
        textured += int(np.count_nonzero(rich))
        equal += int(np.count_nonzero(rich & same))
    return textured > 0 and equal > _EQUAL * textured


def _squares(values: NDArray[np.generic]) -> NDArray[np.generic]:
    height, width = values.shape
    return values.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
