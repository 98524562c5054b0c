"""The mark of pictures that editkit draws and that are no photos: masks, previews, sheets.

It is a property in the XMP packet, since all containers but BMP have a place for that. A batch
leaves marked pictures out, unless they are named. So whoever writes such a picture marks it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from editkit.photo.io.photo import Photo

MARK = b"<editkit:NoPhoto>"
"""The bytes by which a marked file is known. No text in XMP can hold them: it escapes `<`."""

END = 4096
"""How many bytes at each end of a file are searched for the mark."""

_PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/">\
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
<rdf:Description rdf:about="" xmlns:editkit="urn:editkit:xmp:1.0:">\
<editkit:NoPhoto>{}</editkit:NoPhoto></rdf:Description></rdf:RDF></x:xmpmeta>"""


def mark_picture(picture: Photo, kind: str) -> Photo:
    """The picture, marked as one that editkit drew and that is no photo.

    Args:
        picture: a picture that was drawn, and carries no XMP of a photo.
        kind: what it is, in a plain word, such as "mask" or "contact sheet".
    """
    return replace(picture, carried={**picture.carried, "xmp": _PACKET.format(kind).encode()})


def trailer(carried: Mapping[str, Any]) -> bytes:
    """What is written behind the samples in a container without a place for XMP; often nothing."""
    packet = carried.get("xmp", b"")
    return packet if len(packet) < END and MARK in packet else b""
