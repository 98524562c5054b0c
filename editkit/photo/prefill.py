"""Classical fills of a hole, to give a model something better than noise to start from."""

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.errors import InputError
from editkit.types import Rgb

PREFILLS = ("none", "telea", "ns", "biharmonic")
"""The methods of `prefill`."""

_GREY = 127
_RADIUS = 5


def prefill(image: Rgb, hole: NDArray[np.bool_], method: str) -> Rgb:
    """The image with the hole filled from around it; kept pixels come back as they were.

    Args:
        image: (H, W, 3) uint8.
        hole: (H, W), true where to fill.
        method: one of `PREFILLS`; `none` gives the image back as it is.

    Raises:
        InputError: an unknown method, or a hole of another size than the image.
    """
    if method not in PREFILLS:
        raise InputError(f"no prefill is called {method!r}; use one of {', '.join(PREFILLS)}")
    if hole.shape != image.shape[:2]:
        raise InputError(f"a hole of shape {hole.shape} in an image of shape {image.shape}")
    if method == "none" or not hole.any():
        return image
    filled = np.full_like(image, _GREY) if hole.all() else _filled(image, hole, method)
    return np.where(hole[..., None], filled, image)


def _filled(image: Rgb, hole: NDArray[np.bool_], method: str) -> Rgb:
    if method == "biharmonic":
        from skimage.restoration import inpaint_biharmonic  # slow to import, seldom wanted

        result = inpaint_biharmonic(image / 255.0, hole, split_into_regions=True, channel_axis=-1)
        return np.rint(np.clip(result, 0, 1) * 255).astype(np.uint8)
    flag = cv2.INPAINT_TELEA if method == "telea" else cv2.INPAINT_NS
    return np.asarray(cv2.inpaint(image, hole.astype(np.uint8), _RADIUS, flag), np.uint8)
