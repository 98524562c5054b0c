"""The file that comes out is the file that went in, but for the edit: by readers of other makers.

Real files by real encoders (Pillow, libpng, tifffile, OpenCV, exiftool), a patch pasted in, and the
written file looked at by OpenCV, ImageMagick and exiftool. The two programs come from Debian
(imagemagick, libimage-exiftool-perl); without them the rows that ask them are skipped.
"""

import importlib
import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from editkit.errors import ImageError
from editkit.ops.output import Saving
from editkit.ops.result import Result
from editkit.photo import color
from editkit.photo.blend.composite import compare_samples, composite
from editkit.photo.io.files import Photo, apply_orientation, read_photo
from editkit.photo.metadata import xmp
from editkit.photo.quality.verify import info, verify
from editkit.types import Box, Coverage

CONVERT = Path("/usr/bin/convert")  # the name alone may find another program
EXIFTOOL = shutil.which("exiftool")
HIGH, WIDE = 48, 64
BOX = Box(9, 13, 30, 41)


def adobe() -> bytes:
    return color.adobe_rgb_profile()


def display_p3() -> bytes:
    """Its primaries and white by SMPTE EG 432-1, with the curve as a plain power of 2.2."""
    primaries = (0.68, 0.32, 1.0, 0.265, 0.69, 1.0, 0.15, 0.06, 1.0)
    return imagecodecs.cms_profile(
        "rgb", whitepoint=(0.3127, 0.329, 1.0), primaries=primaries, gamma=2.2
    )


def gray_gamma() -> bytes:
    return imagecodecs.cms_profile("gray", gamma=1.8)


