"""Where an edited copy differs from its photo by more than a copy does.

Both are looked at on one grid on which neither is enlarged, a little blurred, so that resampling
and JPEG leave little. The difference is taken in CIELAB and held against what the unchanged rest
differs by where it is as rich in detail: edges move and blur more than skies do. So is the
difference from what the copy would show without an edit (`foreseen.py`), which tells where to look;
and both are looked at twice, finer and coarser, for a faint edit that is wide is lost in noise only
where it is looked at closely.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.errors import MaskError
from editkit.photo.drift import Drift, fit_drift, no_drift
from editkit.photo.files import Photo
from editkit.photo.foreseen import Foreseen
from editkit.photo.warp import Matrix, framed, sampled, scale_of, strips
from editkit.types import Box, Coverage, Size

THRESHOLD = 5.0
"""How many times the usual difference of the unchanged rest is a change."""

_STRIP = 1 << 21
_PROBED = 3
_SAMPLES = 60_000
_SIGMA = 1.0
_COARSER = (0.0, 1.7)
_MARGIN = 16
_BINS = 10
_WEAK = 0.5
_LEAST = 0.25
_SPILT = 0.2
_HALF = 0.5
_PEEL = 4
_DEEP = 3.2
_FADED = 0.15
_NEAR = (5, 9)
_HOLE = 0.25
_EVIDENCE = 50.0
_FORESEEN = 1.4
_UNFORESEEN = 1.2
_GAP = 4
_ROUND = 0.15
_ROUND_FADED = 0.3
_REDRAWN = 5.0
_STEPS = 50
_CELLS = 1 << 24
_VISIBLE = 0.25
_ROUNDS = 5
_NOISE = 6.0
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
        tone: the same from the photo's colours to the copy's.
        exact: whether the copy's samples are the photo's wherever nothing was edited.
    """

    photo: Photo
    copy: Photo
    matrix: Matrix
    drift: Drift
    tone: Drift
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

    @property
    def foreseen(self) -> Foreseen:
        """The copy without an edit."""
        return Foreseen(self.photo, self.copy, self.matrix, self.tone)

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
    """A part of the grid: how much the copy differs, and how rich in detail the photo is."""

    off: Values
    detail: Values
    covered: Bits

    def at(self, inner: tuple[slice, slice]) -> "_Look":
        return _Look(self.off[inner], self.detail[inner], self.covered[inner])


@dataclass(frozen=True, eq=False)
class _Looks:
    """A part of the grid at one scale, of two differences: to the photo, to what was foreseen."""

    photo: _Look
    foreseen: _Look

    def at(self, inner: tuple[slice, slice]) -> "_Looks":
        return _Looks(self.photo.at(inner), self.foreseen.at(inner))


@dataclass(frozen=True, eq=False)
class _Levels:
    """How much the unchanged rest differs, where it is how rich in detail."""

    detail: NDArray[np.float64]
    off: NDArray[np.float64]

    def times(self, look: _Look, threshold: float) -> Values:
        """The difference over the least one that counts."""
        usual = np.interp(look.detail, self.detail, self.off).astype(np.float32)
        return look.off / (np.float32(threshold) * np.maximum(usual, np.float32(_VISIBLE)))


