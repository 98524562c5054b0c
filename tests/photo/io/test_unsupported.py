"""Files that are no photos are named for what they are, with what to do."""

import gzip
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from editkit.errors import ImageError
from editkit.photo.io.files import read_photo


def box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + kind + data


def brands(major: bytes, *others: bytes) -> bytes:
    return box(b"ftyp", major + bytes(4) + b"".join(others)) + box(b"mdat", bytes(40))


def zipped(name: str, content: bytes) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(name, content)
    return out.getvalue()


def array() -> bytes:
    out = BytesIO()
    np.save(out, np.zeros((4, 4)))
    return out.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>'


def bitmap(length: int, bits: int, method: int, *fields: int) -> bytes:
    """The head of a BMP of 4x4 pixels, and room for its samples."""
    header = struct.pack("<IiiHHIIiiII", length, 4, 4, 1, bits, method, 0, 0, 0, 0, 0)
    header += struct.pack(f"<{len(fields)}I", *fields)
    header = header.ljust(length, b"\0")[: max(length, 40 + 4 * len(fields))]
    start = 14 + len(header) + 1024 * (bits <= 8)
    return struct.pack("<2sIHHI", b"BM", start + 256, 0, 0, start) + header + bytes(1280)


KNOWN = {
    "bmp, OS/2": (bitmap(16, 8, 0), "a short header of OS/2", "PNG"),
    "bmp, RLE24": (bitmap(64, 24, 4), "(RLE24)", "PNG"),
    "bmp, Huffman": (bitmap(64, 1, 3), "(Huffman)", "PNG"),
    "bmp, 2 bits": (bitmap(40, 2, 0), "of 2 bits a pixel", "PNG"),
    "bmp, 64 bits": (bitmap(40, 64, 0), "of 64 bits a pixel", "PNG"),
    "bmp, JPEG": (bitmap(40, 0, 4), "a JPEG in a BMP", "PNG"),
    "bmp, PNG": (bitmap(124, 0, 5), "a PNG in a BMP", "PNG"),
    "bmp, CMYK": (bitmap(40, 32, 11), "CMYK", "PNG"),
    "bmp, 4444": (
        bitmap(56, 16, 3, 0xF00, 0xF0, 0xF, 0xF000),
        "unusual bits (f00 f0 f f000)",
        "PNG",
    ),
    "bmp, 10 bits": (bitmap(40, 32, 3, 0x3FF00000, 0xFFC00, 0x3FF), "unusual bits", "PNG"),
    "bmp, alpha": (bitmap(40, 32, 6, 0xFF0000, 0xFF00, 0xFF, 0xFF000000), "unusual bits", "PNG"),
    "psd": (b"8BPS\0\x01" + bytes(40), "Photoshop document (PSD)", "export"),
    "psb": (b"8BPS\0\x02" + bytes(40), "(PSB)", "export"),
    "xcf": (b"gimp xcf v011\0" + bytes(40), "GIMP", "export"),
    "cr2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(40), "Canon raw file (CR2)", "develop"),
    "cr3": (brands(b"crx ", b"crx ", b"isom"), "Canon raw file (CR3)", "develop"),
    "orf": (b"IIRO\x08\0\0\0" + bytes(40), "(ORF)", "develop"),
    "orf2": (b"IIRS\x08\0\0\0" + bytes(40), "(ORF)", "develop"),
    "orf3": (b"MMOR\0\0\0\x08" + bytes(40), "(ORF)", "develop"),
    "rw2": (b"IIU\0\x18\0\0\0" + bytes(40), "(RW2)", "develop"),
    "raf": (b"FUJIFILMCCD-RAW 0201" + bytes(40), "(RAF)", "develop"),
    "x3f": (b"FOVb" + bytes(40), "(X3F)", "develop"),
    "mrw": (b"\0MRM" + bytes(40), "(MRW)", "develop"),
    "pdf": (b"%PDF-1.7\n" + bytes(40), "PDF", "export"),
    "pdf, later": (b"\n\n\0junk%PDF-1.4\n" + bytes(40), "PDF", "export"),
    "svg": (SVG, "SVG", "export"),
    "svg, xml": (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x -->\n<svg:svg>', "SVG", "export"),
    "svgz": (gzip.compress(SVG), "gzip", "unpack"),
    "mp4": (brands(b"isom", b"isom", b"avc1", b"mp41"), "video (MP4)", "frame"),
    "m4v": (brands(b"M4V ", b"mp42"), "video (MP4)", "frame"),
    "3gp": (brands(b"3gp4", b"isom"), "video (MP4)", "frame"),
    "mov": (brands(b"qt  ", b"qt  "), "video (QuickTime)", "frame"),
    "old mov": (box(b"moov", bytes(40)), "video (QuickTime)", "frame"),
    "avi": (b"RIFF\x40\0\0\0AVI LIST" + bytes(40), "video (AVI)", "frame"),
    "mkv": (b"\x1aE\xdf\xa3" + bytes(40), "video (Matroska or WebM)", "frame"),
    "mpg": (b"\0\0\x01\xba" + bytes(40), "video (MPEG)", "frame"),
    "ts": ((b"G" + bytes(187)) * 5, "video (MPEG transport stream)", "frame"),
    "flv": (b"FLV\x01\x05" + bytes(40), "video (FLV)", "frame"),
    "wmv": (b"0&\xb2u\x8ef\xcf\x11" + bytes(40), "video (Windows Media)", "frame"),
    "wav": (b"RIFF\x40\0\0\0WAVEfmt " + bytes(40), "sound", "give a photo"),
    "m4a": (brands(b"M4A ", b"mp42"), "sound", "give a photo"),
    "exr": (b"v/1\x01" + bytes(40), "OpenEXR", "tones"),
    "hdr": (b"#?RADIANCE\n" + bytes(40), "Radiance", "tones"),
    "pfm": (b"PF\n4 4\n-1.0\n" + bytes(192), "floating-point", "tones"),
    "jxr": (b"II\xbc\x01" + bytes(40), "JPEG XR", "export"),
    "kra": (zipped("mimetype", b"application/x-krita"), "Krita", "export"),
    "ora": (zipped("mimetype", b"image/openraster"), "OpenRaster", "export"),
    "docx": (zipped("word/document.xml", b""), "Office", "export"),
    "zip": (zipped("a.jpg", b"x"), "archive (ZIP)", "unpack"),
    "html": (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page", "download"),
    "npy": (array(), "NumPy", "numpy"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid x\n", "Git LFS", "fetch"),
    "dicom": (bytes(128) + b"DICM" + bytes(40), "DICOM", "export"),
    "emf": (b"\x01\0\0\0" + bytes(36) + b" EMF" + bytes(40), "EMF", "export"),
    "wmf": (b"\xd7\xcd\xc6\x9a" + bytes(40), "WMF", "export"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_no_photo_is_named_with_what_to_do(name: str, tmp_path: Path) -> None:
    data, what, advice = KNOWN[name]
    (tmp_path / "a.jpg").write_bytes(data)
    for source in (data, tmp_path / "a.jpg"):
        with pytest.raises(ImageError) as caught:
            read_photo(source)
        message = str(caught.value)
        assert what in message
        assert advice in message
        assert "\n" not in message


@pytest.mark.parametrize("bits", [16, 32])
def test_bmp_files_in_usual_bits_are_read(bits: int) -> None:
    fields = (0xF800, 0x7E0, 0x1F) if bits == 16 else (0xFF0000, 0xFF00, 0xFF)
    assert read_photo(bitmap(40, bits, 3, *fields)).size == (4, 4)
    assert read_photo(bitmap(56, bits, 3, *fields, 0)).size == (4, 4)


def test_alpha_of_one_bit_in_a_bmp_is_left_out_with_a_word() -> None:
    photo = read_photo(bitmap(56, 16, 3, 0x7C00, 0x3E0, 0x1F, 0x8000))
    assert photo.mode == "RGB"
    assert any("alpha channel" in note for note in photo.notes)


def test_real_files_of_other_programs_are_named(tmp_path: Path) -> None:
    film = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5, (32, 32))
    film.write(np.zeros((32, 32, 3), np.uint8))
    film.release()
    Image.new("RGB", (8, 8)).save(tmp_path / "a.pdf")
    for name, what in (("a.avi", "AVI"), ("a.pdf", "PDF")):
        with pytest.raises(ImageError, match=what):
            read_photo(tmp_path / name)


def raw(tmp_path: Path, *, within: bool, tag: tuple[int, int, int, Any, bool]) -> Path:
    """A camera's raw file as most are: a preview first, what the sensor saw in it or below it."""
    preview, sensor = np.zeros((8, 8, 3), np.uint8), np.zeros((16, 16), np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.nef") as file:
        options: dict[str, Any] = {"subifds": 1} if within else {}
        tags = [(271, 2, 18, "NIKON CORPORATION", True), tag]
        file.write(
            preview, photometric="rgb", subfiletype=1, extratags=tags, metadata=None, **options
        )
        file.write(sensor, photometric=32803, metadata=None)
    return tmp_path / "a.nef"


@pytest.mark.parametrize("within", [True, False])
def test_raw_files_are_not_read_as_their_previews(tmp_path: Path, *, within: bool) -> None:
    path = raw(tmp_path, within=within, tag=(65000, 3, 1, 0, True))
    with pytest.raises(ImageError, match=r"raw file \(Nikon\); develop it"):
        read_photo(path)
    path = raw(tmp_path, within=within, tag=(50706, 1, 4, b"\x01\x04\0\0", True))
    with pytest.raises(ImageError, match=r"raw file \(DNG\); develop it"):
        read_photo(path)


@pytest.mark.parametrize("order", [b"\x01\x00\x00\x00", b"\xff\xfe"])
def test_what_nobody_knows_is_still_no_image(order: bytes) -> None:
    with pytest.raises(ImageError, match="not an image"):
        read_photo(order * 10)
