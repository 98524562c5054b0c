"""An edited copy aligned with its photo, and the color change between them.

Both are sampled on one grid on which neither is enlarged. The color change of the copy, if there is
any, is estimated from unedited areas.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.compare.borders import InnerArea, find_inner_area, keep_foreign_bars
from editkit.compare.color_drift import ColorDrift, fit_drift, identity_drift
from editkit.compare.color_grade import (
    ColorGrade,
    InverseGrade,
    fit_grade,
    shade_weights,
    weighted_quantile,
)
from editkit.compare.expected import ExpectedCopy
from editkit.photo import color
from editkit.photo.geometry.boxes import grow
from editkit.photo.geometry.warp import Matrix, fit_matrix, grid_strips, local_scale, sample_box
from editkit.photo.io.files import Photo
from editkit.types import Box, Coverage, Size

_STRIP = 1 << 21
_MARGIN = 16
_PROBED = 3
_SAMPLES = 60_000
_SIGMA = 1.0
_CLIPPED = 2.5
_TEXTURED = 1.0
_EQUAL = 0.3
_BLOCK = 8
_CLEARLY = 0.85
_BARELY = 0.1
_NOISELESS = 0.5
_SPARED = 6.0
_ALIKE = 1.1
_SQUARE = 32
_LEAST = 8
_ACROSS = 10
_UNEVEN = 1.6
_BETTER = 0.94
_UNTOUCHED = 0.35
_TELLS = 2.0
_SEEN = 512

Bits = NDArray[np.bool_]
Values = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Overlay:
    """A copy aligned with its photo.

    Attributes:
        photo: the photo.
        copy: its edited copy.
        matrix: from the photo to the copy.
        drift: the color change from the copy to the photo.
        tone: the color change from the photo to the copy.
        exact: whether the copy's unedited samples equal the photo's.
        uneven: whether colors differ in most of the picture even so, as by a vignette.
        inner: the part of the copy within bars of one color, which show nothing of the photo; None
            without bars.
        graded: the photo graded like the copy, if the grade preceded the copy's reduction in size.
    """

    photo: Photo
    copy: Photo
    matrix: Matrix
    drift: ColorDrift | InverseGrade
    tone: ColorDrift | ColorGrade
    exact: bool = False
    uneven: bool = False
    inner: InnerArea | None = None
    graded: Photo | None = None

    @property
    def grade(self) -> ColorGrade | None:
        """The color grade of the copy, if it is more than a drift."""
        return self.tone if isinstance(self.tone, ColorGrade) else None

    @property
    def grid(self) -> Size:
        """The size of the comparison: neither picture is enlarged."""
        factor = min(1.0, *local_scale(self.matrix, self.photo.size))
        return Size(*(max(1, round(side * factor)) for side in self.photo.size))

    def pair(self, box: Box) -> tuple[Values, Values, Bits]:
        """A box of the grid in both pictures, (H, W, 3), and the pixels that the copy covers."""
        grid = fit_matrix(self.grid, self.photo.size)
        photo, _ = sample_box(self.photo, grid, box)
        copy, covered = sample_box(self.copy, self.matrix @ grid, box)
        if self.inner is not None:
            covered &= self.inner.shows(self.matrix @ grid, box)
        # A gray photo has no colors that could be edited.
        return photo, color.to_gray(copy) if color.is_gray(self.photo.mode) else copy, covered

    def match_tones(
        self, box: Box, photo: Values, copy: Values, *, blurred: bool = False
    ) -> tuple[Values, Values]:
        """A box of the grid in both pictures, with tones matched, so that only the edit differs.

        With a grade, the graded photo is compared with the copy, since a grade may clip lights;
        otherwise the photo is compared with the copy without its drift.

        Args:
            box: the box.
            photo: the box in the photo.
            copy: the box in the copy.
            blurred: whether both were blurred by `soften`.
        """
        if self.grade is None:
            return photo, remove_drift(self.drift, copy, photo)
        if self.graded is None:
            graded = self.grade.apply(photo)
        else:
            graded, _ = sample_box(self.graded, fit_matrix(self.grid, self.photo.size), box)
            graded = soften(graded) if blurred else graded
        graded = np.clip(graded, 0, 255)
        return graded, _tolerate_clipping(graded, copy)

    def same_cut_off(self, photo: Values, copy: Values) -> Bits:
        """Clipped pixels of the copy that equal the photo's after the color change."""
        cut = ((copy > 255 - _CLIPPED) | (copy < _CLIPPED)).any(axis=-1)
        apart = np.abs(np.clip(self.tone.apply(photo), 0, 255) - copy).max(axis=-1)
        return cut & (apart < _SPARED)

    @property
    def hidden(self) -> float:
        """The share of the photo that lies under bars of the copy."""
        if self.inner is None:
            return 0.0
        size = Size(*(min(side, _SEEN) for side in self.photo.size))
        grid = self.matrix @ fit_matrix(size, self.photo.size)
        return float(np.mean(self.inner.hides(grid, Box(0, 0, *size))))

    @property
    def expected(self) -> ExpectedCopy:
        """The copy as it would be without an edit."""
        photo, tone = self.photo, self.tone
        if self.graded is not None:
            photo, tone = self.graded, identity_drift()
        return ExpectedCopy(photo, self.copy, self.matrix, tone, self.inner)

    def parts(self) -> list[Box]:
        """Strips of the grid that limit the size of temporary arrays."""
        whole = self.grid
        finest = max(self.photo.size.area, self.copy.size.area) / whole.area
        return list(grid_strips(np.eye(3), whole, max(1, int(_STRIP / max(1.0, finest)))))


