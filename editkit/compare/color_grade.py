"""The color grade of a whole picture: curves, a channel mix, curves again.

Brightness, contrast, gamma, white balance, saturation, sepia and most filters are a monotone curve
for each channel, a 3x3 matrix, and curves again. The grade is fitted to unedited pixels, from the
photo to its copy. In this direction even a grade that clips lights or removes the colors is a
function, so that it can be separated from an edit. Its inverse restores colors as far as the grade
kept them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline

Values = NDArray[np.float32]
Numbers = NDArray[np.float64]

_LOW, _HIGH = -0.2, 1.2
"""Where curves are known, in units of 255: a matrix takes colors beyond black and white."""

_INNER = np.array(
    [-0.1, 0.0, 0.04, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.775, 0.85, 0.9, 0.95, 1.0, 1.1]
)
_KNOTS = np.concatenate([np.full(4, _LOW), _INNER, np.full(4, _HIGH)])
_COUNT = len(_KNOTS) - 4
_PLAIN = np.array([_KNOTS[k + 1 : k + 4].mean() for k in range(_COUNT)])
"""The coefficients of the curve that changes nothing."""

_TABLE = np.linspace(_LOW, _HIGH, 4097)
_STEEPEST = 1e-3
_SHADE = 16
_WIDE = 80 / 255
_NARROW = 1.5 / 255
_CUT = 4.685
_GAINS, _MIXES, _CURVES = 6, 8, 24
_AGAIN, _NARROWED = 64 / 255, 0.75
_AS_GOOD = 1.06
_SMOOTH = 1e-5
_RIDGE = 1e-5
_MIXED = 1e-5
_DAMPED = 1e-4
_SETTLED = 0.003
_SAMPLES = 12_000
_FEWEST = 500
_EVENLY = 1 / 255
_LOST = 0.08
_NOISE = 1.5 / 255
_ENDS = 2.5


@dataclass(frozen=True, eq=False)
class ColorGrade:
    """Maps colors of a photo to those of its copy.

    Attributes:
        first: (3, N), coefficients of the curves of red, green and blue.
        mix: (3, 3), the matrix after these curves.
        last: (3, N), coefficients of the curves after the matrix.
        spread: (3, 3), the covariance of the photo's colors after the first curves.
        middle: (3,), their mean.
    """

    first: Numbers
    mix: Numbers
    last: Numbers
    spread: Numbers
    middle: Numbers

    @property
    def nothing(self) -> bool:
        """Always False: a fitted grade changes colors."""
        return False

    @property
    def lost(self) -> bool:
        """True if colors cannot be restored, as in black and white."""
        sizes = np.linalg.svd(self.mix, compute_uv=False)
        return bool(sizes[2] < _LOST * sizes[0])

    def step(self, values: Values) -> Values:
        """The change that the grade makes to colors of the photo."""
        return self.apply(values) - values

    def apply(self, values: Values) -> Values:
        """Colors of the photo mapped to those of the copy, where they may be clipped."""
        first, last = self._tables
        mixed = _look_up(values / np.float32(255), first) @ self.mix.T.astype(np.float32)
        return np.float32(255) * _look_up(mixed, last)

    @property
    def inverse(self) -> "InverseGrade":
        """The mapping from colors of the copy to those of the photo."""
        return InverseGrade(self)

    @cached_property
    def _tables(self) -> tuple[Values, Values]:
        return _tables(self.first).astype(np.float32), _tables(self.last).astype(np.float32)


@dataclass(frozen=True, eq=False)
class InverseGrade:
    """Maps colors of a copy to those of its photo.

    Attributes:
        grade: the grade of the copy.
    """

    grade: ColorGrade

    @property
    def nothing(self) -> bool:
        """See `ColorGrade`."""
        return self.grade.nothing

    def step(self, values: Values) -> Values:
        """The correction to add to colors of the copy."""
        return self.apply(values) - values

    def apply(self, values: Values) -> Values:
        """Colors of the copy mapped to those of the photo.

        If the grade removed the colors, the result is the photo's mean color at the same lightness.
        """
        grade = self.grade
        first, last = _tables(grade.first), _tables(grade.last)
        mixed = _invert_curves(values / np.float32(255), last) - grade.mix @ grade.middle
        own = mixed @ self._back().T
        if grade.lost:
            self._restore_clipped(values, mixed, own)
        own += grade.middle
        return (255 * _invert_curves(own, first)).astype(np.float32)

    def _back(self, cut: Sequence[bool] = (False,) * 3) -> Numbers:
        """(3, 3), the inverse of the mix; lost components are estimated from the covariance."""
        grade = self.grade
        if not grade.lost:
            return np.asarray(np.linalg.inv(grade.mix), np.float64)
        seen = grade.spread @ grade.mix.T
        noise = np.where(cut, 1.0, _NOISE) ** 2
        return seen @ np.linalg.inv(grade.mix @ seen + np.diag(noise))

    def _restore_clipped(self, values: Values, mixed: Numbers, own: Numbers) -> None:
        """Restores colors with clipped channels from the other channels alone."""
        off = (values < _ENDS) | (values > 255 - _ENDS)
        for cut in list(product((False, True), repeat=3))[1:-1]:
            where = (off == cut).all(axis=-1)
            own[where] = mixed[where] @ self._back(cut).T


def fit_grade(photo: Values, copy: Values, usable: NDArray[np.bool_]) -> ColorGrade | None:
    """The grade between colors of a photo and those of its copy, robust to outliers.

    Least squares with Tukey's biweight, first of gains, then of a matrix, then of everything. Each
    shade of the photo has the same weight, however frequent it is. So up to about two fifths of the
    shades may have been edited.

    Args:
        photo: (N, 3).
        copy: (N, 3), at the same positions.
        usable: (N, 3), channels of the copy that are not clipped.

    Returns:
        None if there are too few colors.
    """
    step = max(1, len(photo) // _SAMPLES)
    photo, copy, usable = photo[::step], copy[::step], usable[::step]
    if len(photo) < _FEWEST or usable.sum(axis=0).min() < _FEWEST:
        return None
    ours, theirs = (np.asarray(values, np.float64) / 255 for values in (photo, copy))
    fit = _GradeFit(ours, theirs, usable, shade_weights(photo))
    off = ours - theirs
    weights = fit.weights(off - np.median(off, axis=0), _WIDE)
    mix = np.eye(3, 4)
    for number in range(_GAINS + _MIXES):
        mix = fit.fit_mix(weights, gains=number < _GAINS)
        off = fit.apart(ours @ mix[:, :3].T + mix[:, 3])
        weights = fit.weights(off, _WIDE * 0.6 ** (number + 1))
    first = np.tile(_PLAIN, (3, 1))
    narrow = _fit_curves(fit, (first, mix[:, :3], first + mix[:, 3:]), 0.0)
    wide = _fit_curves(fit, narrow, _AGAIN)
    state = wide if _is_as_good(fit, wide, narrow) else narrow
    shown, sure = _apply_curves(state[0], ours), fit.weights(fit.off(state), 0.0).max(axis=1)
    sure = np.maximum(sure, 1e-9)
    return ColorGrade(
        *state, np.cov(shown.T, aweights=sure), np.average(shown, axis=0, weights=sure)
    )


def _fit_curves(fit: "_GradeFit", state: "CurveState", wide: float) -> "CurveState":
    """A better fit than `state`: with curves before and after the matrix.

    Args:
        fit: the colors.
        state: the start.
        wide: the largest error that counts at first; 0 for the default.
    """
    damped = _DAMPED
    weights = fit.weights(fit.off(state), wide)
    for _ in range(_CURVES):
        tried = fit.improve(state, weights, damped)
        gained = 1 - fit.cost(tried, weights) / max(fit.cost(state, weights), 1e-12)
        damped *= 10 if gained < 0 else 0.3
        wide *= _NARROWED
        if gained >= 0:
            state = tried
            weights = fit.weights(fit.off(state), wide)
        if 0 <= gained < _SETTLED and wide < _CUT * _NARROW:
            break
    return state


def _is_as_good(fit: "_GradeFit", wide: "CurveState", narrow: "CurveState") -> bool:
    """True if a fit that was extended to rare colors explains the others as well.

    It does if a program that clips lights between two steps bends rare colors by more than an edit
    may differ; it does not if these colors were edited.
    """
    weights = fit.weights(fit.off(narrow), 0.0)
    off = [float((weights * np.abs(fit.off(state))).sum()) for state in (wide, narrow)]
    return off[0] <= _AS_GOOD * off[1]


def shade_weights(photo: Values) -> Numbers:
    """(N,), weights that make frequent and rare shades count nearly alike."""
    cells = np.clip(photo // _SHADE, 0, 255 // _SHADE).astype(np.int64) @ (1, 64, 4096)
    _, place, counts = np.unique(cells, return_inverse=True, return_counts=True)
    return 1 / np.sqrt(counts[place.ravel()])


CurveState = tuple[Numbers, Numbers, Numbers]


@dataclass(frozen=True, eq=False)
class _GradeFit:
    """Colors in [0, 1], which channels of the copy count, and the weight of each pixel.

    Where the copy is evenly black or white, a grade is wrong only if it would not clip there.
    """

    photo: Numbers
    copy: Numbers
    usable: NDArray[np.bool_]
    alike: Numbers

    def weights(self, off: Numbers, least: float) -> Numbers:
        """(N, 3), 0 for outliers and for unusable channels."""
        known = self.usable | (self._cut_off & (off != 0))
        count = known.sum(axis=1)
        held = np.where(known, off, 0)
        far = np.sqrt((held**2).sum(axis=1) * 3 / np.maximum(count, 1))
        told = self.usable.any(axis=1)
        usual = weighted_quantile(far[told], self.alike[told], 0.4)
        cut = max(_CUT * max(1.2 * usual, _NARROW), least)
        own = np.clip(1 - (far / cut) ** 2, 0, None) ** 2 * self.alike
        return np.where(known, own[:, None], 0)

    def apart(self, graded: Numbers) -> Numbers:
        """(N, 3), the errors of graded colors."""
        off = graded - self.copy
        beyond = np.where(self.copy < 0.5, off < 0, off > 0)
        return np.where(self._cut_off & beyond, 0, off)

    @cached_property
    def _cut_off(self) -> NDArray[np.bool_]:
        return (self.copy < _EVENLY) | (self.copy > 1 - _EVENLY)

    def fit_mix(self, weights: Numbers, *, gains: bool) -> Numbers:
        """(3, 4), a matrix and an offset; or gains alone."""
        known = np.column_stack([self.photo, np.ones(len(self.photo))])
        out = np.eye(3, 4)
        for channel in range(3):
            chosen = np.array([channel, 3] if gains else range(4))
            own = known[:, chosen]
            weighted = own * weights[:, channel, None]
            ridge = _MIXED * weights[:, channel].sum() * np.eye(len(chosen))
            wanted = weighted.T @ (self.copy[:, channel] - own @ out[channel, chosen])
            out[channel, chosen] += np.linalg.solve(weighted.T @ own + ridge, wanted)
        return out

    def off(self, state: CurveState) -> Numbers:
        """(N, 3), the errors of a grade."""
        first, mix, last = state
        return self.apart(_apply_curves(last, _apply_curves(first, self.photo) @ mix.T))

    def cost(self, state: CurveState, weights: Numbers) -> float:
        """The cost that `improve` minimizes."""
        bends = [np.diff(curves - _PLAIN, 2, axis=1) for curves in (state[0], state[2])]
        total = weights.sum()
        plain = sum(float(((curves - _PLAIN) ** 2).sum()) for curves in (state[0], state[2]))
        bent = sum(float((bend**2).sum()) for bend in bends)
        off = float((weights * self.off(state) ** 2).sum())
        return off + total * (_SMOOTH * bent + _RIDGE * plain)

    def improve(self, state: CurveState, weights: Numbers, damped: float) -> CurveState:
        """One step of Levenberg and Marquardt, with monotone, smooth curves."""
        first, mix, last = state
        bases = [_basis(self.photo[:, k]) for k in range(3)]
        shown = np.column_stack([base @ own for base, own in zip(bases, first, strict=True)])
        size, total = 6 * _COUNT + 9, weights.sum()
        left, right = np.zeros((size, size)), np.zeros(size)
        off = self.off(state)
        for channel in range(3):
            mixed = shown @ mix[channel]
            base, slope = _basis(mixed), _basis_slopes(mixed) @ last[channel]
            parts = [slope[:, None] * mix[channel, k] * bases[k] for k in range(3)]
            columns = np.column_stack([*parts, base, slope[:, None] * shown])
            own = np.r_[
                : 3 * _COUNT,
                _coefficient_range(3 + channel),
                6 * _COUNT + 3 * channel + np.arange(3),
            ]
            weighted = columns * weights[:, channel, None]
            left[np.ix_(own, own)] += weighted.T @ columns
            right[own] -= weighted.T @ off[:, channel]
        held = total * (_SMOOTH * _BEND.T @ _BEND + _RIDGE * np.eye(_COUNT))
        for number, curve in enumerate((*first, *last)):
            place = slice(number * _COUNT, (number + 1) * _COUNT)
            left[place, place] += held
            right[place] -= held @ (curve - _PLAIN)
        step = np.linalg.solve(left + damped * total * np.eye(size), right)
        before, after = step[: 6 * _COUNT].reshape(2, 3, _COUNT)
        turned = mix + step[6 * _COUNT :].reshape(3, 3)
        return _make_monotone(first + before), turned, _make_monotone(last + after)


def _coefficient_range(number: int) -> NDArray[np.int64]:
    return np.arange(number * _COUNT, (number + 1) * _COUNT)


def _make_monotone(curves: Numbers) -> Numbers:
    """Coefficients that increase strictly."""
    slack = _STEEPEST * _PLAIN
    return np.maximum.accumulate(curves - slack, axis=1) + slack


_PIECES = BSpline(_KNOTS, np.eye(_COUNT), 3)
_BASES: Numbers = _PIECES(_TABLE)
_STEEPNESSES: Numbers = _PIECES.derivative()(_TABLE)
_BEND = np.diff(np.eye(_COUNT), 2, axis=0)


def _basis(values: Numbers) -> Numbers:
    """(N, coefficients): the basis functions at each of the values."""
    return _BASES[_table_row(values)]


def _basis_slopes(values: Numbers) -> Numbers:
    return _STEEPNESSES[_table_row(values)]


def _table_row(values: NDArray[np.floating[Any]]) -> NDArray[np.int32]:
    last = len(_TABLE) - 1
    place = (values - np.float32(_LOW)) * np.float32(last / (_HIGH - _LOW))
    return np.rint(np.clip(place, 0, last)).astype(np.int32)


def _apply_curves(curves: Numbers, values: Numbers) -> Numbers:
    """(N, 3): each channel mapped by its own curve."""
    return np.column_stack([_basis(values[:, k]) @ curves[k] for k in range(3)])


def _tables(curves: Numbers) -> Numbers:
    return (_BASES @ curves.T).T


def _look_up(values: Values, tables: Values) -> Values:
    """The curves applied by table, to a twentieth of a level."""
    out = np.empty_like(values)
    for channel, table in enumerate(tables):
        out[..., channel] = table[_table_row(values[..., channel])]
    return out


def _invert_curves(values: NDArray[np.floating[Any]], tables: Numbers) -> Numbers:
    own = [np.interp(values[..., k], tables[k], _TABLE) for k in range(3)]
    return np.stack(own, axis=-1)


def weighted_quantile(values: NDArray[np.floating[Any]], weights: Numbers, share: float) -> float:
    """The weighted quantile of the values."""
    order = np.argsort(values)
    summed = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(summed, share * summed[-1])])
