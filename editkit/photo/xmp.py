"""XMP packets: what an edit writes into them, and what can be read back.

Packets are parsed without entities, document types or connections; what is not touched stays.
"""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_X = "adobe:ns:meta/"
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
_EMPTY = f'<x:xmpmeta xmlns:x="{_X}"><rdf:RDF xmlns:rdf="{_RDF}"/></x:xmpmeta>'.encode()
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'.encode()
_TAIL = b'\n<?xpacket end="w"?>'


def stamped(
    packet: bytes | None, *, source: str, event: Mapping[str, str], record: Mapping[str, Any]
) -> bytes:
    """The packet with where its picture comes from, one more entry of its history, and a record.

    Args:
        packet: what there was; a packet that is no XML is replaced.
        source: `COMPOSITE`, `GENERATED` or `HUMAN_EDITS`. What a model made stays said: the last
            does not replace the others.
        event: fields of stEvt for `xmpMM:History`.
        record: what an edit needs to be repeated, as JSON can hold it.
    """
    from lxml import etree

    root = _parsed(packet or _EMPTY)
    home = None if root is None else _description_home(root)
    if root is None or home is None:
        root = etree.fromstring(_EMPTY)
        home = root[0]
    if source != HUMAN_EDITS or source_of(packet) not in _TRAINED:
        _set(home, f"{{{_EXT}}}DigitalSourceType", _CODES + source)
    _set(
        home,
        f"{{{_OURS}}}Record",
        _storable(json.dumps(record, sort_keys=True, ensure_ascii=False)),
    )
    _append_event(home, event)
    return _HEAD + bytes(etree.tostring(root, encoding="utf-8")) + _TAIL


def record_of(packet: bytes | None) -> dict[str, Any] | None:
    """The record that `stamped` wrote, or None."""
    text = _value(packet, f"{{{_OURS}}}Record")
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def source_of(packet: bytes | None) -> str | None:
    """The IPTC DigitalSourceType by its short name, or None."""
    text = _value(packet, f"{{{_EXT}}}DigitalSourceType")
    return text.rsplit("/", 1)[-1] if text else None


def history_of(packet: bytes | None) -> list[dict[str, str]]:
    """Events of `xmpMM:History`, oldest first."""
    root = None if packet is None else _parsed(packet)
    if root is None:
        return []
    events = root.iterfind(f".//{{{_MM}}}History/{{{_RDF}}}Seq/{{{_RDF}}}li")
    return [_fields(event) for event in events]


def without_thumbnails(packet: bytes) -> bytes | None:
    """The packet without previews of its picture; None where it cannot be parsed.

    A packet without any comes back byte for byte.
    """
    from lxml import etree

    if b"xmpGImg:" not in packet:
        return packet
    root = _parsed(packet)
    if root is None:
        return None
    for found in root.findall(f".//{{{_XMP}}}Thumbnails"):
        parent = found.getparent()
        if parent is not None:
            parent.remove(found)
    return _HEAD + bytes(etree.tostring(root, encoding="utf-8")) + _TAIL


def _parsed(packet: bytes) -> "_Element | None":
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(packet.strip(b"\0 \r\n\t"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    # Entities, if there were any, would come with a document type.
    return root if root.getroottree().docinfo.internalDTD is None else None


def _description_home(root: "_Element") -> "_Element | None":
    return root if root.tag == f"{{{_RDF}}}RDF" else root.find(f".//{{{_RDF}}}RDF")


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

    history = home.find(f".//{{{_MM}}}History/{{{_RDF}}}Seq")
    if history is None:
        owner = etree.SubElement(_ours(home), f"{{{_MM}}}History")
        history = etree.SubElement(owner, f"{{{_RDF}}}Seq")
    item = etree.SubElement(history, f"{{{_RDF}}}li", nsmap={"stEvt": _EVENT})
    item.set(f"{{{_RDF}}}parseType", "Resource")
    for name, value in event.items():
        etree.SubElement(item, f"{{{_EVENT}}}{name}").text = _storable(value)


def _storable(text: str) -> str:
    """The text with escapes of JSON for what XML cannot hold: file names are bytes of any kind."""
    return _NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _value(packet: bytes | None, name: str) -> str | None:
    root = None if packet is None else _parsed(packet)
    if root is None:
        return None
    for description in root.iter(f"{{{_RDF}}}Description"):
        if name in description.attrib:
            return str(description.attrib[name])
    found = root.find(f".//{name}")
    return None if found is None else found.text


def _fields(event: "_Element") -> dict[str, str]:
    """What an event says, in either of the two ways that RDF has."""
    from lxml import etree

    inner = [*event.iterchildren()]
    described = inner[0] if inner and inner[0].tag == f"{{{_RDF}}}Description" else event
    said = {etree.QName(key).localname: str(value) for key, value in described.attrib.items()}
    said |= {etree.QName(child.tag).localname: child.text or "" for child in described}
    said.pop("parseType", None)
    return said
