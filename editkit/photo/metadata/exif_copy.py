"""EXIF directories copied from one file into another; each value keeps its type and bytes."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import NamedTuple

from editkit.photo.metadata.exif import DIRECTORY, INTEROP, MARK, PLACE
from editkit.types import Stream

FIRST = 0
"""The key of the first directory, which contains the others."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_LONG = {16: 8, 17: 8, 18: 8}
_UNITS = {3: "H", 8: "H", **dict.fromkeys((4, 5, 9, 10, 11, 13), "I"), 12: "Q"} | dict.fromkeys(
    _LONG, "Q"
)
_DESCRIBING = frozenset(
    {270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)}
)
"""Tags of a first directory that tell of the photo, not of how its samples lie."""

_MOST, _LONGEST = 4096, 64 << 20


class Tag(NamedTuple):
    """A tag, with its value as bytes in the byte order of its file."""

    code: int
    kind: int
    data: bytes

    @property
    def number(self) -> int:
        """The number of values."""
        return len(self.data) // _size(self.kind)


Tree = Mapping[int, Sequence[Tag]]
"""Directories by the tag that points to each."""


def read_tree(stream: Stream, order: str, start: int, *, big: bool = False) -> dict[int, list[Tag]]:
    """The directories reachable from a first one, without damaged parts.

    Args:
        stream: a TIFF file, or an EXIF block without its header.
        order: `<` or `>`.
        start: the position of the first directory.
        big: whether offsets have 64 bits.
    """
    reader = _Reader(stream, order, big=big)
    found = {FIRST: reader.directory(start)}
    for outer, code in ((FIRST, DIRECTORY), (FIRST, PLACE), (DIRECTORY, INTEROP)):
        for tag in found.get(outer, ()):
            if tag.code == code and tag.kind in (4, 13, 16, 18) and tag.number == 1:
                inner = reader.directory(reader.whole(tag.data))
                found |= {code: inner} if inner else {}
    return {key: [t for t in tags if t.code not in _POINTERS] for key, tags in found.items()}


def is_describing(code: int) -> bool:
    """True if a tag of a first directory describes the photo, so that all EXIF blocks get it."""
    return code in _DESCRIBING


def parse_block(block: bytes | None) -> tuple[str, dict[int, list[Tag]]]:
    """The byte order and directories of an EXIF block; no directories if it is unreadable."""
    tiff = (block or b"").removeprefix(MARK)
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return "<", {}
    return order, read_tree(BytesIO(tiff), order, struct.unpack(order + "I", tiff[4:8])[0])


def build_block(tree: Tree, order: str) -> bytes:
    """The directories as an EXIF block; of the first only descriptive tags. Empty if none."""
    kept = {**tree, FIRST: [tag for tag in tree.get(FIRST, ()) if tag.code in _DESCRIBING]}
    if not any(kept.values()):
        return b""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    places = [Tag(code, 4, bytes(4)) for code in (DIRECTORY, PLACE) if kept.get(code)]
    length = len(_write_directory([*kept[FIRST], *places], order, 8))
    inner, found = place_directories(kept, order, 8 + length)
    places = [Tag(code, 4, struct.pack(order + "I", at)) for code, at in found.items()]
    return MARK + head + _write_directory([*kept[FIRST], *places], order, 8) + inner


def place_directories(
    tree: Tree, order: str, at: int, *, big: bool = False
) -> tuple[bytes, dict[int, int]]:
    """The bytes of all directories but the first at a position, and the position of each."""
    out, found = b"", dict[int, int]()
    for code in (DIRECTORY, PLACE):
        tags = list(tree.get(code, ()))
        if code == DIRECTORY and tree.get(INTEROP):
            inner = _write_directory(tree[INTEROP], order, at + len(out), big=big)
            place = struct.pack(order + ("Q" if big else "I"), at + len(out))
            tags.append(Tag(INTEROP, 16 if big else 4, place))
            out += inner
        if tags:
            found[code] = at + len(out)
            out += _write_directory(tags, order, at + len(out), big=big)
    return out, found


def swap_bytes(tags: Iterable[Tag], before: str, after: str) -> list[Tag]:
    """The tags with their values in another byte order."""
    return list(tags) if before == after else [_swap_tag(tag, before, after) for tag in tags]


_POINTERS = (DIRECTORY, PLACE, INTEROP)


class _Reader:
    def __init__(self, stream: Stream, order: str, *, big: bool) -> None:
        self._stream, self._order, self._big = stream, order, big
        self._length = stream.seek(0, 2)

    def whole(self, data: bytes) -> int:
        return int(struct.unpack(self._order + {2: "H", 4: "I", 8: "Q"}[len(data)], data)[0])

    def directory(self, start: int) -> list[Tag]:
        """The tags of a directory, as far as they are in the file."""
        head, size, place = (8, 20, 8) if self._big else (2, 12, 4)
        count = self._bytes(start, head)
        if start < 8 or len(count) < head:
            return []
        table = self._stream.read(size * min(self.whole(count), _MOST))
        found = list[Tag]()
        for at in range(0, len(table) - size + 1, size):
            code, kind = struct.unpack(self._order + "HH", table[at : at + 4])
            number = self.whole(table[at + 4 : at + 4 + place])
            length = number * _size(kind)
            value = table[at + size - place : at + size]
            data = value[:length] if length <= place else self._bytes(self.whole(value), length)
            if kind in _SIZES or (kind in _LONG and self._big):
                found += [Tag(code, kind, data)] if len(data) == length else []
        return found

    def _bytes(self, start: int, length: int) -> bytes:
        if length > min(_LONGEST, self._length):
            return b""
        self._stream.seek(start)
        return self._stream.read(length)


def _size(kind: int) -> int:
    return _SIZES.get(kind) or _LONG.get(kind, 1)


def _write_directory(tags: Iterable[Tag], order: str, at: int, *, big: bool = False) -> bytes:
    """A directory at a position, followed by its values; an even number of bytes."""
    ordered = sorted(tags, key=lambda tag: tag.code)
    head, size, place = ("Q", 20, 8) if big else ("H", 12, 4)
    unit = "Q" if big else "I"
    table = struct.pack(order + head, len(ordered))
    values, start = b"", at + len(table) + size * len(ordered) + place
    for tag in ordered:
        table += struct.pack(order + "HH" + unit, tag.code, tag.kind, tag.number)
        if len(tag.data) <= place:
            table += tag.data.ljust(place, b"\0")
            continue
        table += struct.pack(order + unit, start + len(values))
        values += tag.data + b"\0" * (len(tag.data) % 2)
    whole = table + bytes(place) + values
    return whole + b"\0" * (len(whole) % 2)


def _swap_tag(tag: Tag, before: str, after: str) -> Tag:
    unit = _UNITS.get(tag.kind)
    if unit is None:
        return tag
    count = len(tag.data) // struct.calcsize("=" + unit)
    values = struct.unpack(f"{before}{count}{unit}", tag.data)
    return Tag(tag.code, tag.kind, struct.pack(f"{after}{count}{unit}", *values))
