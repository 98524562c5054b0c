"""Masks from files, arrays and images, as coverage: 1 may change, 0 stays."""

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editkit.errors import ImageError, MaskError
from editkit.masks.normalize import check_labels, normalize_mask
from editkit.masks.painted import read_painted
from editkit.photo.color import base_mode, bit_depth, round_to_8_bits, to_rgb
from editkit.photo.io.arrays import narrow_integers
from editkit.photo.io.files import Photo, PhotoLike, describe_source, read_photo, to_array
from editkit.types import Coverage, Size

_LOSSY = ("JPEG", "WEBP", "JPEG2000", "AVIF", "HEIF")
_DIM, _COLORLESS = 242, 6


@dataclass(frozen=True, eq=False)
class Reading:
    """A mask that was read.

    Attributes:
        coverage: float32 (H, W): 1 may change, 0 stays.
        notes: how it was read, where that was not simply by its brightness.
    """

    coverage: Coverage
    notes: tuple[str, ...] = ()


def read_mask(
    source: PhotoLike, size: Size, *, photo: Photo | None = None, source_name: str | None = None
) -> Coverage:
    """The mask as float32 coverage (H, W) of a photo of `size`: white may change, black stays.

    Color counts by its luminance. With a varying alpha channel: if all visible pixels have one
    color, alpha alone is the mask (a shape painted on a transparent layer; or the holes in a
    colorless, mostly opaque sheet); otherwise the mask is luminance times alpha. Arrays may be
    bool, uint8, uint16 or floating point in [0, 1], or hold whole numbers of another type: 0 and 1,
    or up to 255 or 65535.

    Lossy containers put ripples beside the edges of a mask, which would mark pixels far from the
    painted area; so values up to 16/255 become 0, and from 239/255 on 1. For noise in other masks
    see `normalize.py`. For a painted copy of the photo, or one with transparent holes, see
    `painted.py`.

    Args:
        source: a file, an image or an array, upright like the photo (EXIF is applied).
        size: the upright photo's; a mask is never resized.
        photo: the photo that a painted copy may be a copy of.
        source_name: the mask's name in messages, in place of its path.

    Raises:
        MaskError: another size than the photo's, no pixel above 0, or a photo that is no mask.
        ImageError: not an image, or not readable.
    """
    return read_with_notes(source, size, photo=photo, source_name=source_name).coverage


def read_with_notes(
    source: PhotoLike, size: Size, *, photo: Photo | None = None, source_name: str | None = None
) -> Reading:
    """`read_mask`, with notes on how the mask was read."""
    read = read_part(source, size, photo=photo, source_name=source_name)
    if not read.coverage.any():
        name = _mask_name(source, source_name)
        raise MaskError(f"{name} selects nothing; white marks where to edit")
    return read


def read_part(
    source: PhotoLike, size: Size, *, photo: Photo | None = None, source_name: str | None = None
) -> Reading:
    """`read_with_notes` for a part of an expression, which may select nothing.

    Raises:
        MaskError: another size than the photo's.
        ImageError: not an image, or not readable.
    """
    name = _mask_name(source, source_name)
    try:
        if isinstance(source, Photo):
            return _read_photo_mask(source, size, photo, name)
        array = _array_of_numbers(source)
        if array is None:
            return _read_photo_mask(read_photo(source), size, photo, name)
        known = narrow_integers(array)
        plain = _float_coverage(known, name)
        if plain is None:
            return _read_photo_mask(read_photo(known), size, photo, name)
    except MaskError:
        raise
    except ImageError as error:
        raise ImageError(f"the mask cannot be used: {error}") from error
    _check_size(plain, size, name)
    return Reading(*normalize_mask(plain))


def read_as_is(values: Coverage, size: Size) -> Coverage:
    """The values as float32 coverage, without any normalization.

    Raises:
        MaskError: another size than the photo's, or values beyond [0, 1].
    """
    name = _mask_name(values, None)
    plain = _float_coverage(values, name)
    coverage = read_part(values, size).coverage if plain is None else plain
    _check_size(coverage, size, name)
    return coverage


def is_file(name: str) -> bool:
    """True if a text is the path of a file; overlong text is not."""
    return os.path.isfile(name)  # noqa: PTH113 - pathlib's raises where a name is too long


def is_floating(source: object) -> bool:
    """True if a mask is given as values in floating point, not as a picture."""
    return isinstance(source, np.ndarray) and source.dtype.kind == "f"


def _mask_name(source: PhotoLike, source_name: str | None) -> str:
    """The mask's name in messages: its file, or the kind of object that was given."""
    name = source_name or describe_source(source)
    return f"the mask in {name}" if name.startswith("the given ") else f"the mask {name}"


