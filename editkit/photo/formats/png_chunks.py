"""Chunks of a PNG that are still valid after an edit, and data behind its end."""

import binascii
import zlib
from collections.abc import Iterable

from editkit.photo.formats.png import LONGEST, Chunk
from editkit.photo.metadata import opaque, photoshop, previews

_CREDENTIALS = "its Content Credentials apply to the original only and were left out"
_SHOWING = {
    b"prVW": "preview (Fireworks)",
    b"mkBF": "layers (Fireworks)",
    b"mkBS": "layers (Fireworks)",
    b"mkBT": "layers (Fireworks)",
    b"mkTS": "layers (Fireworks)",
    b"skMf": "original picture (Skitch)",
    b"skRf": "original picture (Skitch)",
    b"gmAP": "gain map",
    b"gdAT": "gain map",
    b"acTL": "the other pictures of its animation",
}
_SOURCES = (b"mxfile", b"mxGraphModel", b"application/vnd.excalidraw+json", b"drawing")
"""Texts that contain the drawing of the picture."""

_OF_SAMPLES = {
    b"iDOT": "where its rows lie (iDOT)",
    b"dSIG": "a signature of the original (dSIG)",
    b"seAl": "a signature of the original (seAl)",
}
_OF_DEPTH, _OF_PALETTE, _PALETTE = (b"sBIT", b"bKGD"), (b"hIST", b"PLTE"), 3
_BLOCKS = (b"Raw profile type 8bim", b"Raw profile type iptc")
_EXIF = (b"Raw profile type exif", b"Raw profile type APP1")
"""EXIF data are looked at by themselves."""

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PLAIN = (
    *(
        b"iCCP",
        b"PLTE",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"sBIT",
        b"bKGD",
        b"hIST",
        b"cICP",
        b"mDCV",
        b"cLLI",
    ),
    *(b"mDCv", b"cLLi", b"pHYs", b"tIME", b"oFFs", b"pCAL", b"sCAL", b"gIFg", b"sTER"),
    # These are looked at where EXIF is.
    b"eXIf",
)
_MOST = 1 << 26


def select_chunks(chunks: Iterable[Chunk], bits: int, kind: int) -> tuple[list[Chunk], list[str]]:
    """The chunks that are still valid after an edit, and notes on the others.

    Args:
        chunks: all but header and image data.
        bits: of a sample.
        kind: the color type of the header.
    """
    found, notes, chunks = list[Chunk](), list[str](), list(chunks)
    changed = bits < 8 or kind == _PALETTE or any(chunk.kind == b"tRNS" for chunk in chunks)
    for chunk in chunks:
        if chunk.kind == b"tRNS" or (chunk.kind == b"PLTE" and kind == _PALETTE):
            continue  # said where the mode is said, and in the samples now
        note = _reason(chunk)
        if chunk.kind in _OF_PALETTE or (changed and chunk.kind in _OF_DEPTH):
            note = _of_original(f"PNG chunk {chunk.kind.decode()}")
        if note is None:
            found.append(chunk)
        else:
            notes.append(note)
    return found, list(dict.fromkeys(notes))


def _reason(chunk: Chunk) -> str | None:
    """The reason for dropping the chunk, or None."""
    kind, data = chunk
    name = f"PNG chunk {kind.decode('latin-1')}"
    if kind == b"caBX":
        return _CREDENTIALS
    if kind in _OF_SAMPLES:
        return _of_original(_OF_SAMPLES[kind])
    if len(data) > LONGEST:
        return f"{name}: left out, as it is over {LONGEST} bytes"
    if kind in _SHOWING:
        return previews.omission_note(_SHOWING[kind])
    return None if kind in _PLAIN else _reason_by_content(chunk, name)


def _reason_by_content(chunk: Chunk, name: str) -> str | None:
    kind, data = chunk
    if kind in _TEXTS:
        key = data[:79].split(b"\0")[0]
        shows = key in _SOURCES or (not _is_xmp(key) and _holds_preview(key, _chunk_text(chunk)))
        return (
            previews.omission_note(f"text {key.decode('latin-1')} with a picture")
            if shows
            else None
        )
    if previews.holds_picture(data) or previews.holds_picture(_inflate(data)):
        return previews.omission_note(f"{name} with a picture")
    return (
        previews.omission_note(f"{name} of {len(data)} bytes") if opaque.is_opaque(data) else None
    )


def _holds_preview(key: bytes, text: bytes) -> bool:
    """True if a text, or ImageMagick's raw profile, holds or could be a picture."""
    if key in _BLOCKS:
        try:
            return bool(photoshop.clean_resources(text)[1])
        except ValueError:  # IPTC data by themselves
            return bool(photoshop.clean_iptc(text)[1])
    return key not in _EXIF and previews.may_show(text)


def _of_original(what: str) -> str:
    return f"{what}: left out, as it applies to the original only"


def _is_xmp(key: bytes) -> bool:
    """True for the keyword of XMP, which is handled elsewhere."""
    return key == b"XML:com.adobe.xmp"


def _chunk_text(chunk: Chunk) -> bytes:
    """The decompressed text of a chunk; for ImageMagick's raw profiles the bytes."""
    key, _, rest = chunk.data.partition(b"\0")
    if chunk.kind == b"zTXt":
        rest = _inflate(rest[1:])
    elif chunk.kind == b"iTXt":
        packed, body = rest[:1] == b"\x01", rest[2:].split(b"\0", 2)[-1]
        rest = _inflate(body) if packed else body
    if not key.startswith(b"Raw profile type "):
        return rest
    try:
        return binascii.unhexlify(b"".join(rest.split()[2:]))
    except binascii.Error:
        return rest


def _inflate(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MOST)
    except zlib.error:
        return b""
