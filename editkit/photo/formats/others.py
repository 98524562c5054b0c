"""WebP, GIF and icons: notes on data beside the picture, which are dropped."""

from collections.abc import Iterator
from typing import Any

from editkit.photo.metadata import previews

Carried = dict[str, Any]

_KNOWN = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"EXIF", b"XMP ", b"ANIM", b"ANMF")
_MOST = 10_000
_XMP_OF_GIF = b"XMP DataXMP"


def raw_webp(data: bytes, carried: Carried) -> tuple[Carried, list[str]]:
    """The metadata, and notes on dropped chunks."""
    found, at = list[str](), 12
    for _ in range(_MOST):
        if at + 8 > len(data):
            break
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind == b"C2PA":
            found.append("its Content Credentials apply to the original only and were left out")
        elif kind == b"ANMF":
            found.append(previews.omission_note("the other pictures of its animation"))
        elif kind not in _KNOWN:
            found.append(previews.omission_note(f"WebP chunk {_name(kind)}"))
        at += 8 + size + size % 2
        if at >= 8 + int.from_bytes(data[4:8], "little"):
            break
    if data[at:].strip(b"\0"):
        found.append(
            previews.omission_note(f"data behind the end of its WebP ({len(data) - at} bytes)")
        )
    return carried, list(dict.fromkeys(found))


def raw_gif(data: bytes, carried: Carried) -> tuple[Carried, list[str]]:
    """The metadata, and notes on comments and other extensions."""
    found, pictures = list[str](), 0
    for kind, content in _iter_gif_blocks(data):
        pictures += kind == 0x2C
        if kind == 0xFE:
            found.append("a comment of the GIF: left out")
        elif kind == 0xFF and content[:11] == _XMP_OF_GIF:
            found.append("XMP data of the GIF: left out")
        elif kind == 0xFF and content[:11] not in (b"NETSCAPE2.0", b"ANIMEXTS1.0"):
            found.append(previews.omission_note(f"GIF extension {_name(content[:11])}"))
        elif kind == 0x01:
            found.append("a text of the GIF: left out")
    if pictures > 1:
        found.append(previews.omission_note("the other pictures of its animation"))
    return carried, list(dict.fromkeys(found))


def raw_icon(data: bytes, carried: Carried) -> tuple[Carried, list[str]]:
    """The metadata, and a note on the other sizes of an icon."""
    count = int.from_bytes(data[4:6], "little")
    return carried, [previews.omission_note("the other sizes of its icon")] if count > 1 else []


def _iter_gif_blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Extensions by label, and pictures (0x2C), each with its content."""
    at = 13 + (3 << ((data[10] & 7) + 1) if data[10:11] and data[10] & 0x80 else 0)
    for _ in range(_MOST):
        mark = data[at : at + 1]
        if mark == b"!":
            label, at = data[at + 1 : at + 2], at + 2
        elif mark == b",":
            flags = data[at + 9 : at + 10] or b"\0"
            label, at = mark, at + 11 + (3 << ((flags[0] & 7) + 1) if flags[0] & 0x80 else 0)
        else:
            return
        content = b""
        while data[at : at + 1] not in (b"", b"\0"):
            content += data[at + 1 : at + 1 + data[at]] if len(content) < 256 else b""
            at += 1 + data[at]
        at += 1
        yield (label or b"\0")[0], content


def _name(kind: bytes) -> str:
    return kind.decode() if kind.replace(b" ", b"").isalnum() and kind.isascii() else kind.hex()
