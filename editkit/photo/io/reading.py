"""Photos from files, arrays and Pillow images.

Samples are kept as they are stored (`color.py` holds the rule for modes), upright: the EXIF
orientation is applied on reading and taken out of the metadata. Inputs are never modified.

Pillow's own switches are respected, not set: with `ImageFile.LOAD_TRUNCATED_IMAGES` turned on
elsewhere in the process, Pillow no longer reports a file that was cut short.
"""

import hashlib
import os
import re
import stat
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO, IOBase
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from editkit.errors import ImageError
from editkit.photo import color
from editkit.photo.color import Samples
from editkit.photo.formats import containers, png, tiff, tiff_directories, tiff_layouts
from editkit.photo.formats.tiff_layouts import OfAnotherKind
from editkit.photo.io import arrays, unsupported
from editkit.photo.io.errors import PILLOW_ERRORS, let_in, one_line, reason_of, system_errors
from editkit.photo.metadata import bundle, cicp
from editkit.photo.silence import silence_libraries
from editkit.types import Box, Rgb, Size, Stream

MAX_PIXELS = 178_956_970
"""The largest photo read unless told otherwise; also the most that Pillow opens by itself."""

MAX_BYTES = 2**31
"""The most that is read from a pipe, of which nobody knows before what it will give."""

_PIECE = 2**20
_NARROW = re.compile(r"\bL;([24])")
_DEEP = {1: "I;16", 2: "LA;16", 3: "RGB;16", 4: "RGBA;16"}


