"""Seams: the transition from a patch to the photo at the edge of a hole.

Each takes the whole patch and the photo, float32 (H, W, 3) in [0, 255], and the hole. None uses the
photo's pixels in the hole, which are to be replaced.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.errors import InputError
from editkit.photo.blend.laplace import Hole, Values, solve_laplace
from editkit.photo.geometry.boxes import bounding_box, grow
from editkit.types import Coverage, Size

_SHARE = 8
_MOST_BANDS = 8
_FEWEST_BANDS = 3


def feather(patch: Values, photo: Values, hole: Hole, width: float) -> Values:
    """The patch, faded over `width` pixels inside the hole's edge into the interpolated photo."""
    if width <= 0:
        return patch
    around = solve_laplace(photo, ~hole)
    ramp = feather_alpha(hole.astype(np.float32), width)[..., None]
    return (around + ramp * (patch - around)).astype(np.float32, copy=False)


def poisson(patch: Values, photo: Values, hole: Hole) -> Values:
    """A picture with the patch's gradients and the photo's values at the edge.

    Seamless cloning (Perez et al., Poisson Image Editing, 2003): the patch plus the interpolation
    of its difference from the photo at the edge.
    """
    return patch + solve_laplace(photo - patch, ~hole)


def multiband(patch: Values, photo: Values, hole: Hole) -> Values:
    """The patch; each frequency band passes into the photo over a width of the band's scale.

    Burt and Adelson, A Multiresolution Spline With Application to Image Mosaics (1983), with the
    whole transition inside the hole. There the photo is replaced by the patch with Poisson
    correction (`poisson`). Bands add up, so each band keeps the part of that correction that its
    transition leaves: detail only near the edge, broad differences farther in.
    """
    weights = transition_weights(hole)
    bands = _bands(solve_laplace(photo - patch, ~hole), weights)
    for band, weight in zip(bands, weights, strict=True):
        np.multiply(band, (1 - weight)[..., None], out=band)
    out = bands.pop()
    while bands:
        band = bands.pop()
        out = band + np.asarray(cv2.pyrUp(out, dstsize=band.shape[1::-1]), np.float32)
    return patch + out


def transition_weights(hole: Hole) -> list[Values]:
    """The weight of the patch for each band of `multiband`, at the size of the band.

    It is 0 outside the hole and up to 2 pixels of the band inside, then rises to 1 over as many;
    there are as many bands as fit into the hole. Thin strokes have at least three: in a single band
    broad differences would remain in their middle.
    """
    distance, out = _distance(hole), list[Values]()
    deepest, size = float(distance.max()), hole.shape[::-1]
    for scale in range(_MOST_BANDS):
        reach = np.float32(2 << scale)
        far = cv2.resize(distance, size, interpolation=cv2.INTER_AREA)
        out.append(_smoothstep((np.asarray(far, np.float32) - reach) / reach))
        if (scale + 1 >= _FEWEST_BANDS and (8 << scale) > deepest) or min(size) < 4:
            break
        size = (-(-size[0] // 2), -(-size[1] // 2))
    return out


def _bands(values: Values, like: list[Values]) -> list[Values]:
    """A Laplacian pyramid with as many bands as `like`; the last band is the rest."""
    bands = list[Values]()
    for _ in like[1:]:
        small = np.asarray(cv2.pyrDown(values), np.float32)
        size = values.shape[1::-1]
        bands.append(values - np.asarray(cv2.pyrUp(small, dstsize=size), np.float32))
        values = small
    return [*bands, values]


def _smoothstep(values: Values) -> Values:
    """A smooth step from 0 at 0 to 1 at 1."""
    share = np.clip(values, 0, 1)
    return share * share * (3 - 2 * share)


def _distance(hole: Hole) -> Values:
    """The distance to the nearest pixel outside the hole; the picture's border is no edge."""
    if hole.all():
        return np.full(hole.shape, max(hole.shape), np.float32)
    bits = hole.astype(np.uint8)
    return np.asarray(cv2.distanceTransform(bits, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def feather_alpha(coverage: Coverage, width: float = 4.0) -> Coverage:
    """The composite alpha: the coverage, faded over `width` pixels inside its own edge.

    The alpha is the coverage times `clip(d / (width + 1), 0, 1)`, with d the distance in pixels to
    the nearest pixel of coverage 0, so it never extends outward. In each connected part the width
    is at most an eighth of the part's greatest d - 1, so that thin scratches are replaced fully and
    each part reaches its full coverage. The photo's border is no edge.

    Raises:
        InputError: a negative width.
    """
    if not 0 <= width < float("inf"):
        raise InputError(f"a feather of {width} pixels; give a number from 0 on")
    if width == 0 or not coverage.any():
        return coverage.copy()
    box = grow(bounding_box(coverage), 1, Size(*coverage.shape))  # where the kept pixels begin
    inner = coverage[box.slices]
    out = np.zeros_like(coverage, dtype=np.float32)
    out[box.slices] = inner * _ramp(inner > 0, width)
    return out


def _ramp(masked: NDArray[np.bool_], width: float) -> NDArray[np.float32]:
    if masked.all():
        return np.ones(masked.shape, np.float32)
    bits = masked.astype(np.uint8)
    distance = cv2.distanceTransform(bits, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    count, found = cv2.connectedComponents(bits, connectivity=8)
    parts = np.asarray(found, np.int32)
    greatest = np.zeros(count, np.float32)
    np.maximum.at(greatest, parts[masked], distance[masked])
    widths = np.minimum(np.float32(width), np.maximum(greatest - 1, 0) / _SHARE)
    return np.clip(distance / (widths[parts] + 1), 0, 1).astype(np.float32)
