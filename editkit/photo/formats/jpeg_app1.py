"""EXIF and XMP in a JPEG's APP1 segments: joined from several segments, and split again.

XMP longer than a segment is extended XMP: a first packet names the rest by its MD5 (XMP
specification, part 3, 1.1.3.1).
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from editkit.photo.formats.jpeg import APP1, APP13, EXIF, IPTC, LONGEST, MORE_XMP, XMP, Segment
from editkit.photo.metadata import xmp_packets
from editkit.photo.metadata.exif import clean_exif

_NAME, _HEAD = 32, len(MORE_XMP) + 32 + 8
_TIFF = (b"II*\0", b"MM\0*")
_INCOMPLETE = "a part of its XMP data was missing or belongs to other data and was left out"
_UNREADABLE = "further XMP data that cannot be read were left out"
_TWICE = "its XMP data came in several packets and was joined; equal properties appear once"


def join_segments(segments: Iterable[Segment]) -> tuple[list[Segment], list[str]]:
    """The segments with complete EXIF blocks and XMP packets, however long, without thumbnails.

    Returns:
        The segments, with the orientation still in their EXIF blocks, and notes on dropped data.
    """
    notes = list[str]()
    whole = _join_exif(list(segments), notes)
    return _join_xmp(whole, notes), list(dict.fromkeys(notes))


def split_segment(segment: Segment) -> list[Segment]:
    """The segment as segments of legal size; empty if its kind cannot be split."""
    if len(segment.data) <= LONGEST:
        return [segment]
    for marker, mark in ((APP1, EXIF), (APP13, IPTC)):
        if segment.marker == marker and segment.data.startswith(mark):
            room, data = LONGEST - len(mark), segment.data[len(mark) :]
            return [
                Segment(marker, mark + data[at : at + room]) for at in range(0, len(data), room)
            ]
    if segment.data.startswith(XMP):
        found = xmp_packets.split_packet(segment.data[len(XMP) :], LONGEST - len(XMP))
        return [] if found is None else [Segment(APP1, XMP + found[0]), *_extension(*found[1:])]
    return []


def find_exif(segments: Iterable[Segment]) -> bytes | None:
    """The first EXIF block, with its header."""
    return next((s.data for s in segments if s.marker == APP1 and s.data.startswith(EXIF)), None)


def find_xmp(segments: Iterable[Segment]) -> bytes | None:
    """The first XMP packet."""
    found = (s.data for s in segments if s.marker == APP1 and s.data.startswith(XMP))
    packet = next(found, None)
    return None if packet is None else packet[len(XMP) :]


def _join_exif(segments: Sequence[Segment], notes: list[str]) -> list[Segment]:
    found = list[Segment]()
    for before, segment in pairwise([Segment(0, b""), *segments]):
        goes_on = segment.data[len(EXIF) :][:4] not in _TIFF
        if _is_exif(segment) and goes_on and _is_exif(before):
            found[-1] = Segment(APP1, found[-1].data + segment.data[len(EXIF) :])
        else:
            found.append(segment)
    return [cleaned for segment in found for cleaned in _clean_exif(segment, notes)]


def _clean_exif(segment: Segment, notes: list[str]) -> list[Segment]:
    if not _is_exif(segment):
        return [segment]
    try:
        return [Segment(APP1, clean_exif(segment.data, turned=False, notes=notes))]
    except ValueError:
        notes.append("its EXIF data is damaged and was left out")
        return []


def _is_exif(segment: Segment) -> bool:
    return segment.marker == APP1 and segment.data.startswith(EXIF)


def _join_xmp(segments: Sequence[Segment], notes: list[str]) -> list[Segment]:
    ours = [s for s in segments if s.marker == APP1 and s.data.startswith((XMP, MORE_XMP))]
    standard = [s.data[len(XMP) :] for s in ours if s.data.startswith(XMP)]
    if len(ours) < 2 and standard:
        return list(segments)
    kept = [s for s in segments if s not in ours]
    if not standard:
        notes += [_INCOMPLETE] if ours else []
        return kept
    at = segments.index(next(s for s in ours if s.data.startswith(XMP)))
    place = sum(s not in ours for s in segments[:at])
    extensions = [s.data for s in ours if s.data.startswith(MORE_XMP)]
    packet = _whole_packet(standard, extensions, notes)
    return [*kept[:place], Segment(APP1, XMP + packet), *kept[place:]]


def _whole_packet(
    standard: Sequence[bytes], extensions: Sequence[bytes], notes: list[str]
) -> bytes:
    """One packet of the first one, its extension, and further packets."""
    first = xmp_packets.parse_packet(standard[0])
    if first is None:
        notes.append(_UNREADABLE)
        return standard[0]
    name = xmp_packets.take_extension_name(first.root).encode("ascii", "replace")
    own = [data for data in extensions if data[len(MORE_XMP) :][:_NAME] == name]
    extension = _join_extension(own)
    if len(own) < len(extensions) or (own and extension is None):
        notes.append(_INCOMPLETE)
    others = standard[1:] if extension is None else [extension, *standard[1:]]
    for packet in others:
        read = xmp_packets.parse_packet(packet)
        if read is None:
            notes.append(_UNREADABLE)
            continue
        xmp_packets.merge(first.root, read.root)
        if packet is not extension:
            notes.append(_TWICE)
    return xmp_packets.serialize(first.root)


def _join_extension(parts: Sequence[bytes]) -> bytes | None:
    """The joined extension; None if a part is missing."""
    whole = b""
    for at, data in sorted((int.from_bytes(data[_HEAD - 4 : _HEAD]), data) for data in parts):
        if at != len(whole):
            return None
        whole += data[_HEAD:]
    lengths = {int.from_bytes(data[_HEAD - 8 : _HEAD - 4]) for data in parts}
    return whole if lengths == {len(whole)} else None


def _extension(name: str, data: bytes) -> list[Segment]:
    room = LONGEST - _HEAD
    head = MORE_XMP + name.encode() + len(data).to_bytes(4)
    return [
        Segment(APP1, head + at.to_bytes(4) + data[at : at + room])
        for at in range(0, len(data), room)
    ]
