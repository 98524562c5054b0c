"""The directories of a TIFF, read safely: loops end, and all counts are limited."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import NamedTuple

from editkit.types import Stream

MOST = 65_536
"""The limit for directories of a file."""

_MOST_TAGS = 1 << 20

WIDTH, HEIGHT, BITS, METHOD, PHOTOMETRIC = 256, 257, 258, 259, 262
FILL, MAKE, ORIENTATION, CHANNELS, PLANES = 266, 271, 274, 277, 284
COLORS, FORMATS, INKS, INK_COUNT, EXTRAS = 320, 339, 332, 334, 338
CHILDREN, SAMPLE_PLACES, DNG, SUBFILE, OLD_SUBFILE = 330, 273, 50706, 254, 255

_EXIF, _GPS, _INTEROP = 34665, 34853, 40965
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES_OF_BIG = {16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_LONGEST = 64 << 20
_LAYOUT = frozenset({*range(254, 260), 262, 266, 273, *range(277, 282), 284, 288, 289, 317, 330})
_MORE_LAYOUT = frozenset({*range(320, 326), 332, 334, *range(338, 348), *range(512, 522), 529, 530})
_OF_SAMPLES = _LAYOUT | _MORE_LAYOUT | {ORIENTATION, 531, 532}
_Values = dict[int, tuple[int, int, bytes]]


class Entry(NamedTuple):
    """The type of a tag's values, their number, and their position."""

    kind: int
    values: int
    place: int


