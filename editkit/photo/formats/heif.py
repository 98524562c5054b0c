"""AVIF and HEIC as ISO/IEC 14496-12 boxes: color, depth, and data beside the picture."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from editkit.photo.metadata import previews
from editkit.photo.metadata.cicp import Cicp

_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
_OWN = (b"ftyp", b"meta", b"mdat", b"free", b"skip")
_OUTER = {b"moov": "sequence of pictures in the file", b"mpvd": "video in the file"}
_LOST = {
    b"pasp": "shape of its pixels (pasp)",
    b"clli": "light level (clli)",
    b"mdcv": "mastering display (mdcv)",
    b"cclv": "content color volume (cclv)",
    b"amve": "viewing environment (amve)",
    b"udes": "description (udes)",
    b"altt": "text for those who do not see it (altt)",
    b"crtt": "time of its making (crtt)",
    b"mdft": "time of its change (mdft)",
    b"cmin": "camera matrix (cmin)",
    b"cmex": "place of the camera (cmex)",
}
_SEQUENCE, _LONG = re.compile(rb"\x12\x00\x0a"), 16
"""The start of a picture in AV1, and bytes behind it that tell its color."""

_MOST = 4096
"""The most boxes, items and references that are looked at."""


@dataclass(frozen=True)
class HeifInfo:
    """Color, depth and notes, from the boxes of a file."""

    cicp: Cicp | None = None
    bits: int = 8
    notes: list[str] = field(default_factory=list)


@dataclass
class _Meta:
    """Items by number, the references between them, and the properties of each."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    names: dict[int, bytes] = field(default_factory=dict)
    references: list[tuple[bytes, int, int]] = field(default_factory=list)
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    own: dict[int, list[int]] = field(default_factory=dict)

    def of(self, item: int) -> list[tuple[bytes, bytes]]:
        """The properties of an item."""
        places = self.own.get(item, [])
        return [self.properties[k - 1] for k in places if 0 < k <= len(self.properties)]


def read_info(data: bytes) -> HeifInfo:
    """The color, the depth, and notes on data that an edit drops."""
    meta, outer = _Meta(), [kind for kind, _ in iter_boxes(data)]
    for kind, body in iter_boxes(data):
        if kind == b"meta":
            _read_meta(meta, body[4:])
    properties = meta.of(meta.primary)
    tiles = [to for kind, item, to in meta.references if (kind, item) == (b"dimg", meta.primary)]
    for tile in tiles[:1]:
        properties += meta.of(tile)
    points = [found for kind, body in properties if (found := _cicp(kind, body))]
    depths = [found for kind, body in properties if (found := _depth(kind, body))]
    lost = dict.fromkeys(kind for kind, _ in properties if kind in _LOST)
    notes = [*_notes_on_items(meta, tiles), *_notes_on_boxes(outer)]
    notes += [f"{_LOST[kind]}: left out" for kind in lost]
    return HeifInfo(points[0] if points else None, max(depths, default=8), notes)


def set_cicp(data: bytes, cicp: Cicp) -> bytes:
    """An AVIF file whose encoder declared sRGB, with other primaries and another transfer.

    They are set in the box and in the AV1 sequence header, which video decoders use.
    """
    out, body = bytearray(data), data.find(b"mdat")
    at = data.find(b"colrnclx")
    old = _cicp(b"colr", data[at + 4 : at + 15])
    if at < 0 or old is None:
        return data
    out[at + 8 : at + 12] = cicp.primaries.to_bytes(2) + cicp.transfer.to_bytes(2)
    pattern = 1 << 24 | old.primaries << 16 | old.transfer << 8 | old.matrix
    new = 1 << 24 | cicp.primaries << 16 | cicp.transfer << 8 | old.matrix
    for found in _SEQUENCE.finditer(data, max(0, body)):
        head = int.from_bytes(data[found.end() : found.end() + _LONG])
        for shift in range(8 * _LONG - 25, -1, -1):
            if head >> shift & 0x1FFFFFF == pattern:
                head ^= (pattern ^ new) << shift
                out[found.end() : found.end() + _LONG] = head.to_bytes(_LONG)
                break
    return bytes(out)


