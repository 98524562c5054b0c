"""Masks from files, arrays and images, as coverage: 1 may change, 0 stays."""

import os
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editkit.errors import ImageError, MaskError
from editkit.photo.arrays import labels
from editkit.photo.colour import base, depth, rounded_to_8, to_rgb
from editkit.photo.files import Photo, PhotoLike, array_of, name_of, read_photo
from editkit.types import Box, Coverage, Size

_LOSSY = ("JPEG", "WEBP", "JPEG2000", "AVIF", "HEIF")
_RINGING = 16 / 255


def read_mask(source: PhotoLike, size: Size, *, source_name: str | None = None) -> Coverage:
    """The mask as float32 coverage of a photo of `size`: white may change, black stays.

    Colour counts by its luminance. With an alpha channel that varies: where everything visible
    has one colour, alpha alone is the mask (a shape painted on a transparent layer); otherwise
    luminance times alpha. Arrays may be bool, uint8, uint16 or floating point in [0, 1], or hold
    whole numbers of another type: 0 and 1, or up to 255.

    Lossy containers put ripples beside the edges of a mask, which would make pixels far from the
    painted area count as edited; so there values up to 16/255 become 0, and from 239/255 on 1.

    Args:
        source: a file, an image or an array, upright like the photo (EXIF is applied).
        size: the upright photo's; a mask is never resized.
        source_name: how messages call the mask, instead of its path.

    Raises:
        MaskError: another size than the photo's, or no pixel above 0.
        ImageError: not an image, or not readable.
    """
    coverage = read_part(source, size, source_name=source_name)
    if not coverage.any():
        name = _called(source, source_name)
        raise MaskError(f"{name} selects nothing; white marks where to edit")
    return coverage


def read_part(source: PhotoLike, size: Size, *, source_name: str | None = None) -> Coverage:
    """What `read_mask` gives, for a part of an expression: it may select nothing.

    Raises:
        MaskError: another size than the photo's.
        ImageError: not an image, or not readable.
    """
    name = _called(source, source_name)
    coverage = _coverage(source, name)
    _check_size(coverage, size, name)
    return coverage


def is_file(name: str) -> bool:
    """Whether a text names a file; text that can name none, such as a long expression, does not."""
    return os.path.isfile(name)  # noqa: PTH113 - pathlib's raises where a name is too long


def bounding_box(coverage: Coverage) -> Box:
    """The smallest box around all values above 0.

    Raises:
        MaskError: there is none.
    """
    rows = np.flatnonzero(coverage.any(axis=1))
    if not rows.size:
        raise MaskError("the mask selects nothing; white marks where to edit")
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(coverage[top:bottom].any(axis=0))
    return Box(top, int(columns[0]), bottom, int(columns[-1]) + 1)


def _called(source: PhotoLike, source_name: str | None) -> str:
    """How messages call a mask: by its file's name, or by what it was given as."""
    name = source_name or name_of(source)
    return f"the mask in {name}" if name.startswith("the given ") else f"the mask {name}"


def _coverage(source: PhotoLike, name: str) -> Coverage:
    try:
        array = array_of(source)
        if array is None:
            return _from_photo(read_photo(source), name)
        known = labels(array)
        plain = _plain(known, name)
        return _from_photo(read_photo(known), name) if plain is None else plain
    except MaskError:
        raise
    except ImageError as error:
        raise ImageError(f"the mask cannot be used: {error}") from error


def _plain(array: NDArray[Any], name: str) -> Coverage | None:
    """Grey arrays of bool or float at their full precision; None for all that a photo can be."""
    flat = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if flat.ndim != 2:
        return None
    if flat.dtype == np.bool_:
        return flat.astype(np.float32, order="C")
    if not np.issubdtype(flat.dtype, np.floating) or not flat.size:
        return None
    low, high = float(flat.min()), float(flat.max())
    # Written so that a NaN, which compares false, is refused too.
    if not (low >= 0.0 and high <= 1.0):
        raise MaskError(f"{name} goes from {low:g} to {high:g}; values must be from 0 to 1")
    out = np.ascontiguousarray(flat, np.float32)
    # What nobody can write to need not be copied: a mask of a large photo is larger than that.
    return out.copy() if flat.flags.writeable and np.may_share_memory(out, array) else out


def _from_photo(photo: Photo, name: str) -> Coverage:
    if photo.mode == "I;16":
        return (photo.samples / np.float32(65535)).astype(np.float32)
    if depth(photo.mode) == 16:
        photo = replace(photo, samples=rounded_to_8(photo.samples), mode=base(photo.mode))
    grey = _luminance(photo)
    if photo.mode in ("LA", "RGBA"):
        return _with_alpha(photo, grey)
    if grey.max() == 1:
        # Label maps hold 0 and 1; read as grey they would ask for 1/255 of an edit.
        raise MaskError(f"{name} holds only 0 and 1 of 255; multiply it by 255 to make white")
    coverage = grey.astype(np.float32) / np.float32(255)
    return _without_ringing(coverage) if photo.format in _LOSSY else coverage


def _luminance(photo: Photo) -> NDArray[np.uint8]:
    if photo.mode in ("L", "LA"):
        return photo.samples if photo.mode == "L" else photo.samples[..., 0]
    rgb = to_rgb(photo.samples, photo.mode)
    return np.asarray(Image.fromarray(rgb).convert("L"))


def _with_alpha(photo: Photo, grey: NDArray[np.uint8]) -> Coverage:
    alpha = photo.samples[..., -1]
    luminance = grey.astype(np.float32) / np.float32(255)
    opacity = alpha.astype(np.float32) / np.float32(255)
    if alpha.min() != alpha.max():
        visible = photo.samples[..., :-1][alpha > 0]
        coverage = opacity if (visible == visible[0]).all() else luminance * opacity
    else:
        coverage = luminance * opacity
    return _without_ringing(coverage) if photo.format in _LOSSY else coverage


def _without_ringing(coverage: Coverage) -> Coverage:
    half_step = 0.5 / 255
    cleaned = np.where(coverage < _RINGING + half_step, np.float32(0), coverage)
    return np.where(cleaned > 1 - _RINGING - half_step, np.float32(1), cleaned)


def _check_size(coverage: Coverage, size: Size, name: str) -> None:
    found = Size(*coverage.shape)
    if found == size:
        return
    hint = "make it the photo's size"
    if found == (size.width, size.height):
        hint = "it would fit turned by 90 degrees: turn it like the photo as seen (EXIF applied)"
    raise MaskError(f"{name} is {found}, the photo is {size}; {hint}")