@dataclass(frozen=True)
class File:
    """The header of a TIFF."""

    stream: Stream
    order: str
    big: bool
    first: int

    def numbers(self, entry: Entry | None) -> tuple[int, ...]:
        """The integers of a tag; empty if it has none."""
        code = "" if entry is None else _CODES.get(entry.kind, "")
        data = self.data(entry) if entry is not None and code else b""
        return struct.unpack(self.order + code * (len(data) // struct.calcsize(code or "B")), data)

    def _go_to(self, place: int) -> None:
        """Seeks to a position given in the file.

        Raises:
            ValueError: it is beyond any file.
        """
        if place >= 2**63:
            raise ValueError(f"a place beyond any file: {place}")
        self.stream.seek(place)

    def data(self, entry: Entry) -> bytes:
        """The raw bytes of a tag.

        Raises:
            ValueError: the file ends before.
        """
        length = entry.values * self._size(entry.kind)
        if length > _LONGEST:
            raise ValueError(f"a tag of {length} bytes")
        self._go_to(entry.place)
        data = self.stream.read(length)
        if len(data) < length:
            raise ValueError("a tag beyond the end of the file")
        return data

    def directory(self, place: int) -> tuple[dict[int, Entry], int]:
        """The tags of a directory, and the position of the next one.

        Raises:
            ValueError: the file ends before.
        """
        head, row, after = ("Q", "HHQQ", "Q") if self.big else ("H", "HHII", "I")
        self._go_to(place)
        (count,) = self._read(head)
        if count > MOST:
            raise ValueError(f"a directory of {count} tags")
        width, at = struct.calcsize(self.order + row), self.stream.tell()
        rows = self.stream.read(width * count)
        if len(rows) < width * count:
            raise ValueError("a directory beyond the end of the file")
        entries, room = dict[int, Entry](), 8 if self.big else 4
        for number, (tag, kind, length, value) in enumerate(
            struct.iter_unpack(self.order + row, rows)
        ):
            inline = length * self._size(kind) <= room
            lies = at + (number + 1) * width - room if inline else value
            entries.setdefault(tag, Entry(kind, length, lies))
        try:
            (following,) = self._read(after)
        except ValueError:  # some writers leave out the last one's end
            following = 0
        return entries, following

    def _size(self, kind: int) -> int:
        return _SIZES.get(kind) or _SIZES_OF_BIG.get(kind, 1)

    def _read(self, code: str) -> tuple[int, ...]:
        length = struct.calcsize(self.order + code)
        data = self.stream.read(length)
        if len(data) < length:
            raise ValueError("a directory beyond the end of the file")
        return struct.unpack(self.order + code, data)


def open_tiff(stream: Stream) -> File | None:
    """The TIFF in a stream; None if it is none."""
    stream.seek(0)
    head = stream.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return None
    # Some writers store the version in the other byte order.
    version = struct.unpack(order + "H", head[2:4])[0]
    if version in (42, 42 << 8):
        return File(stream, order, big=False, first=struct.unpack(order + "I", head[4:8])[0])
    if version == 43 and len(head) == 16:
        return File(stream, order, big=True, first=struct.unpack(order + "Q", head[8:16])[0])
    return None


def iter_chain(file: File) -> Iterator[dict[int, Entry]]:
    """The directories of the chain, which ends at a loop.

    Raises:
        ValueError: one is damaged, or there are too many.
    """
    seen, at, tags = set[int](), file.first, 0
    while at and at not in seen:
        if len(seen) == MOST or tags > _MOST_TAGS:
            raise ValueError(f"more than {len(seen)} directories")
        seen.add(at)
        entries, at = file.directory(at)
        tags += len(entries)
        yield entries


def page_numbers(file: File) -> list[int]:
    """The numbers of the directories that are pictures and no reduced copies.

    If all are marked as reduced copies, the first one is the picture.
    """
    found = list[int]()
    for number, entries in enumerate(_undamaged(iter_chain(file))):
        newer = file.numbers(entries.get(SUBFILE))[:1] or (0,)
        older = file.numbers(entries.get(OLD_SUBFILE))[:1]
        if not (newer[0] & 1 or older == (2,)):
            found.append(number)
    return found or [0]


def _undamaged(chain: Iterator[dict[int, Entry]]) -> Iterator[dict[int, Entry]]:
    """The directories before the first damaged one."""
    try:
        yield from chain
    except ValueError:
        return


def read_page(file: File, number: int) -> dict[int, Entry]:
    """The directory of a number.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    for at, entries in enumerate(iter_chain(file)):
        if at == number:
            return entries
    raise ValueError(f"there is no directory {number}")


def iter_directories(file: File, most: int = 64) -> Iterator[dict[int, Entry]]:
    """The first directories of the chain and those below, each once; damaged ones are skipped."""
    places, seen = [file.first], set[int]()
    while places and len(seen) < most:
        at = places.pop(0)
        if not at or at in seen:
            continue
        seen.add(at)
        try:
            entries, following = file.directory(at)
            places += [*file.numbers(entries.get(CHILDREN))[:most], following]
        except ValueError:
            continue
        yield entries


def read_size(file: File, entries: Mapping[int, Entry]) -> tuple[int, int]:
    """Width and height, as stored.

    Raises:
        ValueError: one is missing.
    """
    sides = [file.numbers(entries.get(tag))[:1] for tag in (WIDTH, HEIGHT)]
    if not all(sides):
        raise ValueError("no width or no height")
    return sides[0][0], sides[1][0]


def read_orientation(file: File, entries: Mapping[int, Entry]) -> int:
    """The orientation, 1 to 8; 1 if there is no valid one."""
    (found,) = file.numbers(entries.get(ORIENTATION))[:1] or (1,)
    return found if 1 <= found <= 8 else 1


def metadata_tiff(file: File, entries: Mapping[int, Entry]) -> BytesIO:
    """A small TIFF with the metadata of a directory, but without its samples.

    It passes all metadata to readers that support few sample layouts. It is upright: its sides are
    those of the picture as seen.
    """
    width, height = read_size(file, entries)
    if read_orientation(file, entries) >= 5:
        width, height = height, width
    kept = _tag_values(file, entries, _OF_SAMPLES)
    numbers = {WIDTH: width, HEIGHT: height, BITS: 8, METHOD: 1, PHOTOMETRIC: 1, CHANNELS: 1}
    numbers |= {SAMPLE_PLACES: 8, 278: height, 279: 1}
    kept |= {tag: (4, 1, struct.pack(file.order + "I", n)) for tag, n in numbers.items()}
    out = BytesIO()
    out.write({"<": b"II*\0", ">": b"MM\0*"}[file.order] + bytes(4))
    for tag in (_EXIF, _GPS):
        if inner := _inner_tags(file, entries.get(tag)):
            place = _write_directory(out, inner, file.order)
            kept[tag] = (4, 1, struct.pack(file.order + "I", place))
    place = _write_directory(out, kept, file.order)
    out.seek(4)
    out.write(struct.pack(file.order + "I", place))
    out.seek(0)
    return out


def _inner_tags(file: File, pointer: Entry | None) -> _Values:
    """The tags of an EXIF or GPS directory, without inner directories."""
    place = file.numbers(pointer)[:1]
    if not place or pointer is None or pointer.values != 1:
        return {}
    try:
        entries, _ = file.directory(place[0])
    except ValueError:
        return {}
    return _tag_values(file, entries, frozenset())


def _tag_values(file: File, entries: Mapping[int, Entry], without: frozenset[int]) -> _Values:
    """The tags with their bytes, without damaged ones and pointers."""
    found, room = _Values(), _LONGEST
    for tag, entry in entries.items():
        if tag in without or tag in (_EXIF, _GPS, _INTEROP) or entry.kind not in _SIZES:
            continue
        try:
            data = file.data(entry)
        except ValueError:
            continue
        room -= len(data)
        if room > 0:
            found[tag] = (entry.kind, entry.values, data)
    return found


def _write_directory(out: BytesIO, values: _Values, order: str) -> int:
    """Writes a directory at the end of a file, and returns its position."""
    rows = list[bytes]()
    for tag, (kind, count, data) in sorted(values.items()):
        place = out.seek(0, 2)
        value = data.ljust(4, b"\0")
        if len(data) > 4:
            place += out.write(b"\0" * (place % 2))
            out.write(data)
            value = struct.pack(order + "I", place)
        rows.append(struct.pack(order + "HHI", tag, kind, count) + value)
    place = out.seek(0, 2)
    place += out.write(b"\0" * (place % 2))
    out.write(struct.pack(order + "H", len(rows)) + b"".join(rows) + bytes(4))
    return place
