"""What an edit removes is nowhere else in the file: pictures of the photo inside its own file.

Each row puts a small picture, or a pointer to one, where cameras and programs put theirs. After an
edit it is gone, a note says which, and what lay beside it is still there.
"""

import base64
import io
import json
import os
import struct
import time
import zlib
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from editkit.ops.output import Saving
from editkit.ops.result import Result
from editkit.photo.blend.composite import composite
from editkit.photo.io.files import read_photo
from editkit.photo.metadata import previews
from editkit.types import Box

RNG = np.random.default_rng(8)
SAMPLES = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)


def encoded(format_: str, samples: np.ndarray = SAMPLES, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(samples).save(out, format_, **options)
    return out.getvalue()


SECRET = encoded("JPEG", RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8), quality=40)
OTHERS = {
    name: encoded(name, RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    for name in ("PNG", "GIF", "WEBP", "BMP", "AVIF", "JPEG2000")
}
MARK = SECRET[-90:-40]
"""Bytes of the secret's own scan."""


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2) + data


def jpeg_with(*segments: bytes, tail: bytes = b"", xmp: str = "") -> bytes:
    plain = encoded("JPEG", quality=92)
    if xmp:
        segments += (segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet(xmp)),)
    return plain[:2] + b"".join(segments) + plain[2:] + tail


def packet(body: str) -> bytes:
    spaces = {
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "xmpGImg": "http://ns.adobe.com/xap/1.0/g/img/",
        "dc": "http://purl.org/dc/elements/1.1/",
        "GImage": "http://ns.google.com/photos/1.0/image/",
        "GDepth": "http://ns.google.com/photos/1.0/depthmap/",
        "GCamera": "http://ns.google.com/photos/1.0/camera/",
        "Container": "http://ns.google.com/photos/1.0/container/",
        "Item": "http://ns.google.com/photos/1.0/container/item/",
        "Device": "http://ns.google.com/photos/dd/1.0/device/",
        "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
        "mine": "urn:mine",
    }
    names = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in spaces.items())
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        f'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description {names} '
        f'dc:source="kept" {body}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def saved(data: bytes, format_: str, jpeg: str = "auto") -> tuple[bytes, tuple[str, ...]]:
    """The file after a small edit, and the notes of reading."""
    photo = read_photo(data)
    mask = np.zeros(photo.size, np.float32)
    mask[8:16, 8:16] = 1
    patch = np.full((8, 8, 3), 99, np.float32)
    after = composite(photo, patch, Box(8, 8, 16, 16), mask)
    record = {"edit": "Inpaint", "model": "none"}
    result = Result(after, {"scores": {}}, photo, mask, record)
    return result.encoded(format_, Saving(jpeg=jpeg)).data, photo.notes


def assert_gone(data: bytes, notes: tuple[str, ...], word: str) -> None:
    assert MARK not in data
    assert base64.b64encode(SECRET)[80:200] not in data.replace(b"\n", b"")
    assert SECRET.hex()[80:200].encode() not in data.lower().replace(b"\n", b"")
    assert any(word in note and "left out" in note for note in notes), notes


def resource(number: int, data: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)


