"""Color match: a smooth offset field, measured around the hole and interpolated across it.

The offset is measured on kept pixels near the hole, where patch and photo show the same. It is
smoothed there, since noise and detail are no color cast, then interpolated by Laplace's equation.
"""

import cv2
import numpy as np

from editkit.photo.blend.laplace import Hole, Values, solve_laplace

_REACH = 24
_SMOOTH = 5.0
_OUTLYING = 3.0


def match_color(patch: Values, photo: Values, hole: Hole) -> Values:
    """The patch with the photo's colors around the hole.

    Args:
        patch: float32 (H, W, 3) in [0, 255], the whole generated picture.
        photo: (H, W, 3); its pixels in the hole are ignored.
        hole: (H, W).
    """
    return patch + color_offset(patch, photo, hole)


def color_offset(patch: Values, photo: Values, hole: Hole) -> Values:
    """The offset (H, W, 3) to add to the patch: in the hole and on a ring 24 pixels wide."""
    ring = ring_around(hole, _REACH)
    off = np.where(ring[..., None], photo - patch, np.float32(0))
    _clip_outliers(off, ring)
    weight = cv2.GaussianBlur(ring.astype(np.float32), (0, 0), _SMOOTH)
    smooth = np.asarray(cv2.GaussianBlur(off, (0, 0), _SMOOTH), np.float32)
    smooth /= np.maximum(weight, np.float32(1e-6))[..., None]
    return solve_laplace(np.where(ring[..., None], smooth, np.float32(0)), ~hole)


def ring_around(hole: Hole, reach: float) -> Hole:
    """The kept pixels within `reach` of the hole."""
    distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return ~hole & (np.asarray(distance) <= reach)


def _clip_outliers(off: Values, ring: Hole) -> None:
    """Clips outliers in place: content that differs is no color cast."""
    values = off[ring]
    if not len(values):
        return
    middle = np.median(values, axis=0)
    spread = 1.4826 * np.median(np.abs(values - middle), axis=0)
    far = _OUTLYING * spread + 1
    off[ring] = np.clip(values, middle - far, middle + far)