PhotoLike = (
    str
    | os.PathLike[str]
    | bytes
    | BinaryIO
    | IOBase  # what open files are while running; BinaryIO is known to type checkers only
    | Image.Image
    | NDArray[Any]
    | arrays.TensorLike
)
"""A path, the bytes of a file, an open file, a Pillow image, or samples.

Arrays are (H, W) or (H, W, C) with C of 1, 3 or 4, of uint8, uint16 or floating point in [0, 1], in
any order of bytes; tensors are (H, W) or (C, H, W). The other order of the axes is read where only
that one has channels, and so is a batch of one.
"""


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as it is stored, upright."""

    samples: Samples
    """(H, W) or (H, W, C) of uint8, or uint16; not writable when read by `read_photo`."""

    mode: str
    """One of `color.CHANNELS`: L, LA, RGB, RGBA, CMYK, or those with 16 bits a sample."""

    format: str | None = None
    """Pillow's name of the container it came in; None where there was none."""

    path: Path | None = None
    """The file it came from, which is never written to."""

    carried: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What is written back beside the samples: see `bundle.py`."""

    notes: tuple[str, ...] = ()
    """One line for each thing that could not be kept as it was."""

    profile: color.Profile | None = None
    """What converts the samples to sRGB; None where they are taken as sRGB (or plain CMYK)."""

    digest: str | None = None
    """SHA-256 of the file, in hexadecimal; None where there was none."""

    orientation: int = 1
    """The EXIF orientation of the file, which has been applied to the samples."""

    frame: int = 0
    """Which picture of the file it is."""

    data: bytes | None = field(default=None, repr=False)
    """The file itself, where it was given as bytes."""

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and copied; a read-only view of a table is neither."""
        return {**self.__dict__, "carried": dict(self.carried)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__["carried"] = MappingProxyType(state["carried"])
        self.samples.flags.writeable = False

    @property
    def size(self) -> Size:
        """Height and width of the upright photo."""
        return Size(*self.samples.shape[:2])

    @property
    def image(self) -> Image.Image:
        """The whole photo as a new Pillow image, with its profile and resolution.

        In the photo's mode; Pillow has no colors of 16 bits, so of those it holds 8.
        """
        image = color.to_image(self.samples, self.mode)
        known = ("icc_profile", "dpi")
        image.info.update({key: self.carried[key] for key in known if key in self.carried})
        return image

    def rgb(self, box: Box | None = None) -> Rgb:
        """What a model sees of the box, or of all: uint8 RGB, a fresh array; alpha is dropped."""
        samples = self.samples if box is None else self.samples[box.slices]
        return color.to_rgb(samples, self.mode, self.profile)

    def with_samples(self, samples: Samples) -> "Photo":
        """The same photo with other samples, of the same type and channels; the size may differ.

        Raises:
            ImageError: another type, or another number of channels.
        """
        if samples.dtype != self.samples.dtype or samples.shape[2:] != self.samples.shape[2:]:
            raise ImageError(
                f"samples of {samples.dtype} {samples.shape} cannot stand in a photo of mode "
                f"{self.mode}; give {self.samples.dtype} with the same channels"
            )
        return replace(self, samples=samples)


def read_photo(
    source: PhotoLike, *, max_pixels: int = MAX_PIXELS, frame: int | None = None
) -> Photo:
    """The photo in a file, in bytes, in a Pillow image or in an array; see `PhotoLike`.

    Args:
        source: what holds the photo.
        max_pixels: the largest photo that is read.
        frame: which picture of an animation or a file of several pages, from 0 on; without it
            such files are refused.

    Raises:
        ImageError: missing, unreadable, not an image, damaged, cut short, larger than
            `max_pixels`, empty, of a mode or type that is not kept, or of several pictures
            while no `frame` is named.
    """
    name = name_of(source)
    array = array_of(source)
    if array is not None:
        return _from_array(array, name, max_pixels)
    if isinstance(source, Image.Image):
        return _settled(_from_image(source, name, max_pixels, frame), name)
    with _stream(source, name) as stream:
        unsupported.check(stream, name)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        file = tiff_directories.opened(stream)
        if file is not None:
            photo = _from_tiff(file, name, max_pixels, frame)
        else:
            photo = _from_stream(stream, name, max_pixels, frame)
    data = source if isinstance(source, bytes) else None
    known = {"path": _path_of(source), "digest": digest, "frame": frame or 0, "data": data}
    return _settled(replace(photo, **known), name)


def name_of(source: PhotoLike) -> str:
    """How messages call the source."""
    path = _path_of(source)
    if path is not None:
        return str(path)
    if isinstance(source, bytes):
        return f"the given data ({len(source)} bytes)"
    if isinstance(source, Image.Image):
        return "the given image"
    return "the given file" if hasattr(source, "read") else "the given array"


def array_of(source: PhotoLike) -> NDArray[Any] | None:
    """The array or tensor as an array with its channels last; None for every other source.

    Raises:
        ImageError: masked values, a tensor that numpy cannot hold, or one with more than one image.
    """
    if isinstance(source, np.ndarray):
        return arrays.channels_last(arrays.plain(source), tensor=False)
    if isinstance(source, (str, bytes, os.PathLike, Image.Image)):
        return None
    if not isinstance(source, arrays.TensorLike):
        return None
    return arrays.channels_last(arrays.of_tensor(source), tensor=True)


def _from_array(array: NDArray[Any], name: str, max_pixels: int) -> Photo:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"an array of shape {array.shape} is not a photo; "
            "give (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
        )
    _check_size(Size(*array.shape[:2]), name, max_pixels)
    gray = array.ndim == 2 or array.shape[2] == 1
    samples, note = arrays.stored(array.reshape(array.shape[:2]) if gray else array)
    mode = "L" if gray else ("RGB" if array.shape[2] == 3 else "RGBA")
    return Photo(
        _frozen(samples),
        color.deep_mode(mode) if samples.dtype == np.uint16 else mode,
        notes=(note,) if note else (),
    )


@png.long_texts()
def _from_stream(stream: Stream, name: str, max_pixels: int, frame: int | None) -> Photo:
    with _pillow(name) as heard:
        stream.seek(0)
        _register_plugins(stream)
        image = Image.open(stream)
    with image:
        with _pillow(name):
            own = containers.own_blocks(stream, image.format)
        photo = _from_image(image, name, max_pixels, frame, own)
    del image  # it holds all samples once more
    with _pillow(name):
        photo = _from_container(photo, stream, frame or 0)
        _check_straight(photo, stream)
        samples = containers.deep_samples(stream, photo.format, photo.size.area)
    photo = _noted(photo, _said(heard))
    return photo if samples is None else _with_deep(photo, samples)


def _check_straight(photo: Photo, stream: Stream) -> None:
    """Refuses alpha that is multiplied into the colors: Pillow divides them, which rounds.

    Raises:
        OfAnotherKind: it is, and something is transparent.
    """
    if color.has_alpha(photo.mode) and containers.is_multiplied(stream, photo.format):
        alpha = photo.samples[..., -1]
        if (alpha != np.iinfo(alpha.dtype).max).any():
            raise OfAnotherKind(tiff_layouts.MULTIPLIED)


def _with_deep(photo: Photo, samples: Samples) -> Photo:
    mode = _DEEP[1 if samples.ndim == 2 else samples.shape[2]]
    return replace(photo, samples=_frozen(upright(samples, photo.orientation)), mode=mode)


