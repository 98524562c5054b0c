"""The noise floor: the differences of an unedited copy from its photo.

Differences are measured in CIELAB and compared with those of unedited areas with the same amount of
detail, as edges move and blur more than skies do. The same is done for the difference from the
expected copy (`expected.py`). Both are measured at two scales, since a faint, wide edit disappears
in noise at the finer one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.compare.aligned import Bits, Overlay, Values, add_margin, soften, spread_boxes, to_lab
from editkit.photo.geometry.warp import fit_matrix
from editkit.types import Box

_SAMPLES = 60_000
_COARSER = (0.0, 1.7)
_BINS = 10
_LEAST = 0.25
_SPILT = 0.2
_NEAR = (5, 9)
_VISIBLE = 0.25
_ROUNDS = 5
_REDRAWN = 5.0
_NOISE = 6.0
_DENSE = 0.25
_DENSE_WITHIN = 31


@dataclass(frozen=True, eq=False)
class DifferenceMap:
    """A part of the grid: the copy's differences, and the photo's detail."""

    off: Values
    detail: Values
    covered: Bits

    def at(self, inner: tuple[slice, slice]) -> "DifferenceMap":
        """A part of the map."""
        return DifferenceMap(self.off[inner], self.detail[inner], self.covered[inner])


@dataclass(frozen=True, eq=False)
class Differences:
    """A part of the grid at one scale: differences from the photo and from the expected copy."""

    photo: DifferenceMap
    expected: DifferenceMap

    def at(self, inner: tuple[slice, slice]) -> "Differences":
        """A part of both maps."""
        return Differences(self.photo.at(inner), self.expected.at(inner))


@dataclass(frozen=True, eq=False)
class NoiseCurve:
    """The noise as a function of the photo's detail."""

    detail: NDArray[np.float64]
    off: NDArray[np.float64]

    def at(self, detail: Values) -> Values:
        """The noise at the given detail."""
        usual = np.interp(detail, self.detail, self.off).astype(np.float32)
        return np.asarray(np.maximum(usual, np.float32(_VISIBLE)), np.float32)

    def times(self, look: DifferenceMap, threshold: float) -> Values:
        """The difference relative to the smallest one that counts."""
        times = look.off / (np.float32(threshold) * self.at(look.detail))
        return times.astype(np.float32)


@dataclass(frozen=True, eq=False)
class NoiseFloor:
    """The noise of unedited areas at one scale.

    Attributes:
        photo: of the difference from the photo.
        expected: of the difference from the expected copy.
        near: the size in pixels of the neighborhood into which a large difference may be blurred.
    """

    photo: NoiseCurve
    expected: NoiseCurve
    near: int

    def times(self, looks: Differences, thresholds: tuple[float, float]) -> Values:
        """The smaller of both differences, relative to the smallest one that counts.

        Differences that a much larger neighbor may have been blurred into count as 0.
        """
        first = self.photo.times(looks.photo, thresholds[0])
        second = self.expected.times(looks.expected, thresholds[1])
        off = looks.photo.off
        nearby = np.asarray(cv2.dilate(off, np.ones((self.near, self.near), np.uint8)))
        return np.where(off > _SPILT * nearby, np.minimum(first, second), np.float32(0))

    @property
    def is_redrawn(self) -> bool:
        """True if the whole image was regenerated, so that no noise floor can be estimated."""
        return bool(self.photo.off.mean() > _REDRAWN)


def estimate_noise_floor(over: Overlay) -> list[NoiseFloor]:
    """The noise floor of the unedited areas, at each scale."""
    parts = list[list[Differences]]()
    for box in spread_boxes(over.parts()):
        outer, inner = add_margin(box, over.grid)
        parts.append([looks.at(inner) for looks in measure_differences(over, outer)])
    scales = zip(*parts, strict=True)
    return [
        NoiseFloor(
            _estimate_curve([look.photo for look in own]),
            _estimate_curve([look.expected for look in own]),
            near,
        )
        for own, near in zip(scales, _NEAR, strict=True)
    ]