PHOTOSHOP = b"Photoshop 3.0\0"
B64 = base64.b64encode(SECRET).decode()
BROKEN = "&#xA;".join(B64[k : k + 76] for k in range(0, len(B64), 76))
FIRST, REST = SECRET[:200], SECRET[200:]
IN_SEGMENTS = {
    "jfxx": (segment(0xE0, b"JFXX\0\x10" + SECRET), "JFIF extension"),
    "irb-1036": (segment(0xED, PHOTOSHOP + resource(1036, bytes(28) + SECRET)), "thumbnail"),
    "irb-1033": (segment(0xED, PHOTOSHOP + resource(1033, bytes(28) + SECRET)), "thumbnail"),
    "irb-exif": (segment(0xED, PHOTOSHOP + resource(1058, b"II*\0" + SECRET)), "EXIF"),
    "irb-other": (segment(0xED, PHOTOSHOP + resource(4000, b"abc" + SECRET)), "4000"),
    "iptc-preview": (
        segment(
            0xED,
            PHOTOSHOP
            + resource(1028, b"\x1c\2\x78\0\4text\x1c\2\xca" + len(SECRET).to_bytes(2) + SECRET),
        ),
        "IPTC preview",
    ),
    "gain-map": (segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(40)), "gain map"),
    "fpxr": (segment(0xE2, b"FPXR\0\0\3" + SECRET), "APP2"),
    "app3-whole": (segment(0xE3, SECRET), "APP3"),
    "app4-samsung": (segment(0xE4, b"Samsung\0" + SECRET), "APP4"),
    "app5-other-first-byte": (segment(0xE5, b"maker\0" + b"\x02" + SECRET[1:]), "APP5"),
    "app10-base64": (segment(0xEA, b"HUAWEI\0" + B64.encode()), "HUAWEI"),
    "app7-hex": (segment(0xE7, b"x" + SECRET.hex().upper().encode()), "APP7"),
    "app3-two-segments": (segment(0xE3, FIRST) + segment(0xE3, REST), "APP3"),
    "app8-raw-thermal": (segment(0xE8, b"\7" * 60000) * 3, "APP8"),
    "flir": (segment(0xE1, b"FLIR\0\1\0\0" + bytes(500)), "thermal"),
    "jpeg-hdr": (segment(0xEB, b"HDR_RI ver=11" + bytes(50)), "ratio"),
    "comment": (segment(0xFE, b"see " + B64.encode()), "comment"),
    **{f"app9-{k}": (segment(0xE9, b"v\0" + data), "APP9") for k, data in OTHERS.items()},
}


@pytest.mark.parametrize("jpeg", ["lossless", "encode"])
@pytest.mark.parametrize("name", IN_SEGMENTS)
def test_jpeg_segments_with_pictures_go(name: str, jpeg: str) -> None:
    added, word = IN_SEGMENTS[name]
    beside = segment(0xEF, b"GraphicConverter 72") + segment(0xED, PHOTOSHOP + resource(4001, b"k"))
    source = jpeg_with(added, beside)
    data, notes = saved(source, ".jpg", jpeg)
    assert_gone(data, notes, word)
    assert b"GraphicConverter 72" in data
    assert resource(4001, b"k") in data
    assert not any(other[-60:-20] in data for other in OTHERS.values())


def test_segments_without_pictures_stay() -> None:
    plain = (
        segment(0xE2, b"FPXR\0\0\1ten numbers"),
        segment(0xEC, b"Ducky\0\1\0\4\0\0\0\x3c"),
        segment(0xEA, b"AROT\0\0" + bytes(range(200))),
        segment(0xE5, b"RMETA" + bytes(300)),
        segment(0xFE, b"/9j/ is how a JPEG begins in base 64"),
        segment(0xE6, os.urandom(4000)),
    )
    data, notes = saved(jpeg_with(*plain), ".jpg")
    assert notes == ()
    assert all(added in data for added in plain)


def test_the_thumbnail_of_jfif_goes() -> None:
    plain = encoded("JPEG", quality=92)
    assert plain[6:11] == b"JFIF\0"
    colors = bytes(range(48))
    head = plain[6:18] + b"\4\4" + colors
    data, notes = saved(plain[:2] + segment(0xE0, head) + plain[20:], ".jpg")
    assert colors not in data
    assert b"JFIF\0\1\1" in data
    assert notes == ("JFIF thumbnail: left out, as it may show what an edit removes",)


