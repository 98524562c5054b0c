"""PNG files: samples of 8 and 16 bits by libpng; all other chunks are kept unchanged."""

import struct
import threading
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin

from editkit.types import Size, Stream

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP = b"XML:com.adobe.xmp\0"
_RAW_XMP = b"Raw profile type xmp\0"

_STRUCTURE = (b"IHDR", b"IDAT", b"IEND", b"fcTL", b"fdAT")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# First row and column of each pass, and the steps down and across (PNG, 8.2).
_ADAM7 = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
_PORTION = 1 << 20
LONGEST = 64 << 20
"""The largest chunk that is read."""

_ONE, _limits = threading.Lock(), list[int]()
"""What Pillow's limit was, once for each reader that is under way."""

# Level 6, the default, takes four times as long on a 12-megapixel photo for 5 % fewer bytes.
_LEVEL = 3


class Chunk(NamedTuple):
    """A chunk's type and content."""

    kind: bytes
    data: bytes


def read_chunks(stream: Stream) -> tuple[list[Chunk], bytes]:
    """The chunks other than header and image data, and the data behind the last one."""
    stream.seek(len(SIGNATURE))
    found = list[Chunk]()
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            stream.seek(length + 4, 1)
            return found, stream.read()
        data = b"" if kind in _STRUCTURE else stream.read(min(length, LONGEST + 1))
        if kind not in _STRUCTURE:
            found.append(Chunk(kind, data))
        stream.seek(length - len(data) + 4, 1)
    return found, b""


@contextmanager
def allow_long_texts() -> Generator[None]:
    """Lets Pillow unpack profiles and texts of up to 64 MiB; its own limit is 1 MiB.

    The limit is process-wide; it is restored when the last reader is done.
    """
    with _ONE:
        _limits.append(_limits[0] if _limits else PngImagePlugin.MAX_TEXT_CHUNK)
        PngImagePlugin.MAX_TEXT_CHUNK = max(_limits[0], LONGEST)
    try:
        yield
    finally:
        with _ONE:
            before = _limits.pop()
            if not _limits:
                PngImagePlugin.MAX_TEXT_CHUNK = before


def read_header(stream: Stream) -> tuple[int, int]:
    """The bits of a sample and the color type."""
    stream.seek(len(SIGNATURE) + 16)
    bits, kind = stream.read(2)
    return bits, kind


def read_size(stream: Stream) -> Size:
    """Height and width by the first header."""
    stream.seek(len(SIGNATURE) + 8)
    width, height = struct.unpack(">II", stream.read(8))
    return Size(height, width)


def check_rows(stream: Stream) -> None:
    """Refuses image data that end before the last row, which Pillow would read as black.

    Raises:
        ValueError: rows are missing.
        zlib.error: the data are damaged.
    """
    stream.seek(len(SIGNATURE) + 8)
    width, height, bits, kind, _, _, laced = struct.unpack(">IIBBBBB", stream.read(13))
    missing = _row_bytes(Size(height, width), bits * _CHANNELS.get(kind, 1), laced=laced == 1)
    inflate = zlib.decompressobj()
    for piece in _image_data(stream):
        part = piece
        while part and missing > 0:
            missing -= len(inflate.decompress(part, min(missing, _PORTION)))
            part = inflate.unconsumed_tail
    if missing > 0:
        raise ValueError(f"{missing} bytes of its rows are missing")


def _image_data(stream: Stream) -> Iterator[bytes]:
    stream.seek(len(SIGNATURE))
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            return
        if kind != b"IDAT":
            stream.seek(length + 4, 1)
            continue
        while length > 0 and (part := stream.read(min(length, _PORTION >> 4))):
            length -= len(part)
            yield part
        stream.seek(4, 1)


def _row_bytes(size: Size, bits: int, *, laced: bool) -> int:
    """The bytes of all rows with their filters, in seven passes if interlaced (Adam7)."""
    passes = _ADAM7 if laced else ((0, 0, 1, 1),)
    total = 0
    for top, left, down, across in passes:
        rows, columns = -(-(size.height - top) // down), -(-(size.width - left) // across)
        if rows > 0 and columns > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


def decode(data: bytes) -> NDArray[Any]:
    """The samples, (H, W) or (H, W, C), uint8 or uint16.

    Raises:
        ValueError: libpng refuses the file.
    """
    import imagecodecs

    try:
        return np.asarray(imagecodecs.png_decode(data))
    except imagecodecs.PngError as error:
        raise ValueError(str(error)) from error


def encode(samples: NDArray[Any], chunks: Iterable[Chunk]) -> bytes:
    """A PNG of the samples, with the chunks before the image data."""
    import imagecodecs

    plain = bytes(imagecodecs.png_encode(np.ascontiguousarray(samples), level=_LEVEL))
    start = len(SIGNATURE) + 25  # the header chunk has 13 bytes of content
    return b"".join([plain[:start], *map(_write_chunk, _sort_chunks(chunks)), plain[start:]])


def text_chunk(keyword: bytes, text: bytes) -> Chunk:
    """An uncompressed UTF-8 text chunk."""
    return Chunk(b"iTXt", keyword.removesuffix(b"\0") + b"\0\0\0\0\0" + text)


def xmp_chunk(packet: bytes) -> Chunk:
    """An XMP packet as a text chunk."""
    return text_chunk(XMP, packet)


def find_xmp(chunks: Iterable[Chunk]) -> bytes | None:
    """The XMP packet in the chunks, compressed or not, in any encoding."""
    for chunk in chunks:
        if chunk.kind == b"iTXt" and chunk.data.startswith(XMP):
            head = chunk.data[len(XMP) :]
            text = head[2:].split(b"\0", 2)[-1]
            return _inflate(text) if head[:1] == b"\1" else text
        if chunk.kind in (b"zTXt", b"tEXt") and chunk.data.startswith(_RAW_XMP):
            text = chunk.data[len(_RAW_XMP) :]
            return _raw_profile(_inflate(text[1:]) if chunk.kind == b"zTXt" else text)
    return None


def _inflate(data: bytes) -> bytes | None:
    """The decompressed data; None if they are damaged or too long."""
    inflate = zlib.decompressobj()
    try:
        found = inflate.decompress(data, LONGEST)
    except zlib.error:
        return None
    return None if inflate.unconsumed_tail else found


def _raw_profile(text: bytes | None) -> bytes | None:
    """The bytes of ImageMagick's raw profile: a name, a length and hexadecimal digits."""
    try:
        return bytes.fromhex(b"".join((text or b"").split()[2:]).decode("ascii"))
    except ValueError:
        return None


def profile_chunk(profile: bytes) -> Chunk:
    """The chunk of a color profile."""
    return Chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile))


def resolution_chunk(dpi: tuple[float, float]) -> Chunk:
    """The chunk of a resolution in dots per inch, across and down."""
    across, down = (round(value / 0.0254) for value in dpi)
    return Chunk(b"pHYs", struct.pack(">IIB", across, down, 1))


def _sort_chunks(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Color chunks first, as the standard requires; the others in their order."""
    first = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
    return iter(sorted(chunks, key=lambda chunk: chunk.kind not in first))


def _write_chunk(chunk: Chunk) -> bytes:
    body = chunk.kind + chunk.data
    return struct.pack(">I", len(chunk.data)) + body + struct.pack(">I", zlib.crc32(body))