@dataclass(frozen=True, eq=False)
class _Usual:
    """What is usual in the rest at one scale.

    Attributes:
        photo: of the difference to the photo.
        foreseen: of the difference to what was foreseen.
        near: pixels within which a much larger difference may have been blurred.
    """

    photo: _Levels
    foreseen: _Levels
    near: int

    def times(self, looks: _Looks, thresholds: tuple[float, float]) -> tuple[Values, Bits]:
        """The difference over the least one that counts, of the two the one that says less.

        What a much larger difference beside it was blurred into says nothing.

        Returns:
            That, and where it is within the outline, not in what the outline was blurred into: a
            step that is blurred is half as high where it was as where it is whole.
        """
        first = self.photo.times(looks.photo, thresholds[0])
        second = self.foreseen.times(looks.foreseen, thresholds[1])
        off = looks.photo.off
        nearby = np.asarray(cv2.dilate(off, np.ones((self.near, self.near), np.uint8)))
        times = np.where(off > _SPILT * nearby, np.minimum(first, second), np.float32(0))
        return times, (times > _WEAK) & (off > _HALF * nearby)


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
    over = Overlay(photo, copy, matrix, no_drift(), no_drift())
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
    one, other = np.concatenate(ours), np.concatenate(theirs)
    return replace(over, drift=fit_drift(other, one), tone=fit_drift(one, other))


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
    weak, within, excess = _marked(over, threshold)
    pixel = sqrt(over.photo.size.area / over.grid.area)
    found = _cleaned(weak, excess, 0.5 if over.exact else _EVIDENCE / pixel)
    if not found.any():
        raise MaskError(
            "the edited picture shows nothing else than the original; is it the right file? "
            "A lower --threshold finds more, MASK names the place"
        )
    if over.exact:
        return _grown(found, over, grow)
    return _grown(_outlined(found, within, _GAP / pixel), over, grow)


def _marked(over: Overlay, threshold: float) -> tuple[Bits, Bits, NDArray[np.uint8]]:
    """Where on the grid something may have changed, where within an outline, and by how much.

    That is how much more than what counts.
    """
    usual = [] if over.exact else _usual(over)
    more = _FORESEEN if over.foreseen.encoded else _UNFORESEEN
    weak, within = np.zeros(over.grid, np.bool_), np.zeros(over.grid, np.bool_)
    excess = np.zeros(over.grid, np.uint8)
    for box in over.parts():
        outer, inner = _with_margin(box, over.grid)
        times, inside = _times(over, outer, usual, (threshold, more * threshold))
        own = times > _WEAK
        weak[box.slices] = (own if over.exact else _opened(own))[inner]
        within[box.slices] = inside[inner]
        over_one = np.clip(times[inner] - 1, 0, 255 / _STEPS - 0.1)
        excess[box.slices] = np.rint(over_one * _STEPS)
    return weak, within, excess


def _times(
    over: Overlay, box: Box, usual: Sequence[_Usual], thresholds: tuple[float, float]
) -> tuple[Values, Bits]:
    """The difference over the least one that counts, and where it is within an outline."""
    if over.exact:
        one, other, covered = over.pair(box)
        times = np.where(covered, 2 * np.abs(one - other).max(axis=2), np.float32(0))
        return times, times > _WEAK
    scales = _looks(over, box)
    if usual[0].photo.off.mean() > _REDRAWN:
        # No rest is left to tell what is usual: all was drawn anew.
        covered = scales[0].photo.covered
        return np.where(covered, np.float32(2), np.float32(0)), covered
    # At the scale that says more.
    pairs = [own.times(looks, thresholds) for own, looks in zip(usual, scales, strict=True)]
    times, within = zip(*pairs, strict=True)
    return np.maximum.reduce(times), np.logical_or.reduce(within)


def _with_margin(box: Box, grid: Size) -> tuple[Box, tuple[slice, slice]]:
    """A box of the grid with more rows, and where in it the box lies."""
    top, bottom = max(0, box.top - _MARGIN), min(grid.height, box.bottom + _MARGIN)
    inner = (slice(box.top - top, box.bottom - top), slice(None))
    return Box(top, box.left, bottom, box.right), inner


def _looks(over: Overlay, box: Box) -> list[_Looks]:
    """A box of the grid at each scale."""
    one, other, covered = over.pair(box)
    grid = over.matrix @ framed(over.grid, over.photo.size)
    ours, theirs = _soft(one), _soft(other)
    lab, detail = _lab(ours), _detail(_lab(ours))
    off = lab - _lab(_corrected(over.drift, theirs, ours))
    odd = _lab(_soft(over.foreseen.sampled(grid, box))) - _lab(theirs)
    return [
        _Looks(*(_Look(_length(step, sigma, covered), detail, covered) for step in (off, odd)))
        for sigma in _COARSER
    ]