IN_XMP = {
    "thumbnails": (
        f"><xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType='Resource'><xmpGImg:image>{B64}"
        "</xmpGImg:image></rdf:li></rdf:Alt></xmp:Thumbnails>",
        "xmp:Thumbnails",
    ),
    "line-breaks": (
        f"><xmp:Thumbnails><rdf:Alt><rdf:li>{BROKEN}</rdf:li></rdf:Alt></xmp:Thumbnails>",
        "xmp:Thumbnails",
    ),
    "GImage": (f'GImage:Mime="image/jpeg" GImage:Data="{B64}">', "GImage:Data"),
    "GDepth": (f'GDepth:Format="RangeInverse" GDepth:Data="{B64}">', "GDepth:Data"),
    "unknown": (f"><mine:Preview>{B64}</mine:Preview>", "mine:Preview"),
    "unknown-attribute": (f'mine:Preview="data:image/jpeg;base64,{B64}">', "mine:Preview"),
    "nested-json": (f"><mine:A><rdf:Bag><rdf:li>{{{B64}}}</rdf:li></rdf:Bag></mine:A>", "mine:A"),
    "device": ("><Device:Container><Device:Item/></Device:Container>", "Device:Container"),
    "micro-video": ('GCamera:MicroVideo="1" GCamera:MicroVideoOffset="20016">', "MicroVideoOffset"),
    "motion-photo": ('GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1">', "MotionPhoto"),
    "ultra-hdr": (
        'hdrgm:Version="1.0" hdrgm:GainMapMax="2.0"><Container:Directory><rdf:Seq><rdf:li>'
        '<Container:Item Item:Semantic="GainMap" Item:Length="999"/></rdf:li></rdf:Seq>'
        "</Container:Directory>",
        "Container:Directory",
    ),
}


@pytest.mark.parametrize("name", IN_XMP)
def test_xmp_neither_holds_nor_announces_pictures(name: str) -> None:
    body, word = IN_XMP[name]
    data, notes = saved(jpeg_with(xmp=body), ".jpg")
    assert_gone(data, notes, word.split(":")[-1])
    assert b"kept" in data
    for gone in (b"hdrgm:Version", b"MicroVideo", b"MotionPhoto", b"GainMap", B64[90:160].encode()):
        assert gone not in data


def test_xmp_that_names_cameras_only_is_the_sources_byte_for_byte() -> None:
    source = packet('GCamera:HdrPlusMakernote="AAAA" GCamera:BurstID="7">')
    photo = read_photo(jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + source)))
    assert photo.carried["xmp"] == source
    assert photo.notes == ()


