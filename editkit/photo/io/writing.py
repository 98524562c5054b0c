"""Writing photos: what each format can hold, and files that appear only when complete.

Sources are never overwritten, and other files only on request.
"""

import errno
import os
import secrets
import stat
from io import BufferedWriter
from pathlib import Path
from typing import Any

from editkit.errors import ImageError, shown
from editkit.photo.formats import containers
from editkit.photo.io.errors import (
    EXTRAS,
    PILLOW_ERRORS,
    describe_error,
    register_plugin,
    system_errors,
)
from editkit.photo.io.photo import Photo
from editkit.photo.metadata import xmp
from editkit.types import Size

_USUAL = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".avif": "AVIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".jxl": "JXL",
}
_RARE = {
    **dict.fromkeys((".jfif", ".jfi", ".jif", ".jpe", ".pjpeg", ".pjp", ".mpo"), "JPEG"),
    ".apng": "PNG",
    **dict.fromkeys((".btf", ".tf8"), "TIFF"),
    ".dib": "BMP",
    ".avifs": "AVIF",
    **dict.fromkeys((".hif", ".heics", ".heifs"), "HEIF"),
}
FORMATS = {**_USUAL, **_RARE}
"""Writable formats by suffix; HEIC and JPEG XL need the extras of that name."""

_EIGHT = ("L", "LA", "RGB", "RGBA")
_HOLDS = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": (*_EIGHT, "I;16", "LA;16", "RGB;16", "RGBA;16"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": (*_EIGHT, "CMYK", "I;16", "LA;16", "RGB;16", "RGBA;16", "CMYK;16"),
    "BMP": ("L", "RGB", "RGBA"),
    "AVIF": ("L", "RGB", "RGBA"),
    "HEIF": ("L", "RGB", "RGBA"),
    "JXL": _EIGHT,
}
_LONGEST = {"JPEG": 65500, "WEBP": 16383, "AVIF": 32768, "PNG": 1_000_000}
"""The longest side that encoders write and decoders take."""

_CORNER = 64
_LOSSY = ("JPEG", "AVIF", "HEIF")
# ENOENT: there is no /proc through which a file without a name could be found.
_NO_LINKS = (
    errno.EPERM,
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.EMLINK,
    errno.EXDEV,
    errno.ENOENT,
)
_NO_UNNAMED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.ENOSYS)


def write_photo(photo: Photo, path: Path, *, force: bool = False) -> None:
    """Writes the photo in the format of the suffix; completely, or not at all.

    A JPEG from a JPEG keeps its quantization tables and subsampling; others are written with
    quality 95 in 4:4:4. WebP and JPEG XL are lossless.

    Raises:
        ImageError: unknown suffix, a mode that the format cannot hold, a target that exists
            (without `force`), that is the source itself, or that cannot be written.
    """
    path = Path(path)
    format_ = format_of(path)
    _refuse_target(photo, path, force=force)
    _write_file(encode_photo(photo, format_), path, force=force)


def write_bytes(photo: Photo | None, data: bytes, path: Path, *, force: bool = False) -> None:
    """Writes an encoded file, as `write_photo` does.

    Raises:
        ImageError: the target exists (without `force`), is the photo itself, or cannot be written.
    """
    path = Path(path)
    _refuse_target(photo, path, force=force)
    _write_file(data, path, force=force)


def _write_file(data: bytes, path: Path, *, force: bool) -> None:
    with system_errors(f"{path} cannot be written"):
        if not _write_unnamed(data, path, force=force):
            _write_named(data, path, force=force)


def _write_unnamed(data: bytes, path: Path, *, force: bool) -> bool:
    """True if the data were written to an unnamed file and linked when complete, as Linux allows.

    An unnamed file disappears if the process is killed.
    """
    number = _open_unnamed(path.parent)
    if number is None:
        return False
    with os.fdopen(number, "wb") as stream:
        _write_and_sync(stream, data)
        try:
            return _link_unnamed(number, path)
        except FileExistsError as error:
            if not force:
                raise ImageError(_exists_message(path)) from error
        return _replace_by_unnamed(number, path)