def _length(steps: Values, sigma: float, covered: Bits) -> Values:
    """How large a difference of colours is, blurred as a difference."""
    if sigma:
        steps = np.asarray(cv2.GaussianBlur(steps, (0, 0), sigma), np.float32)
    return np.where(covered, np.sqrt((steps**2).sum(axis=2)), np.float32(0))


def _opened(bits: Bits) -> Bits:
    """Without what is one pixel wide."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return np.asarray(cv2.morphologyEx(bits.astype(np.uint8), cv2.MORPH_OPEN, cross)) > 0


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


def _usual(over: Overlay) -> list[_Usual]:
    """What is usual in the unchanged rest, at each scale."""
    parts = list[list[_Looks]]()
    for box in _spread(over.parts()):
        outer, inner = _with_margin(box, over.grid)
        parts.append([looks.at(inner) for looks in _looks(over, outer)])
    scales = zip(*parts, strict=True)
    return [
        _Usual(
            _levels([look.photo for look in own]), _levels([look.foreseen for look in own]), near
        )
        for own, near in zip(scales, _NEAR, strict=True)
    ]


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
    beyond = (levels.times(look, _NOISE) > 1).astype(np.float32)
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


def rounded(bits: Bits, gap: float, share: float = _ROUND) -> Bits:
    """Each connected part with its notches closed: edits are made within outlines.

    Args:
        bits: (H, W).
        gap: half the width of the notches in any part, in pixels.
        share: of the part's own side, by which they may be wider.
    """
    out = bits.copy()
    for here, own in _parts(bits):
        out[here] |= _closed(own, max(1, round(gap + share * sqrt(np.count_nonzero(own)))))
    return out


def _parts(bits: Bits) -> Iterator[tuple[tuple[slice, slice], Bits]]:
    """Each connected part: the box around it, and what of the box is its own."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bits.astype(np.uint8))
    for number in range(1, count):
        left, top, width, height, _ = (int(value) for value in stats[number])
        here = (slice(top, top + height), slice(left, left + width))
        yield here, np.asarray(labels[here]) == number


def _closed(bits: Bits, reach: int) -> Bits:
    """Closing by a disc of any size, by distances."""
    around = np.pad(bits, 2 * reach + 1)
    away = cv2.distanceTransform((~around).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    grown = (np.asarray(away) <= reach).astype(np.uint8)
    inside = np.asarray(cv2.distanceTransform(grown, cv2.DIST_L2, cv2.DIST_MASK_5)) > reach
    return inside[2 * reach + 1 : -2 * reach - 1, 2 * reach + 1 : -2 * reach - 1]


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


def _outlined(bits: Bits, within: Bits, gap: float) -> Bits:
    """Each connected part with the outline of its kind, notches closed.

    From parts with a sharp outline what that was blurred into is cut off first, with whatever thin
    hangs on them; fills that fade out are followed farther out, and more is closed.
    """
    sharp, faded = np.zeros_like(bits), np.zeros_like(bits)
    for here, own in _parts(bits):
        if _is_sharp(own, within[here]):
            sharp[here] |= _peeled(own, within[here])
        else:
            faded[here] |= own
    return rounded(sharp, gap) | rounded(faded, gap, _ROUND_FADED)


def _peeled(part: Bits, within: Bits) -> Bits:
    """A part without what its outline was blurred into."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    out, sure = np.pad(part, 1), np.pad(within, 1)
    for _ in range(_PEEL):
        out &= (np.asarray(cv2.erode(out.astype(np.uint8), cross)) > 0) | sure
    return out[1:-1, 1:-1]


def _is_sharp(part: Bits, within: Bits) -> bool:
    """Whether a part is as different a little inside of its outline as it is farther in."""
    solid = np.pad(part, 1).astype(np.uint8)
    depth = np.asarray(cv2.distanceTransform(solid, cv2.DIST_L2, cv2.DIST_MASK_5))[1:-1, 1:-1]
    deep = depth > min(_DEEP, depth.max() / 2)
    return bool(np.mean(~within[deep]) < _FADED)


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
