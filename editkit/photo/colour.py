"""Sample modes: which are kept as they are, and the way from each to sRGB-like RGB and back.

The mode rule: L, LA, RGB, RGBA, CMYK and I;16 keep their samples. "1" becomes L. A palette (P, PA)
becomes RGB, or RGBA where it has transparency. La, RGBa, RGBX, YCbCr, LAB and HSV become LA, RGBA
or RGB. "I" becomes I;16 where every value fits. A colour that stands for transparent (tRNS) becomes
an alpha channel, because an edited pixel might happen to have that very colour. Everything else
(floating point, big-endian oddities that Pillow cannot hand over) is refused.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editkit.errors import ImageError
from editkit.types import Rgb

Samples = NDArray[Any]
"""Stored values: (H, W) or (H, W, C), uint8, or uint16 for I;16."""

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "I;16": 1}
"""The modes that a photo can have, and their channels, alpha included."""

_BECOMES = {
    "1": "L",
    "La": "LA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "YCbCr": "RGB",
    "LAB": "RGB",
    "HSV": "RGB",
}


def settle(image: Image.Image, name: str) -> tuple[Image.Image, str | None]:
    """The image in a mode of `CHANNELS`, and a note where that is not the mode it came in.

    Raises:
        ImageError: the mode cannot be kept or converted without losing values.
    """
    if image.mode.startswith("I"):
        return _sixteen_bits(image, name)
    mode = _settled_mode(image)
    if mode is None:
        raise ImageError(
            f"{name} has samples of mode {image.mode}, which editkit does not read; "
            "save it with 8 bits a channel or as 16-bit grey"
        )
    if mode == image.mode:
        return image, None
    note = f"mode {image.mode} was read as {mode}" if image.mode not in ("L", "RGB") else None
    return image.convert(mode), note or "a transparent colour was read as an alpha channel"


def samples_of(image: Image.Image) -> Samples:
    """The stored values of an image that is in a mode of `CHANNELS`; not writable."""
    return np.asarray(image)


def image_of(samples: Samples, mode: str) -> Image.Image:
    """The inverse of `samples_of`."""
    stored = samples.astype("<u2") if mode == "I;16" else samples
    height, width = stored.shape[:2]
    return Image.frombytes(mode, (width, height), np.ascontiguousarray(stored).tobytes())


def to_rgb(samples: Samples, mode: str) -> Rgb:
    """What a model sees: uint8 RGB, a fresh array. Alpha is dropped; 16 bits are rounded to 8."""
    if mode in ("RGB", "RGBA"):
        return samples[..., :3].copy()
    if mode == "CMYK":
        return np.array(image_of(samples, mode).convert("RGB"))
    grey = samples[..., 0] if mode == "LA" else samples
    if mode == "I;16":
        # 257 is odd, so adding 128 before the division rounds to nearest without ties.
        grey = ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def from_rgb(rgb: Rgb, mode: str) -> Samples:
    """RGB as the colour channels of `mode`, alpha left out: (H, W), (H, W, 3) or (H, W, 4)."""
    if mode in ("RGB", "RGBA"):
        return rgb
    if mode == "CMYK":
        return np.asarray(image_of(rgb, "RGB").convert("CMYK"))
    grey = np.asarray(image_of(rgb, "RGB").convert("L"))
    return grey.astype(np.uint16) * np.uint16(257) if mode == "I;16" else grey


def _settled_mode(image: Image.Image) -> str | None:
    if image.mode in ("P", "PA"):
        return "RGBA" if image.has_transparency_data else "RGB"
    if image.mode in ("L", "RGB") and "transparency" in image.info:
        return "LA" if image.mode == "L" else "RGBA"
    return image.mode if image.mode in CHANNELS else _BECOMES.get(image.mode)


def _sixteen_bits(image: Image.Image, name: str) -> tuple[Image.Image, str | None]:
    if image.mode == "I;16":
        return image, None
    values = np.asarray(image)
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise ImageError(
            f"{name} holds values from {values.min()} to {values.max()}; "
            "grey photos may go from 0 to 65535: scale it first"
        )
    # I;16B and its like differ in the order of bytes only.
    note = f"mode {image.mode} was read as I;16" if image.mode == "I" else None
    return image_of(values.astype(np.uint16), "I;16"), note
