"""XMP packets: the properties that an edit writes, and how they are read back.

Parsing is in `xmp_packets.py`; all other properties are kept.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from editkit.photo.metadata import xmp_packets

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage]

COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
"""A photo with a part made by a trained model (IPTC DigitalSourceType)."""

GENERATED = "trainedAlgorithmicMedia"
"""A picture made entirely by a trained model."""

HUMAN_EDITS = "humanEdits"
"""A photo that a person edited without a trained model."""

_TRAINED = (COMPOSITE, GENERATED, "compositeSynthetic")

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_RDF, _X = xmp_packets.RDF, xmp_packets.X
_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_MM = "http://ns.adobe.com/xap/1.0/mm/"
_EVENT = "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
_XMP = "http://ns.adobe.com/xap/1.0/"
_OURS = "urn:editkit:xmp:1.0:"
_NAMES = {
    "rdf": _RDF,
    "x": _X,
    "Iptc4xmpExt": _EXT,
    "xmpMM": _MM,
    "stEvt": _EVENT,
    "xmp": _XMP,
    "editkit": _OURS,
}
_RECORD, _EARLIER, _UNREAD = f"{{{_OURS}}}Record", f"{{{_OURS}}}Earlier", "Unread"
_MENDED = "its XMP data was not well-formed XML in UTF-8 and was repaired"
_UNREADABLE = "its XMP data cannot be read as XML; the record of the edit keeps it as text"
_DEEPEST = 32
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def add_record(
    packet: bytes | None,
    *,
    source: str,
    event: Mapping[str, str],
    record: Mapping[str, Any],
    keep: bool = False,
) -> bytes:
    """The packet with a source type, one more history entry, and a record.

    Args:
        packet: the original packet; an unreadable one is kept as text beside the record.
        source: `COMPOSITE`, `GENERATED` or `HUMAN_EDITS`. The last does not replace the others: a
            picture made by a model stays marked as such.
        event: fields of stEvt for `xmpMM:History`.
        record: the data for repeating the edit, JSON-compatible.
        keep: keep the previous record among earlier ones; once some are kept, all are.
    """
    root, home, unread = _open_packet(packet or b"")
    if unread is not None:
        _set_property(home, f"{{{_OURS}}}{_UNREAD}", _escape_for_xml(unread))
    if source != HUMAN_EDITS or _source_type(root) not in _TRAINED:
        _set_property(home, f"{{{_EXT}}}DigitalSourceType", SOURCE_TYPES + source)
    last = _get_property(root, _RECORD)
    earlier = root.find(f".//{_EARLIER}")
    if last and (keep or earlier is not None):
        _append(_sequence(home, _EARLIER), last)
    _set_property(
        home, _RECORD, _escape_for_xml(json.dumps(record, sort_keys=True, ensure_ascii=False))
    )
    _append_event(home, event)
    return xmp_packets.serialize(root)


def _open_packet(packet: bytes) -> "tuple[_Element, _Element, str | None]":
    """The packet's tree and the parent of its descriptions; the text of an unreadable packet."""
    from lxml import etree

    read = None if xmp_packets.is_empty(packet) else xmp_packets.parse_packet(packet)
    home = None if read is None else xmp_packets.find_rdf(read.root)
    if read is not None and home is not None:
        return read.root, home, None
    root = etree.fromstring(xmp_packets.EMPTY)
    return root, root[0], None if xmp_packets.is_empty(packet) else xmp_packets.decode_text(packet)


def read_record(packet: bytes | None) -> dict[str, Any] | None:
    """The last record that `add_record` wrote, or None."""
    root = _root(packet)
    return None if root is None else _parse_record(_get_property(root, _RECORD))


def read_records(packet: bytes | None) -> list[dict[str, Any]]:
    """All kept records, oldest first; the last is that of `read_record`."""
    root = _root(packet)
    if root is None:
        return []
    items = root.iterfind(f".//{_EARLIER}/{{{_RDF}}}Seq/{{{_RDF}}}li")
    told = [
        _parse_record(text)
        for text in (*(item.text for item in items), _get_property(root, _RECORD))
    ]
    return [record for record in told if record is not None]


def read_source_type(packet: bytes | None) -> str | None:
    """The IPTC DigitalSourceType by its short name, or None."""
    root = _root(packet)
    return None if root is None else _source_type(root)


def read_history(packet: bytes | None) -> list[dict[str, str]]:
    """The events of `xmpMM:History`, oldest first."""
    root = _root(packet)
    if root is None:
        return []
    events = root.iterfind(f".//{{{_MM}}}History/*/{{{_RDF}}}li")
    return [_event_fields(event) for event in events]


