"""BMP files with alpha or color profiles, which Pillow does not support properly."""

import struct

import numpy as np
from numpy.typing import NDArray

_FILE, _HEADER, _BITFIELDS = 14, 108, 3
_MASKS = (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)


_PROFILED, _SPACE, _PROFILE = 124, 56, 112
"""Length of the header that holds a profile, and where in it color space and profile stand."""

_EMBEDDED, _LINKED = b"DEBM", b"KNIL"


_OS2, _OS2_SHORT, _WITH_ALPHA, _ALPHA_FIELDS = 64, range(16, 64), 56, 6
_HEADERS = (12, 40, 52, 56, 64, 108, 124)
_ODD = "a BMP with its colors in unusual bits"
_OS2_PACKED = {3: "a BMP packed as OS/2 does (Huffman)", 4: "a BMP packed as OS/2 does (RLE24)"}
_PACKED = {
    4: "a JPEG in a BMP",
    5: "a PNG in a BMP",
    _ALPHA_FIELDS: _ODD,
    **dict.fromkeys((11, 12, 13), "CMYK in a BMP"),
}
_FIELDS = {
    16: ((0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)),
    24: ((0xFF0000, 0xFF00, 0xFF),),
    32: (
        (0xFF0000, 0xFF00, 0xFF, 0),
        (0xFF000000, 0xFF0000, 0xFF00, 0),
        (0xFF000000, 0xFF00, 0xFF, 0),
        (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
        (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
        (0xFF000000, 0xFF00, 0xFF, 0xFF0000),
        (0, 0, 0, 0),
    ),
}
"""Bit masks of red, green, blue and alpha that Pillow reads."""


def unsupported_kind(head: bytes) -> str | None:
    """The kind of a BMP that Pillow does not read, though it may be intact; None for others.

    Args:
        head: its first bytes, at least 70.
    """
    if head[:2] != b"BM" or len(head) < _FILE + 56:
        return None
    (length,) = struct.unpack_from("<I", head, _FILE)
    if length not in _HEADERS:
        return "a BMP with a short header of OS/2" if length in _OS2_SHORT else None
    if length == 12:  # the oldest header has one kind of samples only
        return None
    bits, method = struct.unpack_from("<HI", head, _FILE + 14)
    if length == _OS2 and method in _OS2_PACKED:
        return _OS2_PACKED[method]
    if bits in (2, 64) and method == 0:
        return f"a BMP of {bits} bits a pixel"
    odd = method == _BITFIELDS and bits in _FIELDS
    return _odd_fields(head, length, bits) if odd else _PACKED.get(method)


def _odd_fields(head: bytes, length: int, bits: int) -> str | None:
    *colors, alpha = struct.unpack_from("<4I", head, _FILE + 40)
    fields = (*colors, alpha if length >= _WITH_ALPHA else 0)
    if fields[: len(_FIELDS[bits][0])] in _FIELDS[bits]:
        return None
    return f"{_ODD} ({' '.join(f'{field:x}' for field in fields)})"


def read_profile(data: bytes) -> tuple[bytes | None, list[str]]:
    """The color profile of a BMP file, and a note on other color information."""
    header = data[_FILE:]
    length = int.from_bytes(header[:4], "little")
    space = header[_SPACE : _SPACE + 4]
    if length < _HEADER or len(header) < length:
        return None, []
    if length >= _PROFILED and space == _EMBEDDED:
        start, size = struct.unpack_from("<II", header, _PROFILE)
        profile = header[start : start + size]
        whole = start >= length and size >= 128 and len(profile) == size
        return (profile, []) if whole else (None, ["its color profile is damaged: left out"])
    if space == _LINKED:
        return None, ["its color profile is a file elsewhere: left out"]
    if space == bytes(4) and any(header[_SPACE + 4 : _SPACE + 52]):
        return None, ["its own primaries and gamma (BMP): left out, its colors are taken as sRGB"]
    return None, []


def add_profile(data: bytes, profile: bytes) -> bytes:
    """The file with an embedded color profile."""
    length = int.from_bytes(data[_FILE : _FILE + 4], "little")
    more, header = (
        _PROFILED - length,
        bytearray(data[_FILE : _FILE + length].ljust(_PROFILED, b"\0")),
    )
    start = len(data) + more - _FILE
    struct.pack_into("<I", header, 0, _PROFILED)
    header[_SPACE : _SPACE + 4] = _EMBEDDED
    struct.pack_into("<IIII", header, _PROFILE - 4, 4, start, len(profile), 0)
    size, rows = len(data) + more + len(profile), int.from_bytes(data[10:14], "little") + more
    file = struct.pack("<2sIHHI", b"BM", size, 0, 0, rows)
    return file + bytes(header) + data[_FILE + length :] + profile


def encode(samples: NDArray[np.uint8], dpi: tuple[float, float] | None = None) -> bytes:
    """A BMP of RGBA samples (H, W, 4), with the bit masks of all channels.

    Args:
        samples: the pixels.
        dpi: dots per inch, across and down.
    """
    height, width = samples.shape[:2]
    # BMP rows go bottom-up, and channels from blue to red.
    body = np.ascontiguousarray(samples[::-1][..., [2, 1, 0, 3]]).tobytes()
    across, down = (round(value / 0.0254) for value in dpi or (0, 0))
    start = _FILE + _HEADER
    file = struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start)
    header = struct.pack(
        "<IiiHHIIiiII", _HEADER, width, height, 1, 32, _BITFIELDS, len(body), across, down, 0, 0
    )
    # sRGB; this header holds no profile.
    space = struct.pack("<4I4s", *_MASKS, b"BGRs") + bytes(48)
    return file + header + space + body


def alpha_notes(data: bytes) -> list[str]:
    """Notes on alpha, and on an unexplained fourth channel, which Pillow does not read."""
    if len(data) >= _FILE + _WITH_ALPHA and _alpha_of_16(data):
        return ["its alpha channel (BMP of 16 bits) was left out"]
    if data[:2] != b"BM" or len(data) < _FILE + 40 or data[28:34] != b"\x20\0\0\0\0\0":
        return []
    (start,) = struct.unpack_from("<I", data, 10)
    fourth = np.frombuffer(data, np.uint8)[start + 3 :: 4]
    if not fourth.size or fourth.min() == fourth.max():
        return []
    return ["its fourth channel is undeclared and was left out"]


def _alpha_of_16(data: bytes) -> bool:
    (length,), (bits, method) = (
        struct.unpack_from(code, data, _FILE + at) for code, at in (("<I", 0), ("<HI", 14))
    )
    known = data[:2] == b"BM" and length >= _WITH_ALPHA and (bits, method) == (16, _BITFIELDS)
    return known and struct.unpack_from("<I", data, _FILE + 52)[0] > 0
