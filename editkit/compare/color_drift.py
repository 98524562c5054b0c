"""The color drift of a whole picture, and its removal.

Another program or a model's autoencoder may change cast, contrast, tone curve or saturation. The
model is a cubic for each channel and a share of its distance from gray, fitted to unedited pixels.
It is no more flexible than that: a free function of three channels would take a red plate that was
painted blue for a drift of all blues.
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
    """The correction that maps the colors of a copy to those of its photo.

    Attributes:
        terms: (5, 3): for each channel the factors of a constant, its value, its square, its cube,
            and its distance from the color's lightness, all in [0, 1].
        low: (3,), the darkest fitted color; darker ones get the same correction.
        high: (3,), the lightest.
    """

    terms: NDArray[np.float64]
    low: Values
    high: Values

    @property
    def nothing(self) -> bool:
        """True if there is no correction."""
        return not self.terms.any()

    def step(self, values: Values) -> Values:
        """The correction to add to colors of the copy."""
        if self.nothing:
            return np.zeros_like(values)
        known = _features(values, self.low, self.high)
        return np.einsum("...cf,fc->...c", known, self.terms.astype(np.float32))

    def apply(self, values: Values) -> Values:
        """Colors of the copy mapped to those of the photo."""
        return values if self.nothing else values + self.step(values)


def identity_drift() -> ColorDrift:
    """A drift that changes nothing."""
    return ColorDrift(np.zeros((5, 3)), np.zeros(3, np.float32), np.full(3, 255, np.float32))


def fit_drift(copy: Values, photo: Values) -> ColorDrift:
    """The drift between colors of a copy and those of its photo, robust to outliers.

    Least squares with Tukey's biweight. It starts wide, about the median of all differences and
    with straight lines, and narrows. So up to about two fifths of the colors may have been edited.
    A drift under half a level is none.

    Args:
        copy: (N, 3).
        photo: (N, 3), at the same positions.
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
    """The features of each channel, (..., 3, 5)."""
    inside = np.clip(values, low, high).astype(np.float32) / np.float32(255)
    color = inside - (inside @ _LUMA)[..., None]
    return np.stack([np.ones_like(inside), inside, inside**2, inside**3, color], axis=-1)


def _solve(
    known: Values, wanted: NDArray[np.float64], weights: NDArray[np.float64], terms: int
) -> NDArray[np.float64]:
    """Weighted least squares of the first terms; a small ridge keeps undetermined terms at 0."""
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
    """Tukey's biweight: 0 from the cut on."""
    return np.clip(1 - (off / cut) ** 2, 0, None) ** 2