def iter_boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Consecutive boxes in the data, by type and content."""
    at = 0
    for _ in range(_MOST):
        size = int.from_bytes(data[at : at + 4])
        head, end = 8, at + size
        if size == 1:  # a size of 64 bits follows
            head, end = 16, at + int.from_bytes(data[at + 8 : at + 16])
        end = len(data) if size == 0 else end
        if at + 8 > len(data) or end < at + head:
            return
        yield data[at + 4 : at + 8], data[at + head : end]
        at = end


def _read_meta(meta: _Meta, body: bytes) -> None:
    for kind, inner in iter_boxes(body):
        if kind == b"pitm":
            meta.primary = int.from_bytes(inner[4:8] if inner[:1] == b"\1" else inner[4:6])
        elif kind == b"iinf":
            _read_items(meta, inner[6:] if inner[:1] == b"\0" else inner[8:])
        elif kind == b"iref":
            _read_references(meta, inner)
        elif kind == b"iprp":
            _read_properties(meta, inner)


def _read_properties(meta: _Meta, body: bytes) -> None:
    for kind, inner in iter_boxes(body):
        if kind == b"ipco":
            meta.properties = list(iter_boxes(inner))
        elif kind == b"ipma":
            _read_associations(meta, inner)


def _read_items(meta: _Meta, body: bytes) -> None:
    for kind, entry in iter_boxes(body):
        if kind == b"infe" and entry[:1] >= b"\2":
            wide = 4 if entry[:1] == b"\3" else 2
            item, at = int.from_bytes(entry[4 : 4 + wide]), 4 + wide + 2
            meta.kinds[item] = entry[at : at + 4]
            meta.names[item] = entry[at + 4 :]


def _read_references(meta: _Meta, body: bytes) -> None:
    wide = 4 if body[:1] == b"\1" else 2
    for kind, entry in iter_boxes(body[4:]):
        source, count = (int.from_bytes(entry[:wide]), int.from_bytes(entry[wide : wide + 2]))
        for k in range(min(count, _MOST)):
            at = wide + 2 + wide * k
            meta.references.append((kind, source, int.from_bytes(entry[at : at + wide])))


def _read_associations(meta: _Meta, body: bytes) -> None:
    wide, long = 4 if body[:1] >= b"\1" else 2, body[3:4] > b"\0" and body[3] & 1
    count, at = int.from_bytes(body[4:8]), 8
    for _ in range(min(count, _MOST)):
        item, many = int.from_bytes(body[at : at + wide]), int.from_bytes(body[at + wide :][:1])
        at += wide + 1
        step = 2 if long else 1
        places = [int.from_bytes(body[at + step * k :][:step]) for k in range(many)]
        meta.own.setdefault(item, []).extend(place & (0x7FFF if long else 0x7F) for place in places)
        at += step * many


def _cicp(kind: bytes, body: bytes) -> Cicp | None:
    if kind != b"colr" or body[:4] != b"nclx" or len(body) < 11:
        return None
    primaries, transfer, matrix = (int.from_bytes(body[k : k + 2]) for k in (4, 6, 8))
    return Cicp(primaries, transfer, matrix, full=body[10] >= 0x80)


def _depth(kind: bytes, body: bytes) -> int:
    """The bits of a sample by a property; 0 if it declares none."""
    if kind == b"pixi":
        return max(body[5:], default=0)
    if kind == b"av1C" and len(body) > 2:
        return 8 + 2 * (body[2] >> 6 & 1) + 2 * (body[2] >> 5 & body[2] >> 6 & 1)
    if kind == b"hvcC" and len(body) > 17:
        return 8 + (body[17] & 7)
    return 0


def _notes_on_items(meta: _Meta, tiles: list[int]) -> list[str]:
    """Notes on items other than the picture, its alpha, EXIF and XMP."""
    parts = {to for kind, _, to in meta.references if kind == b"dimg"}
    beside = {item: kind for kind, item, _ in meta.references if kind in (b"thmb", b"auxl")}
    known = {meta.primary, *tiles, *parts}
    found = [_item_name(meta, item, beside.get(item)) for item in meta.kinds if item not in known]
    return [previews.omission_note(name) for name in dict.fromkeys(found) if name]


def _item_name(meta: _Meta, item: int, relation: bytes | None) -> str:
    """The kind of an item, for a note; empty for kept items."""
    kind = meta.kinds[item]
    if relation == b"thmb":
        return "thumbnail in the file"
    if relation == b"auxl":
        return "" if _is_alpha(meta, item) else f"auxiliary picture ({_role(meta, item)})"
    if kind == b"Exif" or (kind == b"mime" and b"application/rdf+xml" in meta.names[item]):
        return ""
    if kind == b"tmap":
        return "gain map in the file"
    return (
        "further data in the file" if kind in (b"mime", b"uri ") else "further pictures in the file"
    )


def _is_alpha(meta: _Meta, item: int) -> bool:
    return any(k == b"auxC" and body[4:].startswith(_ALPHA) for k, body in meta.of(item))


def _role(meta: _Meta, item: int) -> str:
    """The last word of the type of an auxiliary picture."""
    names = [body[4:].split(b"\0")[0] for kind, body in meta.of(item) if kind == b"auxC"]
    word = names[0].decode("ascii", "replace").rsplit(":", 1)[-1] if names else ""
    return word if word.isalnum() else "of a kind that is not known"


def _notes_on_boxes(outer: list[bytes]) -> list[str]:
    found = [
        _OUTER.get(kind, f"box {kind.hex()} in the file") for kind in outer if kind not in _OWN
    ]
    return [previews.omission_note(name) for name in dict.fromkeys(found)]
