"""An edited copy laid over its photo.

Both are looked at on one grid on which neither is enlarged; the drift of the copy's colors, and
whether there is any at all, is told from what nobody edited.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.compare.color_drift import Drift, fit_drift, no_drift
from editkit.compare.color_grade import Grade, Inverse, fit_grade, shades_alike, weighted_quantile
from editkit.compare.expected import Foreseen
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
_UNEVEN = 1.2
_UNTOUCHED = 0.35

Bits = NDArray[np.bool_]
Values = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Overlay:
    """A copy laid over its photo.

    Attributes:
        photo: the photo.
        copy: its edited copy.
        matrix: places in the photo to places in the copy.
        drift: of the copy's colors.
        tone: the same from the photo's colors to the copy's.
        exact: whether the copy's samples are the photo's wherever nothing was edited.
        uneven: whether colors are off in most of the picture all the same, as by a vignette.
    """

    photo: Photo
    copy: Photo
    matrix: Matrix
    drift: Drift | Inverse
    tone: Drift | Grade
    exact: bool = False
    uneven: bool = False

    @property
    def grade(self) -> Grade | None:
        """What the copy's colors went through, where that is more than a drift."""
        return self.tone if isinstance(self.tone, Grade) else None

    @property
    def grid(self) -> Size:
        """The size to compare at: neither picture is enlarged."""
        factor = min(1.0, *local_scale(self.matrix, self.photo.size))
        return Size(*(max(1, round(side * factor)) for side in self.photo.size))

    def pair(self, box: Box) -> tuple[Values, Values, Bits]:
        """A box of the grid of both, and where the copy covers it."""
        grid = fit_matrix(self.grid, self.photo.size)
        photo, _ = sample_box(self.photo, grid, box)
        copy, covered = sample_box(self.copy, self.matrix @ grid, box)
        # Of a photo without colors none can be edited.
        return photo, color.to_gray(copy) if color.is_gray(self.photo.mode) else copy, covered

    def compared(self, photo: Values, copy: Values) -> tuple[Values, Values]:
        """A part of the photo and of the copy, so that they differ by the edit alone.

        A graded copy is held against the photo graded alike, where that cuts off the same lights;
        else the copy without its drift against the photo.
        """
        if self.grade is not None:
            graded = np.clip(self.grade.undone(photo), 0, 255)
            return graded, _sparing_cut_off(graded, copy)
        return photo, corrected(self.drift, copy, photo)

    def same_cut_off(self, photo: Values, copy: Values) -> Bits:
        """Where the copy is cut off and shows what it would show of the photo without an edit."""
        cut = ((copy > 255 - _CLIPPED) | (copy < _CLIPPED)).any(axis=-1)
        apart = np.abs(np.clip(self.tone.undone(photo), 0, 255) - copy).max(axis=-1)
        return cut & (apart < _SPARED)

    @property
    def foreseen(self) -> Foreseen:
        """The copy without an edit."""
        return Foreseen(self.photo, self.copy, self.matrix, self.tone)

    def parts(self) -> list[Box]:
        """The grid in strips that are of bearable size in all three."""
        whole = self.grid
        finest = max(self.photo.size.area, self.copy.size.area) / whole.area
        return list(grid_strips(np.eye(3), whole, max(1, int(_STRIP / max(1.0, finest)))))


def lay(
    photo: Photo, copy: Photo, matrix: Matrix, changed: Coverage | None = None, *, drift: bool
) -> Overlay:
    """A copy over its photo, with the drift of its colors found where nothing changed.

    Args:
        photo: the photo.
        copy: its edited copy.
        matrix: places in the photo to places in the copy.
        changed: what is known to have changed.
        drift: whether to look for a drift; without it there is none.
    """
    over = Overlay(photo, copy, matrix, no_drift(), no_drift())
    probes = [_probe(over, box, changed) for box in spread(over.parts())]
    if _is_exact(probes):
        return replace(over, exact=True)
    if not drift:
        return over
    one, other, usable = _sampled(probes)
    drifted = replace(over, drift=fit_drift(other, one), tone=fit_drift(one, other))
    grade = fit_grade(one, other, usable)
    if grade is None:
        over = drifted
    else:
        graded = replace(over, drift=grade.inverse, tone=grade)
        over = graded if _is_better(graded, drifted, (one, other, usable)) else drifted
    return replace(over, uneven=_is_uneven(over, probes))