def overlay_copy(
    photo: Photo, copy: Photo, matrix: Matrix, changed: Coverage | None = None, *, drift: bool
) -> Overlay:
    """A copy aligned with its photo, with the color change estimated from unedited areas.

    Args:
        photo: the photo.
        copy: its edited copy.
        matrix: from the photo to the copy.
        changed: the area that is known to have changed.
        drift: whether to estimate a color change.
    """
    inner = find_inner_area(copy)
    over = Overlay(photo, copy, matrix, identity_drift(), identity_drift())
    if inner.whole:
        return _fit_tone(over, changed, drift=drift)
    # First colors are fitted within the bars, then bars of the photo itself are recognized.
    over = _fit_tone(replace(over, inner=inner), changed, drift=drift)
    left = keep_foreign_bars(inner, photo, copy, matrix, over.tone.apply)
    return replace(over, inner=None if left.whole else left)


def _fit_tone(over: Overlay, changed: Coverage | None, *, drift: bool) -> Overlay:
    """The overlay with the drift or grade of its colors."""
    probes = [_probe(over, box, changed) for box in spread_boxes(over.parts())]
    if _is_exact(probes):
        return replace(over, exact=True)
    if not drift:
        return over
    one, other, usable = _sample_colors(probes)
    drifted = replace(over, drift=fit_drift(other, one), tone=fit_drift(one, other))
    grade = fit_grade(one, other, usable)
    if grade is None:
        over = drifted
    else:
        graded = replace(over, drift=grade.inverse, tone=grade)
        better = _is_better(graded, drifted, (one, other, usable))
        over = _try_grading_first(graded, probes) if better else drifted
    return replace(over, uneven=_is_uneven(over, probes))


def _try_grading_first(over: Overlay, probes: Sequence[tuple[Values, Values, Bits]]) -> Overlay:
    """The overlay with the photo graded at its own size, if the grade preceded a size reduction.

    Clipped lights tell the two apart: the mean of clipped lights is not a clipped light.
    """
    if over.grid == over.photo.size or over.grade is None or color.is_gray(over.photo.mode):
        return over
    first = replace(over, graded=_grade_photo(over.photo, over.grade))
    nearer = list[Values]()
    for box, (one, other, usable) in zip(spread_boxes(over.parts()), probes, strict=True):
        before, after = (kind.match_tones(box, one, other)[0] for kind in (first, over))
        tells = usable & (np.abs(before - after).max(axis=2) > _TELLS)
        off = [np.abs(seen - other).max(axis=2)[tells] for seen in (before, after)]
        nearer.append(off[1] - off[0])
    steps = np.concatenate(nearer)
    return over if steps.size and float(np.median(steps)) < 0 else first


def _grade_photo(photo: Photo, grade: ColorGrade) -> Photo:
    """The graded photo, as 8-bit sRGB."""
    out = np.empty((*photo.size, 3), np.uint8)
    for box in grid_strips(np.eye(3), photo.size, _STRIP):
        values = grade.apply(photo.rgb(box).astype(np.float32))
        out[box.slices] = np.rint(np.clip(values, 0, 255))
    return Photo(out, "RGB")