def mend_packet(packet: bytes) -> tuple[bytes, list[str]]:
    """The packet as well-formed UTF-8 XML, and a note if it was changed.

    A well-formed packet is returned byte for byte, and so is an unreadable one.
    """
    if xmp_packets.is_empty(packet):
        return packet, []
    read = xmp_packets.parse_packet(packet)
    if read is None or xmp_packets.find_rdf(read.root) is None:
        return packet, [_UNREADABLE]
    return (xmp_packets.serialize(read.root), [_MENDED]) if read.mended else (packet, [])


def _root(packet: bytes | None) -> "_Element | None":
    read = xmp_packets.parse_packet(packet) if packet else None
    return None if read is None else read.root


def _source_type(root: "_Element") -> str | None:
    text = _get_property(root, f"{{{_EXT}}}DigitalSourceType")
    return text.strip().rsplit("/", 1)[-1] if text else None


def _parse_record(text: str | None) -> dict[str, Any] | None:
    try:
        found = (
            json.loads(text, parse_constant=_parse_finite, parse_float=_parse_finite)
            if text
            else None
        )
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and _nesting_depth(found) <= _DEEPEST else None


def _parse_finite(text: str) -> float:
    """A finite JSON number."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _nesting_depth(value: object) -> int:
    """The nesting depth of tables and lists, up to the limit."""
    level: list[Any] = [value]
    depth = 0
    while level and depth <= _DEEPEST:
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
        depth += 1
    return depth


def _set_property(home: "_Element", name: str, value: str) -> None:
    """Sets a property in our description, and removes it from all others."""
    from lxml import etree

    for description in home.findall(f"{{{_RDF}}}Description"):
        description.attrib.pop(name, "")
        for child in description.findall(name):
            description.remove(child)
    etree.SubElement(_own_description(home), name).text = value


def _own_description(home: "_Element") -> "_Element":
    """The last description; created if there is none."""
    from lxml import etree

    found = home.findall(f"{{{_RDF}}}Description")
    if found and all(_prefixes(found[-1], name) for name in ("editkit", "stEvt")):
        return found[-1]
    made = etree.SubElement(home, f"{{{_RDF}}}Description", nsmap=_NAMES)
    made.set(f"{{{_RDF}}}about", found[0].get(f"{{{_RDF}}}about", "") if found else "")
    return made


def _prefixes(element: "_Element", name: str) -> bool:
    return element.nsmap.get(name) == _NAMES[name]


def _append_event(home: "_Element", event: Mapping[str, str]) -> None:
    from lxml import etree

    history = _sequence(home, f"{{{_MM}}}History")
    item = etree.SubElement(history, f"{{{_RDF}}}li", nsmap={"stEvt": _EVENT})
    item.set(f"{{{_RDF}}}parseType", "Resource")
    for name, value in event.items():
        etree.SubElement(item, f"{{{_EVENT}}}{name}").text = _escape_for_xml(value)


def _sequence(home: "_Element", name: str) -> "_Element":
    """The list of a property; created if there is none."""
    from lxml import etree

    owner = home.find(f".//{name}")
    owner = etree.SubElement(_own_description(home), name) if owner is None else owner
    for kind in ("Seq", "Bag"):
        found = owner.find(f"{{{_RDF}}}{kind}")
        if found is not None:
            return found
    return etree.SubElement(owner, f"{{{_RDF}}}Seq")


def _append(sequence: "_Element", text: str) -> None:
    from lxml import etree

    etree.SubElement(sequence, f"{{{_RDF}}}li").text = text


def _escape_for_xml(text: str) -> str:
    """The text with JSON escapes for characters that XML cannot hold, as in file names."""
    return _NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _get_property(root: "_Element", name: str) -> str | None:
    for description in root.iter(f"{{{_RDF}}}Description"):
        if name in description.attrib:
            return str(description.attrib[name])
    found = root.find(f".//{name}")
    return None if found is None else found.text or found.get(f"{{{_RDF}}}resource")


def _event_fields(event: "_Element") -> dict[str, str]:
    """The fields of an event, in either RDF notation."""
    from lxml import etree

    inner = [*event.iterchildren("*")]
    described = inner[0] if inner and inner[0].tag == f"{{{_RDF}}}Description" else event
    said = {etree.QName(key).localname: str(value) for key, value in described.attrib.items()}
    said |= {
        etree.QName(child.tag).localname: child.text or "" for child in described.iterchildren("*")
    }
    said.pop("parseType", None)
    return said
