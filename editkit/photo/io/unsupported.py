"""Files that are not photos: recognized by their first bytes, and refused with advice."""

import re
from collections.abc import Callable

from editkit.errors import ImageError
from editkit.photo.formats import bmp, tiff_directories
from editkit.types import Stream

_HEAD = 4096
_LAYERS = "export a flattened PNG or TIFF from it"
_DEVELOP = "develop it and export a 16-bit TIFF"
_FRAME = "export a frame as PNG"
_DRAWN = "export a PNG of the size you need"
_PAGE = "export its picture as PNG or TIFF"
_TONES = "map its tones and export a 16-bit TIFF or PNG"
_PLAIN = "save it as PNG, or as a BMP of 24 bits"
_UNPACK = "unpack it and give a photo from it"

_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"8BPS\0\x02", "a large Photoshop document (PSB)", _LAYERS),
    (b"8BPS", "a Photoshop document (PSD)", _LAYERS),
    (b"gimp xcf", "a GIMP image (XCF)", _LAYERS),
    (b"Paint Shop Pro Image File", "a Paint Shop Pro image", _LAYERS),
    (b"PDN3", "a Paint.NET image", _LAYERS),
    (b"CSFCHUNK", "a Clip Studio Paint image", _LAYERS),
    (b"\0\xffKA", "an Affinity document", _LAYERS),
    (b"FUJIFILMCCD-RAW", "a Fujifilm raw file (RAF)", _DEVELOP),
    (b"IIRO", "an Olympus raw file (ORF)", _DEVELOP),
    (b"IIRS", "an Olympus raw file (ORF)", _DEVELOP),
    (b"MMOR", "an Olympus raw file (ORF)", _DEVELOP),
    (b"IIU\0", "a Panasonic or Leica raw file (RW2)", _DEVELOP),
    (b"II\x1a\0\0\0HEAPCCDR", "a Canon raw file (CRW)", _DEVELOP),
    (b"FOVb", "a Sigma raw file (X3F)", _DEVELOP),
    (b"\0MRM", "a Minolta raw file (MRW)", _DEVELOP),
    (b"ARRI", "a cinema camera's raw file", _DEVELOP),
    (b"v/1\x01", "an OpenEXR picture", _TONES),
    (b"#?RADIANCE", "a Radiance picture (HDR)", _TONES),
    (b"#?RGBE", "a Radiance picture (HDR)", _TONES),
    (b"PF\n", "a floating-point map (PFM)", _TONES),
    (b"Pf\n", "a floating-point map (PFM)", _TONES),
    (b"II\xbc\x01", "a JPEG XR picture", _PAGE),
    (b"BPG\xfb", "a BPG picture", _PAGE),
    (b"FLIF", "a FLIF picture", _PAGE),
    (b"AT&TFORM", "a DjVu document", _PAGE),
    (b"%!PS", "PostScript, not a photo", "convert it to PNG first"),
    (b"\xc5\xd0\xd3\xc6", "PostScript, not a photo", "convert it to PNG first"),
    (b"\xd7\xcd\xc6\x9a", "a Windows drawing (WMF)", _DRAWN),
    (b"\x1aE\xdf\xa3", "a video (Matroska or WebM)", _FRAME),
    (b"\0\0\x01\xba", "a video (MPEG)", _FRAME),
    (b"\0\0\x01\xb3", "a video (MPEG)", _FRAME),
    (b"FLV\x01", "a video (FLV)", _FRAME),
    (b"0&\xb2u\x8ef\xcf\x11", "a video (Windows Media)", _FRAME),
    (b"OggS", "a video or sound (Ogg)", _FRAME),
    (b"\x93NUMPY", "a NumPy array", "load it with numpy and give the array from Python"),
    (b"Rar!\x1a\x07", "an archive (RAR)", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "an archive (7z)", _UNPACK),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file that it stands for"),
    (b"SQLite format 3\0", "a database", "give a photo"),
    (b"\x7fELF", "a program", "give a photo"),
)
_ZIPPED: tuple[tuple[bytes, str, str], ...] = (
    (b"image/openraster", "an OpenRaster document", _LAYERS),
    (b"application/x-krita", "a Krita document", _LAYERS),
    (b"application/vnd.oasis.opendocument", "an OpenDocument file", _PAGE),
    (b"word/", "an Office document", _PAGE),
    (b"ppt/", "an Office document", _PAGE),
    (b"", "an archive (ZIP)", _UNPACK),
)
_IMAGES = frozenset(
    b"heic heix heim heis hevc hevx hevm hevs mif1 msf1 mif2 miaf avif avis avio avci avcs".split()
    + b"jpeg j2ki vvic unif MiHE MiHB MiHM 1pic 2pic".split()
    + [b"jxl ", b"jp2 ", b"jpx ", b"jpm "]
)
"""Brands of files that hold pictures."""

