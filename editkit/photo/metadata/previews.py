"""Pictures of the photo inside its own file: one rule for all containers.

A thumbnail, preview, layer or video would show what an edit removes. Data that hold a picture of
the photo, in any coding, are dropped, with a note. Data that only describe the photo are kept.
"""

import base64
import binascii
import re
from collections.abc import Iterator

from editkit.photo.metadata import opaque

# Some makers change the first byte of a preview.
_JPEG = re.compile(rb"[\x00-\xff]\xd8\xff[\xc0-\xfe]")
_STARTS = re.compile(
    rb"\x89PNG\r\n\x1a\n|RIFF[\x00-\xff]{4}(?:WEBP|AVI )|GIF8[79]a|8BPS\x00[\x01\x02]\x00{6}"
    rb"|\x00\x00\x00\x0cjP  \r\n\x87\n|\x00\x00\x00\x0cJXL \r\n\x87\n|\xff\x4f\xff\x51\x00"
    rb"|\x00\x00[\x00\x01][\x00-\xff]ftyp[0-9A-Za-z ]{4}"
    rb"|BM[\x00-\xff]{4}\x00{4}[\x00-\xff]{4}[\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00"
)
# How these begin where their bytes are told by 64 letters, or by 16.
_BASE64 = re.compile(
    rb"(?:/9j/|iVBORw0KGgo|UklGR|R0lGOD|OEJQUwAB|AAAA[0-9A-Za-z+/]{2}Z0eX|AAAADGpQ|AAAADEpYT|Qk)"
    rb"[0-9A-Za-z+/\s]{28,}"
)
_HEX = re.compile(
    rb"(?:ff\s?d8\s?ff|89\s?50\s?4e\s?47\s?0d\s?0a|52494646|[0-9a-f]{8}66747970)[0-9a-f\s]{40,}",
    re.I,
)
_LONG_BASE64 = re.compile(
    rb"(?<![0-9A-Za-z+/])[0-9A-Za-z+/]{40,}+(?:\s++[0-9A-Za-z+/]{40,}+)*+(?:\s++[0-9A-Za-z+/]++)?"
)
_LONG_HEX = re.compile(
    rb"(?<![0-9A-Fa-f])(?:(?:0x|\\x|%%)?[0-9A-Fa-f]{2}[\s,:;]{0,2}+){%d,}+" % opaque.LEAST
)
_NUMBERS = re.compile(rb"(?<![0-9.+-])(?:[0-9]{1,5}+(?:[\s,;\]\[]{1,4}+|$)){%d,}+" % opaque.LEAST)
"""Lists of whole numbers, which may be pixels."""

_SHOT_LOG = b"HDRP"
"""How Google's own data of a shot begin: numbers of its burst."""

_BREAKS = re.compile(rb"&#(?:x0*[aAdD]|0*1[03]);|\\+[nr]")
_CODED = ((b"%2B", b"+"), (b"%2F", b"/"), (b"\\/", b"/"))
_URLS = bytes.maketrans(b"-_", b"+/")
_LENGTHY = 1 << 20
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, 0xD9
_BEHIND_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


IN_EXIF = "thumbnail or previews in its EXIF data"


def omission_note(what: str) -> str:
    """The note on dropped data that may show the photo."""
    return f"{what}: left out, as it may show what an edit removes"


def holds_picture(data: bytes) -> bool:
    """True if the bytes contain a picture, raw or encoded as text (base64 or hexadecimal)."""
    return next(find_pictures(data), None) is not None or _holds_encoded_picture(data)


def may_show(data: bytes) -> bool:
    """True if the bytes contain a picture, or could be pixels without a header."""
    return holds_picture(data) or opaque.is_opaque(data)


def find_pictures(data: bytes) -> Iterator[tuple[int, int]]:
    """The ranges of pictures and videos in the bytes; nested ones are not counted."""
    at = 0
    for start, end in sorted(_find_starts(data), key=lambda found: found[0]):
        if start >= at:
            at = _find_end(data, start) if end is None else end
            yield start, at