def _array_of_numbers(source: PhotoLike) -> NDArray[Any] | None:
    """The array of a mask; None for sources that `read_photo` reads."""
    made = isinstance(source, Image.Image) and source.format is None and source.mode in ("I", "F")
    return to_array(np.asarray(source) if made else source)


def _float_coverage(array: NDArray[Any], name: str) -> Coverage | None:
    """Gray bool or float arrays as float32 coverage; None for arrays that `read_photo` reads."""
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
    # A read-only array need not be copied; the float32 mask of a large photo takes much memory.
    return out.copy() if flat.flags.writeable and np.may_share_memory(out, array) else out


def _read_photo_mask(mask: Photo, size: Size, photo: Photo | None, name: str) -> Reading:
    _check_size(mask.samples, size, name)
    if bit_depth(mask.mode) == 16 and mask.mode != "I;16":
        mask = replace(mask, samples=round_to_8_bits(mask.samples), mode=base_mode(mask.mode))
    painted = None if photo is None else read_painted(mask, photo, name)
    if painted is None:
        return _read_brightness(mask, name)
    coverage, note = painted
    if coverage is not None:
        return Reading(coverage, (note,))
    read = _read_brightness(mask, name)
    return replace(read, notes=(note, *read.notes))


def _read_brightness(mask: Photo, name: str) -> Reading:
    gray, lossy = _luminance(mask), mask.format in _LOSSY
    if mask.mode in ("LA", "RGBA"):
        weighted, told = _read_alpha(mask, gray)
        coverage, notes = normalize_mask(weighted, lossy=lossy)
        return Reading(coverage, (*told, *notes))
    check_labels(gray, name)
    coverage, notes = normalize_mask((gray / np.float32(np.iinfo(gray.dtype).max)), lossy=lossy)
    return Reading(coverage, (*notes, *_color_notes(mask, int(gray.max()))))


def _color_notes(mask: Photo, brightest: int) -> tuple[str, ...]:
    """A note, if the mask is painted in a color whose brightness is nearly that of white."""
    if base_mode(mask.mode) == "L" or bit_depth(mask.mode) == 16 or brightest >= _DIM:
        return ()
    rgb = mask.rgb()
    if int(rgb.max()) < _DIM or int((rgb.max(axis=2) - rgb.min(axis=2)).max()) < _DIM // 2:
        return ()
    share = brightest / 255
    return (
        f"the mask's colors count by their brightness: the brightest is {share:.2f} of an edit; "
        "paint in white for all of it",
    )


def _luminance(photo: Photo) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if photo.mode == "I;16":
        return photo.samples
    if photo.mode in ("L", "LA"):
        return photo.samples if photo.mode == "L" else photo.samples[..., 0]
    rgb = to_rgb(photo.samples, photo.mode)
    return np.asarray(Image.fromarray(rgb).convert("L"))


def _read_alpha(photo: Photo, gray: NDArray[Any]) -> tuple[Coverage, tuple[str, ...]]:
    """The mask by brightness times alpha, or by alpha alone, and a note on the latter."""
    alpha = photo.samples[..., -1]
    luminance = gray.astype(np.float32) / np.float32(255)
    opacity = alpha.astype(np.float32) / np.float32(255)
    visible = photo.samples[..., :-1][alpha > 0]
    if alpha.min() == alpha.max() or (visible != visible[0]).any():
        return luminance * opacity, ()
    if _is_cut_out(opacity, int(visible[0].min()), int(visible[0].max())):
        return 1 - opacity, (
            "the mask is an even sheet with transparent holes: transparent pixels "
            "are edited; to edit the opaque ones write 'file:NAME,alpha'",
        )
    return opacity, ("the mask is paint on a transparent layer: opaque pixels are edited",)


def _is_cut_out(opacity: Coverage, darkest: int, brightest: int) -> bool:
    """True if the mask is a colorless sheet with holes, not shapes on a transparent layer."""
    if brightest - darkest > _COLORLESS:
        return False
    rim = np.concatenate((opacity[0], opacity[-1], opacity[:, 0], opacity[:, -1]))
    return float(opacity.mean()) > 0.5 and float(rim.mean()) > 0.75


def _check_size(values: NDArray[Any], size: Size, name: str) -> None:
    found = Size(*values.shape[:2])
    if found == size:
        return
    hint = "make it the photo's size"
    if found == (size.width, size.height):
        hint = "it would fit turned by 90 degrees: turn it like the photo as seen (EXIF applied)"
    raise MaskError(f"{name} is {found}, the photo is {size}; {hint}")
