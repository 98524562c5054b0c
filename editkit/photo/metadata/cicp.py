"""Color by code points (ITU-T H.273, CICP) in place of a profile: AVIF, HEIC, PNG.

The code points are kept and written again. For models, and for containers that support only
profiles, an ICC profile of the same primaries and curve replaces them.
"""

import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from editkit.errors import ImageError

_D65, _C = (0.3127, 0.329), (0.310, 0.316)
PRIMARIES: dict[int, tuple[tuple[float, ...], tuple[float, float]]] = {
    1: ((0.64, 0.33, 0.30, 0.60, 0.15, 0.06), _D65),
    4: ((0.67, 0.33, 0.21, 0.71, 0.14, 0.08), _C),
    5: ((0.64, 0.33, 0.29, 0.60, 0.15, 0.06), _D65),
    6: ((0.63, 0.34, 0.31, 0.595, 0.155, 0.07), _D65),
    7: ((0.63, 0.34, 0.31, 0.595, 0.155, 0.07), _D65),
    8: ((0.681, 0.319, 0.243, 0.692, 0.145, 0.049), _C),
    9: ((0.708, 0.292, 0.17, 0.797, 0.131, 0.046), _D65),
    11: ((0.68, 0.32, 0.265, 0.69, 0.15, 0.06), (0.314, 0.351)),
    12: ((0.68, 0.32, 0.265, 0.69, 0.15, 0.06), _D65),
    22: ((0.63, 0.34, 0.295, 0.605, 0.155, 0.077), _D65),
}
_BROADCAST = (1 / 0.45, 1 / 1.099296827, 0.099296827 / 1.099296827, 1 / 4.5, 0.081242859)
_CURVES: dict[int, tuple[float, ...]] = {
    **dict.fromkeys((1, 6, 11, 12, 14, 15), _BROADCAST),
    4: (2.2,),
    5: (2.8,),
    7: (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4.0, 0.0912),
    8: (1.0,),
    13: (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
    17: (2.6,),
}
"""Curves as ICC has them: an exponent, or one with a straight part (parametric curve, type 3)."""

_HDR = {16: "PQ", 18: "HLG"}
_UNSAID = (0, 2, 3)
_NAMES = {1: "BT.709", 9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_D50 = np.array([0.9642, 1.0, 0.8249])


class Cicp(NamedTuple):
    """Code points of primaries, transfer and matrix, and whether the range is full."""

    primaries: int
    transfer: int
    matrix: int = 0
    full: bool = True


def check(cicp: Cicp, name: str) -> None:
    """Refuses colors that editkit cannot edit.

    Raises:
        ImageError: high dynamic range, or unknown code points.
    """
    if cicp.transfer in _HDR:
        raise ImageError(
            f"{name} is HDR ({_HDR[cicp.transfer]}), which editkit does not edit; "
            "export it as SDR first (sRGB or Display P3)"
        )
    if not cicp.full and cicp.matrix == 0:  # of a YCbCr picture the decoder knows
        raise ImageError(f"{name} holds RGB of narrow range, for video; export it in full range")
    if cicp.transfer not in (*_CURVES, *_UNSAID) or cicp.primaries not in (*PRIMARIES, *_UNSAID):
        raise ImageError(
            f"{name} declares its colors by unknown code points (primaries "
            f"{cicp.primaries}, transfer {cicp.transfer}); export it as sRGB first"
        )


def check_profile(data: bytes, name: str) -> None:
    """`check` for the code points in an ICC profile, if it has any.

    Raises:
        ImageError: the photo is HDR.
    """
    for kind, place in _tags_of(data):
        if kind == b"cicp" and place + 12 <= len(data) and data[place + 9] in _HDR:
            check(Cicp(1, data[place + 9]), name)


def is_srgb(cicp: Cicp) -> bool:
    """True if the code points mean sRGB or are unspecified."""
    return cicp.primaries in (1, *_UNSAID) and cicp.transfer in (13, *_UNSAID)


def make_profile(cicp: Cicp) -> bytes:
    """The ICC profile of the same primaries and curve; unspecified ones are sRGB's."""
    primaries, white = PRIMARIES.get(cicp.primaries, PRIMARIES[1])
    curve = _CURVES.get(cicp.transfer, _CURVES[13])
    name = f"{_NAMES.get(cicp.primaries, 'RGB')} (CICP {cicp.primaries}/{cicp.transfer})"
    columns, adapted = _colorants(primaries, white)
    trc = struct.pack(">4sIHH", b"para", 0, 0 if len(curve) == 1 else 3, 0) + _fixed_point(curve)
    tags: dict[bytes, bytes] = {
        b"desc": _text_tag(name),
        b"cprt": _text_tag("No copyright"),
        b"wtpt": _xyz_tag(_D50),
        b"chad": b"sf32\0\0\0\0" + _fixed_point(adapted.ravel()),
        **{key: _xyz_tag(columns[:, k]) for k, key in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), trc),
    }
    return _assemble(tags)


def _colorants(
    primaries: tuple[float, ...], white: tuple[float, float]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """XYZ of the primaries at D50, in columns, and the adaptation matrix from the white point."""
    corners = np.array(primaries).reshape(3, 2)
    columns = np.stack([_xyz_from_xy(x, y) for x, y in corners], axis=1)
    own = _xyz_from_xy(*white)
    scaled = columns * np.linalg.solve(columns, own)
    cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ own))
    adapted = np.linalg.solve(_BRADFORD, cones @ _BRADFORD)
    return adapted @ scaled, adapted


def _xyz_from_xy(x: float, y: float) -> NDArray[Any]:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _fixed_point(values: Any) -> bytes:  # noqa: ANN401 - any numbers
    """Signed fixed-point numbers with 16 integer and 16 fractional bits."""
    numbers = [round(float(value) * 65536) for value in values]
    return struct.pack(f">{len(numbers)}i", *numbers)


def _xyz_tag(values: NDArray[Any]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed_point(values)


def _text_tag(text: str) -> bytes:
    said = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(said), 28) + said


def _assemble(tags: dict[bytes, bytes]) -> bytes:
    """A display profile (ICC.1, version 4) of the tags; equal tags give equal bytes."""
    places, body = dict[bytes, int](), b""
    start = 128 + 4 + 12 * len(tags)
    table = struct.pack(">I", len(tags))
    for key, data in tags.items():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", key, places[data], len(data))
    kind = b"mntrRGB XYZ "
    head = struct.pack(">I4sI12s", start + len(body), bytes(4), 0x04200000, kind)
    dated = struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp")
    return (head + dated).ljust(68, b"\0") + _fixed_point(_D50) + bytes(48) + table + body


def _tags_of(data: bytes) -> list[tuple[bytes, int]]:
    count = min(int.from_bytes(data[128:132]), 200)
    places = (data[132 + 12 * k : 144 + 12 * k] for k in range(count))
    return [(entry[:4], int.from_bytes(entry[4:8])) for entry in places if len(entry) == 12]
