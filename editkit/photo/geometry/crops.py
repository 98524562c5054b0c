"""Regions: the crop of a photo that a model works on, its scale, and the way back.

A region is a box of the photo, the size of the box after uniform scaling, and the working size: the
scaled box, padded at the right and the bottom to the model's multiple. `crop` goes in, `paste` is
its inverse. `crop_mask` goes in without losing a single masked pixel.
"""

from dataclasses import dataclass
from math import ceil, log2, sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.errors import InputError
from editkit.photo.io.files import Photo
from editkit.types import Box, Coverage, Size

_MOST_ENLARGED = 4.0
_LONGEST = 3
_SAME_SCALE = 0.1
_SHARP = 0.8
_LARGEST = 16e6


@dataclass(frozen=True)
class Region:
    """A crop of the photo and the size at which the model sees it."""

    box: Box
    """The crop, in pixels of the photo."""

    scaled: Size
    """The size of the crop after uniform scaling; the box's own size means no resampling."""

    working: Size
    """`scaled`, padded at the right and the bottom."""


def plan_region(
    photo: Size,
    mask_box: Box,
    *,
    native: int,
    multiple: int,
    context: float = 0.3,
    working: int | None = None,
) -> Region:
    """The region for a mask: a square around it where the photo allows.

    The crop's side is the mask box's longer side plus `context` of it on both sides, and at least
    `working` (or `native`). It is shifted to stay in the photo, and clipped only if the photo is
    smaller. The crop is scaled to an area of about the square of `working` (or `native`), at most
    fourfold and to at most three times that side. Scales within a tenth of 1 become 1: a few more
    pixels for the model, no resampling.

    Args:
        photo: the photo's size.
        mask_box: the bounding box of the mask.
        native: the side in pixels at which the model was trained.
        multiple: the divisor of the model's sides.
        context: the share of context around the mask.
        working: a working side in place of `native`.

    Raises:
        InputError: a box outside the photo, or a side, multiple or context that is too small.
    """
    side = native if working is None else working
    _check(photo, mask_box, side=side, multiple=multiple, context=context)
    wanted = max(side, ceil((1 + 2 * context) * max(mask_box.size)))
    top, bottom = _crop_span(mask_box.top, mask_box.bottom, wanted, photo.height)
    left, right = _crop_span(mask_box.left, mask_box.right, wanted, photo.width)
    box = Box(top, left, bottom, right)
    scaled = _scaled_size(box.size, side)
    return Region(box, scaled, _working_size(scaled, side, multiple))


def finer_regions(mask_box: Box, region: Region, *, native: int, multiple: int) -> list[Region]:
    """Regions for the same mask, each at up to twice the scale of the one before.

    The last is at the photo's own scale, or has 16 megapixels if that would have more. The list is
    empty if the first region's pixels are hardly larger than the photo's. Each holds the mask's box
    and a quarter of `native` around it at its own scale, within the first region.

    Args:
        mask_box: the bounding box of the mask.
        region: the first, from `plan_region`.
        native: the side in pixels that the model sees at once.
        multiple: the divisor of the model's sides.
    """
    first = region.scaled.width / region.box.size.width
    last = min(1.0, sqrt(_LARGEST / mask_box.size.area))
    if first > _SHARP * last:
        return []
    count = ceil(log2(last / first) - _SAME_SCALE)
    scales = [first * (last / first) ** (k / count) for k in range(1, count)] + [last]
    return [_finer_region(mask_box, region.box, scale, native, multiple) for scale in scales]


def _finer_region(mask_box: Box, limits: Box, scale: float, native: int, multiple: int) -> Region:
    margin = ceil(native / 4 / scale)
    box = Box(
        max(mask_box.top - margin, limits.top),
        max(mask_box.left - margin, limits.left),
        min(mask_box.bottom + margin, limits.bottom),
        min(mask_box.right + margin, limits.right),
    )
    scaled = Size(*(max(1, round(length * scale)) for length in box.size))
    return Region(box, scaled, _working_size(scaled, native, multiple))


