"""Classical fills of a hole: as results, or as initial images for a model."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.errors import InputError
from editkit.names import PREFILLS
from editkit.photo.fill.patchmatch import patchmatch
from editkit.types import Rgb

_GRAY = 127
_RADIUS = 5


def prefill(image: Rgb, hole: NDArray[np.bool_], method: str, *, seed: int = 0) -> Rgb:
    """The image with the hole filled from its surroundings; kept pixels stay unchanged.

    Args:
        image: (H, W, 3) uint8.
        hole: (H, W), true where to fill.
        method: one of `editkit.names.PREFILLS`; `none` returns the image unchanged.
        seed: of random searches.

    Raises:
        InputError: an unknown method, or a hole of another size than the image.
    """
    return fill(image, hole, method, seed=seed)


def fill(
    samples: NDArray[Any],
    hole: NDArray[np.bool_],
    method: str,
    *,
    seed: int = 0,
    guide: Rgb | None = None,
) -> NDArray[Any]:
    """Samples of any channels, of 8 or 16 bits, filled in their own type: see `prefill`.

    Args:
        samples: (H, W) or (H, W, C) uint8 or uint16.
        hole: (H, W), true where to fill.
        method: one of `editkit.names.PREFILLS`.
        seed: of random searches.
        guide: the samples as RGB, if they are not gray or RGB; for `patchmatch`.

    Raises:
        InputError: an unknown method, or a hole of another size than the image.
    """
    if method not in PREFILLS:
        raise InputError(f"no prefill is called {method!r}; use one of {', '.join(PREFILLS)}")
    if hole.shape != samples.shape[:2]:
        raise InputError(f"a hole of shape {hole.shape} in an image of shape {samples.shape}")
    if method == "none" or not hole.any():
        return samples
    if hole.all():
        return np.full_like(samples, _GRAY * (257 if samples.dtype == np.uint16 else 1))
    found = patchmatch(samples, hole, seed=seed, guide=guide) if method == "patchmatch" else None
    if found is None:  # the known area is too small to copy from
        method = "telea" if method == "patchmatch" else method
        found = (
            _biharmonic(samples, hole)
            if method == "biharmonic"
            else _opencv_inpaint(samples, hole, method)
        )
    keep = ~hole if samples.ndim == 2 else ~hole[..., None]
    return np.where(keep, samples, found)


def _biharmonic(samples: NDArray[Any], hole: NDArray[np.bool_]) -> NDArray[Any]:
    from skimage.restoration import inpaint_biharmonic  # slow to import, seldom wanted

    most = np.iinfo(samples.dtype).max
    axis = -1 if samples.ndim == 3 else None
    result = inpaint_biharmonic(samples / most, hole, split_into_regions=True, channel_axis=axis)
    return np.rint(np.clip(result, 0, 1) * most).astype(samples.dtype)


def _opencv_inpaint(samples: NDArray[Any], hole: NDArray[np.bool_], method: str) -> NDArray[Any]:
    flag = cv2.INPAINT_TELEA if method == "telea" else cv2.INPAINT_NS
    where = hole.astype(np.uint8)
    if samples.ndim == 2 or (samples.dtype == np.uint8 and samples.shape[2] == 3):
        return np.asarray(cv2.inpaint(np.ascontiguousarray(samples), where, _RADIUS, flag))
    # OpenCV accepts several channels only with 8 bits.
    planes = [np.ascontiguousarray(samples[..., c]) for c in range(samples.shape[2])]
    return np.stack([cv2.inpaint(plane, where, _RADIUS, flag) for plane in planes], axis=2)
