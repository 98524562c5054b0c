"""EXIF blocks, edited in place: maker notes contain offsets that a rebuilt block would break.

Many blocks are partly damaged. All readable data are kept; entries and directories outside the
block are skipped, and every loop ends.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from editkit.photo.metadata import previews

MARK = b"Exif\0\0"
ORIENTATION, DIRECTORY, PLACE, INTEROP = 0x0112, 0x8769, 0x8825, 0xA005
_MAKER_NOTE, _SIDES = 0x927C, ((0x0100, 0x0101), (0xA002, 0xA003))
_PICTURES = ((0x0201, 0x0202), (0x0111, 0x0117), (0x0144, 0x0145))
_BYTES_OF = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_MOST = 16
"""The most directories in a row that are looked at."""

_JPEG, _SHORT = b"\xff\xd8", 256
_LEFT_OUT = "its EXIF thumbnail is damaged and was left out"


class _ExifEntry(NamedTuple):
    tag: int
    kind: int
    number: int
    at: int

    @property
    def length(self) -> int:
        return _BYTES_OF.get(self.kind, 1) * self.number


class _ExifBlock:
    """A block without its header, and its byte order.

    Raises:
        ValueError: it has no TIFF header.
    """

    def __init__(self, block: bytes) -> None:
        self.data = bytearray(block.removeprefix(MARK))
        self.order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(self.data[:4]), "")
        if not self.order or len(self.data) < 8:
            raise ValueError("no head of TIFF")
        self.start = self.number(4, 4)

    def number(self, at: int, size: int) -> int:
        """An unsigned integer; 0 if it lies outside the block."""
        if at < 0 or at + size > len(self.data):
            return 0
        return int(struct.unpack_from(self.order + ("H" if size == 2 else "I"), self.data, at)[0])

    def entries(self, start: int) -> list[_ExifEntry]:
        """The entries of a directory that lie in the block."""
        if start < 8:
            return []
        fitting = max(0, (len(self.data) - start - 2) // 12)
        places = (start + 2 + 12 * k for k in range(min(self.number(start, 2), fitting)))
        return [
            _ExifEntry(self.number(at, 2), self.number(at + 2, 2), self.number(at + 4, 4), at)
            for at in places
        ]

    def end_of(self, start: int) -> int | None:
        """The position of the pointer to the next directory; None if the directory does not fit."""
        end = start + 2 + 12 * self.number(start, 2)
        return end if start >= 8 and end + 4 <= len(self.data) else None

    def place(self, entry: _ExifEntry) -> int:
        """The position of the entry's value."""
        return entry.at + 8 if entry.length <= 4 else self.number(entry.at + 8, 4)

    def values(self, entry: _ExifEntry) -> list[int]:
        """The integers of an entry; empty for other types, or if they do not fit."""
        size, place = _BYTES_OF.get(entry.kind, 0), self.place(entry)
        if entry.kind not in (3, 4, 13) or place + entry.length > len(self.data):
            return []
        return [self.number(place + size * k, size) for k in range(entry.number)]


def clean_exif(block: bytes, *, turned: bool = True, notes: list[str] | None = None) -> bytes:
    """The EXIF block without thumbnail and, if `turned`, orientation; other bytes stay in place.

    The block is returned with the header that JPEG requires; WebP stores it without.

    Args:
        block: with or without its header.
        turned: whether the samples are upright.
        notes: receives a line if there was a thumbnail.

    Raises:
        ValueError: the block is unreadable.
    """
    exif = _ExifBlock(block)
    if exif.end_of(exif.start) is None and not exif.entries(exif.start):
        raise ValueError("no directory")
    pointer = exif.end_of(exif.start)
    more = pointer is not None and exif.number(pointer, 4) > 0
    whole = _drop_pictures(exif)
    if more and notes is not None:
        notes.append(previews.omission_note(previews.IN_EXIF) if whole else _LEFT_OUT)
    if turned:
        _drop_orientation(exif)
    return MARK + bytes(exif.data)


def read_orientation(block: bytes) -> int:
    """The orientation in the block, 1 to 8; 1 if there is no valid one."""
    try:
        exif = _ExifBlock(block)
    except ValueError:
        return 1
    found = [entry for entry in exif.entries(exif.start) if entry.tag == ORIENTATION]
    values = exif.values(found[-1]) if found else []
    return values[0] if values and 1 <= values[0] <= 8 else 1


