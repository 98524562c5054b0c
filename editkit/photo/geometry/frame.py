"""A larger frame around a photo: its size, the photo's position, and the new pixels."""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Integral
from types import MappingProxyType
from typing import Any

import numpy as np

from editkit.errors import InputError
from editkit.names import ANCHORS
from editkit.photo import color
from editkit.photo.io.files import MAX_PIXELS, Photo
from editkit.photo.metadata import bundle
from editkit.types import Box, Coverage, Size

SIDES = ("left", "right", "top", "bottom")
"""The sides at which a frame can grow, of the upright photo."""

_LENGTH = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(%?)")
_RATIO = re.compile(r"(\d{1,6}(?:\.\d{1,6})?):(\d{1,6}(?:\.\d{1,6})?)")
_DROPPED = ("jpeg",)


Sides = tuple[int | str, int | str, int | str, int | str]
"""The extension at each of `SIDES`: pixels, or text such as `25%`."""


@dataclass(frozen=True)
class PhotoFrame:
    """A frame around a photo.

    Attributes:
        size: of the frame.
        box: the photo's position in it.
    """

    size: Size
    box: Box


def plan_frame(
    photo: Size,
    *,
    sides: Sides = (0, 0, 0, 0),
    size: Size | None = None,
    aspect: str | None = None,
    anchor: str | None = None,
) -> PhotoFrame:
    """The frame for the given options: sides, a size, or an aspect.

    Shares of a side are rounded to the nearest pixel, a half upwards. The frame of an aspect keeps
    one side of the photo; the other is the nearest to the aspect. The extension of a size or an
    aspect is split evenly between both sides, unless an anchor is given; an odd pixel goes to the
    right or the bottom.

    Args:
        photo: its size.
        sides: the extension at `SIDES`, in order: pixels, or text such as `25%` of the photo's
            width (left, right) or height (top, bottom).
        size: the size of the frame.
        aspect: width to height, such as `16:9`.
        anchor: one of `editkit.names.ANCHORS`; for a size or an aspect.

    Raises:
        InputError: options that contradict each other, add nothing, would cut the photo, or make a
            frame that is too large.
    """
    check_frame(sides=sides, size=size, aspect=aspect, anchor=anchor)
    if size is None and aspect is None:
        left, right, top, bottom = _parse_sides(sides, photo)
        whole = Size(photo.height + top + bottom, photo.width + left + right)
    else:
        whole = size if size is not None else _size_for_aspect(photo, parse_aspect(aspect))
        left, top = _photo_offset(photo, whole, anchor or "center")
    _check_size(photo, whole)
    return PhotoFrame(whole, Box(top, left, top + photo.height, left + photo.width))


def check_frame(*, sides: Sides, size: Size | None, aspect: str | None, anchor: str | None) -> None:
    """Checks the options of `plan_frame` before there is a photo.

    Raises:
        InputError: an option that cannot be parsed, or options that contradict each other.
    """
    if anchor is not None and anchor not in ANCHORS:
        raise InputError(f"unknown anchor {anchor!r}; choose one of {', '.join(ANCHORS)}")
    lengths = _parse_sides(sides, Size(1_000_000, 1_000_000))
    named = [name for name, length in zip(SIDES, lengths, strict=True) if length]
    if size is not None:
        named.append("size")
        if len(size) != 2 or not all(isinstance(n, Integral) and n >= 1 for n in size):
            raise InputError(f"size is {size!r}; give a Size(height, width)")
    if aspect is not None:
        named.append("aspect")
        parse_aspect(aspect)
    _check_one_way(named, anchor)


def _parse_sides(sides: Sides, photo: Size) -> tuple[int, int, int, int]:
    left, right, top, bottom = sides
    return (
        parse_length("left", left, photo.width),
        parse_length("right", right, photo.width),
        parse_length("top", top, photo.height),
        parse_length("bottom", bottom, photo.height),
    )


