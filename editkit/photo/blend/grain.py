"""Grain: the noise of a photo, measured apart from texture, and synthesized.

Noise is described by its power at each frequency of a 16x16 cosine transform, as a 3x3 covariance
of the channels: its level and spectrum per channel, and the correlation that gives it color. The
power is linear in brightness, as a sensor's is the sum of read noise and shot noise. Texture is
excluded: only blocks about as quiet as the quietest of the same brightness count.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from editkit.photo.blend.laplace import Hole, Values

_BLOCK = 16
_STRIDE = 8
_MOST, _FEWEST = 4096, 8
_FLOOR = 10
_SHADES, _SHADE = 8, 24
_LOW_SIDE = 0.3
_DOUBT = 0.6
_LEAST_POWER = 0.25
_ABOVE = 1.6
_OUTLYING = 4.0
_LOWEST = 4
_STRIP = 512
_STREAM = 1
_BLACK, _WHITE = 1.0, 254.0


@dataclass(frozen=True, eq=False)
class Grain:
    """Stationary noise.

    Attributes:
        power: (16, 16, 3, 3): at the vertical and horizontal frequencies pi u / 16 a sample, the
            covariance of the channels, in squared levels a sample; at one brightness.
        brightness: that brightness, the mean of the channels, in [0, 255].
        slope: the relative growth of the power per level of brightness.
    """

    power: NDArray[np.float64]
    brightness: float = 128.0
    slope: float = 0.0

    def relative(self, brightness: Values) -> Values:
        """The power at other brightnesses, relative to this one; in [1/4, 4]."""
        share = 1 + np.float32(self.slope) * (brightness - np.float32(self.brightness))
        return np.clip(share, _LEAST_POWER, 1 / _LEAST_POWER)

    def at(self, brightness: float) -> "Grain":
        """The same noise, described at another brightness."""
        share = float(self.relative(np.asarray([brightness], np.float32))[0])
        return Grain(self.power * share, brightness, self.slope / share)

    @property
    def level(self) -> NDArray[np.float64]:
        """The standard deviation of each channel."""
        return np.sqrt(np.diagonal(self.power.mean(axis=(0, 1)) + 1e-9))

    def beyond(self, other: "Grain") -> "Grain":
        """The independent noise to add to the other, so that the sum has this power.

        It is zero where the other has more: noise can be added, not removed.
        """
        values, vectors = np.linalg.eigh(self.power - other.power)
        more = (vectors * np.maximum(values, 0)[..., None, :]) @ vectors.swapaxes(-1, -2)
        return replace(self, power=more)

    @cached_property
    def kernels(self) -> Values:
        """(3, 3, 32, 32): filters for white noise; channel i uses the draws 0 to i."""
        whole = self.power + 1e-9 * np.eye(3)
        response = np.linalg.cholesky(whole).transpose(2, 3, 0, 1)
        places = np.abs(np.arange(-_BLOCK, _BLOCK))
        places[0] = _BLOCK - 1  # the highest frequency of all is the block's own highest
        around = np.fft.ifftshift(response[..., places[:, None], places], axes=(-2, -1))
        kernels = np.fft.fftshift(np.fft.ifft2(around).real, axes=(-2, -1))
        # The two transforms weigh the frequencies slightly differently; the level is made exact.
        made = np.sqrt((kernels**2).sum(axis=(1, 2, 3)))
        return (kernels * (self.level / made)[:, None, None, None]).astype(np.float32)


def estimate_grain(values: Values, where: Hole, *, whole: float = 1.0) -> Grain | None:
    """The noise of a part of a picture; None if the part is too small.

    Args:
        values: float32 (H, W, 3) in [0, 255].
        where: (H, W), the part.
        whole: the share of a block that must lie in the part.
    """
    blocks = _blocks(values, where, whole)
    if len(blocks) < _FEWEST:
        return None
    spectra = np.asarray(dctn(blocks, axes=(1, 2), norm="ortho"), np.float32)
    shades = blocks.mean(axis=(1, 2, 3), dtype=np.float64)
    energy = (spectra[:, _frequency_radius() >= _LOWEST] ** 2).mean(axis=(1, 2), dtype=np.float64)
    base, rise = _fit_noise_line(shades, energy)
    expected = np.maximum(base + rise * shades, 1e-6)
    share = energy / expected
    quiet = share <= max(_ABOVE, float(np.sort(share)[_FEWEST - 1]))
    middle = float(shades[quiet].mean())
    there = max(base + rise * middle, 1e-6)
    scale = np.sqrt(there / expected[quiet]).astype(np.float32)
    power = _covariance(spectra[quiet] * scale[:, None, None, None])
    return Grain(_limit_low_frequencies(power), middle, rise / there)


def synthesize_grain(grain: Grain, where: Hole, seed: int) -> Values:
    """Noise of the given power, float32 (H, W, 3); zeros far from `where`.

    Equal seeds and sizes give equal noise; it is drawn by Philox, row by row.
    """
    height, width = where.shape
    out = np.zeros((height, width, 3), np.float32)
    # A separate stream: the dither uses the seed's first one.
    stream = np.random.SeedSequence(seed, spawn_key=(_STREAM,))
    draws = np.random.Generator(np.random.Philox(stream))
    above = draws.standard_normal((_BLOCK, width, 3), np.float32)
    upper = draws.standard_normal((_BLOCK, width, 3), np.float32)
    carried = np.concatenate([above, upper])
    for top in range(0, height, _STRIP):
        rows = min(_STRIP, height - top)
        drawn = draws.standard_normal((rows, width, 3), np.float32)
        carried = np.concatenate([carried, drawn])
        if where[top : top + rows].any():
            out[top : top + rows] = _filter_noise(carried, grain)[_BLOCK : _BLOCK + rows]
        carried = carried[-2 * _BLOCK :]
    return out


def missing_grain(patch: Values, photo: Values, hole: Hole, ring: Hole, seed: int) -> Values | None:
    """The noise, float32 (H, W, 3), that gives the patch in the hole the photo's grain on the ring.

    It fades out where the patch is clipped to black or white. None if no noise is missing.
    """
    wanted = estimate_grain(photo, ring)
    has = estimate_grain(patch, hole, whole=0.5) or estimate_grain(patch, hole, whole=1 / _BLOCK**2)
    if wanted is None or has is None:
        return None
    lacking = wanted.at(has.brightness).beyond(has)
    noise = synthesize_grain(lacking, hole, seed)
    low = np.asarray(cv2.GaussianBlur(patch, (0, 0), 1.5), np.float32)
    noise *= np.sqrt(lacking.relative(low.mean(axis=2)))[..., None]
    noise *= _headroom(low, lacking.level)
    return noise


def _headroom(low: Values, level: NDArray[np.float64]) -> Values:
    """0 where a picture is clipped, rising to 1 where its noise would not be clipped."""
    nearest = np.minimum(low - _BLACK, _WHITE - low)
    needed = np.maximum(3 * level, 1).astype(np.float32)
    return np.clip(nearest / needed, 0, 1).astype(np.float32, copy=False)


def _filter_noise(white: Values, grain: Grain) -> Values:
    out = np.zeros_like(white)
    for i, j in zip(*np.tril_indices(3), strict=True):
        drawn, kernel = np.ascontiguousarray(white[..., j]), grain.kernels[i, j]
        out[..., i] += cv2.filter2D(drawn, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    return out


def _blocks(values: Values, where: Hole, whole: float) -> Values:
    """(N, 16, 16, 3): unclipped blocks of the part, sampled evenly if there are many."""
    if min(where.shape) < _BLOCK:
        return np.zeros((0, _BLOCK, _BLOCK, 3), np.float32)
    clipped = ((values <= _BLACK) | (values >= _WHITE)).any(axis=2)
    share = _window_means(where.astype(np.float32))
    usable = (share >= whole - 1e-4) & (_window_means(np.asarray(clipped, np.float32)) <= 1e-4)
    rows, columns = np.nonzero(usable)
    if len(rows) > _MOST:
        chosen = np.linspace(0, len(rows) - 1, _MOST).astype(np.intp)
        rows, columns = rows[chosen], columns[chosen]
    windows = np.lib.stride_tricks.sliding_window_view(values, (_BLOCK, _BLOCK), axis=(0, 1))
    found = windows[rows * _STRIDE, columns * _STRIDE]
    return np.ascontiguousarray(found.transpose(0, 2, 3, 1))


def _window_means(values: Values) -> Values:
    """The mean of each block, at a stride of 8."""
    means = cv2.boxFilter(values, -1, (_BLOCK, _BLOCK), anchor=(0, 0))
    last = [side - _BLOCK + 1 for side in values.shape]
    return np.asarray(means, np.float32)[: last[0] : _STRIDE, : last[1] : _STRIDE]


def _fit_noise_line(
    shades: NDArray[np.float64], energy: NDArray[np.float64]
) -> tuple[float, float]:
    """The noise energy as a line over brightness: its value at 0 and its slope.

    The lowest energies of each of several brightness groups are taken; of all lines through two of
    them, the one that leaves three tenths below wins (quantile regression). So groups that are
    textured throughout lie above the line and do not count. Lines below 0 are excluded.
    """
    count = min(_SHADES, len(shades) // _SHADE)
    if count < 3:
        return float(np.percentile(energy, _FLOOR)), 0.0
    groups = np.array_split(np.argsort(shades, kind="stable"), count)
    x = np.array([shades[group].mean() for group in groups])
    y = np.array([np.percentile(energy[group], _FLOOR) for group in groups])
    lines = [(float(np.percentile(y, 100 * _LOW_SIDE)), 0.0)]
    lines += [_line_through(x, y, i, j) for i, j in combinations(range(count), 2)]
    lines = [(a, b) for a, b in lines if min(a + b * x[0], a + b * x[-1]) > 0] or lines[:1]
    losses = np.array([_loss(y - a - b * x) for a, b in lines])
    losses[0] *= _DOUBT
    return lines[int(np.argmin(losses))]


def _line_through(
    x: NDArray[np.float64], y: NDArray[np.float64], i: int, j: int
) -> tuple[float, float]:
    slope = float((y[j] - y[i]) / max(x[j] - x[i], 1e-6))
    return float(y[i] - slope * x[i]), slope


def _loss(off: NDArray[np.float64]) -> float:
    return float(np.where(off > 0, _LOW_SIDE * off, (_LOW_SIDE - 1) * off).sum())


def _covariance(spectra: Values) -> NDArray[np.float64]:
    """The covariance of the channels at each frequency; outliers are shrunk first."""
    size = np.sqrt((spectra**2).sum(axis=-1))
    most = _OUTLYING * np.median(size, axis=0)
    held = spectra * np.minimum(1, most / np.maximum(size, 1e-9))[..., None]
    return np.einsum("nuvi,nuvj->uvij", held, held, dtype=np.float64) / len(held)


def _limit_low_frequencies(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """The power with its lowest frequencies, where shading is, limited by extrapolating the rest.

    The model is noise softened by a Gaussian: the logarithm falls with the squared frequency.
    """
    radius, own = _frequency_radius(), np.trace(power, axis1=2, axis2=3) + 1e-12
    beside = (radius >= _LOWEST) & (radius < 2 * _LOWEST)
    slope, start = np.polyfit(radius[beside] ** 2, np.log(own[beside]), 1)
    expected = np.exp(start + min(slope, 0.0) * radius**2)
    share = np.where(radius < _LOWEST, np.minimum(1, expected / own), 1)
    share[0, 0] = expected[0, 0] / own[0, 0]  # a block's mean is its brightness
    return power * share[..., None, None]


def _frequency_radius() -> NDArray[np.float64]:
    steps = np.arange(_BLOCK)
    return np.hypot(*np.meshgrid(steps, steps, indexing="ij"))
