"""EXIF, XMP, IPTC and texts that travel with a photo, without pictures of it."""

import struct
from typing import Any

from editkit.photo import announced, hidden, resources

_MARK = b"Exif\0\0"
_EXIF_PICTURES = "thumbnail or previews in its EXIF data"


def without_pictures(carried: dict[str, Any], source: object = None) -> list[str]:
    """Takes pictures of the photo out of what is carried; notes on what was left out.

    Args:
        carried: see `metadata.py`; changed in place.
        source: the EXIF block as it was read, if there was one.
    """
    notes = list[str]()
    if "exif" in carried:
        carried["exif"], count = hidden.blanked(carried["exif"])
        if count or (isinstance(source, bytes) and _has_thumbnail(source)):
            notes.append(hidden.left_out(_EXIF_PICTURES))
    if "xmp" in carried:
        packet, lost = announced.cleaned(carried.pop("xmp"))
        carried.update({"xmp": packet} if packet is not None else {})
        notes += lost
    if "iptc" in carried:
        carried["iptc"], lost = resources.cleaned_iptc(carried["iptc"])
        notes += lost
    if "comment" in carried and hidden.holds_picture(carried["comment"]):
        del carried["comment"]  # a note comes from the segments
    return notes


def _has_thumbnail(block: bytes) -> bool:
    """Whether a second directory follows the first, which is where thumbnails are."""
    tiff = block.removeprefix(_MARK)
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        (following,) = struct.unpack_from(f"{order}I", tiff, start + 2 + 12 * count)
    except struct.error:
        return False
    return 0 < following < len(tiff)
