"""Photos from images that Pillow opened: their frames, samples, metadata and notes."""

import re
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from PIL import Image, UnidentifiedImageError

from editkit.errors import ImageError
from editkit.photo import color
from editkit.photo.color import Samples
from editkit.photo.formats import containers
from editkit.photo.formats.tiff_layouts import UnsupportedTiffError
from editkit.photo.io.errors import PILLOW_ERRORS, describe_error, one_line, register_plugin
from editkit.photo.io.orientation import apply_orientation
from editkit.photo.io.photo import Photo
from editkit.photo.io.sources import source_path
from editkit.photo.metadata import bundle
from editkit.types import Size, Stream

_NARROW = re.compile(r"\bL;([24])")


def load_image(
    image: Image.Image,
    name: str,
    max_pixels: int,
    own: Mapping[str, Any] = MappingProxyType({}),
) -> Photo:
    """The photo of an image that Pillow opened.

    Args:
        image: the image, not loaded yet.
        name: its name in messages.
        max_pixels: the largest photo that is read.
        own: metadata that replace those that Pillow read.

    Raises:
        ImageError: the image is damaged, too large, or of a mode that is not kept.
    """
    with pillow_errors(name) as heard:
        notes = _depth_notes(image)
        image.load()
        check_size(Size(image.height, image.width), name, max_pixels)
        image.info.update(own)
        carried, lost = bundle.collect_metadata(image)
        orientation = bundle.read_orientation(image)
        settled, change = color.convert_mode(image, name)
        turned = apply_orientation(color.to_samples(settled), orientation)
    return Photo(
        freeze_samples(turned),
        settled.mode,
        {"MPO": "JPEG", "DIB": "BMP"}.get(str(image.format), image.format),
        source_path(image),
        MappingProxyType(carried),
        tuple(dict.fromkeys([*notes, *lost, *([change] if change else []), *warning_notes(heard)])),
        orientation=orientation,
    )


def choose_frame(image: Image.Image, name: str, frame: int | None) -> None:
    """Seeks to the requested frame.

    Raises:
        ImageError: there are several and none was requested, or there is none of that number.
    """
    # The other pictures of an MPO are previews and gain maps of the photo.
    frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
    chosen = frame_number(name, frames, frame)
    if chosen and frames > 1:
        image.seek(chosen)


def frame_number(name: str, frames: int, frame: int | None) -> int:
    """The number of the requested picture, or of the only one.

    Raises:
        ImageError: there are several and none was requested, or there is none of that number.
    """
    if frame is None and frames > 1:
        raise ImageError(
            f"{name} holds {frames} pictures; choose one with frame= (from 0 to {frames - 1})"
        )
    if frame is not None and not 0 <= frame < frames:
        raise ImageError(f"{name} has no frame {frame}; give frame= from 0 to {frames - 1}")
    return frame or 0


def _depth_notes(image: Image.Image) -> list[str]:
    """Notes on the depth of the file, which only the unloaded image knows."""
    raw = {str(tile[3]) for tile in tiles_of(image)}
    narrow = sorted(bits for mode in raw for bits in _NARROW.findall(mode))
    few = any("BGR;1" in mode or "BGRA;1" in mode for mode in raw)
    deep = any(";16" in mode for mode in raw) and not few
    kept = image.format in ("PNG", "TIFF") or image.mode.startswith("I")
    if image.format == "PPM":
        return _ppm_notes(image)
    bits = int(image.info.get("bit_depth", 8))
    if bits > 8:
        return [f"{bits}-bit color was read as 8-bit"]
    notes = ["16-bit color was read as 8-bit"] if deep and not kept else []
    notes += [f"samples of {bits} bits were read as 8-bit" for bits in narrow]
    return [*notes, "colors of 5 or 6 bits were read as 8-bit"] if few else notes


def _ppm_notes(image: Image.Image) -> list[str]:
    """A note on samples of a PPM or PGM whose maximum is not 255."""
    found = [tile[3] for tile in tiles_of(image)]
    tops = [part for args in found if isinstance(args, tuple) for part in args[1:2]]
    known = tops and isinstance(tops[0], int) and not image.mode.startswith("I")
    return [f"samples from 0 to {tops[0]} were read as 8-bit"] if known else []


def with_raw_metadata(photo: Photo, stream: Stream, frame: int) -> Photo:
    """The photo with the raw metadata that Pillow does not expose."""
    carried, lost = containers.read_raw_metadata(stream, photo.format, dict(photo.carried), frame)
    return add_notes(replace(photo, carried=MappingProxyType(carried)), lost)


def register_plugins(stream: Stream) -> None:
    """Registers the plugin for HEIC or JPEG XL if the stream needs it."""
    head = stream.read(16)
    stream.seek(0)
    if head[4:8] == b"ftyp" and head[8:12] not in (b"avif", b"avis"):
        register_plugin("HEIF")
    elif head[:2] == b"\xff\x0a" or head[4:8] == b"JXL ":
        register_plugin("JXL")


def add_notes(photo: Photo, notes: Sequence[str]) -> Photo:
    """The photo with further notes, each once."""
    return replace(photo, notes=tuple(dict.fromkeys([*photo.notes, *notes])))


def warning_notes(heard: list[warnings.WarningMessage]) -> list[str]:
    """Pillow's warnings as notes, except those on large files, for which we have our own limit."""
    quiet = (Image.DecompressionBombWarning, DeprecationWarning, ResourceWarning)
    told = [warning for warning in heard if not issubclass(warning.category, quiet)]
    return [f"Pillow: {one_line(str(warning.message))}" for warning in told]


@contextmanager
def pillow_errors(name: str) -> Generator[list[warnings.WarningMessage]]:
    """Collects Pillow's warnings, and turns its exceptions into ImageError.

    Warning filters are process-wide. Large photos pass only because Image.MAX_IMAGE_PIXELS is left
    alone; sizes are checked against our own limit.
    """
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            yield heard
        except ImageError:
            raise
        except UnsupportedTiffError as error:
            raise ImageError(f"{name} {error}") from error
        except UnidentifiedImageError as error:
            raise ImageError(f"{name} is not an image that can be read; check the file") from error
        except Image.DecompressionBombError as error:
            raise ImageError(f"{name} is too large: {describe_error(error)}") from error
        except PILLOW_ERRORS as error:
            raise ImageError(
                f"{name} is damaged or cut short ({describe_error(error)}); "
                "get a whole copy of the file"
            ) from error


def check_size(size: Size, name: str, max_pixels: int) -> None:
    """Refuses empty and overlarge photos.

    Raises:
        ImageError: no pixels, or more than `max_pixels`.
    """
    if size.area == 0:
        raise ImageError(f"{name} has no pixels ({size}); give a photo of at least 1x1")
    if size.area > max_pixels:
        raise ImageError(
            f"{name} has {size.area} pixels ({size}), more than the limit of {max_pixels}; "
            "raise the limit if you trust the file"
        )


def freeze_samples(samples: Samples) -> Samples:
    """The same array, made read-only."""
    samples.flags.writeable = False
    return samples


def tiles_of(image: Image.Image) -> list[Any]:
    """The tiles of an image that is not loaded: how Pillow would decode its samples."""
    return list(getattr(image, "tile", ()))
