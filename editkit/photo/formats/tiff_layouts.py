"""Sample layouts of TIFFs: those kept, those converted to 8 or 16 bits, and those refused.

A TIFF may have samples of any depth, in many color spaces, with unexplained channels. A layout that
cannot be kept or scaled without changing its meaning is refused by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editkit.photo.formats import tiff_directories as tags
from editkit.photo.formats.tiff_directories import Entry, File

_WHITE, _BLACK, _RGB, _PALETTE, _INKS, _YCBCR = 0, 1, 2, 3, 5, 6
_COLORS = {_WHITE: 1, _BLACK: 1, _RGB: 3, _PALETTE: 1, _INKS: 4, _YCBCR: 3}
_REFUSED = {
    4: ("a transparency mask", "give the photo that it belongs to"),
    8: ("colors in CIELab", "convert it to RGB"),
    9: ("colors in ICC Lab", "convert it to RGB"),
    10: ("colors in ITU Lab", "convert it to RGB"),
    32803: ("a sensor's raw samples", "develop it and export a TIFF or PNG"),
    32844: ("LogL light values", "convert it to 16 bits a channel"),
    32845: ("LogLuv light values", "convert it to 16 bits a channel"),
    34892: ("a sensor's linear samples", "develop it and export a TIFF or PNG"),
    51177: ("a depth map", "give the photo that it belongs to"),
}
_MULTIPLIED, _STRAIGHT, _COREL = 1, 2, 999
_JPEGS = (6, 7)
_LOSSY = {
    **dict.fromkeys((6, 7, 34892), "JPEG"),
    **dict.fromkeys((33003, 33004, 33005, 34712), "JPEG 2000"),
    **dict.fromkeys((22610, 34934), "JPEG XR"),
    **dict.fromkeys((50002, 52546), "JPEG XL"),
    **dict.fromkeys((34927, 50001), "WebP"),
}
_SIGNED = "its samples have a sign (SampleFormat); none is below 0, they are written without one"
_PILLOW_METHODS = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000)
_SCALE = 257

MULTIPLIED = "has its alpha multiplied into its colors; save it with straight alpha"
"""The reason for refusing premultiplied alpha: editing would round the colors."""


class UnsupportedTiffError(Exception):
    """A TIFF layout that is not read; the message names it and the way out."""


@dataclass(frozen=True)
class SampleLayout:
    """The layout of the samples of a page.

    Attributes:
        mode: the photo's mode.
        bits: of a stored sample.
        pillow: whether Pillow reads them correctly; otherwise tifffile does.
        inverted: whether white is 0.
        multiplied: whether alpha is premultiplied.
        colors: a 16-bit palette, (N, 3); None if there is none, or one of 8 bits.
        notes: notes on lost properties.
    """

    mode: str
    bits: int
    pillow: bool
    inverted: bool = False
    multiplied: bool = False
    colors: NDArray[np.uint16] | None = None
    notes: tuple[str, ...] = ()


def read_sample_layout(file: File, entries: Mapping[int, Entry]) -> SampleLayout:
    """The sample layout of a directory.

    Raises:
        UnsupportedTiffError: the layout is not read.
        ValueError: the directory is damaged.
    """
    photometric = _single_value(file, entries, tags.PHOTOMETRIC, _WHITE)
    method = _single_value(file, entries, tags.METHOD, 1)
    if method == 6:
        photometric = _YCBCR  # old JPEG often says otherwise, and is this
    channels = _single_value(file, entries, tags.CHANNELS, 3 if method == 6 else 1)
    bits = _bits(file, entries, channels)
    _check_colors(photometric, file, entries)
    formats = file.numbers(entries.get(tags.FORMATS))
    _check_numbers(formats, bits, photometric, channels)
    extra = channels - _COLORS[photometric]
    if extra < 0:
        raise ValueError(f"{channels} channels are too few for its colors")
    meaning = _extra_meaning(file, entries, extra, photometric)
    if photometric == _YCBCR and (method not in _JPEGS or bits != 8 or extra):
        raise UnsupportedTiffError("holds colors in YCbCr; convert it to RGB")
    signed = (_SIGNED,) if 2 in formats else ()
    table = _palette(file, entries) if photometric == _PALETTE else None
    if table is not None and extra:
        raise UnsupportedTiffError("has a palette of 16 bits with alpha; save it as RGBA")
    mode = _mode(photometric, alpha=extra > 0, deep=bits > 8 or table is not None)
    unnamed = extra > 0 and meaning is None
    return SampleLayout(
        mode,
        bits,
        _is_read_by_pillow(file, entries, (photometric, bits, meaning, extra, method))
        and table is None,
        photometric == _WHITE,
        meaning == _MULTIPLIED,
        table,
        (*_notes(bits, photometric, method, unnamed=unnamed, deep=table is not None), *signed),
    )


def convert_samples(array: NDArray[Any], kind: SampleLayout) -> NDArray[Any]:
    """Stored values as samples of 8 or 16 bits, with white as the maximum.

    Args:
        array: (H, W) or (H, W, C), integers of up to 32 bits.
        kind: their layout.

    Raises:
        UnsupportedTiffError: alpha is premultiplied and varies, or values are out of range.
    """
    if kind.colors is not None:
        return kind.colors[np.minimum(array, len(kind.colors) - 1)]
    if kind.multiplied and (array[..., -1] != (1 << kind.bits) - 1).any():
        raise UnsupportedTiffError(
            "has its alpha multiplied into its colors; save it with straight alpha"
        )
    scaled = _scale_bits(array, kind.bits)
    if not kind.inverted:
        return scaled
    flipped = np.iinfo(scaled.dtype).max - scaled
    return flipped if scaled.ndim == 2 else np.dstack([flipped[..., 0], scaled[..., 1]])


def _scale_bits(array: NDArray[Any], bits: int) -> NDArray[Any]:
    if bits == 32:
        low, high = int(array.min()), int(array.max())
        if low < 0 or high > 65535:
            raise UnsupportedTiffError(
                f"holds values from {low} to {high}; gray photos may go from 0 to 65535: "
                "scale it first"
            )
        return array.astype(np.uint16)
    if array.dtype.kind == "i" and array.min() < 0:
        raise UnsupportedTiffError("has samples below 0; save it with 8 or 16 bits a channel")
    if bits in (8, 16):
        return np.asarray(array, np.uint8 if bits == 8 else np.uint16)
    top, full = (1 << bits) - 1, 255 if bits < 8 else 65535
    values = np.rint(np.arange(top + 1) * (full / top)).astype(np.uint8 if bits < 8 else np.uint16)
    return values[np.minimum(array, top)]


def _single_value(file: File, entries: Mapping[int, Entry], tag: int, default: int) -> int:
    return (file.numbers(entries.get(tag))[:1] or (default,))[0]


def _bits(file: File, entries: Mapping[int, Entry], channels: int) -> int:
    found = file.numbers(entries.get(tags.BITS)) or (1,)
    if len(set(found[:channels])) > 1:
        widths = ", ".join(str(n) for n in found[:8])
        raise UnsupportedTiffError(
            f"has channels of different depth ({widths} bits); save all with 8 or 16"
        )
    return found[0]


def _check_colors(photometric: int, file: File, entries: Mapping[int, Entry]) -> None:
    what, advice = _REFUSED.get(photometric, ("", ""))
    if what:
        raise UnsupportedTiffError(f"holds {what}; {advice}")
    if photometric not in _COLORS:
        raise UnsupportedTiffError(
            f"holds colors of an unknown kind ({photometric}); save it as RGB"
        )
    inks = _single_value(file, entries, tags.INK_COUNT, 4)
    if photometric == _INKS and (_single_value(file, entries, tags.INKS, 1) != 1 or inks != 4):
        raise UnsupportedTiffError("holds inks that are not CMYK; convert it to CMYK or RGB")


def _check_numbers(formats: tuple[int, ...], bits: int, photometric: int, channels: int) -> None:
    if 3 in formats:
        raise UnsupportedTiffError(
            "has samples of floating point (mode F), which editkit does not read; "
            "save it with 8 or 16 bits a channel"
        )
    if {5, 6} & set(formats):
        raise UnsupportedTiffError(
            "has complex numbers for samples; save it with 8 or 16 bits a channel"
        )
    gray = photometric == _BLACK and channels == 1
    # Positive values of 16 or 32 bits are the same without a sign.
    if 2 in formats and not (gray and bits in (16, 32)):
        raise UnsupportedTiffError(f"has samples of {bits} bits with a sign; save it without")
    if not 1 <= bits <= 16 and not (gray and bits == 32):
        raise UnsupportedTiffError(
            f"has samples of {bits} bits; save it with 8 or 16 bits a channel"
        )


def _extra_meaning(
    file: File, entries: Mapping[int, Entry], extra: int, photometric: int
) -> int | None:
    """The meaning of the channel beside the colors; None if it is undeclared, or there is none."""
    if not extra:
        return None
    found = file.numbers(entries.get(tags.EXTRAS))
    advice = "flatten it, or save it without them"
    if extra > 1:
        raise UnsupportedTiffError(f"has {extra} channels beside its colors; {advice}")
    if photometric == _INKS:
        raise UnsupportedTiffError(
            "has a channel beside cyan, magenta, yellow and black; save it without"
        )
    if found and found[0] not in (_MULTIPLIED, _STRAIGHT, _COREL):
        raise UnsupportedTiffError(
            "has a channel beside its colors that is not said to be alpha; save it without"
        )
    return found[0] if found else None


def _palette(file: File, entries: Mapping[int, Entry]) -> NDArray[np.uint16] | None:
    """The colors, (N, 3); None if 8 bits suffice."""
    found = np.array(file.numbers(entries.get(tags.COLORS)), np.uint16)
    if not found.size or found.size % 3:
        raise ValueError("a palette without colors")
    table = np.ascontiguousarray(found.reshape(3, -1).T)
    if 0 < table.max() <= 255:
        return table * np.uint16(_SCALE)  # a writer that took them for 8 bits
    return None if not (table % _SCALE).any() or not (table & 255).any() else table


def _mode(photometric: int, *, alpha: bool, deep: bool) -> str:
    gray = photometric in (_WHITE, _BLACK)
    base = "CMYK" if photometric == _INKS else ("L" if gray else "RGB") + "A" * alpha
    if not deep:
        return base
    return "I;16" if base == "L" else f"{base};16"


def _is_read_by_pillow(
    file: File, entries: Mapping[int, Entry], of: tuple[int, int, int | None, int, int]
) -> bool:
    """True if Pillow supports such a page and reads it fully."""
    photometric, bits, meaning, extra, method = of
    if method not in _PILLOW_METHODS or (file.big and file.order == ">"):
        return False
    if photometric == _YCBCR:
        return True
    plain = _single_value(file, entries, tags.FILL, 1) == 1
    if _single_value(file, entries, tags.PLANES, 1) == 2 or (extra and not plain):
        return False
    if extra:
        stated = photometric in (_BLACK, _PALETTE) and meaning == _STRAIGHT
        return bits == 8 and (stated or (photometric == _RGB and meaning != _MULTIPLIED))
    known = {_BLACK: (1, 2, 4, 8) + (16,) * plain, _RGB: (8,), _INKS: (8,) * plain}
    return bits in known.get(photometric, (1, 2, 4, 8))


def _notes(bits: int, photometric: int, method: int, *, unnamed: bool, deep: bool) -> list[str]:
    notes = list[str]()
    if bits == 32:
        notes.append("mode I was read as I;16")
    elif photometric == _PALETTE and deep:
        notes.append("its palette of 16 bits was read as colors of 16 bits")
    elif bits == 1 and photometric != _PALETTE:
        notes.append("mode 1 was read as L")
    elif bits not in (8, 16) and photometric != _PALETTE:
        notes.append(f"samples of {bits} bits were read as {8 if bits < 8 else 16}-bit")
    if unnamed:
        which = "fourth" if photometric == _RGB else "second"
        notes.append(f"its {which} channel is undeclared and was read as alpha")
    if method in _LOSSY:
        notes.append(f"it was packed as {_LOSSY[method]}; what is written is what it unpacks to")
    return notes
