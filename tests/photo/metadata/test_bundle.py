"""What travels with a photo, through every container that takes it."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from editkit.photo.io.files import Photo, read_photo, write_photo
from editkit.photo.metadata.bundle import set_xmp_size
from editkit.photo.metadata.exif import clean_exif

SAMPLES = np.random.default_rng(5).integers(0, 256, (12, 10, 3), dtype=np.uint8)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6" a="b"/></x:xmpmeta>'


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif_with_thumbnail(order: str) -> bytes:
    """Orientation 6, an artist, a maker note, and a thumbnail in a second directory."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entries = [
        struct.pack(order + "HHIHH", 0x0112, 3, 1, 6, 0),
        struct.pack(order + "HHII", 0x013B, 2, 8, 100),
        struct.pack(order + "HHII", 0x8769, 4, 1, 110),
    ]
    first = struct.pack(order + "H", 3) + b"".join(entries) + struct.pack(order + "I", 150)
    block = (mark + struct.pack(order + "I", 8) + first).ljust(100, b"\0") + b"Someone\0"
    inner = struct.pack(order + "HHHII", 1, 0x927C, 7, 8, 130) + bytes(4)
    block = block.ljust(110, b"\0") + inner
    block = block.ljust(130, b"\0") + b"makernot"
    thumb = [
        struct.pack(order + "HHII", 0x0201, 4, 1, 200),
        struct.pack(order + "HHII", 0x0202, 4, 1, 10),
    ]
    second = struct.pack(order + "H", 2) + b"".join(thumb) + bytes(4)
    return b"Exif\0\0" + (block.ljust(150, b"\0") + second).ljust(200, b"\0") + b"THUMBNAIL!"


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_loses_orientation_and_thumbnail_only(order: str) -> None:
    before = exif_with_thumbnail(order)
    after = clean_exif(before)
    assert len(after) == len(before)
    assert b"THUMBNAIL" in before
    assert b"THUMBNAIL" not in after
    exif = Image.Exif()
    exif.load(after)
    assert 0x0112 not in exif
    assert exif[0x013B] == "Someone"
    assert exif.get_ifd(0x8769)[0x927C] == b"makernot"
    assert clean_exif(after) == after


@pytest.mark.parametrize("length", range(0, 210, 7))
def test_damaged_exif_is_said_not_raised(tmp_path: Path, length: int) -> None:
    block = exif_with_thumbnail("<")[: 6 + length]
    Image.fromarray(SAMPLES).save(tmp_path / "a.png", exif=block)
    photo = read_photo(tmp_path / "a.png")
    assert photo.samples.shape[:2] in ((12, 10), (10, 12))


