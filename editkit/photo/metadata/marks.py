"""The mark of pictures that editkit draws and that are no photos: masks, previews, sheets.

It is a property in the XMP packet, since all containers but BMP have a place for that. A batch
leaves marked pictures out, unless they are named. So whoever writes such a picture marks it.
"""

from collections.abc import Mapping
from typing import Any

MARK = b"<editkit:NoPhoto>"
"""The bytes by which a marked file is known. No text in XMP can hold them: it escapes `<`."""

END = 4096
"""How many bytes at each end of a file are searched for the mark."""

_PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/">\
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
<rdf:Description rdf:about="" xmlns:editkit="urn:editkit:xmp:1.0:">\
<editkit:NoPhoto>{}</editkit:NoPhoto></rdf:Description></rdf:RDF></x:xmpmeta>"""


def packet_of(kind: str) -> bytes:
    """The XMP packet of a marked picture of a kind, such as "mask"."""
    return _PACKET.format(kind).encode()


def trailer(carried: Mapping[str, Any]) -> bytes:
    """What is written behind the samples in a container without a place for XMP; often nothing."""
    packet = carried.get("xmp", b"")
    return packet if len(packet) < END and MARK in packet else b""