def _from_tiff(file: tiff_directories.File, name: str, max_pixels: int, frame: int | None) -> Photo:
    """The photo in a TIFF: by Pillow where it knows the kind of samples, else by tifffile."""
    with _pillow(name) as heard:
        pages = tiff_directories.pages_of(file)
        number = pages[_chosen(name, len(pages), frame)]
        entries = tiff_directories.page_at(file, number)
        width, height = tiff_directories.size_of(file, entries)
        _check_size(Size(height, width), name, max_pixels)
        kind = tiff_layouts.kind_of(file, entries)
        own = containers.own_blocks(file.stream, "TIFF", number)
        if kind.pillow and (image := _by_pillow(file.stream, number)) is not None:
            with image, silence_libraries():
                photo = _as_pillow_reads(image, name, max_pixels, own)
        else:
            photo = _by_tifffile(file, number, entries, kind, own)
        photo = _from_container(photo, file.stream, number)
    return _noted(photo, [*kind.notes, *_said(heard)])


def _by_pillow(stream: Stream, number: int) -> Image.Image | None:
    """The page as Pillow opens it; None where it does not know such samples after all."""
    try:
        stream.seek(0)
        image = Image.open(stream, formats=["TIFF"])
        image.seek(number)
    except (UnidentifiedImageError, SyntaxError):
        return None
    return image


def _by_tifffile(
    file: tiff_directories.File,
    number: int,
    entries: Mapping[int, tiff_directories.Entry],
    kind: tiff_layouts.Kind,
    own: Mapping[str, Any],
) -> Photo:
    with Image.open(tiff_directories.described(file, entries), formats=["TIFF"]) as image:
        image.info.update(own)
        carried, lost = bundle.carried_from(image)
        area = image.width * image.height
    stored = tiff.samples_of(file.stream, number, area)
    turn = tiff_directories.orientation_of(file, entries)
    samples = upright(tiff_layouts.brought(stored, kind), turn)
    return Photo(
        _frozen(samples),
        kind.mode,
        "TIFF",
        carried=MappingProxyType(carried),
        notes=tuple(lost),
        orientation=turn,
    )


def _noted(photo: Photo, notes: Sequence[str]) -> Photo:
    return replace(photo, notes=tuple(dict.fromkeys([*photo.notes, *notes])))


def _from_image(
    image: Image.Image,
    name: str,
    max_pixels: int,
    frame: int | None = None,
    own: Mapping[str, Any] = MappingProxyType({}),
) -> Photo:
    """The photo of an opened image; `own` takes the place of what Pillow read."""
    _check_size(Size(image.height, image.width), name, max_pixels)
    if image.format == "EPS":
        # Pillow would run Ghostscript on it.
        raise ImageError(f"{name} is PostScript, not a photo; convert it to PNG first")
    with _pillow(name):
        file = _unread(image)
        if file is None:
            _choose_frame(image, name, frame)
    if file is not None:
        return replace(_from_tiff(file, name, max_pixels, frame), path=_path_of(image))
    return _as_pillow_reads(image, name, max_pixels, own)


def _unread(image: Image.Image) -> tiff_directories.File | None:
    """The file behind a TIFF that was opened and not loaded yet: Pillow would not read it all."""
    stream: Any = getattr(image, "fp", None)
    tiff_ = isinstance(image, TiffImagePlugin.TiffImageFile)
    return (
        tiff_directories.opened(stream) if tiff_ and stream is not None and _tiles(image) else None
    )


def _as_pillow_reads(
    image: Image.Image,
    name: str,
    max_pixels: int,
    own: Mapping[str, Any] = MappingProxyType({}),
) -> Photo:
    with _pillow(name) as heard:
        notes = _before_loading(image)
        image.load()
        _check_size(Size(image.height, image.width), name, max_pixels)
        image.info.update(own)
        carried, lost = bundle.carried_from(image)
        orientation = bundle.orientation_of(image)
        settled, change = color.convert_mode(image, name)
        turned = upright(color.to_samples(settled), orientation)
    return Photo(
        _frozen(turned),
        settled.mode,
        {"MPO": "JPEG", "DIB": "BMP"}.get(str(image.format), image.format),
        _path_of(image),
        MappingProxyType(carried),
        tuple(dict.fromkeys([*notes, *lost, *([change] if change else []), *_said(heard)])),
        orientation=orientation,
    )


