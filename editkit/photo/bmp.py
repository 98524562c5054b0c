"""BMP files with alpha, and colour profiles in BMP files: Pillow knows neither rightly."""

import struct

import numpy as np
from numpy.typing import NDArray

_FILE, _HEADER, _BITFIELDS = 14, 108, 3
_MASKS = (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)


_PROFILED, _SPACE, _PROFILE = 124, 56, 112
"""Length of the header that holds a profile, and where in it colour space and profile stand."""

_EMBEDDED, _LINKED = b"DEBM", b"KNIL"


def profile_in(data: bytes) -> tuple[bytes | None, list[str]]:
    """The colour profile of a BMP file, and a note on colour that is told in another way."""
    header = data[_FILE:]
    length = int.from_bytes(header[:4], "little")
    space = header[_SPACE : _SPACE + 4]
    if length < _HEADER or len(header) < length:
        return None, []
    if length >= _PROFILED and space == _EMBEDDED:
        start, size = struct.unpack_from("<II", header, _PROFILE)
        profile = header[start : start + size]
        whole = start >= length and size >= 128 and len(profile) == size
        return (profile, []) if whole else (None, ["its colour profile is damaged: left out"])
    if space == _LINKED:
        return None, ["its colour profile is a file elsewhere: left out"]
    if space == bytes(4) and any(header[_SPACE + 4 : _SPACE + 52]):
        return None, ["its own primaries and gamma (BMP): left out, its colours are taken as sRGB"]
    return None, []


def with_profile(data: bytes, profile: bytes) -> bytes:
    """The file with the header that holds a profile, and the profile at its end."""
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


def encoded(samples: NDArray[np.uint8], dpi: tuple[float, float] | None = None) -> bytes:
    """A BMP of RGBA samples (H, W, 4), with the masks that say which bits are alpha.

    Args:
        samples: the pixels.
        dpi: dots an inch, across and down.
    """
    height, width = samples.shape[:2]
    # Rows go from the bottom up, and colours from blue to red.
    body = np.ascontiguousarray(samples[::-1][..., [2, 1, 0, 3]]).tobytes()
    across, down = (round(value / 0.0254) for value in dpi or (0, 0))
    start = _FILE + _HEADER
    file = struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start)
    header = struct.pack(
        "<IiiHHIIiiII", _HEADER, width, height, 1, 32, _BITFIELDS, len(body), across, down, 0, 0
    )
    # Colours as sRGB has them; such a header holds no profile.
    space = struct.pack("<4I4s", *_MASKS, b"BGRs") + bytes(48)
    return file + header + space + body


def notes_on(data: bytes) -> list[str]:
    """What is said of a fourth channel that nothing explains, and that Pillow leaves out."""
    if data[:2] != b"BM" or len(data) < _FILE + 40 or data[28:34] != b"\x20\0\0\0\0\0":
        return []
    (start,) = struct.unpack_from("<I", data, 10)
    fourth = np.frombuffer(data, np.uint8)[start + 3 :: 4]
    if not fourth.size or fourth.min() == fourth.max():
        return []
    return ["its fourth channel, of which it says nothing, was left out"]
