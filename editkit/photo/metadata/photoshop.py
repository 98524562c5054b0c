"""Photoshop's image resources (8BIM) and the IPTC data among them, without pictures."""

from collections.abc import Iterator
from typing import NamedTuple

from editkit.photo.metadata import opaque, previews

_SIGNATURES = (b"8BIM", b"8B64", b"AgHg", b"DCSR", b"MeSa", b"PHUT")
_THUMBNAILS = (0x0409, 0x040C)
_IPTC = 0x0404
_PATHS, _POINT = (1025, *range(2000, 2998)), 26
_NAMES = {
    0x0409: "a thumbnail among Photoshop's resources",
    0x040C: "a thumbnail among Photoshop's resources",
    0x0422: "EXIF data with a picture among Photoshop's resources",
    0x0424: "XMP data with a picture among Photoshop's resources",
}


class Resource(NamedTuple):
    """A resource: its raw bytes, its number, and its content."""

    raw: bytes
    number: int
    data: bytes


def clean_resources(block: bytes) -> tuple[bytes, list[str]]:
    """The resources without pictures of the photo, and notes on dropped ones.

    Raises:
        ValueError: the block is damaged.
    """
    kept, notes = list[bytes](), list[str]()
    for found in _iter_resources(block):
        if found.number == _IPTC:
            iptc, lost = clean_iptc(found.data)
            kept.append(found.raw if iptc == found.data else pack_resource(_IPTC, iptc))
            notes += lost
        elif _holds_preview(found):
            name = _NAMES.get(found.number, f"Photoshop's resource {found.number}")
            notes.append(previews.omission_note(name))
        else:
            kept.append(found.raw)
    return b"".join(kept), list(dict.fromkeys(notes))


def _holds_preview(found: Resource) -> bool:
    if found.number in _THUMBNAILS or previews.holds_picture(found.data):
        return True
    if found.number in _PATHS and _is_path(found.data):
        return False
    return opaque.is_opaque(found.data)


def _is_path(data: bytes) -> bool:
    """True if the bytes are the points of a path, each preceded by its kind."""
    return len(data) % _POINT == 0 and all(
        data[at : at + 2] <= b"\0\x08" for at in range(0, len(data), _POINT)
    )


def pack_resource(number: int, data: bytes) -> bytes:
    """A resource without a name."""
    return (
        b"8BIM" + number.to_bytes(2) + b"\0\0" + len(data).to_bytes(4) + data + bytes(len(data) % 2)
    )


def clean_iptc(data: bytes) -> tuple[bytes, list[str]]:
    """IPTC data without its preview (2:200 to 2:202), and a note if there was one.

    Damaged data are returned unchanged, unless they contain a picture.
    """
    kept, found = list[bytes](), False
    try:
        for raw, name, content in _iter_datasets(data):
            shows = name in ((2, 200), (2, 201), (2, 202)) or previews.may_show(content)
            found = found or shows
            kept += [] if shows else [raw]
    except ValueError:
        found, kept = previews.may_show(data), []
    return (b"".join(kept) if found else data), [
        previews.omission_note("IPTC preview")
    ] if found else []


def _iter_resources(block: bytes) -> Iterator[Resource]:
    at = 0
    while at < len(block):
        if block[at : at + 4] not in _SIGNATURES:
            if block[at:].strip(b"\0"):
                raise ValueError("not a resource")
            return
        name = at + 6
        start = name + ((block[name] + 2) & ~1) + 4 if name < len(block) else len(block) + 1
        length = int.from_bytes(block[start - 4 : start])
        end = start + length
        if end > len(block):
            raise ValueError("a resource is cut short")
        raw = block[at : end + length % 2]
        yield Resource(raw, int.from_bytes(block[at + 4 : name]), block[start:end])
        at = end + length % 2


def _iter_datasets(data: bytes) -> Iterator[tuple[bytes, tuple[int, int], bytes]]:
    """Each data set's raw bytes, its record and number, and its content."""
    at = 0
    while at < len(data):
        if data[at] != 0x1C or at + 5 > len(data):
            if data[at:].strip(b"\0"):
                raise ValueError("not a data set")
            yield data[at:], (0, 0), b""
            return
        length, start = int.from_bytes(data[at + 3 : at + 5]), at + 5
        if length & 0x8000:  # the length of the length
            start += length & 0x7FFF
            length = int.from_bytes(data[at + 5 : start]) if start < at + 14 else len(data)
        if start + length > len(data):
            raise ValueError("a data set is cut short")
        yield data[at : start + length], (data[at + 1], data[at + 2]), data[start : start + length]
        at = start + length
