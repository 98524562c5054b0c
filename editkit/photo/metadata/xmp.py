"""XMP packets: what an edit writes into them, and what can be read back.

How they are parsed stands in `xmp_packets.py`; what is not touched stays.
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
"""A photo of which a part was made by a trained model (IPTC DigitalSourceType)."""

GENERATED = "trainedAlgorithmicMedia"
"""A picture made by a trained model as a whole."""

HUMAN_EDITS = "humanEdits"
"""A photo that a person changed by means that no model was trained for."""

_TRAINED = (COMPOSITE, GENERATED, "compositeSynthetic")

_CODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
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
_MENDED = "its XMP data was no well-formed XML in UTF-8 and was mended"
_UNREADABLE = (
    "its XMP data cannot be read as XML; with a record of the edit it is kept as a text in that"
)
_DEEPEST = 32
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def stamped(
    packet: bytes | None,
    *,
    source: str,
    event: Mapping[str, str],
    record: Mapping[str, Any],
    keep: bool = False,
) -> bytes:
    """The packet with where its picture comes from, one more entry of its history, and a record.

    Args:
        packet: what there was; one that cannot be read is kept as a text beside the record.
        source: `COMPOSITE`, `GENERATED` or `HUMAN_EDITS`. What a model made stays said: the last
            does not replace the others.
        event: fields of stEvt for `xmpMM:History`.
        record: what an edit needs to be repeated, as JSON can hold it.
        keep: keep the record that there was among those of earlier edits; once some are kept, all
            are.
    """
    root, home, unread = _opened(packet or b"")
    if unread is not None:
        _set(home, f"{{{_OURS}}}{_UNREAD}", _storable(unread))
    if source != HUMAN_EDITS or _source(root) not in _TRAINED:
        _set(home, f"{{{_EXT}}}DigitalSourceType", _CODES + source)
    last = _value(root, _RECORD)
    earlier = root.find(f".//{_EARLIER}")
    if last and (keep or earlier is not None):
        _append(_sequence(home, _EARLIER), last)
    _set(home, _RECORD, _storable(json.dumps(record, sort_keys=True, ensure_ascii=False)))
    _append_event(home, event)
    return xmp_packets.written(root)


def _opened(packet: bytes) -> "tuple[_Element, _Element, str | None]":
    """The packet's tree and what holds its descriptions; the text of a packet that has no such."""
    from lxml import etree

    read = None if xmp_packets.is_empty(packet) else xmp_packets.read(packet)
    home = None if read is None else xmp_packets.home_of(read.root)
    if read is not None and home is not None:
        return read.root, home, None
    root = etree.fromstring(xmp_packets.EMPTY)
    return root, root[0], None if xmp_packets.is_empty(packet) else xmp_packets.text_of(packet)


def record_of(packet: bytes | None) -> dict[str, Any] | None:
    """The record that `stamped` wrote last, or None."""
    root = _root(packet)
    return None if root is None else _told(_value(root, _RECORD))


def records_of(packet: bytes | None) -> list[dict[str, Any]]:
    """All records that were kept, oldest first; the last is `record_of`'s."""
    root = _root(packet)
    if root is None:
        return []
    items = root.iterfind(f".//{_EARLIER}/{{{_RDF}}}Seq/{{{_RDF}}}li")
    told = [_told(text) for text in (*(item.text for item in items), _value(root, _RECORD))]
    return [record for record in told if record is not None]


def source_of(packet: bytes | None) -> str | None:
    """The IPTC DigitalSourceType by its short name, or None."""
    root = _root(packet)
    return None if root is None else _source(root)


def history_of(packet: bytes | None) -> list[dict[str, str]]:
    """Events of `xmpMM:History`, oldest first."""
    root = _root(packet)
    if root is None:
        return []
    events = root.iterfind(f".//{{{_MM}}}History/*/{{{_RDF}}}li")
    return [_fields(event) for event in events]


def readable(packet: bytes) -> tuple[bytes, list[str]]:
    """The packet as UTF-8 that XML readers take, and a note where it was anything else.

    One that is well-formed comes back byte for byte; so does one that cannot be read.
    """
    if xmp_packets.is_empty(packet):
        return packet, []
    read = xmp_packets.read(packet)
    if read is None or xmp_packets.home_of(read.root) is None:
        return packet, [_UNREADABLE]
    return (xmp_packets.written(read.root), [_MENDED]) if read.mended else (packet, [])


def _root(packet: bytes | None) -> "_Element | None":
    read = xmp_packets.read(packet) if packet else None
    return None if read is None else read.root


def _source(root: "_Element") -> str | None:
    text = _value(root, f"{{{_EXT}}}DigitalSourceType")
    return text.strip().rsplit("/", 1)[-1] if text else None


def _told(text: str | None) -> dict[str, Any] | None:
    try:
        found = json.loads(text, parse_constant=_finite, parse_float=_finite) if text else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and _depth(found) <= _DEEPEST else None


def _finite(text: str) -> float:
    """A number of JSON's, which has none that are infinite."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _depth(value: object) -> int:
    """How deeply tables and lists are nested, as far as it matters."""
    level: list[Any] = [value]
    depth = 0
    while level and depth <= _DEEPEST:
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
        depth += 1
    return depth


def _set(home: "_Element", name: str, value: str) -> None:
    """Sets a property in a description of ours, wherever it stood before."""
    from lxml import etree

    for description in home.findall(f"{{{_RDF}}}Description"):
        description.attrib.pop(name, "")
        for child in description.findall(name):
            description.remove(child)
    etree.SubElement(_ours(home), name).text = value


def _ours(home: "_Element") -> "_Element":
    """The last description, made if there is none."""
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
        etree.SubElement(item, f"{{{_EVENT}}}{name}").text = _storable(value)


def _sequence(home: "_Element", name: str) -> "_Element":
    """The list of a property, made if there is none."""
    from lxml import etree

    owner = home.find(f".//{name}")
    owner = etree.SubElement(_ours(home), name) if owner is None else owner
    for kind in ("Seq", "Bag"):
        found = owner.find(f"{{{_RDF}}}{kind}")
        if found is not None:
            return found
    return etree.SubElement(owner, f"{{{_RDF}}}Seq")


def _append(sequence: "_Element", text: str) -> None:
    from lxml import etree

    etree.SubElement(sequence, f"{{{_RDF}}}li").text = text


def _storable(text: str) -> str:
    """The text with escapes of JSON for what XML cannot hold: file names are bytes of any kind."""
    return _NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _value(root: "_Element", name: str) -> str | None:
    for description in root.iter(f"{{{_RDF}}}Description"):
        if name in description.attrib:
            return str(description.attrib[name])
    found = root.find(f".//{name}")
    return None if found is None else found.text or found.get(f"{{{_RDF}}}resource")


def _fields(event: "_Element") -> dict[str, str]:
    """What an event says, in either of the two ways that RDF has."""
    from lxml import etree

    inner = [*event.iterchildren("*")]
    described = inner[0] if inner and inner[0].tag == f"{{{_RDF}}}Description" else event
    said = {etree.QName(key).localname: str(value) for key, value in described.attrib.items()}
    said |= {
        etree.QName(child.tag).localname: child.text or "" for child in described.iterchildren("*")
    }
    said.pop("parseType", None)
    return said