def _open_unnamed(folder: Path) -> int | None:
    """The descriptor of a new unnamed file; None if the system has no such files."""
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        return os.open(folder, os.O_WRONLY | os.O_TMPFILE, 0o666)
    except OSError as error:
        if error.errno in _NO_UNNAMED:
            return None
        raise


def _link_unnamed(number: int, path: Path) -> bool:
    # Python lets the system follow the link to the file only where it is given a descriptor, too.
    return _link(f"/proc/self/fd/{number}", path, src_dir_fd=number)


def _replace_by_unnamed(number: int, path: Path) -> bool:
    part = _temporary_path(path)
    try:
        if path.is_file():
            os.fchmod(number, stat.S_IMODE(path.stat().st_mode))
        linked = _link_unnamed(number, part)
        if linked:
            part.replace(path)
    finally:
        _discard(part)
    return linked


def _write_named(data: bytes, path: Path, *, force: bool) -> None:
    part = _temporary_path(path)
    try:
        _write_all(data, part)
        _move_into_place(part, path, force=force)
    finally:
        # After a successful rename there is nothing left under this name.
        _discard(part)


def _temporary_path(path: Path) -> Path:
    return path.with_name(f".editkit-{secrets.token_hex(8)}.part")


def check_target(
    photo: Photo | None, path: Path, *, force: bool = False, size: Size | None = None
) -> None:
    """Checks before the edit whether `write_photo` can write to a path.

    Args:
        photo: the photo to be edited; None if there is none yet.
        path: the target.
        force: whether an existing file may be replaced.
        size: of the edited photo, if it differs.

    Raises:
        ImageError: as `write_photo`, or a folder without write permission.
    """
    check_encoding(photo, format_of(path), size)
    check_place(photo, path, force=force)


def check_place(photo: Photo | None, path: Path, *, force: bool = False) -> None:
    """Checks before the edit whether a file can be written at a path.

    Raises:
        ImageError: it exists (without `force`), is the photo itself, or cannot be written.
    """
    _refuse_target(photo, path, force=force)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ImageError(f"the folder {path.parent} may not be written in; give -o another place")


def check_encoding(photo: Photo | None, format: str, size: Size | None = None) -> None:  # noqa: A002
    """Checks before the edit whether `encode_photo` can encode the edited photo.

    A corner of the photo is encoded with all its metadata and a record.

    Raises:
        ImageError: as `encode_photo`.
    """
    name = format_name(format)
    wanted = size or (None if photo is None else photo.size)
    if wanted is not None:
        _check_sides(wanted, name)
    if photo is None:
        return
    _check_mode(photo, name)
    # Video encoders refuse thin pictures, so these are encoded whole.
    corner = slice(None) if min(photo.size) < _CORNER else slice(_CORNER)
    try:
        packet = xmp.add_record(photo.carried.get("xmp"), source=xmp.COMPOSITE, event={}, record={})
        carried = {**photo.carried, "xmp": packet}
        containers.encode(photo.samples[corner, corner], photo.mode, carried, name)
    except PILLOW_ERRORS as error:
        raise _encoding_error(wanted or photo.size, name, error) from error


def _check_sides(size: Size, name: str) -> None:
    longest = _LONGEST.get(name)
    if longest is not None and max(size) > longest:
        raise ImageError(
            f"{name} has at most {longest} pixels a side, not {size}; write .png or .tif instead"
        )


def _encoding_error(size: Size, name: str, error: BaseException) -> ImageError:
    return ImageError(f"a photo of {size} cannot be written as {name}: {describe_error(error)}")


def encode_photo(photo: Photo, format: str) -> bytes:  # noqa: A002
    """The bytes of a file in the format given by Pillow's name ("JPEG") or by suffix (".jpg").

    Raises:
        ImageError: unknown format, or one that cannot hold the photo's mode or size.
    """
    name = format_name(format)
    _check_sides(photo.size, name)
    _check_mode(photo, name)
    try:
        return containers.encode(photo.samples, photo.mode, photo.carried, name)
    except PILLOW_ERRORS as error:
        raise _encoding_error(photo.size, name, error) from error


