"""The change of color that a whole picture went through, and its undoing.

What passes through another program or a model's autoencoder comes back with another cast, contrast,
tone curve or saturation. Each channel gets a cubic of itself and a share of its distance from gray,
fitted where nothing else changed. No more than that: a free function of three channels would take a
red plate that was painted blue for a drift of all that is blue.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
"""(..., 3), RGB in [0, 255]."""

_STRAIGHT = 6
_CURVED = 8
_WIDE = 80.0
_CUT = 4.685
_RIDGE = 1e-4
_INVISIBLE = 0.5
_CLIPPED = 1.5
_FEWEST = 64
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, eq=False)
class ColorDrift:
    """What to add to the colors of a copy to have those of its photo.

    Attributes:
        terms: (5, 3), for each channel of a constant, its value, its square and cube, and its
            distance from the color's lightness, all in [0, 1].
        low: (3,), the darkest color that it was fitted on; darker ones are shifted alike.
        high: (3,), the lightest.
    """

    terms: NDArray[np.float64]
    low: Values
    high: Values

    @property
    def nothing(self) -> bool:
        """True if there is nothing to undo."""
        return not self.terms.any()

    def step(self, values: Values) -> Values:
        """What is to be added to colors of the copy."""
        if self.nothing:
            return np.zeros_like(values)
        known = _features(values, self.low, self.high)
        return np.einsum("...cf,fc->...c", known, self.terms.astype(np.float32))

    def apply(self, values: Values) -> Values:
        """Colors of the copy as they would be in the photo."""
        return values if self.nothing else values + self.step(values)


def identity_drift() -> ColorDrift:
    """A drift that changes nothing."""
    return ColorDrift(np.zeros((5, 3)), np.zeros(3, np.float32), np.full(3, 255, np.float32))


def fit_drift(copy: Values, photo: Values) -> ColorDrift:
    """The drift between colors of a copy and those of its photo, some of which are outliers.

    Least squares by Tukey's biweight, which starts wide about the median of all differences, with
    straight lines, and narrows: so up to about two fifths of the colors may have changed for
    another reason, however well a curve could explain that. A drift under half a level is none.

    Args:
        copy: (N, 3).
        photo: (N, 3), at the same places.
    """
    inner = ((copy > _CLIPPED) & (copy < 255 - _CLIPPED)).all(axis=-1)
    copy, photo = copy[inner], photo[inner]
    if len(copy) < _FEWEST:
        return identity_drift()
    low, high = (np.percentile(copy, share, axis=0).astype(np.float32) for share in (1, 99))
    known, wanted = _features(copy, low, high), (photo - copy).astype(np.float64)
    off = np.sqrt(((wanted - np.median(wanted, axis=0)) ** 2).sum(axis=1))
    weights, terms = _biweight(off, _WIDE), np.zeros((5, 3))
    for number in range(_STRAIGHT + _CURVED):
        terms = _solve(known, wanted, weights, 2 if number < _STRAIGHT else 5)
        off = np.sqrt(((np.einsum("ncf,fc->nc", known, terms) - wanted) ** 2).sum(axis=1))
        # The two fifths that fit best say how wide the rest of what fits is.
        usual = max(0.5, 1.2 * float(np.percentile(off, 40)))
        weights = _biweight(off, max(_CUT * usual, _WIDE * 0.6 ** (number + 1)))
    drift = ColorDrift(terms, low, high)
    seen = np.abs(drift.step(copy)[weights > 0])
    return identity_drift() if not seen.size or np.percentile(seen, 95) < _INVISIBLE else drift


def _features(values: Values, low: Values, high: Values) -> Values:
    """(..., 3, 5)."""
    inside = np.clip(values, low, high).astype(np.float32) / np.float32(255)
    color = inside - (inside @ _LUMA)[..., None]
    return np.stack([np.ones_like(inside), inside, inside**2, inside**3, color], axis=-1)


def _solve(
    known: Values, wanted: NDArray[np.float64], weights: NDArray[np.float64], terms: int
) -> NDArray[np.float64]:
    """Weighted least squares of the first terms; a little ridge keeps the untold at nothing."""
    ridge = np.diag([0.0, *np.full(terms - 1, _RIDGE * weights.sum())])
    out = np.zeros((5, 3))
    for channel in range(3):
        own = known[:, channel, :terms]
        weighted = own * weights[:, None]
        out[:terms, channel] = np.linalg.solve(
            weighted.T @ own + ridge, weighted.T @ wanted[:, channel]
        )
    return out


def _biweight(off: NDArray[np.float64], cut: float) -> NDArray[np.float64]:
    """Tukey's: nothing from the cut on."""
    return np.clip(1 - (off / cut) ** 2, 0, None) ** 2
