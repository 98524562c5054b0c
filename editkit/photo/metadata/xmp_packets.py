"""XMP packets as XML, in any encoding and with common faults mended.

Document types are removed before parsing, so that no entity is ever expanded.
"""

import codecs
import hashlib
import html
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage]

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
X = "adobe:ns:meta/"
HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'.encode()
TAIL = b'\n<?xpacket end="w"?>'
EMPTY = f'<x:xmpmeta xmlns:x="{X}"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'

_NOTE = "http://ns.adobe.com/xmp/note/"
_HAS_MORE = f"{{{_NOTE}}}HasExtendedXMP"
_STAY = (_HAS_MORE, "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_BLANK = "\0 \t\r\n\ufeff"
_DECLARED = re.compile(r"<\?xml\s[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"'][^>]*\?>")
_DECLARATION = re.compile(r"<\?xml\s[^>]*\?>")
_WRAPPER = re.compile(r"<\?xpacket\s[^>]*\?>|<\?xml\s[^>]*\?>")
_NEXT = re.compile(r"(?=<\?xpacket\s+begin)")
_TYPE = re.compile(r"<!DOCTYPE(?:[^\[>\"']|\"[^\"]*\"|'[^']*')*(?:\[.*?\]\s*)?>", re.DOTALL)
_SURROGATE = re.compile("[\udc80-\udcff]")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = re.compile(r"&(?:#([0-9]{1,7});|#[xX]([0-9A-Fa-f]{1,6});|([A-Za-z][A-Za-z0-9]*);)?")
_KNOWN = ("amp", "lt", "gt", "quot", "apos")
_OUTER = re.compile(r"<(x:xmpmeta|x:xapmeta|rdf:RDF)[\s>].*</\1\s*>", re.DOTALL)
_LONG = 9_000_000
"""Where libxml2 must be let off its limits, in bytes."""


class ParsedPacket(NamedTuple):
    """A packet as a tree, and whether it had to be mended."""

    root: "_Element"
    mended: bool


def decode_text(packet: bytes) -> str:
    """The packet as text; bytes that are not UTF-8 are decoded as Windows-1252."""
    for mark, name in _BOMS:
        if packet.startswith(mark):
            return packet.decode(name, "replace").strip(_BLANK)
    declared = _DECLARED.match(packet[:200].decode("ascii", "replace").lstrip(_BLANK))
    name = declared[1] if declared else "utf-8"
    try:  # what is read here byte by byte is no UTF-16
        text = packet.decode("utf-8" if name.lower().startswith(("utf", "ucs")) else name)
    except (UnicodeDecodeError, LookupError, ValueError):
        text = _SURROGATE.sub(_decode_windows_byte, packet.decode("utf-8", "surrogateescape"))
    return text.strip(_BLANK)


def is_empty(packet: bytes) -> bool:
    """True if there is nothing between the wrappers."""
    return not _WRAPPER.sub("", decode_text(packet)).strip(_BLANK)


def parse_packet(packet: bytes) -> ParsedPacket | None:
    """The packet as a tree, mended if necessary; None if it is unreadable.

    The properties of several consecutive packets are merged into the first.
    """
    text = decode_text(packet)
    plain = _DECLARATION.sub("", text, count=1)
    root = None if "<!DOCTYPE" in plain else _parse_xml(plain)
    if root is not None:
        return ParsedPacket(root, mended=not _is_utf8(packet))
    parts = [
        part for part in _NEXT.split(_TYPE.sub("", plain)) if _WRAPPER.sub("", part).strip(_BLANK)
    ]
    roots = [_parse_mended(part) for part in parts]
    found = [root for root in roots if root is not None]
    if not found or len(found) < len(roots):
        return None
    for other in found[1:]:
        merge(found[0], other)
    return ParsedPacket(found[0], mended=True)


def serialize(root: "_Element") -> bytes:
    """The tree as a UTF-8 packet."""
    from lxml import etree

    return HEAD + bytes(etree.tostring(root, encoding="utf-8")) + TAIL


def find_rdf(root: "_Element") -> "_Element | None":
    """The parent of all descriptions, created if necessary; None for other XML."""
    from lxml import etree

    if root.tag == f"{{{RDF}}}RDF":
        return root
    found = root.find(f".//{{{RDF}}}RDF")
    if found is None and root.tag in (f"{{{X}}}xmpmeta", f"{{{X}}}xapmeta"):
        found = etree.SubElement(root, f"{{{RDF}}}RDF", nsmap={"rdf": RDF})
    return found


def list_properties(home: "_Element") -> dict[str, "_Element"]:
    """The properties by name, each with the description that holds it."""
    found = dict[str, "_Element"]()
    for description in home.iterchildren(f"{{{RDF}}}Description"):
        names = [*description.attrib, *(child.tag for child in description.iterchildren("*"))]
        for name in names:
            if not str(name).startswith(f"{{{RDF}}}"):
                found.setdefault(str(name), description)
    return found


def merge(root: "_Element", other: "_Element") -> None:
    """Adds the properties of another packet; the first packet's take precedence."""
    home, source = find_rdf(root), find_rdf(other)
    if home is None or source is None:
        return
    known = list_properties(home)
    for description in list(source.iterchildren(f"{{{RDF}}}Description")):
        for name in [name for name in description.attrib if name in known]:
            del description.attrib[name]
        for child in [child for child in description.iterchildren("*") if child.tag in known]:
            description.remove(child)
        home.append(description)


def take_extension_name(root: "_Element") -> str:
    """The name of the packet's extension, removed from it; empty if it has none."""
    found = ""
    for description in root.iter(f"{{{RDF}}}Description"):
        found = description.attrib.pop(_HAS_MORE, "") or found
        for child in description.findall(_HAS_MORE):
            found = (child.text or "").strip() or found
            description.remove(child)
    return str(found)


def split_packet(packet: bytes, room: int) -> tuple[bytes, str, bytes] | None:
    """A packet of at most `room` bytes, and the name and content of its extension.

    The longest properties go into the extension; the source type stays.

    Returns:
        None if the packet cannot be split so.
    """
    from lxml import etree

    found = parse_packet(packet)
    home = None if found is None else find_rdf(found.root)
    if found is None or home is None:
        return None
    take_extension_name(found.root)
    other = etree.fromstring(EMPTY)
    moved = etree.SubElement(other[0], f"{{{RDF}}}Description")
    first = home.find(f"{{{RDF}}}Description")
    moved.set(f"{{{RDF}}}about", "" if first is None else first.get(f"{{{RDF}}}about", ""))
    named = etree.SubElement(home, f"{{{RDF}}}Description", nsmap={"xmpNote": _NOTE})
    named.set(f"{{{RDF}}}about", moved.get(f"{{{RDF}}}about", ""))
    named.set(_HAS_MORE, "0" * 32)
    if not _move_properties(found.root, home, moved, room):
        return None
    extension = bytes(etree.tostring(other, encoding="utf-8"))
    name = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()
    named.set(_HAS_MORE, name)
    return serialize(found.root), name, extension


def _move_properties(root: "_Element", home: "_Element", target: "_Element", room: int) -> bool:
    """Moves the longest properties until the packet fits; True if it does."""
    from lxml import etree

    movable = list[tuple[int, str, "_Element"]]()
    for name, owner in list_properties(home).items():
        inner = owner.find(name)
        length = len(owner.get(name, "") if inner is None else etree.tostring(inner))
        if name not in _STAY:
            movable.append((-length, name, owner))
    excess = len(serialize(root)) - room
    for length, name, owner in sorted(movable, key=lambda found: found[:2]):
        if excess <= 0 and (excess := len(serialize(root)) - room) <= 0:
            break
        inner = owner.find(name)
        if inner is None:
            target.set(name, owner.attrib.pop(name))
        else:
            target.append(inner)
        excess += length
    return len(serialize(root)) <= room


def _is_utf8(packet: bytes) -> bool:
    try:
        packet.decode()
    except UnicodeDecodeError:
        return False
    return not packet.startswith(b"<\0") and not packet.startswith(b"\0")


def _decode_windows_byte(found: re.Match[str]) -> str:
    byte = bytes([ord(found[0]) - 0xDC00])
    try:
        return byte.decode("cp1252")
    except UnicodeDecodeError:
        return byte.decode("latin-1")


def _parse_xml(text: str) -> "_Element | None":
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=len(text) > _LONG
    )
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    return root if root.getroottree().docinfo.internalDTD is None else None


def _parse_mended(text: str) -> "_Element | None":
    """The text as a tree, without a document type, and with each lone `&` escaped."""
    text = _REFERENCE.sub(_mend_reference, _NOT_XML.sub("", text))
    outer = _OUTER.search(text)
    whole = _parse_xml(_DECLARATION.sub("", text).strip(_BLANK))
    return whole if whole is not None or outer is None else _parse_xml(outer[0])


def _mend_reference(found: re.Match[str]) -> str:
    """A reference that XML knows, or its escaped characters."""
    decimal, hexadecimal, name = found.groups()
    if decimal or hexadecimal:
        code = int(decimal) if decimal else int(hexadecimal, 16)
        known = code < 0x110000 and not _NOT_XML.match(chr(code))
        return found[0] if known else ""
    if name in _KNOWN:
        return found[0]
    meant = html.unescape(found[0]) if name else "&"
    return meant if meant != found[0] and name else "&amp;" + found[0][1:]
