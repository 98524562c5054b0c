"""EXIF blocks without possible remains of a picture: unknown values and gaps.

A block is cleaned in place: dropped data become zeros, and nothing moves.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from editkit.photo.metadata import maker_notes, opaque, photoshop, previews
from editkit.photo.metadata.exif import DIRECTORY, INTEROP, MARK, PLACE
from editkit.photo.metadata.maker_notes import Addressing, Directory, DirectoryValue

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_MAKER_NOTE, _MAKE, _CHILDREN, _PHOTOSHOP, _IPTC = 0x927C, 0x010F, 0x014A, 0x8649, 0x83BB
_POINTERS = (DIRECTORY, PLACE, INTEROP, _CHILDREN)
_MOST_TABLES = 64
_PREVIEWS, _SHORTEST_PREVIEW, _BYTES = (0x0081, 0x0100, 0x0280, 0x2000, 0x2001), 256, (1, 6, 7)
"""Tags under which makers keep previews, however short."""

_MEASURED = {
    b"CANON": frozenset({0x000D, 0x0026, 0x003C, 0x4001, 0x4005, 0x4013, 0x4028}),
    b"NIKON": frozenset({0x0051, 0x0091, 0x0096, 0x0097, 0x0098, 0x00B7, 0x00BB, 0x00BD}),
    b"SONY": frozenset({0x0010, 0x0020, 0x0114, 0x2010, 0x3000, 0x9050, *range(0x9400, 0x9417)}),
}
"""What the makers' tags of a lens, of focus, of light and of settings are, which may be long."""

_Span = tuple[int, int]


@dataclass
class _BlockSpans:
    """The ranges of a block that stay, that stay unless dropped data cover them, and that go."""

    fixed: list[_Span] = field(default_factory=list)
    short: list[_Span] = field(default_factory=list)
    going: list[tuple[_Span, str]] = field(default_factory=list)


def clean_block(block: bytes) -> tuple[bytes, list[str]]:
    """The block with zeros in place of pictures and possible pictures, and notes.

    Args:
        block: with or without its header.
    """
    block, count = previews.blank_pictures(block)
    notes = [previews.omission_note(previews.IN_EXIF)] if count else []
    head = len(MARK) if block.startswith(MARK) else 0
    data = bytearray(block[head:])
    found = _classify(bytes(data))
    fixed = _merge_spans(found.fixed)
    for (start, end), name in found.going:
        for low, high in _subtract_spans(start, end, fixed):
            data[low:high] = bytes(high - low)
        notes.append(previews.omission_note(name))
    for low, high in _gaps(bytes(data), _merge_spans([*fixed, *found.short])):
        data[low:high] = bytes(high - low)
        notes.append(
            previews.omission_note(f"{high - low} bytes between the tags of its EXIF data")
        )
    return block[:head] + bytes(data), list(dict.fromkeys(notes))


def _classify(data: bytes) -> _BlockSpans:
    found = _BlockSpans(fixed=[(0, 8)])
    order = _ORDERS.get(data[:4])
    if order is None or len(data) < 8:
        return found
    tables = list(_standard_directories(data, order))
    values = [value for table in tables for value in table.values]
    make = next((data[v.start : v.end] for v in values if v.tag == _MAKE), b"")
    found.fixed += [(table.start, table.end) for table in tables]
    for value in values:
        if value.tag == _MAKER_NOTE:
            _classify_maker_note(found, data, value, order, make)
        else:
            _classify_value(found, data, value, f"EXIF tag {value.tag}")
    return found


def _standard_directories(data: bytes, order: str) -> Iterator[Directory]:
    """The directories of the EXIF standard."""
    how, seen = Addressing(order, 0), set[int]()
    waiting = [struct.unpack_from(order + "I", data, 4)[0]]
    while waiting and len(seen) < _MOST_TABLES:
        at = waiting.pop()
        table = None if at in seen or at < 8 else _lenient_directory(data, at, how)
        seen.add(at)
        if table is None:
            continue
        yield table
        for value in table.values:
            size = value.end - value.start
            if value.tag in _POINTERS and value.kind in (4, 13) and value.end <= len(data):
                waiting += struct.unpack_from(f"{order}{size // 4}I", data, value.start)[:8]
        if table.end <= len(data):
            waiting.append(struct.unpack_from(order + "I", data, table.end - 4)[0])


