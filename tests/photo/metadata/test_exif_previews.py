"""Pictures that do not say so: pixels as they are or packed, wherever a file has room for them.

A small copy of a photo is planted under makers' own tags, in texts, chunks and boxes. After an edit
no run of its bytes is left, a note says what went, and short data beside it are as they were.
"""

import base64
import bz2
import gzip
import io
import lzma
import os
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image

from editkit.ops.output import Saving
from editkit.ops.result import Result
from editkit.photo.blend.composite import composite
from editkit.photo.io.files import read_photo
from editkit.photo.metadata import maker_notes, opaque, previews
from editkit.types import Box

RNG = np.random.default_rng(17)
SAMPLES = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)
ROWS, COLUMNS = np.mgrid[0:120, 0:160]
DISC = (ROWS - 60) ** 2 + (COLUMNS - 80) ** 2 < 1600
NOISE = RNG.normal(0, 3, (120, 160, 3))
SMALL = np.clip(np.dstack([ROWS * 2, COLUMNS, 255 - ROWS]) + NOISE - 80 * DISC[..., None], 0, 255)
RGB = SMALL.astype(np.uint8)
GREY = RGB[28:92, 48:112, 1]
YCC = np.asarray(Image.fromarray(RGB).convert("YCbCr"))
PICTURES = {
    "rgb": RGB.tobytes(),
    "grey64": GREY.tobytes(),
    "ycbcr": YCC.tobytes(),
    "planar": np.moveaxis(RGB, -1, 0).tobytes(),
    "big-endian-16": (GREY.astype(">u2") * 257).tobytes(),
    "little-endian-12": (GREY.astype("<u2") * 16).tobytes(),
    "dark": (RGB // 8 + 48).tobytes(),
    "deflated": zlib.compress(RGB.tobytes()),
    "raw-deflate": zlib.compress(RGB.tobytes())[2:-4],
    "gzip": gzip.compress(GREY.tobytes()),
    "bzip2": bz2.compress(GREY.tobytes()),
    "xz": lzma.compress(GREY.tobytes()),
}
HONEST, LATER = os.urandom(600), os.urandom(700)


def encoded(format_: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(SAMPLES).save(out, format_, **options)
    return out.getvalue()


def saved(data: bytes, format_: str, jpeg: str = "auto") -> tuple[bytes, tuple[str, ...]]:
    """The file after a small edit, and the notes of reading."""
    photo = read_photo(data)
    mask = np.zeros(photo.size, np.float32)
    mask[8:16, 8:16] = 1
    patch = np.full((8, 8, 3), 99, np.float32)
    after = composite(photo, patch, Box(8, 8, 16, 16), mask)
    result = Result(after, {"scores": {}}, photo, mask, {"edit": "Inpaint", "model": "none"})
    return result.encoded(format_, Saving(jpeg=jpeg)).data, photo.notes


def assert_gone(data: bytes, picture: bytes, notes: tuple[str, ...], word: str) -> None:
    step = max(24, len(picture) // 200)
    runs = (picture[at : at + 24] for at in range(0, len(picture) - 24, step))
    assert not [run for run in runs if len(set(run)) > 2 and run in data]
    assert any(word in note and "may show what an edit removes" in note for note in notes), notes


def directory(order: str, entries: list[tuple[int, int, bytes]], at: int) -> bytes:
    """A directory whose long values follow it, counted from `at` for its own beginning."""
    table, values = struct.pack(order + "H", len(entries)), b""
    behind = at + 2 + 12 * len(entries) + 4
    for tag, kind, value in entries:
        place = value.ljust(4, b"\0")
        if len(value) > 4:
            place = struct.pack(order + "I", behind + len(values))
            values += value + b"\0" * (len(value) % 2)
        count = len(value) // maker_notes.SIZES[kind]
        table += struct.pack(order + "HHI", tag, kind, count) + place
    return table + bytes(4) + values


NOTE_AT = 8 + 2 + 24 + 4 + 2 + 12 + 4 + 6
"""Where the maker note of `exif_with` is."""


def exif_with(note: bytes, order: str = "<", make: bytes = b"Maker\0", tail: bytes = b"") -> bytes:
    """A maker, a note, and what lies behind that."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    first = struct.pack(order + "H", 2)
    first += struct.pack(order + "HHII", 0x010F, 2, len(make), NOTE_AT - 6)
    first += struct.pack(order + "HHII", 0x8769, 4, 1, 38) + bytes(4)
    inner = struct.pack(order + "HHHII", 1, 0x927C, 7, len(note), NOTE_AT) + bytes(4)
    block = mark + struct.pack(order + "I", 8) + first + inner + make.ljust(6, b"\0")
    assert len(block) == NOTE_AT
    return b"Exif\0\0" + block + note + tail


Entries = list[tuple[int, int, bytes]]
LAYOUTS: dict[str, tuple[str, bytes, Callable[[Entries], bytes]]] = {
    "canon": ("<", b"Canon\0", lambda e: directory("<", e, NOTE_AT)),
    "canon-big": (">", b"Canon\0", lambda e: directory(">", e, NOTE_AT)),
    "nikon3": (
        "<",
        b"NIKON\0",
        lambda e: b"Nikon\0\2\x10\0\0MM\0*\0\0\0\x08" + directory(">", e, 8),
    ),
    "olympus": ("<", b"OLYMP\0", lambda e: b"OLYMPUS\0II\3\0" + directory("<", e, 12)),
    "olympus-old": (
        "<",
        b"OLYMP\0",
        lambda e: b"OLYMP\0\1\0" + directory("<", e, NOTE_AT + 8),
    ),
    "fujifilm": ("<", b"FUJI\0\0", lambda e: b"FUJIFILM\x0c\0\0\0" + directory("<", e, 12)),
    "apple": (">", b"Apple\0", lambda e: b"Apple iOS\0\0\1MM" + directory(">", e, 14)),
    "sony": ("<", b"SONY\0\0", lambda e: b"SONY DSC \0\0\0" + directory("<", e, NOTE_AT + 12)),
    "panasonic": (
        "<",
        b"Panas\0",
        lambda e: b"Panasonic\0\0\0" + directory("<", e, NOTE_AT + 12),
    ),
    "pentax": (">", b"PENTA\0", lambda e: b"AOC\0MM" + directory(">", e, NOTE_AT + 6)),
    "moved": ("<", b"Canon\0", lambda e: directory("<", e, 5000)),
}


@pytest.mark.parametrize("tag", [0x0BAD, 0x2001])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_picture_in_a_maker_note_goes_and_what_is_short_stays(layout: str, tag: int) -> None:
    order, make, note = LAYOUTS[layout]
    entries = [(0x0001, 7, HONEST), (tag, 7, PICTURES["rgb"]), (0x2CCC, 7, LATER)]
    block = exif_with(note(entries), order, make)
    data, notes = saved(encoded("JPEG", exif=block), ".jpg")
    assert_gone(data, PICTURES["rgb"], notes, f"maker note tag {tag}")
    assert HONEST in data
    assert LATER in data
    found = data.index(b"Exif\0\0")
    kept = bytearray(block)
    at = kept.index(PICTURES["rgb"])
    kept[at : at + len(PICTURES["rgb"])] = bytes(len(PICTURES["rgb"]))
    assert data[found : found + len(block)] == kept


@pytest.mark.parametrize("picture", PICTURES)
def test_pixels_of_every_kind_are_found_in_a_maker_note(picture: str) -> None:
    secret = PICTURES[picture]
    note = directory("<", [(0x0001, 7, HONEST), (0x0BAD, 7, secret)], NOTE_AT)
    data, notes = saved(encoded("JPEG", exif=exif_with(note)), ".jpg")
    assert_gone(data, secret, notes, "maker note tag 2989")
    assert HONEST in data


@pytest.mark.parametrize("container", [".jpg", ".png", ".webp", ".avif", ".heic", ".tif"])
@pytest.mark.parametrize("picture", ["rgb", "grey64", "deflated"])
def test_a_blob_of_an_unknown_maker_goes_in_every_container(container: str, picture: str) -> None:
    secret = PICTURES[picture]
    block = exif_with(b"WHO KNOWS" + HONEST[:50] + secret)
    names = {".jpg": "JPEG", ".tif": "TIFF", ".heic": "HEIF"}
    pillow_heif.register_heif_opener()
    data, notes = saved(encoded(names.get(container, container[1:].upper()), exif=block), container)
    assert_gone(data, secret, notes, "maker notes of")


def test_pixels_that_a_maker_note_points_to_go_wherever_they_lie(tmp_path: Path) -> None:
    secret, at = PICTURES["rgb"], NOTE_AT + 2 + 36 + 4 + len(HONEST)
    start, length = (struct.pack("<I", n) for n in (at, len(PICTURES["rgb"])))
    note = directory("<", [(0x0001, 7, HONEST), (0x0201, 4, start), (0x0202, 4, length)], NOTE_AT)
    assert len(note) == at - NOTE_AT
    data, notes = saved(encoded("JPEG", exif=exif_with(note, tail=secret)), ".jpg")
    assert_gone(data, secret, notes, "between the tags")
    assert HONEST in data
    file = tmp_path / "out.jpg"
    file.write_bytes(data)
    tags = ["-PreviewImage", "-ThumbnailImage", "-JpgFromRaw", "-OtherImage"]
    shown = subprocess.run(
        ["exiftool", "-ee", "-a", "-G", "-b", *tags, str(file)], capture_output=True, check=False
    )
    assert shown.stdout == b""


@pytest.mark.parametrize("tag", [0x9286, 0x010E, 0xC6D2, 0xFDE8])
@pytest.mark.parametrize("order", ["<", ">"])
def test_pixels_under_other_tags_of_exif_go(tag: int, order: str) -> None:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entries = [(0x010F, 2, b"Maker of it\0"), (tag, 7, PICTURES["rgb"]), (0xFFFA, 7, HONEST)]
    block = b"Exif\0\0" + mark + struct.pack(order + "I", 8)
    block += directory(order, sorted(entries), 8)
    for container in ("PNG", "JPEG", "WEBP"):
        data, notes = saved(encoded(container, exif=block), f".{container.lower()}")
        assert_gone(data, PICTURES["rgb"], notes, f"EXIF tag {tag}")
        assert HONEST in data
        assert b"Maker of it" in data


def test_a_short_maker_note_is_the_sources_byte_for_byte() -> None:
    for length in (100, 4000):
        block = exif_with(os.urandom(length))
        data, notes = saved(encoded("JPEG", exif=block), ".jpg")
        assert block in data
        assert notes == ()


def test_long_data_that_cannot_be_a_picture_stay() -> None:
    text = "Ein Käfer sitzt auf der Tür, und niemand weiß warum. ".encode() * 120
    words = "照片說明:這是一段文字,很長。 ".encode("utf-16-le") * 300
    entries = [
        (0x0001, 7, HONEST),
        (0x0BAD, 7, bytes(9000)),
        (0x0BAE, 7, text),
        (0x0BAF, 1, words),
        (0x4001, 3, os.urandom(5120)),
    ]
    block = exif_with(directory("<", entries, NOTE_AT), make=b"Canon\0")
    data, notes = saved(encoded("JPEG", exif=block), ".jpg")
    assert block in data
    assert notes == ()


def test_values_of_a_directory_within_a_note_stay() -> None:
    """Olympus's tables lie within its note, and long together."""
    inner = directory("<", [(k, 7, os.urandom(900)) for k in range(9)], 12 + 2 + 24 + 4)
    outer = directory("<", [(0x2010, 13, struct.pack("<I", 42)), (0x2020, 4, bytes(4))], 12)
    block = exif_with(b"OLYMPUS\0II\3\0" + outer + inner, make=b"OLYMP\0")
    data, notes = saved(encoded("JPEG", exif=block), ".jpg")
    assert block in data
    assert notes == ()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def segment(marker: int, data: bytes) -> bytes:
    parts = [data[at : at + 65000] for at in range(0, len(data), 65000)]
    return b"".join(bytes([0xFF, marker]) + (len(p) + 2).to_bytes(2) + p for p in parts)


@pytest.mark.parametrize("picture", PICTURES)
def test_pixels_in_a_private_chunk_go(picture: str) -> None:
    plain, secret = encoded("PNG"), PICTURES[picture]
    for kind in (b"prIv", b"sPLT"):
        added = chunk(kind, b"ab\0\1" + secret) + chunk(b"caNv", HONEST)
        data, notes = saved(plain[:33] + added + plain[33:], ".png")
        assert_gone(data, secret, notes, f"PNG chunk {kind.decode()}")
        assert chunk(b"caNv", HONEST) in data


@pytest.mark.parametrize("jpeg", ["lossless", "encode"])
@pytest.mark.parametrize("picture", PICTURES)
def test_pixels_in_a_segment_go(picture: str, jpeg: str) -> None:
    plain, secret = encoded("JPEG"), PICTURES[picture]
    added = segment(0xE7, b"whose\0" + secret) + segment(0xE9, HONEST)
    data, notes = saved(plain[:2] + added + plain[2:], ".jpg", jpeg)
    assert_gone(data, secret, notes, "APP7")
    assert HONEST in data


@pytest.mark.parametrize("picture", ["rgb", "grey64", "deflated", "big-endian-16"])
def test_pixels_among_photoshops_resources_and_iptc_go(picture: str) -> None:
    plain, secret = encoded("JPEG"), PICTURES[picture]
    iptc = b"\x1c\2\x78\0\4text" + b"\x1c\x08\x0a\x80\x04" + len(secret).to_bytes(4) + secret
    for number, content, word in ((4000, secret, "4000"), (1028, iptc, "IPTC")):
        block = b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content
        block += bytes(len(content) % 2) + b"8BIM" + struct.pack(">HHI", 4001, 0, 600) + HONEST
        added = b"Photoshop 3.0\0" + block
        if len(added) > 65000:
            continue
        data, notes = saved(plain[:2] + segment(0xED, added) + plain[2:], ".jpg")
        assert_gone(data, secret, notes, word)
        assert HONEST in data


@pytest.mark.parametrize("kind", [1, 2, 3, 7])
@pytest.mark.parametrize("order", ["<", ">"])
def test_pixels_under_a_private_tag_of_a_tiff_go(kind: int, order: str) -> None:
    secret = PICTURES["rgb"]
    count = len(secret) // maker_notes.SIZES[kind]
    value = np.frombuffer(secret, order + "u2").tolist() if kind == 3 else secret
    tags = [(65001, kind, count, value, True), (65002, 7, len(HONEST), HONEST, True)]
    out, options = io.BytesIO(), dict[str, Any](metadata=None, extratags=tags, byteorder=order)
    tifffile.imwrite(out, SAMPLES, photometric="rgb", **options)
    assert secret in out.getvalue()
    data, notes = saved(out.getvalue(), ".tif")
    assert_gone(data, secret, notes, "TIFF tag 65001")
    assert HONEST in data


def spelled(data: bytes) -> dict[str, bytes]:
    b64 = base64.b64encode(data)
    return {
        "base64": b64,
        "lines": base64.encodebytes(data),
        "url": base64.urlsafe_b64encode(data).rstrip(b"="),
        "json": b'{"p":"' + b64.replace(b"/", b"\\/") + b'"}',
        "data-uri": b"data:application/octet-stream;base64," + b64,
        "hex": data.hex().encode(),
        "numbers": str(list(data)).encode(),
    }


def packet(body: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf'
        '-syntax-ns#"><rdf:Description rdf:about="" xmlns:mine="http://example.org/"'
        f"{body}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


@pytest.mark.parametrize("spelling", spelled(b""))
@pytest.mark.parametrize("picture", ["grey64", "deflated", "big-endian-16"])
def test_pixels_told_by_letters_go(spelling: str, picture: str) -> None:
    letters = spelled(PICTURES[picture])[spelling]
    text = letters.decode().replace('"', "&quot;")
    bodies = (f"><mine:A>{text}</mine:A><mine:B>kept</mine:B>", f' mine:B="kept" mine:A="{text}">')
    for body in bodies:
        data, notes = saved(encoded("WEBP", xmp=packet(body)), ".webp")
        assert_gone(data, letters.replace(b'"', b"&quot;"), notes, "mine:A")
        assert b"kept" in data
    plain = encoded("PNG")
    added = chunk(b"tEXt", b"Mine\0" + letters) + chunk(b"tEXt", b"parameters\0a door, steps 20")
    data, notes = saved(plain[:33] + added + plain[33:], ".png")
    assert_gone(data, letters, notes, "text Mine")
    assert b"a door, steps 20" in data


def test_what_is_in_boxes_and_chunks_of_others_is_left_there_and_said() -> None:
    secret = PICTURES["rgb"]
    webp = bytearray(encoded("WEBP", lossless=True, exif=exif_with(HONEST)))
    webp += b"MINE" + len(secret).to_bytes(4, "little") + secret
    webp[4:8] = (len(webp) - 8).to_bytes(4, "little")
    data, notes = saved(bytes(webp), ".webp")
    assert_gone(data, secret, notes, "WebP chunk MINE")
    assert HONEST in data
    box = (len(secret) + 24).to_bytes(4) + b"uuid" + os.urandom(16) + secret
    pillow_heif.register_heif_opener()
    for name, suffix in (("AVIF", ".avif"), ("HEIF", ".heic")):
        data, notes = saved(encoded(name, exif=exif_with(HONEST)) + box, suffix)
        assert_gone(data, secret, notes, "box")
        assert HONEST in data


def test_texts_profiles_and_numbers_are_no_pictures() -> None:
    prompt = b'{"3":{"class_type":"KSampler","inputs":{"seed":1,"steps":20,"cfg":7.5}}}' * 90
    kept = (
        prompt,
        base64.b64encode(prompt),
        "Ein Käfer sitzt auf der Tür. ".encode("latin-1") * 200,
        "これは写真の説明です。長い文章が続きます。".encode() * 200,
        "Привет, это описание фотографии. ".encode("utf-16-be") * 200,
        b"0.123 4.567 8.901 " * 900,
        Path(__file__).read_bytes(),
    )
    assert not [data[:30] for data in kept if len(data) < opaque.LEAST or previews.may_show(data)]