_RIFFS = {
    b"AVI ": ("a video (AVI)", _FRAME),
    b"WAVE": ("sound (WAV)", "give a photo"),
    b"CDR": ("a CorelDRAW drawing", _DRAWN),
}
_VIDEO_BOXES = (b"moov", b"mdat", b"wide", b"skip", b"pnot")
_SVG = re.compile(rb"<(?:\w+:)?svg[\s>]", re.IGNORECASE)
_HTML = re.compile(rb"<!doctype html|<html[\s>]|<head[\s>]", re.IGNORECASE)
_SENSOR = (32803, 34892)
_PACKET = 188


def check(stream: Stream, name: str) -> None:
    """Refuses known files that are not photos.

    Raises:
        ImageError: names the kind of file and the way out.
    """
    stream.seek(0)
    head = stream.read(_HEAD)
    stream.seek(0)
    found = next((found for judge in _CHECKS if (found := judge(head))), None)
    found = found or _raw(head, stream)
    stream.seek(0)
    if found:
        what, advice = found
        raise ImageError(f"{name} is {what}; {advice}")


_Refusal = tuple[str, str] | None


def _by_start(head: bytes) -> _Refusal:
    known = (row[1:] for row in _STARTS if head.startswith(row[0]))
    return next(known, None)


def _riff(head: bytes) -> _Refusal:
    kind = head[8:12] if head[:4] in (b"RIFF", b"RIFX") else b""
    return _RIFFS.get(kind) or _RIFFS.get(kind[:3])


def _media_boxes(head: bytes) -> _Refusal:
    """Video and raw files in ISO/IEC 14496-12 boxes, which may also hold pictures."""
    if head[4:8] in _VIDEO_BOXES:
        return "a video (QuickTime)", _FRAME
    if head[4:8] != b"ftyp":
        return None
    length = min(int.from_bytes(head[:4]), len(head))
    major = head[8:12]
    brands = [major, *(head[at : at + 4] for at in range(16, length, 4))]
    if major == b"crx ":
        return "a Canon raw file (CR3)", _DEVELOP
    if any(brand in _IMAGES for brand in brands):
        return None
    if major in (b"M4A ", b"M4B ", b"M4P "):
        return "sound (M4A)", "give a photo"
    return f"a video ({'QuickTime' if major == b'qt  ' else 'MP4'})", _FRAME


def _bitmap(head: bytes) -> _Refusal:
    kind = bmp.unsupported_kind(head)
    return None if kind is None else (kind, _PLAIN)


def _zipped(head: bytes) -> _Refusal:
    if head[:4] not in (b"PK\x03\x04", b"PK\x05\x06"):
        return None
    return next(row[1:] for row in _ZIPPED if row[0] in head)


def _texts(head: bytes) -> _Refusal:
    """PDF, SVG and web pages, which other content may precede."""
    if b"%PDF-" in head[:1024]:
        return "a PDF document", _PAGE
    plain = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if plain[:1] == b"<" and _SVG.search(head):
        return "a drawing (SVG)", _DRAWN
    if plain[:1] == b"<" and _HTML.search(head):
        return "a web page, not a photo", "download the photo itself"
    return None


def _others(head: bytes) -> _Refusal:
    if head[128:132] == b"DICM":
        return "a medical image (DICOM)", "export a 16-bit TIFF or PNG from it"
    if head[:4] == b"\x01\0\0\0" and head[40:44] == b" EMF":
        return "a Windows drawing (EMF)", _DRAWN
    if head[:2] == b"\x1f\x8b":
        return "packed by gzip", _UNPACK
    packets = head[: 4 * _PACKET : _PACKET]
    if len(packets) == 4 and set(packets) == {0x47} and not head.startswith(b"GIF8"):
        return "a video (MPEG transport stream)", _FRAME
    return None


def _raw(head: bytes, stream: Stream) -> _Refusal:
    """Camera raw files built as TIFFs, whose first picture is a small preview."""
    if head[8:11] == b"CR\x02":
        return "a Canon raw file (CR2)", _DEVELOP
    file = tiff_directories.open_tiff(stream)
    if file is None:
        return None
    for entries in tiff_directories.iter_directories(file):
        if tiff_directories.DNG in entries:
            return "a raw file (DNG)", _DEVELOP
        if _single_number(file, entries.get(tiff_directories.PHOTOMETRIC)) in _SENSOR:
            return f"a raw file{_maker(file)}", _DEVELOP
    return None


def _single_number(file: tiff_directories.File, entry: tiff_directories.Entry | None) -> int:
    """The only number of a tag; -1 if it has none."""
    if entry is None or entry.values != 1:
        return -1
    try:
        return (file.numbers(entry) or (-1,))[0]
    except ValueError:
        return -1


def _maker(file: tiff_directories.File) -> str:
    """The camera maker's name in brackets; empty if there is none."""
    entry = next(tiff_directories.iter_directories(file), {}).get(tiff_directories.MAKE)
    if entry is None or entry.values > 64:
        return ""
    try:
        words = re.findall("[A-Za-z0-9]+", file.data(entry).decode("ascii", "ignore"))
    except ValueError:
        return ""
    return f" ({words[0].capitalize()})" if words else ""


_CHECKS: tuple[Callable[[bytes], _Refusal], ...] = (
    _by_start,
    _riff,
    _media_boxes,
    _bitmap,
    _zipped,
    _texts,
    _others,
)
