"""EXIF, XMP, IPTC and texts of a photo, without pictures of it."""

from typing import Any

from editkit.photo.metadata import exif_previews, photoshop, previews, xmp_previews


def remove_previews(carried: dict[str, Any]) -> list[str]:
    """Removes pictures of the photo from its metadata; returns notes on dropped ones.

    Args:
        carried: see `bundle.py`; changed in place.
    """
    notes = list[str]()
    if "exif" in carried:
        carried["exif"], lost = exif_previews.clean_block(carried["exif"])
        notes += lost
    if "xmp" in carried:
        packet, lost = xmp_previews.clean_packet(carried.pop("xmp"))
        carried.update({"xmp": packet} if packet is not None else {})
        notes += lost
    if "iptc" in carried:
        carried["iptc"], lost = photoshop.clean_iptc(carried["iptc"])
        notes += lost
    if "comment" in carried and previews.may_show(carried["comment"]):
        del carried["comment"]  # a note comes from the segments
    return notes
