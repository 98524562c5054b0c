"""Making a patch agree with what surrounds it, at the size that the model works at.

An autoencoder gives even the pixels that it was only to repeat back a little changed. What it got
wrong around the hole is known; carried smoothly across the hole, it is what the patch is off by.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.photo.blend import feathered
from editkit.types import Rgb

_SWEEPS = 200
_NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4

Values = NDArray[np.float32]


def membrane(values: Values, known: NDArray[np.bool_]) -> Values:
    """Values where they are known, and between them a membrane spanned across the rest.

    Solves Laplace's equation with the known values as its border (the membrane of Perez et al.,
    Poisson Image Editing, 2003), from a coarse-to-fine start by relaxation. Where nothing is known,
    zeros.

    Args:
        values: (H, W, C); what stands where nothing is known does not matter.
        known: (H, W).
    """
    if not known.any():
        return np.zeros_like(values)
    out = _coarse_to_fine(values, known)
    free = ~known[..., None]
    for _ in range(_SWEEPS):
        mean = cv2.filter2D(out, -1, _NEIGHBOURS, borderType=cv2.BORDER_REFLECT_101)
        np.copyto(out, mean.reshape(out.shape), where=free)
    return out


def _coarse_to_fine(values: Values, known: NDArray[np.bool_]) -> Values:
    if known.all():
        return values.astype(np.float32)
    half = (-(-known.shape[1] // 2), -(-known.shape[0] // 2))
    share = _shrunk(known.astype(np.float32)[..., None], half)
    sums = _shrunk(np.where(known[..., None], values, 0).astype(np.float32), half)
    means = (sums / np.maximum(share, np.finfo(np.float32).tiny)).astype(np.float32)
    coarse = _coarse_to_fine(means, share[..., 0] > 0)
    size = known.shape[::-1]
    fine = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR))
    return np.where(known[..., None], values, fine.reshape(values.shape)).astype(np.float32)


def _shrunk(values: Values, size: tuple[int, int]) -> Values:
    small = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
    return small.reshape(*size[::-1], -1)


def matched(patch: Rgb, photo: Rgb, hole: NDArray[np.bool_]) -> Rgb:
    """The patch, corrected inside the hole by what it is off by around it.

    Args:
        patch: (H, W, 3), the whole picture as the model painted it.
        photo: (H, W, 3), the picture that it was given.
        hole: (H, W), true where the photo is not to be looked at.
    """
    off = photo.astype(np.float32) - patch.astype(np.float32)
    return _rounded(patch + membrane(off, ~hole))


def softened(patch: Rgb, photo: Rgb, hole: NDArray[np.bool_], width: float) -> Rgb:
    """The patch, faded over `width` pixels inside the hole's edge into what surrounds it.

    The fade is into a membrane spanned across the hole, never into what the hole covers: that is
    there to be replaced.
    """
    if width <= 0 or not hole.any():
        return patch
    around = membrane(photo.astype(np.float32), ~hole)
    ramp = feathered(hole.astype(np.float32), width)[..., None]
    return _rounded(around + np.where(hole[..., None], ramp, 1) * (patch - around))


def _rounded(values: Values) -> Rgb:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)
