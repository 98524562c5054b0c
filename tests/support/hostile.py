"""Files that real encoders made, and what becomes of them in bad hands."""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import imagecodecs
import numpy as np
import shell
import tifffile
from PIL import Image, ImageCms

from editkit.photo.io.files import Photo, encode_photo

HEIGHT, WIDTH = 48, 64
_HEAD = b"\x89PNG\r\n\x1a\n"


def deep(channels: int) -> np.ndarray:
    """Noise of 16 bits."""
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    return np.random.default_rng(channels).integers(0, 65536, shape, dtype=np.uint16)


def _by_pillow(mode: str, format_: str, **options: Any) -> bytes:
    out = io.BytesIO()
    shell.noise(HEIGHT, WIDTH, mode).save(out, format_, **options)
    return out.getvalue()


def _by_tifffile(channels: int, **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, deep(channels), **options)
    return out.getvalue()


def whole() -> dict[str, bytes]:
    """A good file of every kind, by name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010E] = "a wall"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    told: dict[str, Any] = {"icc_profile": profile, "exif": exif.tobytes(), "dpi": (72, 72)}
    eight = Photo(np.asarray(shell.noise(HEIGHT, WIDTH)), "RGB")
    return {
        "rgb.jpg": _by_pillow("RGB", "JPEG", **told, comment=b"hello"),
        "progressive.jpg": _by_pillow("RGB", "JPEG", progressive=True),
        "gray.jpg": _by_pillow("L", "JPEG"),
        "cmyk.jpg": _by_pillow("CMYK", "JPEG"),
        "rgba.png": _by_pillow("RGBA", "PNG", **told),
        "gray.png": _by_pillow("L", "PNG"),
        "rgb16.png": bytes(imagecodecs.png_encode(deep(3))),
        "gray16.png": bytes(imagecodecs.png_encode(deep(1))),
        "rgb.webp": _by_pillow("RGB", "WEBP", lossless=True, icc_profile=profile),
        "rgb.tif": _by_pillow("RGB", "TIFF", **told),
        "lzw.tif": _by_pillow("RGB", "TIFF", compression="tiff_lzw"),
        "rgb16.tif": _by_tifffile(3),
        "gray16.tif": _by_tifffile(1),
        "tiles16.tif": _by_tifffile(3, compression="zlib", predictor=True, tile=(16, 16)),
        "rgb.bmp": _by_pillow("RGB", "BMP"),
        "palette.gif": _by_pillow("L", "GIF"),
        "rgb.avif": _by_pillow("RGB", "AVIF"),
        "rgb.heic": encode_photo(eight, "HEIF"),
        "rgb.jxl": encode_photo(eight, "JXL"),
    }


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, *extra: bytes, rows: int = 4) -> bytes:
    """A PNG of RGB that says one size and holds `rows` rows of four pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes((1 + 4 * 3 * bits // 8) * rows)))
    return b"".join([_HEAD, head, *extra, body, chunk(b"IEND", b"")])


def tiff(width: int = 20, height: int = 20, /, **changed: tuple[int, int, int]) -> bytes:
    """An uncompressed TIFF of 16-bit RGB, 2,400 bytes; tags as `t273=(type, count, value)`."""
    tags = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 16), 259: (3, 1, 1)}
    tags |= {262: (3, 1, 2), 273: (4, 1, 400), 277: (3, 1, 3), 278: (4, 1, height)}
    tags[279] = (4, 1, min(6 * width * height, 2**32 - 1))
    tags |= {int(name[1:]): value for name, value in changed.items()}
    entries = [struct.pack("<HHII", code, *tags[code]) for code in sorted(tags)]
    directory = struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)
    return (b"II*\0" + struct.pack("<I", 8) + directory).ljust(400, b"\0") + bytes(2400)


def bombs() -> dict[str, bytes]:
    """Small files that ask for a lot of memory or of faith; none of them is a photo."""
    much = zlib.compress(bytes(200 << 20))
    text = chunk(b"zTXt", b"Comment\0\0" + much)
    profile = chunk(b"iCCP", b"profile\0\0" + much)
    packet = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + much)
    texts = [chunk(b"zTXt", b"k%d\0\0" % k + zlib.compress(bytes(1000 << 10))) for k in range(99)]
    second = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0))
    return {
        "huge.png": png(60000, 60000, 8),
        "huge16.png": png(60000, 60000, 16),
        "sides.png": png(2**31 - 1, 1, 8),
        "beyond.png": png(2**32 - 1, 2**32 - 1, 8),
        "no pixels.png": png(0, 4, 8),
        "lies.png": png(8000, 8000, 8),
        "lies16.png": png(8000, 8000, 16),
        "rows.png": png(4, 5, 8),
        "rows16.png": png(4, 5, 16),
        "text.png": png(4, 4, 8, text),
        "text16.png": png(4, 4, 16, text),
        "profile.png": png(4, 4, 8, profile),
        "profile16.png": png(4, 4, 16, profile),
        "packet.png": png(4, 4, 8, packet),
        "texts.png": png(4, 4, 8, *texts),
        "twice.png": png(60000, 60000, 16, second),
        "huge.tif": tiff(60000, 60000),
        "lies.tif": tiff(9000, 9000),
        "strips.tif": tiff(t273=(4, 2**32 - 1, 400), t279=(4, 2**32 - 1, 400)),
        "many strips.tif": tiff(t273=(4, 10**8, 400), t279=(4, 10**8, 400)),
        "samples.tif": tiff(t277=(3, 1, 65535)),
        "bits.tif": tiff(t258=(3, 1, 65535)),
        "far.tif": tiff(t273=(4, 1, 2**32 - 1)),
        "codec.tif": tiff(t259=(3, 1, 60000)),
        "no tiles.tif": tiff(t322=(4, 1, 0), t323=(4, 1, 0), t324=(4, 1, 400), t325=(4, 1, 9)),
    }


def damaged(data: bytes, seed: str) -> bytes:
    """The file with a few bytes changed, taken out or cut off; checksums of a PNG made right."""
    draw = random.Random(seed)  # noqa: S311 - nothing is kept secret
    made = bytearray(data)
    if draw.random() < 0.2:
        return bytes(made[: draw.randrange(len(made))])
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        # Headers are where a byte says the most.
        at = draw.randrange(min(200, len(made)) if draw.random() < 0.6 else len(made))
        if draw.random() < 0.9:
            made[at] = draw.choice((0, 127, 128, 255, draw.randrange(256)))
        else:
            del made[at : at + draw.randrange(1, 9)]
    return _HEAD + b"".join(_checked(bytes(made))) if made.startswith(_HEAD) else bytes(made)


def _checked(data: bytes) -> Iterator[bytes]:
    at = len(_HEAD)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        yield chunk(data[at + 4 : at + 8], data[at + 8 : end])
        at = end + 4
    yield data[at:]
