"""Quality scores of an edit, measured on the edited photo and its mask alone.

All three scores refer to the mask's edge, between pixels above 0 and pixels at 0; the photo's
border is no edge. Only a band along the edge is processed, in windows, so the cost follows the
edge's length.

- seam: a visible line where the mask ends.
- ring: a color difference between the two sides of that line.
- grain: the noise level of the new part relative to its surroundings.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.errors import InputError
from editkit.photo.geometry.boxes import grow
from editkit.types import Box, Coverage, Rgb, Size

_PORTION = 1024
_NEAR = 64
_REACH = 24
_CELL = 8
_RING = 3
_APART = (4, 7, 11, 16)
_LEAST_STEP = 0.25
_QUIETEST = 25
_FEWEST = 24

# Immerkaer, Fast Noise Variance Estimation (1996): blind to planes, unit gain for white noise.
_NOISE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6

Places = NDArray[np.intp]
Values = NDArray[np.float32]


def seam_score(rgb: Rgb, coverage: Coverage) -> float | None:
    """The step across the mask's edge, relative to that across shifted copies; 1 is no seam.

    The step is the signed difference across the edge, outside minus inside, averaged over cells of
    8 pixels along it, as the eye does: noise cancels out, a line does not. Its magnitude is
    averaged over channels and cells. Copies of the edge, shifted by 4 to 16 pixels in eight
    directions, are measured in the same way where they lie in the kept part, so the reference is
    the photo itself. A quarter of a level is added to both, for flat pictures.

    Args:
        rgb: the edited photo, (H, W, 3) uint8.
        coverage: the mask, (H, W), in [0, 1].

    Returns:
        At least 0; None if the mask has no edge, or nothing around it can be compared.

    Raises:
        InputError: a mask of another size.
    """
    steps, copies = _Mean(), _Mean()
    for window in _windows(rgb, coverage):
        for pairs in _edge_pairs(window):
            steps.add(*_step(window, pairs))
            for shift in _shifts():
                copies.add(*_step(window, _pairs_outside(window, pairs.shift(*shift))))
    if not steps.weight or not copies.weight:
        return None
    return (steps.value + _LEAST_STEP) / (copies.value + _LEAST_STEP)


def ring_difference(rgb: Rgb, coverage: Coverage) -> float | None:
    """The mean color difference (CIEDE2000) of the two sides of the mask's edge.

    Two rings, 3 pixels wide, just inside and just outside; each block of 16 pixels compares its
    own mean colors. A photo that was not edited has a difference, too: compare with that.

    Args:
        rgb: the edited photo, (H, W, 3) uint8, sRGB.
        coverage: the mask, (H, W), in [0, 1].

    Returns:
        At least 0; about 1 is just visible. None where the mask has no edge.

    Raises:
        InputError: a mask of another size.
    """
    found = _Mean()
    for window in _windows(rgb, coverage):
        inner = window.between(0, _RING, inside=True)
        outer = window.between(0, _RING, inside=False)
        here, there = window.block_means(inner), window.block_means(outer)
        both = (here.count > 0) & (there.count > 0)
        if both.any():
            weights = np.minimum(here.count, there.count)[both]
            found.add(_delta_e(here.mean[both], there.mean[both]), weights)
    return found.value if found.weight else None


def grain_ratio(rgb: Rgb, coverage: Coverage) -> float | None:
    """The noise level just inside the mask over that of the kept ring around it.

    Noise is what a mask of second differences leaves (Immerkaer, 1996), taken in cells of 8 pixels
    that are not clipped to black or white; the quietest quarter of the cells counts, where there
    is the least texture. 24 pixels on each side of the edge are looked at.

    Args:
        rgb: the edited photo, (H, W, 3) uint8.
        coverage: the mask, (H, W), in [0, 1].

    Returns:
        1 for the same grain, 0 for none inside; None where either side has nothing to measure, or
        the kept ring has no noise at all.

    Raises:
        InputError: a mask of another size.
    """
    inner, outer = list[Values](), list[Values]()
    for window in _windows(rgb, coverage):
        noise = window.noise()
        inner.append(_cell_noise(window, noise, window.between(2, _REACH, inside=True)))
        outer.append(_cell_noise(window, noise, window.between(1, _REACH, inside=False)))
    here, there = _quietest_level(inner), _quietest_level(outer)
    return None if here is None or not there else here / there


def scores(rgb: Rgb, coverage: Coverage) -> dict[str, float | None]:
    """All three scores, as `seam`, `ring` and `grain`.

    Raises:
        InputError: a mask of another size.
    """
    return {
        "seam": seam_score(rgb, coverage),
        "ring": ring_difference(rgb, coverage),
        "grain": grain_ratio(rgb, coverage),
    }


def scored_box(box: Box, size: Size) -> Box:
    """The part of the photo that affects the scores of a mask within `box`."""
    return grow(box, _NEAR, size)


@dataclass
class _Mean:
    """A running weighted mean."""

    total: float = 0.0
    weight: float = 0.0

    def add(self, values: NDArray[np.floating], weights: NDArray[np.floating]) -> None:
        self.total += float(np.dot(values, weights))
        self.weight += float(weights.sum())

    @property
    def value(self) -> float:
        return self.total / self.weight


@dataclass(frozen=True)
class _Cells:
    """Means over the cells of a window, and the number of pixels of each."""

    mean: Values
    count: Values


@dataclass(frozen=True)
class _Pairs:
    """Pairs of adjacent pixels: rows and columns of the inner and of the outer ones."""

    inside: tuple[Places, Places]
    outside: tuple[Places, Places]
    cell: Places
    """Which cell a pair is counted in: that of the true edge, however far the pair is shifted."""

    def shift(self, rows: int, columns: int) -> "_Pairs":
        (y, x), (v, u) = self.inside, self.outside
        return _Pairs((y + rows, x + columns), (v + rows, u + columns), self.cell)

    def choose(self, which: NDArray[np.bool_]) -> "_Pairs":
        (y, x), (v, u) = self.inside, self.outside
        return _Pairs((y[which], x[which]), (v[which], u[which]), self.cell[which])


@dataclass(frozen=True)
class _Window:
    """A window of the photo with a part of the edge, and a margin of further pixels."""

    rgb: Rgb
    mask: NDArray[np.bool_]
    core: Box
    """The part that is counted here; the rest is another portion's."""

    def between(self, low: float, high: float, *, inside: bool) -> NDArray[np.bool_]:
        """Core pixels on one side of the edge, farther than `low` from it and at most `high`."""
        bits = (self.mask if inside else ~self.mask).astype(np.uint8)
        distance = cv2.distanceTransform(bits, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        found = np.zeros(self.mask.shape, np.bool_)
        core = self.core.slices
        found[core] = (distance[core] > low) & (distance[core] <= high)
        return found

    def cell_ids(self, rows: Places, columns: Places) -> Places:
        across = -(-self.mask.shape[1] // _CELL)
        return (rows // _CELL) * across + columns // _CELL

    @property
    def cells(self) -> int:
        height, width = self.mask.shape
        return -(-height // _CELL) * -(-width // _CELL)

    def block_means(self, where: NDArray[np.bool_]) -> _Cells:
        """Mean colors of overlapping blocks of 2x2 cells: no edge lies between two blocks."""
        rows, columns = np.nonzero(where)
        cells = _cell_means(self.rgb[rows, columns], self.cell_ids(rows, columns), self.cells)
        grid = (-(-self.mask.shape[0] // _CELL), -(-self.mask.shape[1] // _CELL), 4)
        sums = np.c_[cells.mean * cells.count[:, None], cells.count].reshape(grid)
        sums = np.pad(sums, ((0, 1), (0, 1), (0, 0)))
        blocks = (sums[1:, 1:] + sums[1:, :-1] + sums[:-1, 1:] + sums[:-1, :-1]).reshape(-1, 4)
        count = blocks[:, 3]
        mean = blocks[:, :3] / np.maximum(count, 1)[:, None]
        return _Cells(mean.astype(np.float32), count.astype(np.float32))

    def noise(self) -> Values:
        """The squared residual of each pixel, averaged over channels; NaN where it is clipped."""
        values = self.rgb.astype(np.float32)
        residual = cv2.filter2D(values, -1, _NOISE, borderType=cv2.BORDER_REFLECT_101)
        clipped = ((self.rgb == 0) | (self.rgb == 255)).any(axis=2).astype(np.uint8)
        near = cv2.dilate(clipped, np.ones((3, 3), np.uint8))
        energy = (np.asarray(residual) ** 2).mean(axis=2)
        return np.where(near > 0, np.float32(np.nan), energy).astype(np.float32)


def _cell_means(values: NDArray[Any], ids: Places, cells: int) -> _Cells:
    count = np.bincount(ids, minlength=cells)
    columns = values.astype(np.float64).T
    sums = [np.bincount(ids, column, minlength=cells) for column in columns]
    mean = np.stack(sums, axis=1) / np.maximum(count, 1)[:, None]
    return _Cells(mean.astype(np.float32), count.astype(np.float32))


def _windows(rgb: Rgb, coverage: Coverage) -> Iterator[_Window]:
    """The windows of the photo that the edge runs through."""
    if rgb.shape[:2] != coverage.shape:
        raise InputError(f"a mask of shape {coverage.shape} on a photo of shape {rgb.shape}")
    rows = np.flatnonzero(coverage.any(axis=1))
    if not rows.size:
        return
    columns = np.flatnonzero(coverage[rows[0] : rows[-1] + 1].any(axis=0))
    height, width = coverage.shape
    top, left = max(int(rows[0]) - _REACH, 0), max(int(columns[0]) - _REACH, 0)
    bottom = min(int(rows[-1]) + 1 + _REACH, height)
    right = min(int(columns[-1]) + 1 + _REACH, width)
    for y in range(top, bottom, _PORTION):
        for x in range(left, right, _PORTION):
            core = Box(y, x, min(y + _PORTION, bottom), min(x + _PORTION, right))
            yield from _window(rgb, coverage, core)


def _window(rgb: Rgb, coverage: Coverage, core: Box) -> Iterator[_Window]:
    top, left = max(core.top - _REACH, 0), max(core.left - _REACH, 0)
    here = slice(top, core.bottom + _REACH), slice(left, core.right + _REACH)
    mask = coverage[here] > 0
    if mask.any() and not mask.all():
        own = Box(core.top - top, core.left - left, core.bottom - top, core.right - left)
        yield _Window(rgb[here], mask, own)


def _edge_pairs(window: _Window) -> Iterator[_Pairs]:
    """All adjacent pairs across the edge whose inner pixel is in the core."""
    for down, right in ((1, 0), (0, 1)):
        height, width = window.mask.shape
        first = window.mask[: height - down, : width - right]
        second = window.mask[down:, right:]
        for inner, outer, at in ((first, second, 0), (second, first, 1)):
            y, x = np.nonzero(inner & ~outer)
            here = (y + down * at, x + right * at)
            there = (y + down * (1 - at), x + right * (1 - at))
            yield _in_core(window, _Pairs(here, there, window.cell_ids(*here)))


def _in_core(window: _Window, pairs: _Pairs) -> _Pairs:
    core, (y, x) = window.core, pairs.inside
    return pairs.choose((y >= core.top) & (y < core.bottom) & (x >= core.left) & (x < core.right))


def _pairs_outside(window: _Window, pairs: _Pairs) -> _Pairs:
    """The pairs whose pixels are both outside the mask and in the window."""
    height, width = window.mask.shape
    both = np.stack([*pairs.inside, *pairs.outside])
    limits = np.array([height, width, height, width])[:, None]
    pairs = pairs.choose(np.all((both >= 0) & (both < limits), axis=0))
    return pairs.choose(~(window.mask[pairs.inside] | window.mask[pairs.outside]))


def _shifts() -> Iterator[tuple[int, int]]:
    for far in _APART:
        slant = round(far * 0.7071)
        yield from ((far, 0), (-far, 0), (0, far), (0, -far))
        yield from ((slant, slant), (slant, -slant), (-slant, slant), (-slant, -slant))


def _step(window: _Window, pairs: _Pairs) -> tuple[Values, Values]:
    """The magnitude of each cell's mean step, and its number of pairs."""
    steps = window.rgb[pairs.outside].astype(np.float32) - window.rgb[pairs.inside]
    cells = _cell_means(steps, pairs.cell, window.cells)
    # Means of few pairs are larger by chance; only long stretches are compared.
    enough = cells.count >= _CELL // 2
    return np.abs(cells.mean).mean(axis=1)[enough], cells.count[enough]


def _delta_e(one: Values, other: Values) -> Values:
    from skimage.color import deltaE_ciede2000, rgb2lab  # slow to import, seldom wanted

    labs = [rgb2lab((colors / 255)[None]) for colors in (one, other)]
    return np.asarray(deltaE_ciede2000(*labs), np.float32)[0]


def _cell_noise(window: _Window, noise: Values, where: NDArray[np.bool_]) -> Values:
    """The mean squared noise of each cell with enough pixels."""
    rows, columns = np.nonzero(where & ~np.isnan(noise))
    cells = _cell_means(noise[rows, columns, None], window.cell_ids(rows, columns), window.cells)
    return cells.mean[:, 0][cells.count >= _FEWEST]


def _quietest_level(levels: Iterable[Values]) -> float | None:
    """The noise level of the quietest quarter of all cells."""
    every = np.concatenate([np.zeros(0, np.float32), *levels])
    if not every.size:
        return None
    return float(np.sqrt(np.percentile(every, _QUIETEST)))
