"""Data that could be an undeclared picture: raw or compressed pixels.

No rule knows every maker's format. Long data that are neither text, filling nor a profile could be
a picture; one of fewer bytes than `LEAST` would show nothing.
"""

import bz2
import lzma
import re
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

LEAST = 4096
"""Bytes of a grey picture of 64x64 px. The makers' own data are mostly shorter."""

_RUN = re.compile(rb"([\x00-\xff])\1{63,}+")
_FEW, _FEW_LETTERS = 3, 200
_FILLED, _LONGEST_FILLING = 512, 1 << 17
_PACKED = re.compile(
    rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08|BZh[1-9]1AY&SY|\xfd7zXZ\x00|\x5d\x00\x00[\x00-\xff]\x00"
    rb"|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18"
)
_SEALED = (b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")
"""Zstandard and LZ4, which are not unpacked here."""

_MOST_TRIES, _PORTION, _SHORTEST, _ANY = 64, 1 << 20, 32, 47
_SAMPLE = 1 << 16
_ASCII, _MARKED, _PRINTED = 0.9, 0.05, 0.97
_ROUGH = 5
"""Neighbouring letters differ by more than this; neighbouring pixels mostly by less."""


def is_opaque(data: bytes) -> bool:
    """True if the bytes could be a picture, raw or compressed."""
    return could_be_pixels(data) or _holds_packed(data)


def could_be_pixels(data: bytes) -> bool:
    """True if the bytes are long enough and nothing that is known not to be a picture."""
    if len(data) < LEAST:
        return False
    filling = len(data) <= _LONGEST_FILLING and _is_filling(data)
    return not (filling or _is_profile(data) or is_text(data))


def is_text(data: bytes) -> bool:
    """True if the bytes are text or numbers in letters, in any encoding."""
    body = data.strip(b"\0")[:_SAMPLE]
    plain = np.frombuffer(body.replace(b"\0", b""), np.uint8)
    if plain.size * 3 < len(body):
        return False
    if _share_of_ascii(plain) >= _ASCII:
        return _is_rough(plain)
    return _is_utf8(body) or any(_is_utf16(body, code) for code in ("utf-16-le", "utf-16-be"))


def is_smooth(data: bytes) -> bool:
    """True if the bytes change little from pixel to pixel, as those of a photo do."""
    return not _is_rough(np.frombuffer(data[:_SAMPLE], np.uint8))


def is_repetitive(letters: bytes) -> bool:
    """True if there are few distinct letters, apart from runs."""
    return len(set(letters)) <= _FEW or len(_RUN.sub(b"", letters)) < _FEW_LETTERS


def _is_filling(data: bytes) -> bool:
    """True if almost all bytes have one value, or form long runs."""
    counts = np.bincount(np.frombuffer(data, np.uint8), minlength=1)
    if len(data) - int(counts.max()) < _FILLED:
        return True
    return len(_RUN.sub(b"", data)) < 2 * _FILLED


def _is_profile(data: bytes) -> bool:
    """True if this is an ICC profile of exactly this length."""
    return data[36:40] == b"acsp" and int.from_bytes(data[:4]) == len(data)


def _share_of_ascii(plain: NDArray[np.uint8]) -> float:
    printed = ((plain >= 32) & (plain < 127)) | np.isin(plain, (9, 10, 13))
    return float(printed.mean()) if plain.size else 1.0


def _is_rough(units: NDArray[np.uint8] | NDArray[np.uint16]) -> bool:
    """True if values differ much at each distance that a pixel's channels may have."""
    wide = units.astype(np.int32)
    for lag in (1, 2, 3, 4):
        steps = np.abs(wide[lag:] - wide[:-lag])
        steps = steps[steps > 0]
        if steps.size and steps.mean() < _ROUGH:
            return False
    return True


def _is_utf8(body: bytes) -> bool:
    text = body[:-3].decode("utf-8", "ignore") if len(body) == _SAMPLE else None
    try:
        text = body.decode() if text is None else text
    except UnicodeDecodeError:
        return False
    lossless = len(text.encode()) >= len(body) - 6
    return lossless and _is_printed(text) and _is_rough(np.frombuffer(body, np.uint8))


def _is_utf16(body: bytes, code: str) -> bool:
    whole = body.removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")
    try:
        text = whole[: len(whole) // 2 * 2].decode(code)
    except UnicodeDecodeError:
        return False
    # Words of any language have blanks or stops between them.
    marks = sum(text.count(mark) for mark in " \n\r\u3000\u3001\u3002\uff0c")
    units = np.frombuffer(text.encode("utf-16-le"), np.uint16)
    return _is_printed(text) and marks >= _MARKED * len(text) and _is_rough(units)


def _is_printed(text: str) -> bool:
    printed = sum(letter.isprintable() or letter in "\t\r\n\0" for letter in text)
    return printed >= _PRINTED * len(text)


def _holds_packed(data: bytes) -> bool:
    """True if the bytes contain compressed data that could be a picture."""
    if len(data) >= _SHORTEST and _unpacks_to_pixels(_raw_deflate, data):
        return True
    for tries, found in enumerate(_PACKED.finditer(data)):
        rest = data[found.start() : found.start() + _PORTION]
        if tries == _MOST_TRIES:
            return False
        if found[0] in _SEALED:
            if len(rest) >= _SHORTEST:
                return True
        elif any(_unpacks_to_pixels(unpack, rest) for unpack in _unpackers(found[0])):
            return True
    return False


def _unpackers(mark: bytes) -> list[Callable[[bytes], bytes]]:
    if mark.startswith(b"BZh"):
        return [lambda data: bz2.BZ2Decompressor().decompress(data, 4 * LEAST)]
    if mark[:1] in (b"\xfd", b"\x5d"):
        return [
            lambda data: lzma.LZMADecompressor(memlimit=_PORTION << 6).decompress(data, 4 * LEAST)
        ]
    return [lambda data: zlib.decompressobj(_ANY).decompress(data, 4 * LEAST)]


def _raw_deflate(data: bytes) -> bytes:
    """Data compressed by deflate without a header; empty unless the whole is such data."""
    unpack = zlib.decompressobj(-15)
    found = unpack.decompress(data[:_PORTION], 4 * LEAST)
    whole = unpack.unconsumed_tail or (unpack.eof and not unpack.unused_data.strip(b"\0"))
    return found if whole else b""


def _unpacks_to_pixels(unpack: Callable[[bytes], bytes], data: bytes) -> bool:
    """True if the data can be unpacked to possible pixels."""
    try:
        return could_be_pixels(unpack(data))
    except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError):
        return False