TAILS = {
    "video": (b"\0\0\0\x1cftypmp42" + bytes(16) + b"mdat" * 50, "a video"),
    "second-jpeg": (SECRET, "further pictures"),
    "samsung": (b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data" + SECRET + b"SEFHSEFT", "Samsung"),
    "afcp": (b"IPTC" + b"x" * 90 + b"AXS!" + bytes(8), "AFCP"),
    "unknown": (b"something else", "data behind the end"),
}


@pytest.mark.parametrize("jpeg", ["lossless", "encode"])
@pytest.mark.parametrize("name", TAILS)
def test_what_lies_behind_a_jpeg_is_left_there_and_said(name: str, jpeg: str) -> None:
    tail, word = TAILS[name]
    data, notes = saved(jpeg_with(tail=tail), ".jpg", jpeg)
    assert_gone(data, notes, word)
    assert tail[-20:] not in data
    assert len([note for note in notes if f"({len(tail)} bytes)" in note]) == 1


def test_padding_behind_a_jpeg_is_nothing_to_speak_of() -> None:
    assert read_photo(jpeg_with(tail=bytes(2048))).notes == ()
    progressive = encoded("JPEG", progressive=True, restart_marker_blocks=2)
    assert read_photo(progressive).notes == ()


def exif_block(order: str, *, altered: bool = False) -> bytes:
    """An artist, and a maker note with a preview in it; the next value lies behind that."""
    preview = (b"\x02" if altered else b"\xff") + SECRET[1:]
    note = b"MAKER\0" + preview + b"end of the note"
    mark = b"II*\0" if order == "<" else b"MM\0*"
    first = [
        struct.pack(order + "HHII", 0x013B, 2, 8, 200),
        struct.pack(order + "HHII", 0x8769, 4, 1, 60),
    ]
    head = mark + struct.pack(order + "IH", 8, 2) + b"".join(first) + bytes(4)
    inner = struct.pack(order + "HHHII", 1, 0x927C, 7, len(note), 220) + bytes(4)
    return (
        b"Exif\0\0"
        + (head.ljust(60, b"\0") + inner).ljust(200, b"\0")
        + b"Someone\0".ljust(20, b"\0")
        + note
    )


@pytest.mark.parametrize("container", [".jpg", ".png", ".webp", ".avif"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_previews_in_maker_notes_are_blanked_where_they_lie(container: str, order: str) -> None:
    block = exif_block(order, altered=order == ">")
    source = encoded(container[1:].replace("jpg", "jpeg"), exif=block)
    assert MARK in source
    data, notes = saved(source, container)
    assert_gone(data, notes, "EXIF")
    assert b"MAKER\0" in data
    assert b"end of the note" in data
    found = Image.open(io.BytesIO(data)).getexif()
    assert found[0x013B] == "Someone"
    assert found.get_ifd(0x8769)[0x927C].endswith(b"end of the note")


@pytest.mark.parametrize("container", [".jpg", ".png", ".webp"])
def test_a_thumbnail_of_exif_is_said(container: str) -> None:
    block = bytearray(exif_block("<"))
    at = len(block)
    entries = struct.pack("<HHHII", 2, 0x0201, 4, 1, at - 6 + 40)
    entries += struct.pack("<HHII", 0x0202, 4, 1, len(SECRET)) + bytes(4)
    block[6 + 34 : 6 + 38] = struct.pack("<I", at - 6)
    data, notes = saved(
        encoded(
            container[1:].replace("jpg", "jpeg"),
            exif=bytes(block) + entries.ljust(40, b"\0") + SECRET,
        ),
        container,
    )
    assert_gone(data, notes, "EXIF")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


IN_CHUNKS = {
    "fireworks": (chunk(b"mkBS", b"layer"), "Fireworks"),
    "skitch": (chunk(b"skRf", SECRET), "Skitch"),
    "private": (chunk(b"prIv", b"abc" + SECRET), "prIv"),
    "deflated": (chunk(b"prIv", zlib.compress(SECRET)), "prIv"),
    "huge": (chunk(b"prIv", os.urandom(1 << 18)), "prIv"),
    "text": (chunk(b"tEXt", b"Preview\0" + B64.encode()), "Preview"),
    "packed-text": (chunk(b"zTXt", b"Preview\0\0" + zlib.compress(B64.encode())), "Preview"),
    "raw-8bim": (
        chunk(
            b"zTXt",
            b"Raw profile type 8bim\0\0"
            + zlib.compress(b"\n8bim\n99\n" + resource(1036, bytes(28) + SECRET).hex().encode()),
        ),
        "8bim",
    ),
    "drawing": (chunk(b"tEXt", b"mxfile\0%3Cmxfile%3E"), "mxfile"),
    "gain-map": (chunk(b"gmAP", b"x"), "gain map"),
    **{f"with-{k}": (chunk(b"prIv", data), "prIv") for k, data in OTHERS.items()},
}


@pytest.mark.parametrize("name", IN_CHUNKS)
def test_png_chunks_with_pictures_go(name: str) -> None:
    added, word = IN_CHUNKS[name]
    plain = encoded("PNG")
    beside = chunk(b"caNv", bytes(16)) + chunk(b"tEXt", b"parameters\0a door, steps 20")
    data, notes = saved(plain[:33] + added + beside + plain[33:], ".png")
    assert_gone(data, notes, word)
    assert added not in data
    assert beside in data


def test_what_lies_behind_a_png_is_left_there_and_said() -> None:
    data, notes = saved(encoded("PNG") + SECRET, ".png")
    assert_gone(data, notes, "behind the end of its PNG")


def test_chunks_about_the_samples_stay_while_these_are_of_their_kind() -> None:
    bits, ground = chunk(b"sBIT", b"\5\6\5"), chunk(b"bKGD", b"\0\1\0\2\0\3")
    plain = encoded("PNG")
    data, notes = saved(plain[:33] + bits + ground + plain[33:], ".png")
    assert bits in data
    assert ground in data
    assert notes == ()
    out = io.BytesIO()
    Image.fromarray(SAMPLES).quantize(8).save(out, "PNG")
    of_palette = out.getvalue()
    at = of_palette.index(b"IDAT") - 4
    data, notes = saved(of_palette[:at] + chunk(b"bKGD", b"\1") + of_palette[at:], ".png")
    assert b"bKGD" not in data
    assert any("bKGD" in note for note in notes)


def tiff_with(*tags: tuple[int, int, int, object, bool], **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, SAMPLES, photometric="rgb", metadata=None, extratags=tags, **options)
    return out.getvalue()


LAYERS = b"Adobe Photoshop Document Data Block\0MIB8ryaL" + b"layer of what was erased" * 9
IN_TAGS = {
    "layers": ((37724, 7, len(LAYERS), LAYERS, True), "layers"),
    "resources": ((34377, 1, 0, resource(4001, b"k") + resource(1036, SECRET), True), "thumbnail"),
    "private": ((65001, 7, 0, b"abc" + SECRET, True), "65001"),
    "bytes": ((65002, 1, 0, SECRET, True), "65002"),
    "text": ((65003, 2, 0, B64, True), "65003"),
    "raw-file": ((50828, 7, 4, b"raw!", True), "raw file"),
    "huge": ((65004, 7, 0, bytes(range(256)) * 1024, True), "65004"),
    "directory": ((65005, 13, 1, 8, True), "directory"),
}


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("name", IN_TAGS)
def test_tiff_tags_with_pictures_go(name: str, byteorder: str) -> None:
    (code, kind, count, value, once), word = IN_TAGS[name]
    count = count or len(value) + (kind == 2)  # pyright: ignore[reportArgumentType]
    beside = (65100, 2, 6, "hello", True)
    source = tiff_with((code, kind, count, value, once), beside, byteorder=byteorder)
    data, notes = saved(source, ".tif")
    assert_gone(data, notes, word)
    assert LAYERS[:40] not in data
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        assert page.tags[65100].value == "hello"
        assert (34377 in page.tags) == (name == "resources")


def test_reduced_copies_in_a_tiff_are_said() -> None:
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(SAMPLES, photometric="rgb", subifds=1)
        writer.write(SAMPLES[::2, ::2], photometric="rgb", subfiletype=1)
    data, notes = saved(out.getvalue(), ".tif")
    assert any("sub-directories" in note for note in notes)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        assert 330 not in page.tags


@pytest.mark.parametrize("name", ["JPEG", *OTHERS])
def test_a_picture_is_known_in_every_spelling(name: str) -> None:
    data = SECRET if name == "JPEG" else OTHERS[name]
    b64 = base64.b64encode(data)
    for spelled in (
        data,
        b"before" + data,
        b64,
        base64.urlsafe_b64encode(data),
        base64.encodebytes(data),
        b"".join(b64[k : k + 70] + b"&#xA;" for k in range(0, len(b64), 70)),
        b64.decode().encode("utf-16"),
        json.dumps({"a": b64.decode()}).encode(),
    ):
        assert previews.holds_picture(spelled)


def test_what_is_no_picture_is_none_and_takes_no_time() -> None:
    assert not previews.holds_picture(b"/9j/" + base64.b64encode(os.urandom(3000)))
    start = time.process_time()
    for hostile in (b"\xd8\xff\xe0\0\2\xff", b"/9j/", b"ffd8ff ", b"A", b"\x89PNG\r\n\x1a\n"):
        previews.holds_picture(hostile * 40_000)
    assert time.process_time() - start < 2
