"""An edited copy laid over its photo.

Both are looked at on one grid on which neither is enlarged; the drift of the copy's colours, and
whether there is any at all, is told from what nobody edited.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.photo import colour
from editkit.photo.drift import Drift, fit_drift, no_drift
from editkit.photo.files import Photo
from editkit.photo.foreseen import Foreseen
from editkit.photo.warp import Matrix, framed, sampled, scale_of, strips
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
        # Of a photo without colours none can be edited.
        return photo, colour.greyed(copy) if colour.is_grey(self.photo.mode) else copy, covered

    @property
    def foreseen(self) -> Foreseen:
        """The copy without an edit."""
        return Foreseen(self.photo, self.copy, self.matrix, self.tone)

    def parts(self) -> list[Box]:
        """The grid in strips that are of bearable size in all three."""
        whole = self.grid
        finest = max(self.photo.size.area, self.copy.size.area) / whole.area
        return list(strips(np.eye(3), whole, max(1, int(_STRIP / max(1.0, finest)))))


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
    probes = [_probe(over, box, changed) for box in spread(over.parts())]
    if _is_exact(probes):
        return replace(over, exact=True)
    if not drift:
        return over
    rng = np.random.Generator(np.random.Philox(0))
    ours, theirs = list[Values](), list[Values]()
    for one, other, usable in probes:
        chosen = rng.permutation(np.flatnonzero(usable))[: _SAMPLES // len(probes)]
        ours.append(soft(one).reshape(-1, 3)[chosen])
        theirs.append(soft(other).reshape(-1, 3)[chosen])
    one, other = np.concatenate(ours), np.concatenate(theirs)
    return replace(over, drift=fit_drift(other, one), tone=fit_drift(one, other))


def with_margin(box: Box, grid: Size, margin: int = _MARGIN) -> tuple[Box, tuple[slice, slice]]:
    """A box of the grid with what is around it, and where in that the box lies."""
    outer = Box(
        max(0, box.top - margin),
        max(0, box.left - margin),
        min(grid.height, box.bottom + margin),
        min(grid.width, box.right + margin),
    )
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


def corrected(drift: Drift, copy: Values, photo: Values) -> Values:
    """The copy without its drift; what was cut off at white or black may have been the photo's."""
    if drift.nothing:
        return copy
    out = drift.undone(copy)
    out = np.where(copy > 255 - _CLIPPED, np.maximum(out, photo), out)
    return np.where(copy < _CLIPPED, np.minimum(out, photo), out)


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


def _squares(values: NDArray[np.generic]) -> NDArray[np.generic]:
    height, width = values.shape
    return values.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