def _is_uneven(over: Overlay, probes: Sequence[tuple[Values, Values, Bits]]) -> bool:
    """Whether most squares are off in the mean, by what no change of colors explains.

    An edit may take up two fifths of them; no more than the rest tells.
    """
    off = list[float]()
    side = max(_LEAST, min(_SQUARE, min(over.grid) // _ACROSS))
    for one, other, usable in probes:
        ours, theirs = over.compared(one, other)
        cut = [length // side * side for length in usable.shape]
        step = np.where(usable[..., None], ours - theirs, 0)[: cut[0], : cut[1]]
        means = _squares(step, side).mean(axis=(1, 3))
        off += np.abs(means).max(axis=-1).ravel().tolist()
    return bool(off) and float(np.quantile(off, _UNTOUCHED)) > _UNEVEN


def _sampled(probes: Sequence[tuple[Values, Values, Bits]]) -> tuple[Values, Values, Bits]:
    """Colors of both, at the same places, and which channels of the copy are not cut off."""
    rng = np.random.Generator(np.random.Philox(0))
    ours, theirs, whole = list[Values](), list[Values](), list[Bits]()
    for one, other, usable in probes:
        chosen = rng.permutation(np.flatnonzero(usable))[: _SAMPLES // len(probes)]
        ours.append(soft(one).reshape(-1, 3)[chosen])
        theirs.append(soft(other).reshape(-1, 3)[chosen])
        cut = ((other < _CLIPPED) | (other > 255 - _CLIPPED)).astype(np.uint8)
        near = np.asarray(cv2.dilate(cut, np.ones((5, 5), np.uint8)))
        whole.append(near.reshape(-1, 3)[chosen] == 0)
    return np.concatenate(ours), np.concatenate(theirs), np.concatenate(whole)


def _is_better(graded: Overlay, drifted: Overlay, seen: tuple[Values, Values, Bits]) -> bool:
    """Whether a grade explains a copy clearly better than a drift, there or back.

    Of a copy without noise no more than better is asked; of one whose colors are lost, which no
    drift brings back, no more than as good.
    """
    one, other, usable = seen
    alike = shades_alike(one)
    (grade_there, grade_back), (drift_there, drift_back) = (
        [
            weighted_quantile(np.where(usable, np.abs(off), 0).max(axis=1), alike, 0.5)
            for off in (over.tone.undone(one) - other, over.drift.undone(other) - one)
        ]
        for over in (graded, drifted)
    )
    if drift_there < _NOISELESS:
        return not drifted.tone.nothing and grade_there < drift_there
    if grade_there > _ALIKE * drift_there:
        return False
    lost = graded.grade is not None and graded.grade.lost
    return (
        lost
        or grade_there < _CLEARLY * drift_there - _BARELY
        or grade_back < _CLEARLY * drift_back - _BARELY
    )


def with_margin(box: Box, grid: Size, margin: int = _MARGIN) -> tuple[Box, tuple[slice, slice]]:
    """A box of the grid with what is around it, and where in that the box lies."""
    outer = grow(box, margin, grid)
    return outer, box.seen_from(outer).slices


def spread(boxes: Sequence[Box]) -> list[Box]:
    """A few of the strips, from the first to the last."""
    places = np.linspace(0, len(boxes) - 1, min(_PROBED, len(boxes)))
    return [boxes[round(place)] for place in places]


def soft(values: Values) -> Values:
    """A little blurred, so that resampling and JPEG leave little."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), _SIGMA), np.float32)


def lab(values: Values) -> Values:
    """CIELAB of sRGB in [0, 255]."""
    unit = np.clip(values / np.float32(255), 0, 1)
    return np.asarray(cv2.cvtColor(unit, cv2.COLOR_RGB2LAB), np.float32)


def corrected(drift: Drift | Inverse, copy: Values, photo: Values) -> Values:
    """The copy without its drift; what was cut off at white or black may have been the photo's."""
    if drift.nothing:
        return copy
    out = drift.undone(copy)
    out = np.where(copy > 255 - _CLIPPED, np.maximum(out, photo), out)
    return np.where(copy < _CLIPPED, np.minimum(out, photo), out)


def _sparing_cut_off(graded: Values, copy: Values) -> Values:
    """The copy, nearer to the graded photo where both are cut off at white or black.

    Other channels are not known as well there: programs cut off between their steps, too.
    """
    white = (graded > 255 - _CLIPPED) & (copy > 255 - _CLIPPED)
    black = (graded < _CLIPPED) & (copy < _CLIPPED)
    cut = (white | black).any(axis=-1, keepdims=True)
    return copy - np.where(cut, np.clip(copy - graded, -_SPARED, _SPARED), np.float32(0))


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


def _squares(values: NDArray[Any], side: int = _BLOCK) -> NDArray[Any]:
    height, width = values.shape[:2]
    return values.reshape(height // side, side, width // side, side, *values.shape[2:])
