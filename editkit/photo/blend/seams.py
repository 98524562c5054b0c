"""How a patch passes into a photo at the edge of a hole.

Each way takes the whole patch and the photo, (H, W, 3) float32 in [0, 255], and the hole; none
looks at what the hole covers in the photo, for that is there to be replaced.
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
    """The patch, faded over `width` pixels inside the hole's edge into a membrane of the photo."""
    if width <= 0:
        return patch
    around = solve_laplace(photo, ~hole)
    ramp = feather_alpha(hole.astype(np.float32), width)[..., None]
    return (around + ramp * (patch - around)).astype(np.float32, copy=False)


def poisson(patch: Values, photo: Values, hole: Hole) -> Values:
    """What has the patch's gradients and the photo's values at the edge.

    Seamless cloning (Perez et al., Poisson Image Editing, 2003): the patch, and a membrane of what
    it is off by at the edge.
    """
    return patch + solve_laplace(photo - patch, ~hole)


def multiband(patch: Values, photo: Values, hole: Hole) -> Values:
    """The patch, each band of it passing into the photo over a width of the band's own scale.

    Burt and Adelson, A Multiresolution Spline With Application to Image Mosaics (1983), with all
    of each transition inside the hole: there the photo is the patch, brought to the photo's values
    by a membrane (`poisson`). As bands add up, this leaves of that correction in each band what the
    transition leaves: little detail, and only near the edge; broad differences reach further in.
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
    """How far the patch has come in for each band of `multiband`, at the size of the band.

    0 outside the hole and in it up to 2 pixels of the band from its edge, then rising to 1 over as
    many; as many bands as the hole has room for. Strokes have three all the same: in one band what
    is off broadly, too, would stay off in their middle.
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
    """A Laplacian pyramid of the depth of another; its last band is what is left."""
    bands = list[Values]()
    for _ in like[1:]:
        small = np.asarray(cv2.pyrDown(values), np.float32)
        size = values.shape[1::-1]
        bands.append(values - np.asarray(cv2.pyrUp(small, dstsize=size), np.float32))
        values = small
    return [*bands, values]


def _smoothstep(values: Values) -> Values:
    """From 0 at 0 to 1 at 1, without a kink at either."""
    share = np.clip(values, 0, 1)
    return share * share * (3 - 2 * share)


def _distance(hole: Hole) -> Values:
    """How far each pixel is from the nearest one outside the hole; the border is no edge."""
    if hole.all():
        return np.full(hole.shape, max(hole.shape), np.float32)
    bits = hole.astype(np.uint8)
    return np.asarray(cv2.distanceTransform(bits, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def feather_alpha(coverage: Coverage, width: float = 4.0) -> Coverage:
    """The composite alpha: the coverage, faded over `width` pixels inside of its own edge.

    The alpha is the coverage times `clip(d / (width + 1), 0, 1)`, with d the distance in pixels
    to the nearest pixel of coverage 0; so it never leaks outward. In each connected part the
    width is at most an eighth of that part's greatest d - 1: a thin scratch is replaced as a whole,
    and every part reaches its full coverage. The border of the photo is not an edge.

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