def _working_size(scaled: Size, side: int, multiple: int) -> Size:
    least = max(multiple, _round_up(side // 4, multiple))
    return Size(*(max(_round_up(length, multiple), least) for length in scaled))


def crop(array: NDArray[Any], region: Region) -> NDArray[Any]:
    """The region of an (H, W) or (H, W, C) uint8 or float32 array, at the working size.

    Shrinking averages areas, enlarging is cubic; the padding mirrors the crop. At scale 1 the crop
    is an exact copy.
    """
    return _pad_mirrored(_resize(array[region.box.slices], region.scaled), region.working)


def crop_photo(photo: Photo, region: Region) -> NDArray[np.uint8]:
    """`crop(photo.rgb(), region)`, with only the region's box converted to RGB."""
    return _pad_mirrored(_resize(photo.rgb(region.box), region.scaled), region.working)


def crop_mask(coverage: Coverage, region: Region) -> NDArray[np.float32]:
    """The region of a mask as float32 of the working size; masked pixels stay masked.

    A working pixel takes the greatest value of all source pixels that it covers, even partly. So
    each source pixel above 0 gives at least one working pixel at least as high. The padding is 0.
    """
    crop = coverage[region.box.slices]
    crop = _max_rows(crop, region.scaled.height)
    crop = _max_rows(crop.T, region.scaled.width).T
    out = np.zeros(region.working, np.float32)
    out[: region.scaled.height, : region.scaled.width] = crop
    return out


def paste(patch: NDArray[Any], region: Region) -> NDArray[Any]:
    """The inverse of `crop`: the working-size patch, without padding, at the box's own size.

    It is exact at scale 1. At other scales the values stay within the patch's range.
    """
    inner = patch[: region.scaled.height, : region.scaled.width]
    return _resize(inner, region.box.size)


def _check(photo: Size, box: Box, *, side: int, multiple: int, context: float) -> None:
    inside = 0 <= box.top < box.bottom <= photo.height and 0 <= box.left < box.right <= photo.width
    if not inside:
        raise InputError(f"the box {tuple(box)} is empty or not inside a photo of {photo}")
    if side < 1 or multiple < 1:
        raise InputError(f"a side of {side} and a multiple of {multiple}: both must be at least 1")
    if not 0 <= context <= 100:
        raise InputError(f"a context of {context}; give a number from 0 to 100, such as 0.3")


def _crop_span(start: int, end: int, wanted: int, limit: int) -> tuple[int, int]:
    """`wanted` pixels centered on start..end, shifted into 0..limit, clipped if limit is less."""
    length = min(wanted, limit)
    first = (start + end - length) // 2
    first = min(max(first, 0), limit - length)
    return first, first + length


def _scaled_size(crop: Size, side: int) -> Size:
    factor = min(side / sqrt(crop.area), _MOST_ENLARGED, _LONGEST * side / max(crop))
    if abs(factor - 1) < _SAME_SCALE and max(crop) <= _LONGEST * side:
        return crop
    return Size(*(max(1, round(length * factor)) for length in crop))


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _resize(array: NDArray[Any], size: Size) -> NDArray[Any]:
    """A new array of the given size; a copy if that is the size already."""
    if array.shape[:2] == size:
        return array.copy()
    # The scale is uniform, so one side never shrinks while the other grows.
    shrinks = size.height < array.shape[0] or size.width < array.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    source = np.ascontiguousarray(array)
    out = np.asarray(cv2.resize(source, (size.width, size.height), interpolation=how))
    out = out.reshape(*size, *array.shape[2:])
    # Cubic curves overshoot at edges.
    return out if shrinks else np.clip(out, source.min(), source.max(), out=out)


def _pad_mirrored(array: NDArray[Any], size: Size) -> NDArray[Any]:
    for axis, length in enumerate(size):
        have = array.shape[axis]
        if length > have:
            array = np.take(array, _mirror_indices(have, length), axis=axis)
    return array


def _mirror_indices(have: int, length: int) -> NDArray[np.intp]:
    """Indices 0..have-1 and back without repeating the ends, up to `length`."""
    if length > 2 * have - 1:
        return np.minimum(np.arange(length), have - 1)
    places = np.arange(length)
    return np.where(places < have, places, 2 * (have - 1) - places)


def _max_rows(array: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Rows reduced (or repeated) to `length`, each the maximum of the rows that it covers."""
    have = array.shape[0]
    if have == length:
        return array
    cells = np.arange(length)
    firsts = cells * have // length
    lasts = -(-(cells + 1) * have // length) - 1
    # reduceat goes up to the next cell's first row; the last row may be shared with that cell.
    return np.maximum(np.maximum.reduceat(array, firsts, axis=0), array[lasts])
