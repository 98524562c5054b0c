"""Sharpness: the detail that a patch lost, measured where patch and photo show the same.

Around the hole a patch repeats the photo, softened by the model and by resampling. The ratio of
their energies in each octave of detail there is the gain for the hole. The gain is 1 where the two
correlate little, since no loss can be measured then; it is at most 2, and values stay within the
range of their neighborhood.
"""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.photo.blend.laplace import Hole, Values

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_SCALES = (0.8, 1.6, 3.2, 6.4)
_MOST = 2.0
_ALIKE, _SAME = 0.4, 0.7
_CELL = 15
_QUIETEST = 10
_FEWEST = 256
_OVERSHOOT = 4.0
_WINDOW = np.ones((5, 5), np.uint8)


def match_sharpness(patch: Values, photo: Values, hole: Hole, ring: Hole) -> Values:
    """The patch with the photo's sharpness on the ring.

    Detail of the luminance is amplified equally in all channels. No value exceeds those of its 5x5
    neighborhood by more than 4 levels, so that edges get no halo.

    Args:
        patch: float32 (H, W, 3) in [0, 255], the whole generated picture.
        photo: (H, W, 3); its pixels in the hole are ignored.
        hole: (H, W).
        ring: (H, W), kept pixels to compare on.
    """
    gray = patch @ _LUMA
    bands, others = _bands(gray), _bands(np.where(hole, gray, photo @ _LUMA))
    gains = band_gains(bands, others, _ring_clear_of_hole(ring, hole))
    if max(gains) <= 1:
        return patch
    more = np.zeros(hole.shape, np.float32)
    for gain, band in zip(gains, bands, strict=True):
        more += np.float32(gain - 1) * band
    low = cv2.erode(patch, _WINDOW) - _OVERSHOOT
    high = cv2.dilate(patch, _WINDOW) + _OVERSHOOT
    return np.clip(patch + more[..., None], low, high)


def band_gains(patch: list[Values], photo: list[Values], ring: Hole) -> list[float]:
    """The factor of each band of the patch, at least 1."""
    if np.count_nonzero(ring) < _FEWEST:
        return [1.0] * len(patch)
    return [_gain(mine, theirs, ring) for mine, theirs in zip(patch, photo, strict=True)]


def _gain(mine: Values, theirs: Values, ring: Hole) -> float:
    own, other = mine[ring], theirs[ring]
    both = float(np.dot(own, other) / np.sqrt(max(np.dot(own, own) * np.dot(other, other), 1e-9)))
    alike = float(np.clip((both - _ALIKE) / (_SAME - _ALIKE), 0, 1))
    ratio = np.sqrt(_energy(theirs, ring) / max(_energy(mine, ring), 1e-9))
    return 1 + alike * (float(np.clip(ratio, 1, _MOST)) - 1)


def _energy(band: Values, ring: Hole) -> float:
    """The energy of a band on the ring, minus the noise's, which is taken from quiet areas."""
    square = band * band
    local = np.asarray(cv2.blur(square, (_CELL, _CELL)), np.float32)[ring]
    return max(float(square[ring].mean()) - float(np.percentile(local, _QUIETEST)), 0.0)


def _bands(gray: Values) -> list[Values]:
    soft = [np.asarray(cv2.GaussianBlur(gray, (0, 0), scale), np.float32) for scale in _SCALES]
    return [fine - coarse for fine, coarse in pairwise(soft)]


def _ring_clear_of_hole(ring: Hole, hole: Hole) -> NDArray[np.bool_]:
    """The ring without pixels whose filters reach into the hole."""
    reach = np.ones((13, 13), np.uint8)
    return ring & (cv2.dilate(hole.astype(np.uint8), reach) == 0)
