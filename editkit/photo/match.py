"""Making a patch agree with what surrounds it, at the size that the model works at.

An autoencoder gives even the pixels that it was only to repeat back a little changed. What it got
wrong around the hole is known; carried smoothly across the hole, it is what the patch is off by.
"""

import numpy as np
from numpy.typing import NDArray

from editkit.photo.membrane import Values, membrane
from editkit.types import Rgb


def matched(patch: Values, photo: Rgb, hole: NDArray[np.bool_]) -> Values:
    """The patch, corrected inside the hole by what it is off by around it.

    Args:
        patch: (H, W, 3), the whole picture as the model painted it, in [0, 255].
        photo: (H, W, 3), the picture that it was given.
        hole: (H, W), true where the photo is not to be looked at.

    Returns:
        (H, W, 3) in [0, 255], not rounded; outside the hole as it was, for what was painted there
        tells of what painting costs.
    """
    off = membrane(photo.astype(np.float32) - patch, ~hole)
    return np.where(hole[..., None], np.clip(patch + off, 0, 255), patch)