def _choose_frame(image: Image.Image, name: str, frame: int | None) -> None:
    """Goes to the frame that was asked for.

    Raises:
        ImageError: there are several and none was named, or there is none of that number.
    """
    # What an MPO holds beside its photo are previews and gain maps of it.
    frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
    chosen = _chosen(name, frames, frame)
    if chosen and frames > 1:
        image.seek(chosen)


def _chosen(name: str, frames: int, frame: int | None) -> int:
    """The number of the picture that was asked for, or that is the only one.

    Raises:
        ImageError: there are several and none was named, or there is none of that number.
    """
    if frame is None and frames > 1:
        raise ImageError(
            f"{name} holds {frames} pictures; choose one with frame= (from 0 to {frames - 1})"
        )
    if frame is not None and not 0 <= frame < frames:
        raise ImageError(f"{name} has no frame {frame}; give frame= from 0 to {frames - 1}")
    return frame or 0


def _before_loading(image: Image.Image) -> list[str]:
    """Notes that only the unloaded image can give: the depth of its file."""
    raw = {str(tile[3]) for tile in _tiles(image)}
    narrow = sorted(bits for mode in raw for bits in _NARROW.findall(mode))
    few = any("BGR;1" in mode or "BGRA;1" in mode for mode in raw)
    deep = any(";16" in mode for mode in raw) and not few
    kept = image.format in ("PNG", "TIFF") or image.mode.startswith("I")
    if image.format == "PPM":
        return _scaled(image)
    bits = int(image.info.get("bit_depth", 8))
    if bits > 8:
        return [f"{bits}-bit color was read as 8-bit"]
    notes = ["16-bit color was read as 8-bit"] if deep and not kept else []
    notes += [f"samples of {bits} bits were read as 8-bit" for bits in narrow]
    return [*notes, "colors of 5 or 6 bits were read as 8-bit"] if few else notes


def _scaled(image: Image.Image) -> list[str]:
    """A note on samples of a PPM or PGM whose white is another number than 255."""
    found = [tile[3] for tile in _tiles(image)]
    tops = [part for args in found if isinstance(args, tuple) for part in args[1:2]]
    known = tops and isinstance(tops[0], int) and not image.mode.startswith("I")
    return [f"samples from 0 to {tops[0]} were read as 8-bit"] if known else []


def _from_container(photo: Photo, stream: Stream, frame: int) -> Photo:
    """The photo with the raw metadata, which Pillow does not hand over."""
    carried, lost = containers.raw_metadata(stream, photo.format, dict(photo.carried), frame)
    return _noted(replace(photo, carried=MappingProxyType(carried)), lost)


def _settled(photo: Photo, name: str) -> Photo:
    """The photo with its profile, if it can be used and is not sRGB itself.

    Raises:
        ImageError: its colors are HDR, or not known.
    """
    points = photo.carried.get("cicp")
    if points is not None:
        cicp.check(points, name)
    data = bundle.profile_of(photo.carried)
    # Grays are the same whatever the primaries are.
    if data is None or (points is not None and color.is_gray(photo.mode)):
        return photo
    cicp.check_profile(data, name)
    profile = color.usable_profile(data, photo.mode)
    if profile is None:
        note = "its color profile does not fit its samples; they are edited as if without one"
        return replace(photo, notes=(*photo.notes, note))
    return photo if color.is_srgb(profile) else replace(photo, profile=profile)


def _register_plugins(stream: Stream) -> None:
    """Lets Pillow read HEIC and JPEG XL, where these are in front of it and their extra is here."""
    head = stream.read(16)
    stream.seek(0)
    if head[4:8] == b"ftyp" and head[8:12] not in (b"avif", b"avis"):
        let_in("HEIF")
    elif head[:2] == b"\xff\x0a" or head[4:8] == b"JXL ":
        let_in("JXL")


def _tiles(image: Image.Image) -> list[Any]:
    return list(getattr(image, "tile", ()))


def _said(heard: list[warnings.WarningMessage]) -> list[str]:
    """Pillow's warnings as notes; its opinion on large files is left out, as we have our own."""
    quiet = (Image.DecompressionBombWarning, DeprecationWarning, ResourceWarning)
    told = [warning for warning in heard if not issubclass(warning.category, quiet)]
    return [f"Pillow: {one_line(str(warning.message))}" for warning in told]


def upright(samples: Samples, orientation: int) -> Samples:
    """The samples, (H, W) or (H, W, C), with an EXIF orientation from 1 to 8 applied."""
    return np.ascontiguousarray(_turned(samples, orientation))


