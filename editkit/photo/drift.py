"""The change of colour that a whole picture went through, and its undoing.

What passes through another program or a model's autoencoder comes back with another cast, contrast
or tone curve. It is fitted as a smooth function of colour where nothing else changed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
"""(..., 3), RGB in [0, 255]."""

_ABSOLUTE = 8
_TUKEY = 8
_CUT = 4.685
_RIDGE = 1e-4
_INVISIBLE = 0.5
_CLIPPED = 1.5
_FEWEST = 64


@dataclass(frozen=True, eq=False)
class Drift:
    """What to add to the colours of a copy to have those of its photo.

    Attributes:
        terms: (10, 3), of a constant, the three channels, their squares and cubes, in [0, 1].
        low: (3,), the darkest colour that it was fitted on; darker ones are shifted alike.
        high: (3,), the lightest.
    """

    terms: NDArray[np.float64]
    low: Values
    high: Values

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to undo."""
        return not self.terms.any()

    def step(self, values: Values) -> Values:
        """What is to be added to colours of the copy."""
        if self.nothing:
            return np.zeros_like(values)
        return (_features(values, self.low, self.high) @ self.terms).astype(np.float32)

    def undone(self, values: Values) -> Values:
        """Colours of the copy as they would be in the photo."""
        return values if self.nothing else values + self.step(values)


def no_drift() -> Drift:
    """A drift that changes nothing."""
    return Drift(np.zeros((10, 3)), np.zeros(3, np.float32), np.full(3, 255, np.float32))


def fit_drift(copy: Values, photo: Values) -> Drift:
    """The drift between colours of a copy and those of its photo, some of which are outliers.

    Robust least squares: absolute deviations first, then Tukey's biweight, so that up to about two
    fifths of the colours may have changed for another reason. A drift under half a level is none.

    Args:
        copy: (N, 3).
        photo: (N, 3), at the same places.
    """
    inner = ((copy > _CLIPPED) & (copy < 255 - _CLIPPED)).all(axis=-1)
    copy, photo = copy[inner], photo[inner]
    if len(copy) < _FEWEST:
        return no_drift()
    low, high = (np.percentile(copy, share, axis=0).astype(np.float32) for share in (1, 99))
    known, wanted = _features(copy, low, high), (photo - copy).astype(np.float64)
    weights, terms = np.ones(len(copy)), np.zeros((10, 3))
    for number in range(_ABSOLUTE + _TUKEY):
        terms = _solved(known, wanted, weights)
        off = np.sqrt(((known @ terms - wanted) ** 2).sum(axis=1))
        weights = 1 / (1 + off) if number < _ABSOLUTE else _biweight(off)
    drift = Drift(terms, low, high)
    seen = np.abs(drift.step(copy)[weights > 0])
    return no_drift() if not seen.size or np.percentile(seen, 95) < _INVISIBLE else drift


def _features(values: Values, low: Values, high: Values) -> Values:
    inside = np.clip(values, low, high).astype(np.float32) / np.float32(255)
    ones = np.ones((*inside.shape[:-1], 1), np.float32)
    return np.concatenate([ones, inside, inside**2, inside**3], axis=-1)


def _solved(
    known: Values, wanted: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted least squares; a little ridge keeps what the colours do not tell at nothing."""
    weighted = known * weights[:, None]
    normal = weighted.T @ known
    ridge = np.diag([0.0, *np.full(9, _RIDGE * weights.sum())])
    return np.asarray(np.linalg.solve(normal + ridge, weighted.T @ wanted), np.float64)


def _biweight(off: NDArray[np.float64]) -> NDArray[np.float64]:
    # The two fifths that fit best say how wide the rest of what fits is.
    cut = _CUT * max(0.5, 1.2 * float(np.percentile(off, 40)))
    return np.clip(1 - (off / cut) ** 2, 0, None) ** 2