def parse_length(name: str, given: object, of: int) -> int:
    """A length in pixels, from a number of pixels or a share of a side.

    Raises:
        InputError: it is neither.
    """
    found = None if isinstance(given, bool | float) else _LENGTH.fullmatch(str(given))
    if found is None or ("." in found[1] and not found[2]):
        raise InputError(f"{name} is {given!r}; give pixels such as 200, or a share such as 25%")
    number = Fraction(found[1])
    return _round_half_up(number * of / 100) if found[2] else int(number)


def parse_aspect(aspect: object) -> Fraction:
    """Width over height, from text such as `16:9`.

    Raises:
        InputError: it is no such text, or a side is 0.
    """
    found = _RATIO.fullmatch(str(aspect))
    if found is None or 0 in (Fraction(found[1]), Fraction(found[2])):
        raise InputError(f"aspect is {aspect!r}; give WIDTH:HEIGHT, such as 16:9")
    return Fraction(found[1]) / Fraction(found[2])


def extend_photo(photo: Photo, frame: PhotoFrame) -> Photo:
    """The photo in its frame, with mirrored new pixels; an alpha channel is opaque there.

    Sizes in the metadata become the frame's.
    """
    box = frame.box
    around = (
        (box.top, frame.size.height - box.bottom),
        (box.left, frame.size.width - box.right),
    )
    more = ((0, 0),) * (photo.samples.ndim - 2)
    samples = np.pad(photo.samples, (*around, *more), mode="symmetric")
    if color.has_alpha(photo.mode):
        alpha = samples[..., -1]
        inner = alpha[box.slices].copy()
        alpha[:] = np.iinfo(alpha.dtype).max
        alpha[box.slices] = inner
    # The JPEG coefficients of the source are of another size.
    carried: dict[str, Any] = {k: v for k, v in photo.carried.items() if k not in _DROPPED}
    if "xmp" in carried:
        size = (frame.size.width, frame.size.height)
        carried["xmp"] = bundle.set_xmp_size(carried["xmp"], size)
    return replace(photo, samples=samples, carried=MappingProxyType(carried))


def border_coverage(frame: PhotoFrame) -> Coverage:
    """float32 coverage: 1 where the frame is new, 0 on the photo."""
    border = np.ones(frame.size, np.float32)
    border[frame.box.slices] = 0
    return border


def _round_half_up(number: Fraction) -> int:
    """The nearest integer; a half is rounded up."""
    return int(number + Fraction(1, 2))


def _size_for_aspect(photo: Size, ratio: Fraction) -> Size:
    """The smallest size of an aspect that holds the photo."""
    if photo.height * ratio >= photo.width:
        return Size(photo.height, max(photo.width, _round_half_up(photo.height * ratio)))
    return Size(max(photo.height, _round_half_up(photo.width / ratio)), photo.width)


def _photo_offset(photo: Size, whole: Size, anchor: str) -> tuple[int, int]:
    """The extension at the left and at the top."""
    across, down = whole.width - photo.width, whole.height - photo.height
    left = 0 if "left" in anchor else across if "right" in anchor else across // 2
    top = 0 if "top" in anchor else down if "bottom" in anchor else down // 2
    return left, top


def _check_one_way(asked: list[str], anchor: str | None) -> None:
    ways = {name if name in ("size", "aspect") else "sides" for name in asked}
    if len(ways) > 1:
        raise InputError(
            f"{' and '.join(asked)} contradict each other; give sides, or a size, or an aspect"
        )
    if anchor is not None and "sides" in ways:
        raise InputError(f"anchor {anchor} and {asked[0]} contradict each other; leave one out")
    if not ways:
        raise InputError("nothing to add; give left, right, top or bottom, a size or an aspect")


def _check_size(photo: Size, whole: Size) -> None:
    if whole.width < photo.width or whole.height < photo.height:
        raise InputError(f"a frame of {whole} would cut the photo of {photo}; give a larger size")
    if whole == photo:
        raise InputError(f"nothing to add: the photo of {photo} has that size already")
    if whole.area > MAX_PIXELS:
        raise InputError(
            f"a frame of {whole} has {whole.area} pixels, more than the limit of {MAX_PIXELS}"
        )