def samples(channels: int, dtype: Any = np.uint8, seed: int = 3) -> np.ndarray:
    """A smooth picture with noise, so that lossy encoders have something to keep."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HIGH, :WIDE]
    planes = [(rows * (k + 2) + columns * (3 - k % 3)) % 256 for k in range(channels)]
    real = np.stack(planes, axis=2) * 0.8 + rng.uniform(0, 40, (HIGH, WIDE, channels))
    top = np.iinfo(dtype).max
    values = np.clip(real / 255, 0, 1) * top
    return (values[..., 0] if channels == 1 else values).astype(dtype)


def exif_block(orientation: int = 1) -> bytes:
    made, out = Image.Exif(), Image.Exif()
    made[0x0112], made[0x010F], made[0x013B] = orientation, "Camera", "Someone"
    made[0x8769] = {0x9003: "2020:01:02 03:04:05", 0xA002: WIDE, 0xA003: HIGH, 0x927C: b"maker"}
    made[0x8825] = {1: "N", 2: (47.0, 22.0, 12.5)}
    out.load(made.tobytes())
    return out.tobytes()


@dataclass(frozen=True)
class Row:
    """A file to make: what it holds, and how it is made."""

    name: str
    suffix: str
    mode: str
    profile: bytes | None = None
    orientation: int = 1

    def make(self, folder: Path) -> Path:
        path = folder / f"{self.name}{self.suffix}"
        dtype = np.uint16 if self.mode.endswith("16") else np.uint8
        made = samples(color.CHANNELS[self.mode], dtype)
        if self.suffix == ".tif":
            self._tiff(path, made)
        elif self.mode.endswith("16"):
            path.write_bytes(imagecodecs.png_encode(made))
        else:
            options: dict[str, Any] = {"quality": 90} if self.suffix == ".jpg" else {}
            options |= {"lossless": True} if self.suffix in (".webp", ".jxl") else {}
            options["icc_profile"] = self.profile or b""
            options["exif"] = exif_block(self.orientation)
            if self.suffix == ".jxl":
                importlib.import_module("pillow_jxl")
            color.to_image(made, self.mode).save(path, **options)
        return path

    def _tiff(self, path: Path, made: np.ndarray) -> None:
        photometric = {"L": "minisblack", "LA": "minisblack", "CMYK": "separated"}
        base = color.base_mode(self.mode)
        tifffile.imwrite(
            path,
            made,
            photometric=photometric.get(base, "rgb"),
            extrasamples=("unassalpha",) if base in ("LA", "RGBA") else None,
            compression="lzw" if base == "RGB" else None,
            predictor=base == "RGB",
            iccprofile=self.profile,
            resolution=(300, 300),
            resolutionunit=2,
            metadata=None,
            extratags=[(274, 3, 1, self.orientation, True), (33432, 2, 4, "Me!", True)],
        )


ROWS = [
    *(Row(f"png-{m}", ".png", m) for m in ("L", "LA", "RGB", "RGBA")),
    *(Row(f"png-{m.replace(';', '-')}", ".png", m) for m in ("I;16", "LA;16", "RGB;16", "RGBA;16")),
    *(Row(f"tif-{m}", ".tif", m) for m in ("L", "RGB", "RGBA", "CMYK")),
    *(Row(f"tif-{m.replace(';', '-')}", ".tif", m) for m in ("I;16", "RGB;16", "RGBA;16")),
    *(Row(f"webp-{m}", ".webp", m) for m in ("RGB", "RGBA")),
    *(Row(f"jpg-{m}", ".jpg", m) for m in ("L", "RGB")),
    Row("jxl", ".jxl", "RGB"),
    Row("bmp", ".bmp", "RGB"),
    Row("png-p3", ".png", "RGB", display_p3()),
    Row("png-adobe", ".png", "RGBA", adobe()),
    Row("png-gray", ".png", "L", gray_gamma()),
    Row("tif-adobe-16", ".tif", "RGB;16", adobe()),
    Row("jpg-adobe", ".jpg", "RGB", adobe()),
    *(Row(f"jpg-turned-{k}", ".jpg", "RGB", None, k) for k in range(2, 9)),
    *(Row(f"png-turned-{k}", ".png", "RGB", None, k) for k in (3, 6)),
    *(Row(f"tif-turned-{k}", ".tif", "RGB;16", None, k) for k in (6, 8)),
]


def edited(path: Path) -> tuple[Result, Coverage]:
    """A patch of noise pasted into the photo, as an edit would."""
    photo = read_photo(path)
    mask = np.zeros(photo.size, np.float32)
    mask[BOX.slices] = 1
    patch = np.random.default_rng(1).uniform(60, 200, (*BOX.size, 3)).astype(np.float32)
    after = composite(photo, patch, BOX, mask)
    record = {"edit": "Inpaint", "model": "none", "original": {"path": str(path)}}
    return Result(after, {"scores": {}}, photo, mask, record), mask


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    return request.param


def test_the_file_is_the_same_but_for_the_edit(row: Row, tmp_path: Path) -> None:
    source = row.make(tmp_path)
    before_bytes = source.read_bytes()
    result, mask = edited(source)
    target = tmp_path / f"out{row.suffix}"
    result.save(target, saving=Saving(strict=row.suffix != ".bmp"))
    assert source.read_bytes() == before_bytes
    before, after = read_photo(source), read_photo(target)
    assert before.mode == after.mode == row.mode
    assert (before.size, before.format) == (after.size, after.format)
    assert before.samples.dtype == after.samples.dtype
    assert {**verify(before, after, mask)["same"], "kept": True} == {
        **dict.fromkeys(("icc_profile", "exif", "iptc", "dpi"), True),
        "kept": verify(before, after, mask)["kept"],
    }
    assert compare_samples(result.photo, after, np.zeros_like(mask)).kept_changed == 0 or (
        row.suffix == ".jpg"
    )
    if row.suffix != ".bmp":
        assert info(after)["source_type"] == xmp.COMPOSITE
        assert info(after)["history"][-1]["action"] == "edited"


def test_another_reader_finds_the_same_samples(row: Row, tmp_path: Path) -> None:
    if not CONVERT.exists():
        pytest.skip("ImageMagick is not here")
    if row.suffix == ".jxl":
        pytest.skip("Debian's ImageMagick does not read JPEG XL")
    source = row.make(tmp_path)
    result, mask = edited(source)
    target = tmp_path / f"out{row.suffix}"
    result.save(target)
    # Upright, as ImageMagick turns both by their own tags.
    old, new = raw(source, row), raw(target, row)
    if row.suffix == ".png":  # Debian's does not look at the EXIF data of a PNG
        old = apply_orientation(old, row.orientation)
    assert old.shape == new.shape
    kept = mask == 0
    if row.suffix != ".jpg":
        assert np.array_equal(old[kept], new[kept])
    else:
        # Decoders spread color beyond an edited block; two blocks on, nothing is left of it.
        far = cv2.dilate(mask, np.ones((65, 65), np.uint8)) == 0
        assert np.array_equal(old[far], new[far])
    assert not np.array_equal(old[mask > 0], new[mask > 0])


def raw(path: Path, row: Row) -> np.ndarray:
    """What ImageMagick reads, turned upright, (H, W, C)."""
    depth = color.bit_depth(row.mode)
    kind = {"L": "gray", "LA": "graya", "CMYK": "cmyk", "RGBA": "rgba"}
    letters = kind.get(color.base_mode(row.mode), "rgb")
    order = ["-endian", "LSB"]
    command = [CONVERT, path, "-auto-orient", *order, "-depth", str(depth), f"{letters}:-"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    values = np.frombuffer(data, "<u2" if depth == 16 else np.uint8)
    return values.reshape(*seen_size(path), -1)


def seen_size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        # Pillow turns TIFFs itself, once they are loaded.
        image.load()
        turned = path.suffix == ".jpg" and image.getexif().get(0x0112, 1) >= 5
        width, height = image.size
        return (width, height) if turned else (height, width)


VOLATILE = {
    # Where and when the file lies, how it is laid out, and what the edit wrote on purpose.
    *("SourceFile", "FileName", "Directory", "FileSize", "FileModifyDate", "FileAccessDate"),
    *("FileInodeChangeDate", "FilePermissions", "StripOffsets", "StripByteCounts", "RowsPerStrip"),
    *("XMPToolkit", "About", "DigitalSourceType", "Record", "HistoryAction", "ExifToolVersion"),
    *("HistorySoftwareAgent", "HistoryChanged", "HistoryParameters", "CurrentIPTCDigest"),
    # Upright now, and so are the sides; their own test is below.
    *("Orientation", "ExifByteOrder"),
}


def tags(path: Path) -> dict[str, Any]:
    command = [str(EXIFTOOL), "-j", "-G1", "-n", "-a", str(path)]
    done = subprocess.run(command, check=True, capture_output=True)
    (found,) = json.loads(done.stdout)
    return {k: v for k, v in found.items() if k.split(":")[-1] not in VOLATILE}


@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not here")
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_exiftool_finds_every_tag_again(suffix: str, tmp_path: Path) -> None:
    source = Row("a", suffix, "RGB", adobe()).make(tmp_path)
    wanted = {
        "Artist": "Someone",
        "XMP-dc:Title": "A door",
        "XMP-xmp:Rating": "4",
        "ExifIFD:ISO": "200",
        "ExifIFD:LensModel": "Lens 35",
        "GPS:GPSLatitude": "47.37",
        "GPS:GPSLatitudeRef": "N",
        "IPTC:Headline": "News",
        "IPTC:Keywords": "door",
        "Copyright": "Me",
    }
    if suffix == ".webp":
        wanted = {k: v for k, v in wanted.items() if not k.startswith("IPTC")}
    options = [f"-{key}={value}" for key, value in wanted.items()]
    subprocess.run([str(EXIFTOOL), "-q", "-overwrite_original", *options, source], check=True)
    result, _ = edited(source)
    target = tmp_path / f"b{suffix}"
    result.save(target)
    before, after = tags(source), tags(target)
    assert {k: v for k, v in before.items() if after.get(k) != v} == {}
    assert any(key.endswith("LensModel") for key in after)


@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not here")
def test_thumbnails_go_and_sides_are_true(tmp_path: Path) -> None:
    source = Row("a", ".jpg", "RGB", None, 6).make(tmp_path)
    small = tmp_path / "small.jpg"
    Image.new("RGB", (16, 12), "red").save(small)
    thumb = [
        f"-ThumbnailImage<={small}",
        "-IPTC:Headline=News",
        f"-Photoshop:PhotoshopThumbnail<={small}",
    ]
    subprocess.run([str(EXIFTOOL), "-q", "-overwrite_original", *thumb, source], check=True)
    assert small.read_bytes()[20:60] in source.read_bytes()
    result, _ = edited(source)
    for name, mode in (("kept.jpg", "lossless"), ("again.jpg", "encode"), ("b.png", "auto")):
        result.save(tmp_path / name, saving=Saving(jpeg=mode))
        assert small.read_bytes()[20:60] not in (tmp_path / name).read_bytes()
        found = tags(tmp_path / name)
        sides = (found["ExifIFD:ExifImageWidth"], found["ExifIFD:ExifImageHeight"])
        # Kept blocks lie as they lay, with their tag; all else is upright.
        assert sides == ((WIDE, HIGH) if name == "kept.jpg" else (HIGH, WIDE))


def test_gray_of_16_bits_is_not_clipped(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, HIGH * WIDE).astype(np.uint16).reshape(HIGH, WIDE)
    assert cv2.imwrite(str(tmp_path / "a.png"), values)
    photo = read_photo(tmp_path / "a.png")
    assert abs(int(photo.rgb()[HIGH // 2, 0, 0]) - 128) <= 2
    result, mask = edited(tmp_path / "a.png")
    result.save(tmp_path / "b.png")
    again = cv2.imread(str(tmp_path / "b.png"), cv2.IMREAD_UNCHANGED)
    assert again is not None
    assert again.dtype == np.uint16
    assert np.array_equal(again[mask == 0], values[mask == 0])


@pytest.mark.parametrize(
    ("profile", "base"), [(display_p3(), "RGB"), (adobe(), "RGB"), (gray_gamma(), "L")]
)
@pytest.mark.parametrize("depth", [8, 16])
def test_colors_come_back_within_rounding(profile: bytes, base: str, depth: int) -> None:
    """sRGB to the profile and back, beside Little CMS as Pillow has it."""
    gray = base == "L"
    mode = base if depth == 8 else color.deep_mode(base)
    usable = color.usable_profile(profile, mode)
    assert usable is not None
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    rgb = np.repeat(rgb[..., :1], 3, axis=2) if gray else rgb
    stored = np.rint(color.from_rgb(rgb, mode, usable)).astype(
        np.uint8 if depth == 8 else np.uint16
    )
    stored = stored[..., 0] if gray else stored
    back = color.to_rgb(stored, mode, usable).astype(int)
    # A step of 8 bits in the profile may be more than one in sRGB, near black most of all.
    bright = rgb.min(axis=2) > 40
    assert np.abs(back - rgb)[bright].max() <= (3 if depth == 8 else 1)
    if depth == 8:
        srgb = BytesIO(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        judged = ImageCms.profileToProfile(
            Image.fromarray(rgb), srgb, BytesIO(profile), outputMode=base
        )
        assert judged is not None
        assert np.abs(np.asarray(judged).astype(int) - stored).max() <= 2


def test_a_profile_that_does_not_fit_is_said() -> None:
    out = BytesIO()
    Image.fromarray(samples(1)).save(out, "PNG", icc_profile=adobe())
    photo = read_photo(out.getvalue())
    assert photo.profile is None
    assert "does not fit" in photo.notes[0]


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_what_avif_and_heic_carry_comes_back(tmp_path: Path, suffix: str, orientation: int) -> None:
    importlib.import_module("pillow_heif").register_heif_opener()
    source = Row("a", suffix, "RGB", display_p3(), orientation).make(tmp_path)
    result, mask = edited(source)
    result.save(tmp_path / f"b{suffix}")
    before, after = read_photo(source), read_photo(tmp_path / f"b{suffix}")
    assert before.profile is not None
    assert before.size == after.size == ((WIDE, HIGH) if orientation == 6 else (HIGH, WIDE))
    found = verify(before, after, mask)
    assert all(found["same"].values())
    assert 0 < found["largest_change_outside"] < 40  # lossy, and said to be so
    assert found["source_type"] == xmp.COMPOSITE


def test_jpeg_xl_is_not_written_without_the_profile_it_needs(tmp_path: Path) -> None:
    Row("a", ".png", "RGB", adobe()).make(tmp_path)
    result, _ = edited(tmp_path / "a.png")
    with pytest.raises(ImageError, match="lose the photo's color profile"):
        result.encoded(".jxl")


def test_palettes_and_cmyk_by_the_stated_rule(tmp_path: Path) -> None:
    Image.fromarray(samples(3)).quantize(16).save(tmp_path / "p.png")
    assert read_photo(tmp_path / "p.png").mode == "RGB"
    Image.frombytes("CMYK", (WIDE, HIGH), samples(4).tobytes()).save(tmp_path / "c.jpg")
    result, mask = edited(tmp_path / "c.jpg")
    result.save(tmp_path / "d.jpg")
    again = read_photo(tmp_path / "d.jpg")
    assert again.mode == "CMYK"
    far = cv2.dilate(mask, np.ones((33, 33), np.uint8)) == 0
    assert np.abs(again.samples[far].astype(int) - result.original.samples[far]).mean() < 6  # pyright: ignore[reportOptionalMemberAccess]
    with pytest.raises(ImageError, match="CMYK blocks are not kept"):
        result.encoded(".jpg", Saving(jpeg="lossless"))


def test_private_chunks_and_tags_stay(tmp_path: Path) -> None:
    extra = PngImagePlugin.PngInfo()
    extra.add(b"prVt", b"\x01\x02private")
    extra.add(b"tIME", bytes([7, 228, 1, 2, 3, 4, 5]))
    Image.fromarray(samples(3)).save(tmp_path / "a.png", pnginfo=extra)
    result, _ = edited(tmp_path / "a.png")
    data = result.encoded(".png").data
    assert b"prVt\x01\x02private" in data
    tifffile.imwrite(
        tmp_path / "a.tif", samples(3), photometric="rgb", extratags=[(65000, 2, 6, "hello", True)]
    )
    result, _ = edited(tmp_path / "a.tif")
    result.save(tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        page: Any = file.pages[0]
        assert page.tags[65000].value == "hello"


@pytest.mark.parametrize(
    "layout",
    [
        {"tile": (16, 32), "compression": "zstd"},
        {"planarconfig": "separate"},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"compression": "adobe_deflate", "predictor": True},
    ],
)
def test_tiffs_keep_their_layout(layout: dict[str, Any], tmp_path: Path) -> None:
    made = samples(3, np.uint16)
    given = np.moveaxis(made, -1, 0) if "planarconfig" in layout else made
    tifffile.imwrite(tmp_path / "a.tif", given, photometric="rgb", metadata=None, **layout)
    result, mask = edited(tmp_path / "a.tif")
    result.save(tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as a, tifffile.TiffFile(tmp_path / "b.tif") as b:
        assert (a.byteorder, a.is_bigtiff) == (b.byteorder, b.is_bigtiff)
        old: Any = a.pages[0]
        new: Any = b.pages[0]
        for name in ("compression", "predictor", "planarconfig", "is_tiled", "samplesperpixel"):
            assert getattr(old, name) == getattr(new, name)
        assert np.array_equal(
            np.moveaxis(a.asarray(), 0, -1)[mask == 0]
            if "planarconfig" in layout
            else a.asarray()[mask == 0],
            made[mask == 0],
        )
    assert (
        compare_samples(
            read_photo(tmp_path / "a.tif"), read_photo(tmp_path / "b.tif"), mask
        ).kept_changed
        == 0
    )


def test_a_single_sample_of_24_million_is_found(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (2000, 4000, 3), dtype=np.uint8)
    other = picture.copy()
    other[1234, 567, 1] ^= 1
    report = verify(Photo(picture, "RGB"), Photo(other, "RGB"), np.zeros((2000, 4000), np.float32))
    assert report["samples_kept"] == 24_000_000
    assert (report["kept"], report["samples_changed_outside"]) == (False, 1)
    assert report["regions"] == [
        {"top": 1234, "left": 567, "bottom": 1235, "right": 568, "pixels": 1}
    ]


@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_blocks_without_an_edit_are_kept(
    tmp_path: Path, sampling: int, *, progressive: bool
) -> None:
    big = cv2.resize(samples(3), (201, 133), interpolation=cv2.INTER_CUBIC)
    path = tmp_path / "a.jpg"
    Image.fromarray(big).save(path, quality=85, subsampling=sampling, progressive=progressive)
    result, mask = edited(path)
    encoded = result.encoded(".jpg", Saving(jpeg="lossless", strict=True))
    shown = encoded.evidence
    assert shown["jpeg_blocks_changed_outside"] == 0
    assert 0 < shown["jpeg_blocks_changed"] < shown["jpeg_blocks"]
    again = read_photo(encoded.data)
    inside = np.abs(again.samples.astype(int) - result.photo.samples)[mask > 0].mean()
    untouched = np.abs(read_photo(path).samples.astype(int) - result.photo.samples)[mask > 0].mean()
    assert inside < untouched / 2
    # Encoding all again changes what an edit never touched.
    plain = result.encoded(".jpg", Saving(jpeg="encode"))
    assert plain.evidence["samples_changed_outside"] > shown["samples_changed_outside"]


def test_without_provenance_the_packet_is_the_sources(tmp_path: Path) -> None:
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- mine --></x:xmpmeta>'
    for suffix in (".jpg", ".png", ".tif", ".webp"):
        path = tmp_path / f"a{suffix}"
        if suffix == ".png":
            text = PngImagePlugin.PngInfo()
            text.add_itxt("XML:com.adobe.xmp", packet.decode())
            Image.fromarray(samples(3)).save(path, pnginfo=text)
        elif suffix == ".tif":
            tags_ = [(700, 1, len(packet), packet, True)]
            tifffile.imwrite(path, samples(3), photometric="rgb", metadata=None, extratags=tags_)
        else:
            Image.fromarray(samples(3)).save(path, xmp=packet)
        result, _ = edited(path)
        data = result.encoded(suffix, Saving(provenance=False)).data
        assert packet in data
        assert b"DigitalSource" not in data
        assert b"DigitalSource" in result.encoded(suffix).data


def test_history_grows_and_damaged_packets_are_replaced() -> None:
    event = {"action": "edited", "softwareAgent": "x & <y>"}
    packet = None
    for _ in range(2):
        packet = xmp.add_record(packet, source=xmp.COMPOSITE, event=event, record={"a": [1, "é"]})
    assert xmp.read_history(packet) == [event, event]
    assert xmp.read_record(packet) == {"a": [1, "é"]}
    for hostile in (
        b"<broken",
        b'<!DOCTYPE x [<!ENTITY a "b">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&a;</x:xmpmeta>',
    ):
        fresh = xmp.add_record(hostile, source=xmp.GENERATED, event=event, record={})
        assert xmp.read_source_type(fresh) == xmp.GENERATED
        assert b"ENTITY" not in fresh


def test_strict_refuses_a_seam(tmp_path: Path) -> None:
    Row("a", ".png", "RGB").make(tmp_path)
    result, _ = edited(tmp_path / "a.png")
    seen = replace(result, report={"scores": {"seam": 9.0}})
    with pytest.raises(Exception, match=r"seam score is 9.00, over the limit of 3"):
        seen.encoded(".png", Saving(strict=True))
    with pytest.raises(Exception, match=r"kept samples would change; write PNG or TIFF"):
        result.encoded(".avif", Saving(strict=True))
