"""Photos in and out of files, arrays and Pillow images: the border where foreign errors end.

The face of two modules: `reading.py`, with what a photo is, and `writing.py`.
"""

from editkit.photo.io.reading import (
    MAX_PIXELS,
    Photo,
    PhotoLike,
    array_of,
    as_stored,
    name_of,
    read_photo,
    turned_back,
    upright,
)
from editkit.photo.io.writing import (
    FORMATS,
    check_encoding,
    check_place,
    check_target,
    encode_photo,
    format_name,
    format_of,
    is_lossy,
    write_bytes,
    write_photo,
)

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "Photo",
    "PhotoLike",
    "array_of",
    "as_stored",
    "check_encoding",
    "check_place",
    "check_target",
    "encode_photo",
    "format_name",
    "format_of",
    "is_lossy",
    "name_of",
    "read_photo",
    "turned_back",
    "upright",
    "write_bytes",
    "write_photo",
]
