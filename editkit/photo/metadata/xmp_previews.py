"""XMP with pictures of the photo, or with references to pictures that an edit drops."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from editkit.photo.metadata import previews, xmp_packets

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage]

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_HOLDING = (
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/dd/1.0/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/focus/",
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/",
    "http://ns.apple.com/HDRToneMap/",
    "http://ns.apple.com/pixeldatainfo/",
    "http://ns.apple.com/depthData/",
    "http://ns.apple.com/depthBlurEffect/",
    "http://ns.apple.com/portraitEffectsMatte/",
    "http://ns.apple.com/semanticSegmentationMatte/",
    "http://ns.xiaomi.com/photos/1.0/camera/",
    "http://ns.oplus.com/photos/1.0/camera/",
    "http://ns.samsung.com/",
)
"""Where names are of depth maps, gain maps, motion photos and their places in the file."""

_CAMERA = "http://ns.google.com/photos/1.0/camera/"
_CAMERA_NAMES = ("MicroVideo", "MotionPhoto", "DepthMap", "Image", "SpecialType")
_XMP = "http://ns.adobe.com/xap/1.0/"
_IMAGES = "http://ns.adobe.com/xap/1.0/g/img/"
_UNBOUND = re.compile(rb"<(?:xmpGImg|GImage|GDepth|hdrgm):")
_SPACES = re.compile("|".join(map(re.escape, (*_HOLDING, _CAMERA, _IMAGES))).encode())
_LONGEST = 1 << 27


def clean_packet(packet: bytes) -> tuple[bytes | None, list[str]]:
    """The packet without properties that show the photo or point to pictures of it, and a note.

    A packet without any is returned byte for byte; None if it has some and is unreadable.
    """
    holds = previews.holds_picture(packet) or _UNBOUND.search(packet) is not None
    if not holds and not _SPACES.search(packet.replace(b"\0", b"")):
        return packet, []
    read = xmp_packets.parse_packet(packet) if len(packet) < _LONGEST else None
    names = () if read is None else _drop_previews(read.root)
    if read is None or (holds and not names):
        return None, [previews.omission_note("XMP data that cannot be parsed and name pictures")]
    if not names:
        return packet, []
    out, note = xmp_packets.serialize(read.root), f"XMP properties of pictures ({', '.join(names)})"
    return (None if previews.holds_picture(out) else out), [previews.omission_note(note)]


def _drop_previews(root: "_Element") -> list[str]:
    """Drops these properties and returns their names."""
    return sorted({_drop(owner, name) for owner, name in list(_find_previews(root))})


def _find_previews(root: "_Element") -> Iterator[tuple["_Element", str | None]]:
    """Elements that show the photo, or elements with the name of an attribute that does."""
    for element in root.iter(f"{_RDF}Description"):
        for name, value in element.attrib.items():
            if _is_of_picture(str(name)) or previews.holds_picture(str(value).encode()):
                yield element, str(name)
        for child in element.iterchildren("*"):
            if _holds_preview(child):
                yield child, None


def _holds_preview(element: "_Element") -> bool:
    """True if a property shows the photo, by its name or its content."""
    for inner in element.iter("*"):
        texts = (inner.text or "", *map(str, inner.attrib.values()))
        if _is_of_picture(inner.tag) or any(previews.holds_picture(t.encode()) for t in texts):
            return True
    return False


def _is_of_picture(name: str) -> bool:
    space, _, local = name.removeprefix("{").rpartition("}")
    if space == _CAMERA:
        return local.startswith(_CAMERA_NAMES)
    return space.startswith((*_HOLDING, _IMAGES)) or (space == _XMP and local == "Thumbnails")


def _drop(owner: "_Element", name: str | None) -> str:
    """Drops a property and returns its prefixed name."""
    from lxml import etree

    full = etree.QName(name or owner)
    prefixes = {uri: prefix for prefix, uri in owner.nsmap.items()}
    parent = owner.getparent()
    if name is not None:
        owner.attrib.pop(name, "")
    elif parent is not None:
        parent.remove(owner)
    return f"{prefixes.get(full.namespace) or 'x'}:{full.localname}"