def blank_pictures(block: bytes) -> tuple[bytes, int]:
    """The bytes with zeros in place of every picture, and the number of pictures.

    Nothing moves, so offsets in the block stay valid.
    """
    out, count = bytearray(block), 0
    told = (f.span() for f in _BASE64.finditer(block) if _is_base64_picture(f[0]))
    for start, end in (*find_pictures(block), *told):
        out[start:end] = bytes(end - start)
        count += 1
    return bytes(out), count


def end_of_jpeg(data: bytes, start: int = 0, dead: set[int] | None = None) -> int | None:
    """The end of the JPEG that begins at `start`, after its last marker; None if there is none.

    A truncated JPEG ends with the data.

    Args:
        data: the bytes.
        start: the position of its first marker; some makers change its first byte.
        dead: positions that are known not to lead to a JPEG; updated.
    """
    passed, dead = set[int](), set[int]() if dead is None else dead
    at, frame = start + 2, False
    while at + 4 <= len(data) and at not in dead and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if marker == _END or marker < 0xC0 or (marker == _SCAN and not frame):
            break
        passed.add(at)
        length = max(2, int.from_bytes(data[at + 2 : at + 4]))
        frame = frame or (marker in _FRAMES and _is_frame(data[at + 4 : at + 2 + length]))
        at += 2 + length
        if marker == _SCAN:
            found = _BEHIND_SCAN.search(data, at)
            at = len(data) if found is None else found.start()
    if frame:
        return at + 2 if data[at : at + 2] == b"\xff\xd9" else len(data)
    dead |= passed
    return None


def _is_frame(head: bytes) -> bool:
    return len(head) >= 9 and 2 <= head[0] <= 16 and len(head) == 6 + 3 * head[5]


def _find_starts(data: bytes) -> Iterator[tuple[int, int | None]]:
    """Possible beginnings of pictures, with their ends where known."""
    yield from ((found.start(), None) for found in _STARTS.finditer(data))
    dead, end = set[int](), 0
    for found in _JPEG.finditer(data):
        if found.start() >= end:
            known = end_of_jpeg(data, found.start(), dead)
            if known is not None:
                end = known
                yield found.start(), known


def _find_end(data: bytes, start: int) -> int:
    """The end of a picture that is no JPEG; the end of the data if it is unknown."""
    head = data[start : start + 16]
    if head.startswith(b"\x89PNG"):
        end = data.find(b"IEND", start)
        return len(data) if end < 0 else min(len(data), end + 8)
    if head.startswith(b"RIFF"):
        return min(len(data), start + 8 + int.from_bytes(head[4:8], "little"))
    if head.startswith(b"BM"):
        return min(len(data), start + max(14, int.from_bytes(head[2:6], "little")))
    return len(data)


def _holds_encoded_picture(data: bytes) -> bool:
    text = _BREAKS.sub(b"", data.replace(b"\0", b""))
    for coded, plain in _CODED:
        text = text.replace(coded, plain)
    lists = (found[0] for rule in (_NUMBERS, _LONG_HEX) for found in rule.finditer(text))
    if not all(map(opaque.is_repetitive, lists)):
        return True
    text = text.translate(_URLS)
    return (
        any(_is_base64_picture(found[0]) for found in _BASE64.finditer(text))
        or any(_is_hex_picture(found[0]) for found in _HEX.finditer(text))
        or any(_is_base64_opaque(found[0]) for found in _LONG_BASE64.finditer(text))
    )


def _is_base64_picture(letters: bytes) -> bool:
    return next(find_pictures(_decode_base64(letters)), None) is not None


def _is_base64_opaque(letters: bytes) -> bool:
    """True if the letters decode to unknown data that are no text."""
    if opaque.is_repetitive(letters):
        return False
    data = _decode_base64(letters)
    return not data.startswith(_SHOT_LOG) and (
        next(find_pictures(data), None) is not None or opaque.is_opaque(data)
    )


def _decode_base64(letters: bytes) -> bytes:
    """The decoded bytes; empty if the letters are no base64."""
    packed = b"".join(letters[:_LENGTHY].split())
    packed = packed[: len(packed) - (len(packed) % 4 == 1)]
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4))
    except binascii.Error:
        return b""


def _is_hex_picture(letters: bytes) -> bool:
    packed = b"".join(letters[:_LENGTHY].split())
    return (
        next(find_pictures(bytes.fromhex(packed[: len(packed) // 2 * 2].decode())), None)
        is not None
    )
