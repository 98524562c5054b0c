"""Sample modes and color profiles: modes that are kept, and conversion to sRGB and back.

Modes: L, LA, RGB, RGBA and CMYK keep their samples, of 8 bits or (I;16, LA;16, RGB;16, RGBA;16,
CMYK;16) of 16 bits. "1" becomes L. A palette (P, PA) becomes RGB, or RGBA if it has transparency.
La, RGBa, RGBX, YCbCr, LAB and HSV become LA, RGBA or RGB. "I" becomes I;16 if all values fit. A
transparent color (tRNS) becomes an alpha channel, since an edited pixel could take that very color.
Everything else (floating point, big-endian modes that Pillow cannot export) is refused.

Color: a model sees sRGB. A photo with a profile is converted by Little CMS, relative to the white
point with black point compensation, and generated pixels are converted back to the profile; kept
samples are never converted. Without a profile, gray and RGB are taken as sRGB, and CMYK as the
plain complement.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editkit.errors import ImageError
from editkit.types import Rgb

Samples = NDArray[Any]
"""Stored values: (H, W) or (H, W, C), uint8, or uint16 for the modes of 16 bits."""

Patch = NDArray[np.uint8] | NDArray[np.float32]
"""(H, W, 3) sRGB in [0, 255]."""

_EIGHT = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}

CHANNELS = {**_EIGHT, "I;16": 1, "LA;16": 2, "RGB;16": 3, "RGBA;16": 4, "CMYK;16": 4}
"""The modes of photos, and their numbers of channels, alpha included. I;16 is gray, as Pillow calls
it; Pillow does not know the other 16-bit modes.
"""

_BECOMES = {
    "1": "L",
    "La": "LA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "YCbCr": "RGB",
    "LAB": "RGB",
    "HSV": "RGB",
}
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_STRIP = 1 << 20
_NEARLY = 0.75 / 255


@dataclass(frozen=True)
class Profile:
    """A color profile that Little CMS can apply in both directions.

    Attributes:
        data: the ICC profile.
        space: `gray`, `rgb` or `cmyk`.
    """

    data: bytes
    space: str


def bit_depth(mode: str) -> int:
    """The bits of a sample: 8 or 16."""
    return 16 if mode.endswith("16") else 8


def base_mode(mode: str) -> str:
    """The 8-bit mode of the same channels."""
    return "L" if mode == "I;16" else mode.removesuffix(";16")


def deep_mode(mode: str) -> str:
    """The 16-bit mode of the same channels."""
    return "I;16" if mode == "L" else f"{mode};16"


def has_alpha(mode: str) -> bool:
    """True if the last channel is alpha."""
    return base_mode(mode) in ("LA", "RGBA")


def is_gray(mode: str) -> bool:
    """True if the mode has no color channels."""
    return base_mode(mode) in ("L", "LA")


def to_gray(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, 3): each pixel as gray as its luma; gray pixels stay bit for bit."""
    first = rgb[..., :1]
    return np.repeat(np.asarray(first + (rgb - first) @ _LUMA[:, None], np.float32), 3, axis=2)


def color_channels(samples: Samples, mode: str) -> Samples:
    """The samples without their alpha, as a view (H, W, C)."""
    channels = samples.reshape(*samples.shape[:2], -1)
    return channels[..., :-1] if has_alpha(mode) else channels


def convert_mode(image: Image.Image, name: str) -> tuple[Image.Image, str | None]:
    """The image in a mode of `CHANNELS`, and a note if the mode changed.

    Raises:
        ImageError: the mode cannot be kept or converted without loss.
    """
    if image.mode.startswith("I"):
        return _convert_integers(image, name)
    mode = _supported_mode(image)
    if mode is None:
        raise ImageError(
            f"{name} has samples of mode {image.mode}, which editkit does not read; "
            "save it with 8 or 16 bits a channel"
        )
    if mode == image.mode:
        return image, None
    note = f"mode {image.mode} was read as {mode}" if image.mode not in ("L", "RGB") else None
    return image.convert(mode), note or "a transparent color was read as an alpha channel"


