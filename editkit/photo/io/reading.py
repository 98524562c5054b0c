"""Photos from files, arrays and Pillow images.

Samples are kept as they are stored (`color.py` holds the rule for modes), upright: the EXIF
orientation is applied on reading and taken out of the metadata. Inputs are never modified.

Pillow's own switches are respected, not set: with `ImageFile.LOAD_TRUNCATED_IMAGES` turned on
elsewhere in the process, Pillow no longer reports a file that was cut short.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from editkit.errors import ImageError
from editkit.photo import color
from editkit.photo.color import Samples
from editkit.photo.formats import containers, png, tiff, tiff_directories, tiff_layouts
from editkit.photo.formats.tiff_layouts import UnsupportedTiffError
from editkit.photo.io import arrays, unsupported
from editkit.photo.io.orientation import apply_orientation
from editkit.photo.io.photo import Photo, PhotoLike
from editkit.photo.io.pillow_images import (
    add_notes,
    check_size,
    choose_frame,
    frame_number,
    freeze_samples,
    load_image,
    pillow_errors,
    register_plugins,
    tiles_of,
    warning_notes,
    with_raw_metadata,
)
from editkit.photo.io.sources import describe_source, open_stream, source_path, to_array
from editkit.photo.metadata import bundle, cicp
from editkit.photo.silence import silence_libraries
from editkit.types import Size, Stream

MAX_PIXELS = 178_956_970
"""The largest photo read unless told otherwise; also the most that Pillow opens by itself."""

_DEEP = {1: "I;16", 2: "LA;16", 3: "RGB;16", 4: "RGBA;16"}


def read_photo(
    source: PhotoLike | Photo, *, max_pixels: int = MAX_PIXELS, frame: int | None = None
) -> Photo:
    """The photo in a file, in bytes, in a Pillow image or in an array; see `PhotoLike`.

    Args:
        source: the file, data, image or array.
        max_pixels: the largest photo that is read.
        frame: the number of a picture of an animation or a multi-page file, from 0 on; without it
            such files are refused.

    Raises:
        ImageError: missing, unreadable, not an image, damaged, truncated, larger than `max_pixels`,
            empty, of a mode or type that is not kept, or of several pictures without `frame`.
    """
    if isinstance(source, Photo):
        return source
    name = describe_source(source)
    array = to_array(source)
    if array is not None:
        return _from_array(array, name, max_pixels)
    if isinstance(source, Image.Image):
        return _with_profile(_from_image(source, name, max_pixels, frame), name)
    with open_stream(source, name) as stream:
        unsupported.check(stream, name)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        file = tiff_directories.open_tiff(stream)
        if file is not None:
            photo = _from_tiff(file, name, max_pixels, frame)
        else:
            photo = _from_stream(stream, name, max_pixels, frame)
    data = source if isinstance(source, bytes) else None
    known = {"path": source_path(source), "digest": digest, "frame": frame or 0, "data": data}
    return _with_profile(replace(photo, **known), name)


def _from_array(array: NDArray[Any], name: str, max_pixels: int) -> Photo:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"an array of shape {array.shape} is not a photo; "
            "give (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
        )
    check_size(Size(*array.shape[:2]), name, max_pixels)
    gray = array.ndim == 2 or array.shape[2] == 1
    samples, note = arrays.to_samples(array.reshape(array.shape[:2]) if gray else array)
    mode = "L" if gray else ("RGB" if array.shape[2] == 3 else "RGBA")
    return Photo(
        freeze_samples(samples),
        color.deep_mode(mode) if samples.dtype == np.uint16 else mode,
        notes=(note,) if note else (),
    )


@png.allow_long_texts()
def _from_stream(stream: Stream, name: str, max_pixels: int, frame: int | None) -> Photo:
    with pillow_errors(name) as heard:
        stream.seek(0)
        register_plugins(stream)
        image = Image.open(stream)
    with image:
        with pillow_errors(name):
            own = containers.read_own_blocks(stream, image.format)
        photo = _from_image(image, name, max_pixels, frame, own)
    del image  # frees Pillow's copy of the samples
    with pillow_errors(name):
        photo = with_raw_metadata(photo, stream, frame or 0)
        _check_straight_alpha(photo, stream)
        samples = containers.read_deep_samples(stream, photo.format, photo.size.area)
    photo = add_notes(photo, warning_notes(heard))
    return photo if samples is None else _with_deep_samples(photo, samples)


def _from_tiff(file: tiff_directories.File, name: str, max_pixels: int, frame: int | None) -> Photo:
    """The photo in a TIFF, read by Pillow if it supports the samples, else by tifffile."""
    with pillow_errors(name) as heard:
        pages = tiff_directories.page_numbers(file)
        number = pages[frame_number(name, len(pages), frame)]
        entries = tiff_directories.read_page(file, number)
        width, height = tiff_directories.read_size(file, entries)
        check_size(Size(height, width), name, max_pixels)
        kind = tiff_layouts.read_sample_layout(file, entries)
        own = containers.read_own_blocks(file.stream, "TIFF", number)
        if kind.pillow and (image := _open_with_pillow(file.stream, number)) is not None:
            with image, silence_libraries():
                photo = load_image(image, name, max_pixels, own)
        else:
            photo = _read_with_tifffile(file, number, entries, kind, own)
        photo = with_raw_metadata(photo, file.stream, number)
    return add_notes(photo, [*kind.notes, *warning_notes(heard)])


def _open_with_pillow(stream: Stream, number: int) -> Image.Image | None:
    """The page as a Pillow image; None if Pillow does not support its samples after all."""
    try:
        stream.seek(0)
        image = Image.open(stream, formats=["TIFF"])
        image.seek(number)
    except (UnidentifiedImageError, SyntaxError):
        return None
    return image


def _read_with_tifffile(
    file: tiff_directories.File,
    number: int,
    entries: Mapping[int, tiff_directories.Entry],
    kind: tiff_layouts.SampleLayout,
    own: Mapping[str, Any],
) -> Photo:
    with Image.open(tiff_directories.metadata_tiff(file, entries), formats=["TIFF"]) as image:
        image.info.update(own)
        carried, lost = bundle.collect_metadata(image)
        area = image.width * image.height
    stored = tiff.read_samples(file.stream, number, area)
    turn = tiff_directories.read_orientation(file, entries)
    samples = apply_orientation(tiff_layouts.convert_samples(stored, kind), turn)
    return Photo(
        freeze_samples(samples),
        kind.mode,
        "TIFF",
        carried=MappingProxyType(carried),
        notes=tuple(lost),
        orientation=turn,
    )


def _from_image(
    image: Image.Image,
    name: str,
    max_pixels: int,
    frame: int | None = None,
    own: Mapping[str, Any] = MappingProxyType({}),
) -> Photo:
    """The photo of an opened image; `own` replaces metadata that Pillow read."""
    check_size(Size(image.height, image.width), name, max_pixels)
    if image.format == "EPS":
        # Pillow would run Ghostscript.
        raise ImageError(f"{name} is PostScript, not a photo; convert it to PNG first")
    with pillow_errors(name):
        file = _lazy_tiff(image)
        if file is None:
            choose_frame(image, name, frame)
    if file is not None:
        return replace(_from_tiff(file, name, max_pixels, frame), path=source_path(image))
    return load_image(image, name, max_pixels, own)


def _lazy_tiff(image: Image.Image) -> tiff_directories.File | None:
    """The file behind an opened TIFF that is not loaded yet, which Pillow would not read fully."""
    stream: Any = getattr(image, "fp", None)
    tiff_ = isinstance(image, TiffImagePlugin.TiffImageFile)
    return (
        tiff_directories.open_tiff(stream)
        if tiff_ and stream is not None and tiles_of(image)
        else None
    )


def _check_straight_alpha(photo: Photo, stream: Stream) -> None:
    """Refuses premultiplied alpha: Pillow would divide the colors, which rounds.

    Raises:
        UnsupportedTiffError: alpha is premultiplied and varies.
    """
    if color.has_alpha(photo.mode) and containers.is_premultiplied(stream, photo.format):
        alpha = photo.samples[..., -1]
        if (alpha != np.iinfo(alpha.dtype).max).any():
            raise UnsupportedTiffError(tiff_layouts.MULTIPLIED)


def _with_deep_samples(photo: Photo, samples: Samples) -> Photo:
    mode = _DEEP[1 if samples.ndim == 2 else samples.shape[2]]
    upright = freeze_samples(apply_orientation(samples, photo.orientation))
    return replace(photo, samples=upright, mode=mode)


def _with_profile(photo: Photo, name: str) -> Photo:
    """The photo with its profile, if that can be applied and is not sRGB.

    Raises:
        ImageError: its colors are HDR, or unknown.
    """
    points = photo.carried.get("cicp")
    if points is not None:
        cicp.check(points, name)
    data = bundle.find_profile(photo.carried)
    # Gray does not depend on the primaries.
    if data is None or (points is not None and color.is_gray(photo.mode)):
        return photo
    cicp.check_profile(data, name)
    profile = color.usable_profile(data, photo.mode)
    if profile is None:
        note = "its color profile does not fit its samples; they are edited as if without one"
        return replace(photo, notes=(*photo.notes, note))
    return photo if color.is_srgb(profile) else replace(photo, profile=profile)
