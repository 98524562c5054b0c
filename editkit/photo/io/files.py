"""Photos in and out of files, arrays and Pillow images: the border where foreign errors end.

The public names of `photo.py`, `reading.py`, `writing.py` and their helpers.
"""

from editkit.photo.io.orientation import (
    apply_orientation,
    undo_orientation,
    undo_orientation_view,
)
from editkit.photo.io.photo import Photo, PhotoLike
from editkit.photo.io.reading import MAX_PIXELS, read_photo
from editkit.photo.io.sources import describe_source, to_array
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
    "apply_orientation",
    "check_encoding",
    "check_place",
    "check_target",
    "describe_source",
    "encode_photo",
    "format_name",
    "format_of",
    "is_lossy",
    "read_photo",
    "to_array",
    "undo_orientation",
    "undo_orientation_view",
    "write_bytes",
    "write_photo",
]