def to_samples(image: Image.Image) -> Samples:
    """The stored values of an image that `convert_mode` returned."""
    # Pillow copies all samples twice at once; strips limit that to one strip.
    rows = max(1, _STRIP // max(1, image.width))
    spans = [(top, min(top + rows, image.height)) for top in range(0, image.height, rows)]
    if len(spans) < 2:
        return np.asarray(image)
    first = np.asarray(image.crop((0, 0, image.width, 1)))
    samples = np.empty((image.height, *first.shape[1:]), first.dtype)
    for top, bottom in spans:
        samples[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return samples


def to_image(samples: Samples, mode: str) -> Image.Image:
    """The inverse of `to_samples`; 16-bit modes that Pillow does not know are rounded to 8 bits."""
    if bit_depth(mode) == 16 and mode != "I;16":
        samples, mode = round_to_8_bits(samples), base_mode(mode)
    stored = samples.astype("<u2") if mode == "I;16" else samples
    height, width = stored.shape[:2]
    return Image.frombytes(mode, (width, height), np.ascontiguousarray(stored).tobytes())


def round_to_8_bits(samples: Samples) -> NDArray[np.uint8]:
    """16-bit samples rounded to 8 bits: v / 257."""
    # 257 is odd, so adding 128 before the division rounds to nearest without ties.
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def usable_profile(data: bytes, mode: str) -> Profile | None:
    """The profile, if it fits the mode and can be applied in both directions; else None."""
    import imagecodecs

    space = {"L": "gray", "LA": "gray", "CMYK": "cmyk"}.get(base_mode(mode), "rgb")
    profile = Profile(data, space)
    try:
        _to_srgb(np.zeros((1, 1, CHANNELS[space.upper() if space != "gray" else "L"])), profile)
        _from_srgb(np.zeros((1, 1, 3), np.float32), profile)
    except (imagecodecs.CmsError, ValueError, TypeError):
        return None
    return profile


def is_srgb(profile: Profile) -> bool:
    """True if the profile equals sRGB to 0.75/255 for all colors."""
    steps = np.linspace(0, 1, 9, dtype=np.float32)
    if profile.space == "gray":
        cube, same = steps[:, None, None], np.repeat(steps[:, None, None], 3, axis=2)
    elif profile.space == "rgb":
        cube = same = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 1, 3)
    else:
        return False
    return bool(np.abs(_to_srgb(cube, profile) - same).max() < _NEARLY)


def to_rgb(samples: Samples, mode: str, profile: Profile | None = None) -> Rgb:
    """The samples as uint8 sRGB (H, W, 3), a new array, without alpha; 16 bits are rounded."""
    colors = color_channels(samples, mode)
    if profile is not None:
        return _convert_strips(colors, profile)
    eight = round_to_8_bits(colors) if bit_depth(mode) == 16 else colors
    if base_mode(mode) == "CMYK":
        return np.array(to_image(eight, "CMYK").convert("RGB"))
    return np.repeat(eight, 3, axis=2) if eight.shape[2] == 1 else np.array(eight)


def to_float_rgb(
    samples: Samples, mode: str, profile: Profile | None = None
) -> NDArray[np.float32]:
    """The samples as float32 sRGB (H, W, 3) of full depth, about [0, 255]; colors may exceed sRGB.

    `from_rgb` is the inverse.
    """
    colors = color_channels(samples, mode)
    if profile is not None:
        return _to_srgb(colors / np.float32(np.iinfo(colors.dtype).max), profile) * np.float32(255)
    if bit_depth(mode) == 8 or base_mode(mode) == "CMYK":
        return to_rgb(samples, mode).astype(np.float32)
    real = colors.astype(np.float32) / np.float32(257)
    return np.repeat(real, 3, axis=2) if real.shape[2] == 1 else real


def from_rgb(patch: Patch, mode: str, profile: Profile | None = None) -> NDArray[np.float32]:
    """Color channels of `mode` from sRGB, float32 (H, W, C) in the mode's units, not rounded."""
    scale = np.float32(257 if bit_depth(mode) == 16 else 1)
    if profile is not None:
        return _from_srgb(patch / np.float32(255), profile) * (255 * scale)
    real = patch.astype(np.float32)
    if base_mode(mode) == "CMYK":
        inks = np.concatenate([255 - real, np.zeros_like(real[..., :1])], axis=2)
        return inks * scale
    return (real if base_mode(mode) in ("RGB", "RGBA") else real @ _LUMA[:, None]) * scale


def _convert_strips(colors: Samples, profile: Profile) -> Rgb:
    """The conversion strip by strip, as floating point takes four times the memory."""
    out = np.empty((*colors.shape[:2], 3), np.uint8)
    limit = np.float32(np.iinfo(colors.dtype).max)
    rows = max(1, _STRIP // max(1, colors.shape[1]))
    for start in range(0, len(colors), rows):
        srgb = _to_srgb(colors[start : start + rows] / limit, profile)
        out[start : start + rows] = np.rint(np.clip(srgb, 0, 1) * 255)
    return out


def _to_srgb(colors: NDArray[np.floating[Any]], profile: Profile) -> NDArray[np.float32]:
    """(H, W, C) in [0, 1] to sRGB in about [0, 1]."""
    return _transform(colors, profile, Profile(srgb_profile(), "rgb"))


def _from_srgb(rgb: NDArray[np.floating[Any]], profile: Profile) -> NDArray[np.float32]:
    """(H, W, 3) in [0, 1] to the profile's colors (H, W, C) in [0, 1]."""
    return np.clip(_transform(rgb, Profile(srgb_profile(), "rgb"), profile), 0, 1)


def _transform(
    values: NDArray[np.floating[Any]], source: Profile, target: Profile
) -> NDArray[np.float32]:
    import imagecodecs

    # Little CMS counts ink in percent, where everything else goes from 0 to 1.
    real = values.astype(np.float32) * np.float32(100 if source.space == "cmyk" else 1)
    given = real[..., 0] if source.space == "gray" else real
    out = imagecodecs.cms_transform(
        np.ascontiguousarray(given),
        source.data,
        target.data,
        colorspace=source.space,
        outcolorspace=target.space,
        intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
        flags=imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION,
    )
    scaled = out / np.float32(100 if target.space == "cmyk" else 1)
    return scaled.reshape(*values.shape[:2], -1).astype(np.float32)


def srgb_profile() -> bytes:
    """The ICC profile of sRGB, made by Little CMS."""
    import imagecodecs

    return bytes(imagecodecs.cms_profile("srgb"))


def adobe_rgb_profile() -> bytes:
    """The ICC profile of Adobe RGB (1998), made by Little CMS."""
    import imagecodecs

    return bytes(imagecodecs.cms_profile("adobergb"))


def _supported_mode(image: Image.Image) -> str | None:
    if image.mode in ("P", "PA"):
        return "RGBA" if image.has_transparency_data else "RGB"
    if image.mode in ("L", "RGB") and "transparency" in image.info:
        return "LA" if image.mode == "L" else "RGBA"
    return image.mode if image.mode in _EIGHT else _BECOMES.get(image.mode)


def _convert_integers(image: Image.Image, name: str) -> tuple[Image.Image, str | None]:
    if image.mode == "I;16":
        return image, None
    values = np.asarray(image)
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise ImageError(
            f"{name} holds values from {values.min()} to {values.max()}; "
            "gray photos may go from 0 to 65535: scale it first"
        )
    # I;16B and similar modes differ only in byte order.
    note = f"mode {image.mode} was read as I;16" if image.mode == "I" else None
    return to_image(values.astype(np.uint16), "I;16"), note
