"""Sources of photos: their names in messages, open files, pipes and arrays."""

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO, IOBase
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editkit.errors import ImageError
from editkit.photo.io import arrays
from editkit.photo.io.errors import system_errors
from editkit.photo.io.photo import PhotoLike
from editkit.types import Stream

MAX_BYTES = 2**31
"""The most that is read from a pipe, of which nobody knows before what it will give."""

_PIECE = 2**20


def describe_source(source: PhotoLike) -> str:
    """The source's name in messages."""
    path = source_path(source)
    if path is not None:
        return str(path)
    if isinstance(source, bytes):
        return f"the given data ({len(source)} bytes)"
    if isinstance(source, Image.Image):
        return "the given image"
    return "the given file" if hasattr(source, "read") else "the given array"


def to_array(source: PhotoLike) -> NDArray[Any] | None:
    """An array or tensor as an array with channels last; None for any other source.

    Raises:
        ImageError: masked values, a tensor that NumPy cannot hold, or a batch of several images.
    """
    if isinstance(source, np.ndarray):
        return arrays.channels_last(arrays.drop_subclass(source), tensor=False)
    if isinstance(source, (str, bytes, os.PathLike, Image.Image)):
        return None
    if not isinstance(source, arrays.TensorLike):
        return None
    return arrays.channels_last(arrays.tensor_to_array(source), tensor=True)


@contextmanager
def open_stream(source: Any, name: str) -> Generator[Stream]:  # noqa: ANN401  (checked here)
    """The source as a seekable file, closed afterwards if it was opened here."""
    if isinstance(source, bytes):
        yield _open_bytes(source, name)
    elif isinstance(source, (str, os.PathLike)):
        with _open_file(Path(source), name) as stream:
            yield stream
    elif hasattr(source, "read"):
        with system_errors(f"{name} cannot be read"):
            data = source.read()
            if not data and hasattr(source, "seek"):  # just written, and left at its end
                source.seek(0)
                data = source.read()
        if not isinstance(data, bytes):
            raise ImageError(f"{name} yields {type(data).__name__}, not bytes; open it in mode rb")
        yield _open_bytes(data, name)
    else:
        raise ImageError(f"{type(source).__name__} is not a photo; give a path, bytes or an array")


def read_pipe(stream: BinaryIO | IOBase, name: str) -> bytes:
    """All data of a pipe.

    Raises:
        ImageError: more than `MAX_BYTES`.
    """
    data = bytearray()
    with system_errors(f"{name} cannot be read"):
        while piece := stream.read(_PIECE):
            data += piece
            if len(data) > MAX_BYTES:
                raise ImageError(f"{name} gives more than {MAX_BYTES >> 20} MiB; give a photo")
    return bytes(data)


def _open_bytes(data: bytes, name: str) -> BytesIO:
    if not data:
        raise ImageError(f"{name} is empty (0 bytes); give an image file")
    return BytesIO(data)


@contextmanager
def _open_file(path: Path, name: str) -> Generator[Stream]:
    with system_errors(f"{name} cannot be read"):
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise ImageError(f"{name} is a folder; give an image file")
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode)):
            raise ImageError(f"{name} is a device, not a file; give an image file")
        stream = path.open("rb")
    with stream:
        if stat.S_ISFIFO(found.st_mode):
            yield _open_bytes(read_pipe(stream, name), name)
        elif not found.st_size:
            raise ImageError(f"{name} is empty (0 bytes); give an image file")
        else:
            yield stream


def source_path(source: Any) -> Path | None:  # noqa: ANN401  (anything may come in)
    """The file of a source, if it has one: also of an open file or an opened image."""
    if isinstance(source, (str, os.PathLike)):
        return Path(source)
    if isinstance(source, Image.Image):
        found = getattr(source, "filename", None)
    else:
        found = getattr(source, "name", None)
    return Path(found) if isinstance(found, str) and found and not found.startswith("<") else None
