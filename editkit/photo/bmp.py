"""BMP files with alpha, which Pillow reads and does not write."""

import struct

import numpy as np
from numpy.typing import NDArray

_FILE, _HEADER, _BITFIELDS = 14, 108, 3
_MASKS = (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)


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
