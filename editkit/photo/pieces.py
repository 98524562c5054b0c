"""EXIF, XMP, IPTC and texts that travel with a photo, without pictures of it."""

from typing import Any

from editkit.photo import announced, hidden, resources


def without_pictures(carried: dict[str, Any]) -> list[str]:
    """Takes pictures of the photo out of what is carried; notes on what was left out.

    Args:
        carried: see `metadata.py`; changed in place.
    """
    notes = list[str]()
    if "exif" in carried:
        carried["exif"], count = hidden.blanked(carried["exif"])
        notes += [hidden.left_out(hidden.IN_EXIF)] if count else []
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