def format_of(path: Path) -> str:
    """Pillow's name of the format that a suffix stands for.

    Raises:
        ImageError: a suffix that is not written.
    """
    suffix = Path(path).suffix
    if suffix.lower() not in FORMATS:
        what = f"the suffix {suffix!r}" if suffix else "a name without a suffix"
        raise ImageError(f"{path}: {what} names no format; use one of {' '.join(_USUAL)}")
    return FORMATS[suffix.lower()]


def is_lossy(format: str) -> bool:  # noqa: A002
    """True if writing this format changes samples, as JPEG, AVIF and HEIC do."""
    return format_name(format) in _LOSSY


def _check_mode(photo: Photo, name: str) -> None:
    if name in EXTRAS:
        register_plugin(name)
    if name == "JXL" and photo.profile is not None:
        # Its plugin takes no profile; without one the colors would be others.
        raise ImageError("JXL would lose the photo's color profile; write .png or .tif instead")
    if photo.mode not in _HOLDS[name]:
        fitting = " or ".join(_suffixes_for(photo.mode))
        raise ImageError(
            f"{name} cannot hold a photo of mode {photo.mode}; write {fitting} instead"
        )


def _refuse_target(photo: Photo | None, path: Path, *, force: bool) -> None:
    with system_errors(f"{path} cannot be written"):
        if path.is_dir():
            raise ImageError(f"{path} is a folder; give a file name")
        if not path.parent.is_dir():
            raise ImageError(f"the folder {path.parent} does not exist; make it first")
        if photo is not None and _same_file(photo.path, path):
            raise ImageError(f"{path} is the photo itself; give -o another name")
        if not force and os.path.lexists(path):
            raise ImageError(_exists_message(path))


def _same_file(source: Path | None, path: Path) -> bool:
    return source is not None and source.exists() and path.exists() and source.samefile(path)


def _exists_message(path: Path) -> str:
    return f"{path} exists; give force=True to replace it, or another name"


def _write_all(data: bytes, part: Path) -> None:
    # Mode 0o666 lets the user's umask decide, as for any file that a program makes.
    number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(number, "wb") as stream:
        _write_and_sync(stream, data)


def _write_and_sync(stream: BufferedWriter, data: bytes) -> None:
    stream.write(data)
    stream.flush()
    os.fsync(stream.fileno())


def _move_into_place(part: Path, path: Path, *, force: bool) -> None:
    """Renames the complete file to its target; without force, only if the target is free."""
    if force:
        if path.is_file():
            part.chmod(stat.S_IMODE(path.stat().st_mode))
        part.replace(path)
        return
    try:
        if not _link(part, path):
            _reserve_and_replace(part, path)
    except FileExistsError as error:
        raise ImageError(_exists_message(path)) from error


def _link(source: str | Path, path: Path, **found_by: Any) -> bool:  # noqa: ANN401
    """True if the file could be linked to its target; some file systems have no links."""
    try:
        os.link(source, path, **found_by)
    except (AttributeError, NotImplementedError):
        return False
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    return True


def _reserve_and_replace(part: Path, path: Path) -> None:
    """Renames without links: an empty file reserves the name until then."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        part.replace(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _discard(part: Path) -> None:
    # A failure to clean up must not hide the failure that came before it.
    try:
        part.unlink(missing_ok=True)
    except OSError:
        return


def format_name(format_: str) -> str:
    """Pillow's name of a format that is given by that name or by a suffix.

    Raises:
        ImageError: it is not written.
    """
    if not isinstance(format_, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ImageError(f"{shown(format_)} is no format; give one of {' '.join(_HOLDS)}")
    name = FORMATS.get(format_.lower(), FORMATS.get(f".{format_.lower()}", format_.upper()))
    if name not in _HOLDS:
        raise ImageError(f"{format_} is not written; use one of {' '.join(_HOLDS)}")
    return name


def _suffixes_for(mode: str) -> list[str]:
    """One suffix for each format that holds the mode."""
    first = {name: suffix for suffix, name in reversed(FORMATS.items())}
    return [first[name] for name, modes in _HOLDS.items() if mode in modes]