def measure_differences(over: Overlay, box: Box) -> list[Differences]:
    """The differences in a box of the grid, at each scale."""
    one, other, covered = over.pair(box)
    grid = over.matrix @ fit_matrix(over.grid, over.photo.size)
    ours, theirs = over.match_tones(box, soften(one), soften(other), blurred=True)
    colors = to_lab(ours)
    detail = local_detail(colors)
    off = colors - to_lab(theirs)
    odd = to_lab(soften(over.expected.sample(grid, box))) - to_lab(soften(other))
    return [
        Differences(
            *(
                DifferenceMap(difference_length(step, sigma, covered), detail, covered)
                for step in (off, odd)
            )
        )
        for sigma in _COARSER
    ]


def difference_length(steps: Values, sigma: float, covered: Bits) -> Values:
    """The magnitude of color differences, after a blur of the difference."""
    if sigma:
        steps = np.asarray(cv2.GaussianBlur(steps, (0, 0), sigma), np.float32)
    return np.where(covered, np.sqrt((steps**2).sum(axis=2)), np.float32(0))


def local_detail(lab: Values) -> Values:
    """The steepest color gradient nearby."""
    across = cv2.Sobel(lab, -1, 1, 0, scale=1 / 8)
    down = cv2.Sobel(lab, -1, 0, 1, scale=1 / 8)
    slope = np.sqrt((np.asarray(across) ** 2 + np.asarray(down) ** 2).sum(axis=2))
    return np.asarray(cv2.dilate(slope, np.ones((5, 5), np.uint8)), np.float32)


def _estimate_curve(looks: Sequence[DifferenceMap]) -> NoiseCurve:
    """The noise curve of unedited areas, found by iteration."""
    step = max(1, ceil(sqrt(sum(look.off.size for look in looks) / (4 * _SAMPLES))))
    looks = [look.at((slice(None, None, step), slice(None, None, step))) for look in looks]
    usable = [look.covered for look in looks]
    levels = _fit_curve(looks, usable)
    for _ in range(2):
        rest = [look.covered & ~_dense_differences(look, levels) for look in looks]
        if sum(map(np.count_nonzero, rest)) < 0.1 * sum(map(np.count_nonzero, usable)):
            break
        levels = _fit_curve(looks, rest)
    return levels


def _dense_differences(look: DifferenceMap, levels: NoiseCurve) -> Bits:
    """Areas in which many differences exceed the noise: edits."""
    beyond = (levels.times(look, _NOISE) > 1).astype(np.float32)
    share = cv2.blur(beyond, (_DENSE_WITHIN, _DENSE_WITHIN))
    return np.asarray(share) > _DENSE


def _fit_curve(looks: Sequence[DifferenceMap], usable: Sequence[Bits]) -> NoiseCurve:
    pairs = list(zip(looks, usable, strict=True))
    off = np.concatenate([look.off[where] for look, where in pairs])
    detail = np.concatenate([look.detail[where] for look, where in pairs])
    if not off.size:
        return NoiseCurve(np.zeros(1), np.zeros(1))
    edges = np.quantile(detail, np.linspace(0, 1, _BINS + 1))
    number = np.clip(np.searchsorted(edges, detail) - 1, 0, _BINS - 1)
    bins = [off[number == k] for k in range(_BINS)]
    middle = (edges[1:] + edges[:-1]) / 2
    # The quarter with the smallest differences is unchanged, even if two fifths changed.
    heights = _to_floats([1.5 * np.quantile(v, 0.25) if v.size else 0.0 for v in bins])
    for _ in range(_ROUNDS):
        heights = _limit_slope(middle, heights)
        kept = [v[v < 5 * h + 0.3] for v, h in zip(bins, heights, strict=True)]
        pairs = zip(kept, heights, strict=True)
        heights = _to_floats([np.median(v) if v.size else h for v, h in pairs])
    return NoiseCurve(middle, _limit_slope(middle, heights))


def _to_floats(values: Sequence[Any]) -> NDArray[np.float64]:
    return np.array([float(value) for value in values], np.float64)


def _limit_slope(detail: NDArray[np.float64], heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels that rise with detail, and no faster than by a shift or a blur.

    If most detailed areas were edited, their level would be that of the edit.
    """
    heights = np.maximum(heights, _LEAST * heights.mean())
    flat = float(np.median(heights[:3]))
    slope = float((heights[2:] / np.maximum(detail[2:], 1e-3)).min())
    most = 1.5 * np.sqrt(flat**2 + (slope * detail) ** 2)
    return np.maximum.accumulate(np.minimum(heights, most))