def set_exif_size(block: bytes, size: tuple[int, int]) -> bytes:
    """The EXIF block with width and height updated, where it contains them.

    Args:
        block: as returned by `clean_exif`.
        size: width and height.
    """
    try:
        exif = _ExifBlock(block)
    except ValueError:
        return block
    starts = [exif.start, *_sub_directories(exif, exif.start, (DIRECTORY,))]
    for start, tags in zip(starts, _SIDES, strict=False):
        for entry in exif.entries(start):
            if entry.tag in tags:
                _set_number(exif, entry, size[tags.index(entry.tag)])
    return MARK + bytes(exif.data)


def _set_number(exif: _ExifBlock, entry: _ExifEntry, value: int) -> None:
    code = {3: "H", 4: "I"}.get(entry.kind)
    if code and entry.number == 1 and not (code == "H" and value > 65535):
        struct.pack_into(exif.order + code, exif.data, entry.at + 8, value)


def _drop_orientation(exif: _ExifBlock) -> None:
    found = [entry for entry in exif.entries(exif.start) if entry.tag == ORIENTATION]
    end = exif.end_of(exif.start)
    for entry in reversed(found):
        if end is None:  # of a directory that is cut off nothing can be moved
            struct.pack_into(exif.order + "HIHH", exif.data, entry.at + 2, 3, 1, 1, 0)
            continue
        exif.data[entry.at : end + 4] = exif.data[entry.at + 12 : end + 4] + bytes(12)
        end -= 12
        count = exif.number(exif.start, 2) - 1
        struct.pack_into(exif.order + "H", exif.data, exif.start, count)


def _drop_pictures(exif: _ExifBlock) -> bool:
    """Blanks the pictures of all directories after the first, and unlinks these.

    Returns:
        True if those of the second could be read; later ones are often garbage.
    """
    pointer = exif.end_of(exif.start)
    start = 0 if pointer is None else exif.number(pointer, 4)
    if pointer is None or not start:
        return True
    read, seen = list[bool](), {exif.start}
    while start and start not in seen and len(seen) < _MOST:
        seen.add(start)
        read.append(_blank(exif, start))
        end = exif.end_of(start)
        start = 0 if end is None else exif.number(end, 4)
    struct.pack_into(exif.order + "I", exif.data, pointer, 0)
    return bool(read) and read[0]


def _blank(exif: _ExifBlock, start: int) -> bool:
    """Overwrites a directory's pictures with zeros; True if they lie in the block."""
    entries = {entry.tag: entry for entry in exif.entries(start)}
    whole = bool(entries)
    for pair in _PICTURES:
        if not all(tag in entries for tag in pair):
            continue
        places, lengths = (exif.values(entries[tag]) for tag in pair)
        whole = whole and bool(places) and len(places) == len(lengths)
        for place, length in zip(places, lengths, strict=False):
            end = min(place + length, len(exif.data))
            # A pointer may lead anywhere, but where a JPEG is, long values are none.
            longest = _SHORT if _JPEG in exif.data[place:end] else len(exif.data)
            for low, high in list(_free_ranges(place, end, _used_ranges(exif, longest))):
                exif.data[low:high] = bytes(high - low)
            whole = whole and place < len(exif.data)
    return whole


def _used_ranges(exif: _ExifBlock, longest: int) -> list[tuple[int, int]]:
    """The ranges of directories and of values up to a length, except maker notes."""
    starts, found = [exif.start], [(0, 8)]
    starts += _sub_directories(exif, exif.start, (DIRECTORY, PLACE))
    starts += [place for start in starts[1:] for place in _sub_directories(exif, start, (INTEROP,))]
    for start in starts:
        entries = exif.entries(start)
        found.append((start, start + 6 + 12 * len(entries)))
        found += [
            (place, place + entry.length)
            for entry in entries
            if entry.tag != _MAKER_NOTE and 4 < entry.length <= longest
            for place in [exif.place(entry)]
            if place + entry.length <= len(exif.data)
        ]
    return sorted(found)


def _sub_directories(exif: _ExifBlock, start: int, tags: Iterable[int]) -> list[int]:
    """The positions of the directories that these tags of a directory point to."""
    entries = (entry for entry in exif.entries(start) if entry.tag in tags)
    return [place for entry in entries for place in exif.values(entry)[:1]]


def _free_ranges(low: int, high: int, used: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The parts of a range that no other range covers."""
    for start, end in used:
        if low < start < high:
            yield low, start
        if start < high and end > low:
            low = end
    if low < high:
        yield low, high