def turned_back(samples: Samples, orientation: int) -> Samples:
    """The inverse of `upright`."""
    return np.ascontiguousarray(as_stored(samples, orientation))


def as_stored(samples: Samples, orientation: int) -> Samples:
    """`turned_back`, as a view of the same memory."""
    # Quarter turns undo each other; every other orientation is its own inverse.
    return _turned(samples, {6: 8, 8: 6}.get(orientation, orientation))


def _turned(samples: Samples, orientation: int) -> Samples:
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _frozen(samples: Samples) -> Samples:
    samples.flags.writeable = False
    return samples


def _check_size(size: Size, name: str, max_pixels: int) -> None:
    if size.area == 0:
        raise ImageError(f"{name} has no pixels ({size}); give a photo of at least 1x1")
    if size.area > max_pixels:
        raise ImageError(
            f"{name} has {size.area} pixels ({size}), more than the limit of {max_pixels}; "
            "raise the limit if you trust the file"
        )


@contextmanager
def _stream(source: Any, name: str) -> Generator[Stream]:  # noqa: ANN401  (checked here)
    """The source as a file that can be searched, closed again where it was opened here."""
    if isinstance(source, bytes):
        yield _in_memory(source, name)
    elif isinstance(source, (str, os.PathLike)):
        with _opened(Path(source), name) as stream:
            yield stream
    elif hasattr(source, "read"):
        with system_errors(f"{name} cannot be read"):
            data = source.read()
            if not data and hasattr(source, "seek"):  # just written, and left at its end
                source.seek(0)
                data = source.read()
        if not isinstance(data, bytes):
            raise ImageError(f"{name} yields {type(data).__name__}, not bytes; open it in mode rb")
        yield _in_memory(data, name)
    else:
        raise ImageError(f"{type(source).__name__} is not a photo; give a path, bytes or an array")


def drained(stream: BinaryIO | IOBase, name: str) -> bytes:
    """All that comes from a pipe.

    Raises:
        ImageError: it is more than any photo has.
    """
    data = bytearray()
    with system_errors(f"{name} cannot be read"):
        while piece := stream.read(_PIECE):
            data += piece
            if len(data) > MAX_BYTES:
                raise ImageError(f"{name} gives more than {MAX_BYTES >> 20} MiB; give a photo")
    return bytes(data)


def _in_memory(data: bytes, name: str) -> BytesIO:
    if not data:
        raise ImageError(f"{name} is empty (0 bytes); give an image file")
    return BytesIO(data)


@contextmanager
def _opened(path: Path, name: str) -> Generator[Stream]:
    with system_errors(f"{name} cannot be read"):
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise ImageError(f"{name} is a folder; give an image file")
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode)):
            raise ImageError(f"{name} is a device, not a file; give an image file")
        stream = path.open("rb")
    with stream:
        if stat.S_ISFIFO(found.st_mode):
            yield _in_memory(drained(stream, name), name)
        elif not found.st_size:
            raise ImageError(f"{name} is empty (0 bytes); give an image file")
        else:
            yield stream


@contextmanager
def _pillow(name: str) -> Generator[list[warnings.WarningMessage]]:
    """Collects Pillow's warnings; turns what it raises on a file that is no image into ImageError.

    The filters of warnings belong to the whole process, but nothing else lets a large photo pass
    that leaves Image.MAX_IMAGE_PIXELS alone; sizes are checked against our own limit instead.
    """
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            yield heard
        except ImageError:
            raise
        except OfAnotherKind as error:
            raise ImageError(f"{name} {error}") from error
        except UnidentifiedImageError as error:
            raise ImageError(f"{name} is not an image that can be read; check the file") from error
        except Image.DecompressionBombError as error:
            raise ImageError(f"{name} is too large: {reason_of(error)}") from error
        except PILLOW_ERRORS as error:
            raise ImageError(
                f"{name} is damaged or cut short ({reason_of(error)}); get a whole copy of the file"
            ) from error


def _path_of(source: Any) -> Path | None:  # noqa: ANN401  (anything may come in)
    """The file behind a source, if it is one: also behind an open file or an opened image."""
    if isinstance(source, (str, os.PathLike)):
        return Path(source)
    if isinstance(source, Image.Image):
        found = getattr(source, "filename", None)
    else:
        found = getattr(source, "name", None)
    return Path(found) if isinstance(found, str) and found and not found.startswith("<") else None