@pytest.mark.parametrize("source", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("target", [".jpg", ".png", ".webp", ".tif"])
def test_metadata_goes_from_container_to_container(
    tmp_path: Path, source: str, target: str
) -> None:
    icc, made, exif = profile(), Image.Exif(), Image.Exif()
    made[0x0112], made[0x013B], made[0x8769] = 6, "Someone", {0x9003: "2020:01:02 03:04:05"}
    exif.load(made.tobytes())
    first, second = tmp_path / f"a{source}", tmp_path / f"b{target}"
    Image.fromarray(SAMPLES).save(first, icc_profile=icc, exif=exif, dpi=(300, 150))
    photo = read_photo(first)
    write_photo(photo, second)
    again = read_photo(second)
    assert again.notes == photo.notes == ()
    assert again.carried["icc_profile"] == icc
    kept = Image.Exif()
    kept.load(again.carried["exif"])
    assert kept[0x013B] == "Someone"
    assert kept.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
    assert 0x0112 not in kept
    assert again.size == photo.size == (10, 12)
    if ".webp" not in (source, target):
        wanted = photo.carried["dpi"]
        assert again.carried["dpi"] == pytest.approx(wanted, abs=0.5)
        assert wanted == pytest.approx((300, 150) if source == ".tif" else (150, 300), abs=0.5)


@pytest.mark.parametrize("target", [".jpg", ".png", ".webp", ".tif"])
def test_xmp_is_carried_upright(tmp_path: Path, target: str) -> None:
    Image.fromarray(SAMPLES).save(tmp_path / "a.jpg", xmp=XMP)
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.size == (10, 12)
    write_photo(photo, tmp_path / f"b{target}")
    again = read_photo(tmp_path / f"b{target}")
    assert again.size == (10, 12)
    assert b'a="b"' in again.carried["xmp"]
    assert b"Orientation" not in again.carried["xmp"]


def test_the_sides_that_xmp_tells_are_true() -> None:
    told = (
        b'<r tiff:ImageWidth="9" exif:PixelYDimension = "7" a="9"/>'
        b"<tiff:ImageLength>7</tiff:ImageLength><exif:PixelXDimension> 9 </exif:PixelXDimension>"
    )
    assert set_xmp_size(told, (12, 345)) == (
        b'<r tiff:ImageWidth="12" exif:PixelYDimension = "345" a="9"/>'
        b"<tiff:ImageLength>345</tiff:ImageLength><exif:PixelXDimension> 12 </exif:PixelXDimension>"
    )


def test_xmp_thumbnails_stay_behind(tmp_path: Path) -> None:
    Image.fromarray(SAMPLES).save(tmp_path / "a.jpg", xmp=XMP + b"<xmpGImg:image/>")
    photo = read_photo(tmp_path / "a.jpg")
    assert "xmp" not in photo.carried
    assert any("cannot be parsed and name pictures: left out" in note for note in photo.notes)


def test_png_texts_and_color_chunks(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "A door")
    info.add_itxt("Author", "Zoë")
    info.add(b"gAMA", struct.pack(">I", 45455))
    info.add(b"cHRM", struct.pack(">8I", *range(10000, 90000, 10000)))
    Image.fromarray(SAMPLES).save(tmp_path / "a.png", pnginfo=info)
    write_photo(read_photo(tmp_path / "a.png"), tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as again:
        assert isinstance(again, PngImagePlugin.PngImageFile)
        assert again.text == {"Title": "A door", "Author": "Zoë"}
        assert again.info["gamma"] == pytest.approx(0.45455)
        assert again.info["chromaticity"] == pytest.approx([v / 10 for v in range(1, 9)])


def test_tiff_compression_is_kept(tmp_path: Path) -> None:
    Image.fromarray(SAMPLES).save(tmp_path / "a.tif", compression="tiff_lzw")
    write_photo(read_photo(tmp_path / "a.tif"), tmp_path / "b.tif")
    with Image.open(tmp_path / "b.tif") as again:
        assert again.info["compression"] == "tiff_lzw"
    assert np.array_equal(read_photo(tmp_path / "b.tif").samples, SAMPLES)


def test_jpeg_comment(tmp_path: Path) -> None:
    Image.fromarray(SAMPLES).save(tmp_path / "a.jpg", comment="hello")
    write_photo(read_photo(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    assert read_photo(tmp_path / "b.jpg").carried["comment"] == b"hello"


def test_exif_of_more_than_a_jpeg_segment(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x013B] = "x" * 70000
    write_photo(Photo(SAMPLES, "RGB", carried={"exif": exif.tobytes()}), tmp_path / "a.jpg")
    kept = Image.Exif()
    kept.load(read_photo(tmp_path / "a.jpg").carried["exif"])
    assert kept[0x013B] == "x" * 70000


def test_the_pillow_image_has_profile_and_resolution(tmp_path: Path) -> None:
    Image.fromarray(SAMPLES).save(tmp_path / "a.tif", icc_profile=profile(), dpi=(72, 72))
    image = read_photo(tmp_path / "a.tif").image
    assert image.info == {"icc_profile": profile(), "dpi": (72.0, 72.0)}
