"""Maker notes as directories: the positions of their values, for any header and layout.

Makers begin a note with their own header, use either byte order, and count offsets from the block's
start, from the note's, or from elsewhere. The best match is taken.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes per value of each type."""

_MOST_ENTRIES, _MOST_TABLES, _LONGEST_HEAD = 512, 64, 64
_NUMBERS, _MOST_NUMBERS = (4, 13), 8
_MARKS = {b"II*\0": "<", b"MM\0*": ">"}


class DirectoryValue(NamedTuple):
    """A tag, its type, and the range of its bytes in the block."""

    tag: int
    kind: int
    start: int
    end: int


class Directory(NamedTuple):
    """The range of a directory, and its values."""

    start: int
    end: int
    values: tuple[DirectoryValue, ...]


class Addressing(NamedTuple):
    """The byte order, and the base of offsets."""

    order: str
    base: int


def read_directory(data: bytes, at: int, how: Addressing) -> Directory | None:
    """The directory at a position; None if there is no complete, valid one."""
    if at < 0 or at + 2 > len(data):
        return None
    (count,) = struct.unpack_from(how.order + "H", data, at)
    end = at + 2 + 12 * count
    if not 0 < count <= _MOST_ENTRIES or end > len(data):
        return None
    found = list[DirectoryValue]()
    rows = struct.iter_unpack(how.order + "HHII", data[at + 2 : end])
    for k, (tag, kind, number, place) in enumerate(rows):
        length = number * SIZES.get(kind, 0)
        if kind not in SIZES or length > len(data):
            return None
        start = how.base + place if length > 4 else at + 10 + 12 * k
        found.append(DirectoryValue(tag, kind, start, start + length))
    return Directory(at, min(end + 4, len(data)), tuple(found))


def read_directories(data: bytes, start: int, end: int, order: str) -> list[Directory]:
    """The directories of a note; empty if it is no directory.

    Args:
        data: the block that contains the note.
        start: the beginning of the note.
        end: its end.
        order: the block's byte order, which many notes share.
    """
    first = _find_first(data, start, end, order)
    if first is None:
        return []
    at, order = first
    how = Addressing(order, _find_base(data, (start, end), at, order))
    found, waiting = dict[int, Directory](), [at]
    while waiting and len(found) < _MOST_TABLES:
        place = waiting.pop()
        known = read_directory(data, place, how) if place not in found else None
        if known is not None:
            found[place] = known
            waiting += [p for p in _inner_places(data, known, how) if start <= p < end]
    return list(found.values())


def _find_first(data: bytes, start: int, end: int, order: str) -> tuple[int, str] | None:
    """The position of the first directory and its byte order: the longest near the beginning."""
    places = [*range(start, min(end, start + _LONGEST_HEAD)), *_declared_starts(data, start, end)]
    best, most = None, 0
    for at in places:
        for way in (order, "<" if order == ">" else ">"):
            found = read_directory(data[:end], at, Addressing(way, 0))
            if found is not None and len(found.values) > most:
                best, most = (at, way), len(found.values)
    return best


def _declared_starts(data: bytes, start: int, end: int) -> Iterator[int]:
    """Directory positions declared by TIFF headers near the beginning, or by Fujifilm's header."""
    for head in range(start, min(end - 8, start + _LONGEST_HEAD)):
        way = _MARKS.get(data[head : head + 4])
        if way:
            yield head + struct.unpack_from(way + "I", data, head + 4)[0]
    if data[start : start + 8] in (b"FUJIFILM", b"GENERALE") and end - start >= 12:
        yield start + struct.unpack_from("<I", data, start + 8)[0]


def _find_base(data: bytes, note: tuple[int, int], at: int, order: str) -> int:
    """The base for which most values and directories lie in the note."""
    start, end = note
    heads = [h for h in range(start, min(at, start + _LONGEST_HEAD)) if data[h : h + 4] in _MARKS]
    plain = read_directory(data, at, Addressing(order, 0))
    values = () if plain is None else plain.values
    long = [v for v in values if v.end - v.start > 4]
    # A note that was moved: its first value follows its directory.
    behind = at + 2 + 12 * len(values)
    lowest = min((v.start for v in long), default=behind)
    bases = (*heads, 0, start, at, behind + 4 - lowest, behind - lowest)

    def fitting(base: int) -> int:
        how = Addressing(order, base)
        inner = () if plain is None else _inner_places(data, plain, how)
        others = sum(read_directory(data[:end], p, how) is not None for p in inner if at < p < end)
        return others + sum(behind <= base + v.start and base + v.end <= end for v in long)

    return max(bases, key=fitting)  # of several the first


def _inner_places(data: bytes, outer: Directory, how: Addressing) -> Iterator[int]:
    """Positions of possible inner directories: integers of a directory, and its long values."""
    for value in outer.values:
        size = value.end - value.start
        if value.kind in _NUMBERS and size <= 4 * _MOST_NUMBERS and value.end <= len(data):
            code = f"{how.order}{size // 4}I"
            yield from (how.base + n for n in struct.unpack_from(code, data, value.start))
        elif value.kind == 7 and size > 4:
            yield value.start
