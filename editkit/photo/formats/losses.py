"""Metadata that the target container cannot hold, by name."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from editkit.photo.formats import jpeg
from editkit.photo.metadata import exif_copy
from editkit.photo.metadata.exif import DIRECTORY

Carried = Mapping[str, Any]

_NAMED = {
    "exif": "EXIF data",
    "xmp": "XMP data (and the record of the edit)",
    "iptc": "IPTC data",
    "text": "texts of a PNG",
    "comment": "a comment",
}
_WITHOUT = {
    "exif": ("BMP",),
    "xmp": ("BMP",),
    "iptc": ("PNG", "WEBP", "BMP", "AVIF", "HEIF", "JXL"),
    "text": ("JPEG", "WEBP", "TIFF", "BMP", "AVIF", "HEIF", "JXL"),
    "comment": ("PNG", "WEBP", "TIFF", "BMP", "AVIF", "HEIF", "JXL"),
}
_WITHOUT_RESOLUTION = ("WEBP", "AVIF", "HEIF", "JXL")
_CARRIED_SEGMENTS = (b"JFIF\0", jpeg.EXIF, jpeg.XMP, jpeg.MORE_XMP, b"ICC_PROFILE\0", jpeg.ADOBE)
_CARRIED_CHUNKS = (b"iCCP", b"sRGB", b"cICP", b"pHYs", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"PLTE")
_RAW = {b"Raw profile type iptc\0": "IPTC data", b"Raw profile type 8bim\0": "Photoshop data"}
_IPTC, _PHOTOSHOP, _RESOLUTION = 33723, 34377, (282, 283, 296)
_MOST = 12
_MAKER_NOTES = 37500
_WHOLE = (b"Nikon\0\2", b"OLYMPUS\0", b"OM SYSTEM\0", b"FUJIFILM", b"Apple iOS\0")
"""Maker notes with offsets relative to themselves."""

_MOVED = "its maker notes lie at another place in the file now; programs may not find all of them"


def list_losses(carried: Carried, format: str) -> list[str]:  # noqa: A002
    """Notes on metadata that a format cannot hold, or cannot keep in place."""
    named = (name for key, name in _NAMED.items() if carried.get(key) and format in _WITHOUT[key])
    lost = list(dict.fromkeys(chain(named, *(found(carried, format) for found in _SOURCES))))
    moved = _maker_note_losses(carried, format)
    if not lost:
        return moved
    more = [f"{len(lost) - _MOST} more"] if len(lost) > _MOST else []
    *first, last = [*lost[:_MOST], *more]
    told = f"{', '.join(first)} and {last}" if first else last
    return [f"{format} has no place for {told}: left out", *moved]


def _maker_note_losses(carried: Carried, format_: str) -> list[str]:
    """A note on maker notes with offsets relative to the file."""
    if format_ in _WITHOUT["exif"] or (format_ != "TIFF" and "tiff" not in carried):
        return []  # elsewhere the EXIF block stays whole
    _, tree = exif_copy.parse_block(carried.get("exif"))
    found = next((tag.data for tag in tree.get(DIRECTORY, ()) if tag.code == _MAKER_NOTES), b"")
    return [] if not found or found.startswith(_WHOLE) else [_MOVED]


def _resolution(carried: Carried, format_: str) -> Iterable[str]:
    if "dpi" not in carried or format_ not in _WITHOUT_RESOLUTION:
        return ()
    _, tree = exif_copy.parse_block(carried.get("exif"))
    kept = {tag.code for tag in tree.get(exif_copy.FIRST, ())} & {*_RESOLUTION}
    return () if kept else ("its resolution",)


def _segments(carried: Carried, format_: str) -> Iterable[str]:
    """Names of segments of cameras and programs, other than EXIF, XMP, IPTC and comments."""
    if format_ == "JPEG":
        return
    for marker, data in carried.get("segments", ()):
        if marker == jpeg.APP13 and data.startswith(jpeg.IPTC):
            yield from ("Photoshop data",) if _has_more_than_iptc(data) else ()
        elif marker != jpeg.COMMENT and not data.startswith(_CARRIED_SEGMENTS):
            yield f"APP{marker - jpeg.APP0} data of a JPEG"


def _has_more_than_iptc(data: bytes) -> bool:
    parts = data.removeprefix(jpeg.IPTC).split(b"8BIM")[1:]
    return any(part[:2] not in (b"\x04\x04", b"\x04\x25") for part in parts)


def _chunks(carried: Carried, format_: str) -> Iterable[str]:
    if format_ == "PNG":
        return
    for kind, data in carried.get("chunks", ()):
        if kind not in _CARRIED_CHUNKS:
            yield f"the chunk {kind.decode('ascii', 'replace')} of a PNG"
        yield from (name for mark, name in _RAW.items() if data.startswith(mark))


def _tags(carried: Carried, format_: str) -> Iterable[str]:
    import tifffile

    if format_ == "TIFF" or "tiff" not in carried:
        return
    for code in (tag[0] for tag in carried["tiff"]["tags"]):
        if code == _PHOTOSHOP:
            yield "Photoshop data"
        elif code not in (_IPTC, *_RESOLUTION) and not exif_copy.is_describing(code):
            yield f"the TIFF tag {code} ({tifffile.TIFF.TAGS.get(code, 'private')})"


_SOURCES = (_resolution, _segments, _chunks, _tags)
