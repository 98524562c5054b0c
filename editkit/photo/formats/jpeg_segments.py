"""Application segments of a JPEG that are still valid after an edit, and data behind its end."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from editkit.photo.formats.jpeg import (
    APP0,
    APP1,
    APP2,
    APP11,
    APP13,
    COMMENT,
    EXIF,
    IPTC,
    LONGEST,
    MORE_XMP,
    MPF,
    XMP,
    Segment,
)
from editkit.photo.metadata import exif_previews, opaque, photoshop, previews

_CREDENTIALS = "its Content Credentials apply to the original only and were left out"
_SHOWING = {
    (APP0, b"JFXX\0"): "JFIF extension with a thumbnail",
    (APP1, b"FLIR\0"): "thermal picture (FLIR)",
    (APP2, MPF): "further pictures in the file (previews, a gain map)",
    (APP2, b"urn:iso:std:iso:ts:21496:-1\0"): "what its gain map needs (ISO 21496-1)",
    (0xE3, b"Stim\0"): "what its stereo picture needs",
    (0xE4, b"SCALADO\0"): "reduced picture (Scalado)",
    (APP11, b"HDR_RI"): "ratio picture of JPEG-HDR",
}
_PLAIN = (
    (APP0, b"JFIF\0"),
    (APP0, b"AVI1"),
    (APP1, EXIF),
    (APP1, XMP),
    (APP1, MORE_XMP),
    (APP2, b"ICC_PROFILE\0"),
    (0xEC, b"Ducky"),
    (APP13, b"Adobe_CM"),
    (0xEE, b"Adobe"),
)
"""Segments that are handled elsewhere, or that cannot hold a picture."""

_FULL = LONGEST - 2000


def select_segments(segments: Iterable[Segment]) -> tuple[list[Segment], list[str]]:
    """The segments that are still valid after an edit, and notes on the others."""
    found, notes = list[Segment](), list[str]()
    goes_on = False
    for (marker, label), group in groupby(segments, key=_label):
        run = list(group)
        remaining, lost = _select_known(marker, label, run)
        if goes_on and not label:
            remaining, lost = [], []
        found += remaining
        notes += lost
        # A preview longer than a segment may continue under the next marker.
        goes_on = not label and not remaining and len(run[-1].data) > _FULL
    return found, list(dict.fromkeys(notes))


def data_behind_end(data: bytes) -> bytes:
    """The data behind the end of a JPEG."""
    end = previews.end_of_jpeg(data)
    if end is None:  # garbage before its first scan, which decoders overlook
        end = data.rfind(b"\xff\xd9") + 2
    return data[end:] if end > 1 else b""


def tail_notes(tail: bytes) -> list[str]:
    """A note on data behind the end; none for padding."""
    if not tail.strip(b"\0\xff \r\n\t"):
        return []
    what = next((name for mark, name in _TAILS if mark in tail), "data")
    return [previews.omission_note(f"{what} behind the end of its JPEG ({len(tail)} bytes)")]


_TAILS = (
    (b"ftyp", "a video"),
    (b"SEFT", "Samsung's data (a picture, sound or video)"),
    (b"AXS!", "IPTC data and a thumbnail (AFCP)"),
    (b"AXS*", "IPTC data and a thumbnail (AFCP)"),
    (b"CANON OPTIONAL DATA", "Canon's data (VRD)"),
    (b"cbipcbbl", "Photo Mechanic's data"),
    (b"zmie", "MIE data"),
    (b"vivo{", "Vivo's data"),
    (b"\xd8\xff", "further pictures"),
    (b"PK\x03\x04", "an archive"),
)


def _label(segment: Segment) -> tuple[int, bytes]:
    """The marker, and the known name of the segment, if it has one."""
    for marker, name in (*_SHOWING, *_PLAIN):
        if segment.marker == marker and segment.data.startswith(name):
            return marker, name
    if segment.marker == APP13 and segment.data.startswith(IPTC):
        return APP13, IPTC
    return segment.marker, b""


def _select_known(
    marker: int, label: bytes, run: Sequence[Segment]
) -> tuple[Sequence[Segment], list[str]]:
    if (marker, label) in _SHOWING:
        return [], [previews.omission_note(_SHOWING[marker, label])]
    if marker == APP11 and run[0].data.startswith(b"JP"):
        return [], [_CREDENTIALS]
    if label == IPTC:
        return _clean_resources(run)
    if label in (b"JFIF\0", EXIF):
        return _drop_thumbnail(run)
    if label:
        return run, []
    return _select_unknown(marker, run)


def _select_unknown(marker: int, run: Sequence[Segment]) -> tuple[Sequence[Segment], list[str]]:
    """Segments of cameras and programs: kept unless they hold or could be a picture."""
    name = "comment" if marker == COMMENT else f"APP{marker - 0xE0} data{_quote(run[0].data)}"
    joined = b"".join(segment.data for segment in run)
    if previews.holds_picture(joined):
        return [], [previews.omission_note(f"{name} with a picture")]
    if opaque.is_opaque(joined):
        return [], [previews.omission_note(f"{name} of {len(joined)} bytes")]
    return run, []


def _quote(data: bytes) -> str:
    word = data[:24].split(b"\0")[0]
    return f" ({word.decode()})" if len(word) > 2 and word.isascii() and word.isalnum() else ""


def _clean_resources(run: Sequence[Segment]) -> tuple[list[Segment], list[str]]:
    """Photoshop's data, joined from several segments, cleaned, and split again."""
    joined = b"".join(segment.data.removeprefix(IPTC) for segment in run)
    try:
        data, notes = photoshop.clean_resources(joined)
    except ValueError:
        return [], ["a damaged Photoshop segment was left out"]
    if data == joined:
        return list(run), notes
    size = LONGEST - len(IPTC)
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return [Segment(APP13, IPTC + part) for part in parts], notes


def _drop_thumbnail(run: Sequence[Segment]) -> tuple[list[Segment], list[str]]:
    found, notes = list[Segment](), list[str]()
    for segment in run:
        data = segment.data
        if segment.marker == APP1:  # a note comes from where EXIF is read
            segment = Segment(APP1, exif_previews.clean_block(data)[0])  # noqa: PLW2901
        elif len(data) >= 14 and data[12] * data[13]:
            notes.append(previews.omission_note("JFIF thumbnail"))
            segment = Segment(APP0, data[:12] + b"\0\0")  # noqa: PLW2901
        found.append(segment)
    return found, notes