def _lenient_directory(data: bytes, at: int, how: Addressing) -> Directory | None:
    """A directory with damaged entries skipped."""
    if at + 2 > len(data):
        return None
    (count,) = struct.unpack_from(how.order + "H", data, at)
    count = min(count, (len(data) - at - 2) // 12)
    values = list[DirectoryValue]()
    for k in range(count):
        tag, kind, number, place = struct.unpack_from(how.order + "HHII", data, at + 2 + 12 * k)
        length = number * maker_notes.SIZES.get(kind, 1)
        start = place if length > 4 else at + 10 + 12 * k
        if start + length <= len(data):
            values.append(DirectoryValue(tag, kind, start, start + length))
    return Directory(at, at + 6 + 12 * count, tuple(values))


def _classify_maker_note(
    found: _BlockSpans, data: bytes, note: DirectoryValue, order: str, make: bytes
) -> None:
    tables = maker_notes.read_directories(data, note.start, note.end, order)
    if not tables:
        _classify_value(found, data, note, "maker notes")
        return
    word = (re.findall(rb"[A-Z]+", make.upper()) or [b""])[0]
    measured = _MEASURED.get(word, frozenset())
    inner = {table.start for table in tables}
    found.short += [(table.start, table.end) for table in tables]
    for value in (value for table in tables for value in table.values):
        content = data[value.start : value.end]
        if value.start in inner or value.end > len(data) or value.start < 0:
            continue  # directories are looked at themselves
        name = f"maker note tag {value.tag}"
        if value.tag in measured and not opaque.is_smooth(content):
            found.short.append((value.start, value.end))
        elif _is_preview(value, content):
            found.going.append(((value.start, value.end), f"{name} with a preview"))
        else:
            _classify_value(found, data, value, name, fixed=False)


def _is_preview(value: DirectoryValue, content: bytes) -> bool:
    return (
        value.tag in _PREVIEWS
        and value.kind in _BYTES
        and len(content) >= _SHORTEST_PREVIEW
        and content.count(content[:1]) < len(content)
        and not content.startswith(b"[")
        and not opaque.is_text(content)
    )


def _classify_value(
    found: _BlockSpans, data: bytes, value: DirectoryValue, name: str, *, fixed: bool = True
) -> None:
    """Adds a value to the ranges that stay or go."""
    span, content = (value.start, value.end), data[value.start : value.end]
    if _may_show(value.tag if fixed else 0, content):
        found.going.append((span, f"{name} of {len(content)} bytes"))
    elif len(content) > 4:
        (found.fixed if fixed else found.short).append(span)


def _may_show(tag: int, content: bytes) -> bool:
    try:
        if tag == _PHOTOSHOP:
            return bool(photoshop.clean_resources(content)[1])
        if tag == _IPTC:
            return bool(photoshop.clean_iptc(content)[1])
    except ValueError:
        return True
    return previews.may_show(content)


def _gaps(data: bytes, kept: list[_Span]) -> Iterator[_Span]:
    """Long unused ranges that could be a picture."""
    for low, high in _subtract_spans(0, len(data), kept):
        if high - low >= opaque.LEAST and opaque.is_opaque(data[low:high]):
            yield low, high


def _merge_spans(spans: Iterable[_Span]) -> list[_Span]:
    found = list[_Span]()
    for low, high in sorted(spans):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found


def _subtract_spans(start: int, end: int, spans: Iterable[_Span]) -> Iterator[_Span]:
    """The parts of a range outside the sorted spans."""
    for low, high in spans:
        if high <= start or low >= end:
            continue
        if low > start:
            yield start, low
        start = max(start, high)
    if start < end:
        yield start, end