def _is_uneven(over: Overlay, probes: Sequence[tuple[Values, Values, Bits]]) -> bool:
    """True if most blocks differ in the mean by more than a color change explains.

    An edit may cover up to two fifths of them.
    """
    off = list[float]()
    side = max(_LEAST, min(_SQUARE, min(over.grid) // _ACROSS))
    boxes = spread_boxes(over.parts())
    for box, (one, other, usable) in zip(boxes, probes, strict=True):
        ours, theirs = over.match_tones(box, one, other)
        cut = [length // side * side for length in usable.shape]
        step = np.where(usable[..., None], ours - theirs, 0)[: cut[0], : cut[1]]
        means = _blocks(step, side).mean(axis=(1, 3))
        off += np.abs(means).max(axis=-1).ravel().tolist()
    return bool(off) and float(np.quantile(off, _UNTOUCHED)) > _UNEVEN


def _sample_colors(probes: Sequence[tuple[Values, Values, Bits]]) -> tuple[Values, Values, Bits]:
    """Colors of both pictures at equal positions, and the copy's channels that are not clipped."""
    rng = np.random.Generator(np.random.Philox(0))
    ours, theirs, whole = list[Values](), list[Values](), list[Bits]()
    for one, other, usable in probes:
        chosen = rng.permutation(np.flatnonzero(usable))[: _SAMPLES // len(probes)]
        ours.append(soften(one).reshape(-1, 3)[chosen])
        theirs.append(soften(other).reshape(-1, 3)[chosen])
        cut = ((other < _CLIPPED) | (other > 255 - _CLIPPED)).astype(np.uint8)
        near = np.asarray(cv2.dilate(cut, np.ones((5, 5), np.uint8)))
        whole.append(near.reshape(-1, 3)[chosen] == 0)
    return np.concatenate(ours), np.concatenate(theirs), np.concatenate(whole)


def _is_better(graded: Overlay, drifted: Overlay, seen: tuple[Values, Values, Bits]) -> bool:
    """True if a grade explains a copy better than a drift.

    If there is a drift, a grade has to be a little better: the cubic of a drift misses rare colors,
    which medians show little and which would be taken for edits; a grade may explain an edit as a
    part of itself. If there is none, a grade has to be clearly better in one direction.
    """
    one, other, usable = seen
    alike = shade_weights(one)
    (grade_there, grade_back), (drift_there, drift_back) = (
        [
            weighted_quantile(np.where(usable, np.abs(off), 0).max(axis=1), alike, 0.5)
            for off in (over.tone.apply(one) - other, over.drift.apply(other) - one)
        ]
        for over in (graded, drifted)
    )
    if not drifted.tone.nothing:
        return grade_there < _BETTER * drift_there
    if drift_there < _NOISELESS or grade_there > _ALIKE * drift_there:
        return False
    lost = graded.grade is not None and graded.grade.lost
    return (
        lost
        or grade_there < _CLEARLY * drift_there - _BARELY
        or grade_back < _CLEARLY * drift_back - _BARELY
    )


def add_margin(box: Box, grid: Size, margin: int = _MARGIN) -> tuple[Box, tuple[slice, slice]]:
    """A box of the grid with a margin, and the slices of the box within it."""
    outer = grow(box, margin, grid)
    return outer, box.seen_from(outer).slices


def spread_boxes(boxes: Sequence[Box]) -> list[Box]:
    """A few of the strips, evenly spaced."""
    places = np.linspace(0, len(boxes) - 1, min(_PROBED, len(boxes)))
    return [boxes[round(place)] for place in places]


def soften(values: Values) -> Values:
    """A slight blur, which reduces differences by resampling and JPEG."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), _SIGMA), np.float32)


def to_lab(values: Values) -> Values:
    """CIELAB of sRGB in [0, 255]."""
    unit = np.clip(values / np.float32(255), 0, 1)
    return np.asarray(cv2.cvtColor(unit, cv2.COLOR_RGB2LAB), np.float32)


def remove_drift(drift: ColorDrift | InverseGrade, copy: Values, photo: Values) -> Values:
    """The copy without its drift; values clipped at white or black may be the photo's."""
    if drift.nothing:
        return copy
    out = drift.apply(copy)
    out = np.where(copy > 255 - _CLIPPED, np.maximum(out, photo), out)
    return np.where(copy < _CLIPPED, np.minimum(out, photo), out)


def _tolerate_clipping(graded: Values, copy: Values) -> Values:
    """The copy, moved towards the graded photo where both are clipped at white or black.

    The other channels are uncertain there, as programs also clip between their steps.
    """
    white = (graded > 255 - _CLIPPED) & (copy > 255 - _CLIPPED)
    black = (graded < _CLIPPED) & (copy < _CLIPPED)
    cut = (white | black).any(axis=-1, keepdims=True)
    return copy - np.where(cut, np.clip(copy - graded, -_SPARED, _SPARED), np.float32(0))


def _probe(over: Overlay, box: Box, changed: Coverage | None) -> tuple[Values, Values, Bits]:
    """A box of both pictures, and the pixels that can be used as unchanged."""
    one, other, covered = over.pair(box)
    if changed is None:
        return one, other, covered
    height, width = over.grid
    rows = slice(box.top * changed.shape[0] // height, -(-box.bottom * changed.shape[0] // height))
    masked = (changed[rows] > 0).astype(np.float32)
    seen = cv2.resize(masked, (width, box.size.height), interpolation=cv2.INTER_AREA)
    return one, other, covered & (np.asarray(seen)[:, box.left : box.right] == 0)


def _is_exact(probes: Sequence[tuple[Values, Values, Bits]]) -> bool:
    """True if a large share of the textured blocks is equal to the sample.

    Encoders leave only even areas unchanged.
    """
    textured = equal = 0
    for one, other, usable in probes:
        height, width = (side // _BLOCK * _BLOCK for side in usable.shape)
        same = _blocks((one == other).all(axis=2)[:height, :width]).all(axis=(1, 3))
        rich = _blocks(one.mean(axis=2)[:height, :width]).std(axis=(1, 3)) > _TEXTURED
        rich &= _blocks(usable[:height, :width]).all(axis=(1, 3))
        textured += int(np.count_nonzero(rich))
        equal += int(np.count_nonzero(rich & same))
    return textured > 0 and equal > _EQUAL * textured


def _blocks(values: NDArray[Any], side: int = _BLOCK) -> NDArray[Any]:
    height, width = values.shape[:2]
    return values.reshape(height // side, side, width // side, side, *values.shape[2:])
