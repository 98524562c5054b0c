"""Photos that say of themselves what anybody may write: XMP made by hand, not by editkit."""

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import hostile

PROPERTY = 'xmlns:editkit="urn:editkit:xmp:1.0:"'
_RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'


def packet(inner: str) -> bytes:
    """An XMP packet with a description of what is given."""
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {_RDF}><rdf:Description rdf:about="">'
        f"{inner}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def with_packet(data: bytes) -> bytes:
    """A PNG of 4x4 pixels that carries it."""
    text = hostile.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + data)
    return hostile.png(4, 4, 8, text)


def with_text(record: str) -> bytes:
    """A PNG of 4x4 pixels whose record is a text, which need not be JSON."""
    # A text of XML holds no control characters.
    whole = escape("".join(c for c in record if c >= " " or c in "\t\n"), quote=False)
    return with_packet(packet(f"<editkit:Record {PROPERTY}>{whole}</editkit:Record>"))


def with_record(record: Any) -> bytes:
    """A PNG of 4x4 pixels with a record."""
    return with_text(json.dumps(record))


def erased(photo: Path, /, **changed: Any) -> dict[str, Any]:
    """A record of an edit that takes no model and no time, of a photo beside the file."""
    return {
        "format": 1,
        "edit": "Erase",
        "options": {"method": "telea", "seed": 0, "composite": None, "regions": "auto"},
        "model": None,
        "weights": None,
        "versions": {"editkit": "0.1.0"},
        "original": {"sha256": "0" * 64, "path": photo.name},
        "mask": {"sha256": "0" * 64, "expression": "box:1,1,3,3"},
        "saving": {"jpeg": "auto"},
        **changed,
    }


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all that a record holds."""
    if way:
        yield way
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*way, key))


def put(record: Any, way: tuple[Any, ...], value: Any) -> Any:
    """The record with another value at a place; without it where the value is `MISSING`."""
    made = json.loads(json.dumps(record))
    holder = made
    for key in way[:-1]:
        holder = holder[key]
    if value is MISSING:
        del holder[way[-1]]
    else:
        holder[way[-1]] = value
    return made


MISSING = object()
ODD: tuple[Any, ...] = (
    MISSING,
    None,
    True,
    0,
    -1,
    10**9,
    2**64,
    10**30,
    1.5,
    1e308,
    float("nan"),
    float("-inf"),
    "",
    "x",
    "\0",
    "\udcff",
    "\ud800",
    "a" * 100_000,
    "../" * 300 + "etc/passwd",
    [],
    [[]],
    [None, None],
    [1, 2, 3],
    {},
    {"x": {"y": [1]}},
)
"""Values that nobody expects anywhere."""
