"""BMP, WebP, GIF, icons and TIFF: what is in them beside the samples is kept, or said."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from editkit.photo import color
from editkit.photo.formats import bmp
from editkit.photo.io.files import encode_photo, read_photo

SAMPLES = np.random.default_rng(4).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def saved(format_: str, mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(SAMPLES).convert(mode).save(out, format_, **options)
    return out.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_bmp_keeps_its_profile(mode: str) -> None:
    import imagecodecs

    gray = bytes(imagecodecs.cms_profile("gray", gamma=1.8))
    profile = gray if mode == "L" else color.adobe_rgb_profile()
    photo = read_photo(saved("PNG", mode, icc_profile=profile))
    data = encode_photo(photo, ".bmp")
    again = read_photo(data)
    assert again.carried["icc_profile"] == profile
    assert again.profile is not None
    assert np.array_equal(again.samples, photo.samples)
    assert encode_photo(again, ".bmp") == data
    assert data[14:18] == (124).to_bytes(4, "little")
    start, size = struct.unpack_from("<II", data, 14 + 112)
    assert data[14 + start : 14 + start + size] == profile
    assert struct.unpack_from("<I", data, 2) == (len(data),)


def test_color_of_a_bmp_that_is_not_kept_is_said() -> None:
    data = bytearray(bmp.add_profile(saved("BMP"), bytes(200)))
    for space, word in ((b"KNIL", "elsewhere"), (b"\0\0\0\0", "primaries")):
        data[70:74] = space
        data[74:78] = b"\1\2\3\4"
        assert any(word in note for note in read_photo(bytes(data)).notes)
    assert read_photo(saved("BMP")).notes == ()


def test_chunks_of_a_webp_that_are_not_kept_are_said() -> None:
    plain = saved("WEBP", lossless=True)
    body = plain[8:] + b"prIv" + struct.pack("<I", 4) + b"abcd"
    found = read_photo(b"RIFF" + struct.pack("<I", len(body)) + body).notes
    assert found == ("WebP chunk prIv: left out, as it may show what an edit removes",)
    assert any("behind the end" in note for note in read_photo(plain + b"more").notes)
    assert read_photo(saved("WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")).notes == ()


def test_comments_of_a_gif_and_sizes_of_an_icon_are_said() -> None:
    found = read_photo(saved("GIF", "P", comment=b"hello")).notes
    assert "a comment of the GIF: left out" in found
    frames = [Image.fromarray(SAMPLES), Image.fromarray(SAMPLES[::-1].copy())]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    found = read_photo(out.getvalue(), frame=1).notes
    assert any("other pictures of its animation" in note for note in found)
    out = io.BytesIO()
    Image.new("RGBA", (64, 64), "red").save(out, "ICO", sizes=[(16, 16), (64, 64)])
    assert any("other sizes" in note for note in read_photo(out.getvalue()).notes)


TAGS = {
    "DocumentName": (269, 2, 9, "document", True),
    "PageName": (285, 2, 5, "page", True),
    "PageNumber": (297, 3, 2, (3, 9), True),
    "HostComputer": (316, 2, 5, "host", True),
    "WhitePoint": (318, 5, 2, (3127, 10000, 3290, 10000), True),
    "PrimaryChromaticities": (
        319,
        5,
        6,
        (64, 100, 33, 100, 30, 100, 60, 100, 15, 100, 6, 100),
        True,
    ),
    "HalftoneHints": (321, 3, 2, (5, 6), True),
    "TransferFunction": (301, 3, 768, tuple(range(768)), True),
    "XPosition": (286, 5, 1, (3, 7), True),
    "private": (65000, 12, 2, (1.5, 2.5), True),
}


def described(data: bytes) -> dict[int, str]:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        return {tag.code: f"{tag.dtype} {tag.count} {tag.value}" for tag in page.tags}


@pytest.mark.parametrize("name", TAGS)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tags_of_a_tiff_stay(name: str, byteorder: Any) -> None:
    out = io.BytesIO()
    tag = TAGS[name]
    tifffile.imwrite(
        out, SAMPLES, photometric="rgb", metadata=None, extratags=[tag], byteorder=byteorder
    )
    photo = read_photo(out.getvalue())
    before, after = described(out.getvalue()), described(encode_photo(photo, ".tif"))
    assert after[tag[0]] == before[tag[0]]
    assert photo.notes == ()


@pytest.mark.parametrize("unit", [0, 1, 2, 3, 4, 9, 65535])
def test_any_unit_of_resolution_stays(unit: int, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, SAMPLES, photometric="rgb", metadata=None, resolution=((71, 3), (9, 7)))
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        at = page.tags[296].valueoffset
    data = bytearray(path.read_bytes())
    data[at : at + 2] = unit.to_bytes(2, "little")
    made = encode_photo(read_photo(bytes(data)), ".tif")
    with Image.open(io.BytesIO(made)) as image:
        assert image.tag_v2[296] == unit  # pyright: ignore[reportAttributeAccessIssue]
        assert float(image.tag_v2[282]) == pytest.approx(71 / 3)  # pyright: ignore[reportAttributeAccessIssue]


def test_the_format_of_the_samples_stays_where_it_was_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tag = (340, 3, 3, (1, 1, 1), True)
    tifffile.imwrite(path, SAMPLES, photometric="rgb", metadata=None, extratags=[tag])
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack("<HHI", 340, 3, 3))
    data[at : at + 2] = struct.pack("<H", 339)
    made = encode_photo(read_photo(bytes(data)), ".tif")
    assert described(made)[339].count("UINT: 1") == 3


def test_figures_of_samples_that_do_not_hold_are_said() -> None:
    out = io.BytesIO()
    tag = (281, 3, 3, (200, 200, 200), True)
    tifffile.imwrite(out, SAMPLES, photometric="rgb", metadata=None, extratags=[tag])
    assert any("MaxSampleValue" in note for note in read_photo(out.getvalue()).notes)
