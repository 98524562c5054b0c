"""Color told by code points: AVIF, HEIC and PNG of other primaries and curves.

The judges are Little CMS for the profiles, exiftool's and pillow-heif's reading of the code points,
and colors that are known.
"""

import importlib
import io
import json
import struct
import subprocess
import zlib
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from editkit.errors import ImageError
from editkit.ops.result import Result
from editkit.photo import color
from editkit.photo.blend.composite import composite
from editkit.photo.formats import heif
from editkit.photo.io.files import Photo, encode_photo, read_photo
from editkit.photo.metadata import cicp
from editkit.photo.metadata.cicp import Cicp
from editkit.types import Box

GREEN = (40, 200, 60)
"""In Display P3; no color of sRGB is as green."""

P3 = {"primaries": 12, "transfer": 13, "matrix": 6}


@pytest.fixture(autouse=True, scope="module")
def _heif_opener() -> None:
    importlib.import_module("pillow_heif").register_heif_opener()


def samples(color_: tuple[int, ...] = GREEN) -> np.ndarray:
    return np.full((48, 64, 3), color_, np.uint8)


def avif(values: np.ndarray, bits: int = 8, **told: Any) -> bytes:
    deep = values.astype(np.uint16) << (bits - 8) if bits > 8 else values
    return bytes(imagecodecs.avif_encode(deep, bitspersample=bits, **told))


def heic(values: np.ndarray, primaries: int, transfer: int, **how: int) -> bytes:
    out = io.BytesIO()
    options = {"matrix_coefficients": 6, "full_range_flag": 1, **how}
    Image.fromarray(values).save(
        out, "HEIF", color_primaries=primaries, transfer_characteristics=transfer, **options
    )
    return out.getvalue()


def png(values: np.ndarray, primaries: int, transfer: int, *, full: bool = True) -> bytes:
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    body = b"cICP" + bytes([primaries, transfer, 0, full])
    added = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
    return out.getvalue()[:33] + added + out.getvalue()[33:]


def edited(photo: Photo) -> Result:
    """A square painted in plain sRGB green, (0, 255, 0)."""
    mask = np.zeros(photo.size, np.float32)
    mask[8:24, 8:24] = 1
    patch = np.zeros((16, 16, 3), np.float32)
    patch[..., 1] = 255
    after = composite(photo, patch, Box(8, 8, 24, 24), mask)
    return Result(after, {"scores": {}}, photo, mask, {"edit": "Inpaint", "model": "none"})


def painted_by_lcms(points: Cicp) -> np.ndarray:
    """SRGB green in the colors of a profile, by Little CMS as Pillow has it."""
    made = ImageCms.profileToProfile(
        Image.fromarray(np.array([[[0, 255, 0]]], np.uint8)),
        ImageCms.createProfile("sRGB"),
        io.BytesIO(cicp.make_profile(points)),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    assert made is not None
    return np.asarray(made)[0, 0].astype(int)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_a_p3_avif_is_edited_and_written_as_one(bits: int) -> None:
    photo = read_photo(avif(samples(), bits, **P3))
    assert photo.profile is not None
    seen = photo.rgb()[0, 0].astype(int)
    assert seen[0] == 0  # out of sRGB: its red is below nothing
    assert any(f"{bits}-bit color was read as 8-bit" in n for n in photo.notes) == (bits > 8)
    data = edited(photo).encoded(".avif").data
    found = heif.read_info(data)
    assert found.cicp is not None
    assert found.cicp[:2] == (12, 13)
    with Image.open(io.BytesIO(data)) as image:
        shown = np.asarray(image).astype(int)
    assert np.abs(shown[16, 16] - (117, 251, 76)).max() <= 4  # sRGB green in Display P3
    assert np.abs(shown[40, 50] - GREEN).max() <= 4


def test_other_readers_find_the_code_points(tmp_path: Any) -> None:
    data = edited(read_photo(avif(samples(), **P3))).encoded(".avif").data
    path = tmp_path / "a.avif"
    path.write_bytes(data)
    try:
        done = subprocess.run(["exiftool", "-j", "-n", path], capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("exiftool is not here")
    (found,) = json.loads(done.stdout)
    assert (found["ColorPrimaries"], found["TransferCharacteristics"]) == (12, 13)


def test_the_samples_of_an_avif_tell_the_same_color_as_its_box() -> None:
    """Decoders of videos look at the start of the picture alone."""
    data = edited(read_photo(avif(samples(), **P3))).encoded(".avif").data
    at = data.index(b"\x12\x00\x0a", data.index(b"mdat"))
    head = int.from_bytes(data[at : at + 20])
    told = [head >> shift & 0x1FFFFFF for shift in range(136)]
    assert 1 << 24 | 12 << 16 | 13 << 8 | 6 in told
    assert 1 << 24 | 1 << 16 | 13 << 8 | 6 not in told


@pytest.mark.parametrize(
    "points", [(12, 13), (9, 1), (9, 14), (1, 1), (11, 17), (1, 8), (6, 6), (2, 2)]
)
def test_heic_comes_back_with_its_code_points(points: tuple[int, int]) -> None:
    photo = read_photo(heic(samples(), *points))
    data = edited(photo).encoded(".heic").data
    with Image.open(io.BytesIO(data)) as image:
        told = image.info["nclx_profile"]
        shown = np.asarray(image).astype(int)
    assert (told["color_primaries"], told["transfer_characteristics"]) == points
    assert np.abs(shown[16, 16] - painted_by_lcms(Cicp(*points))).max() <= 6
    assert np.abs(shown[40, 50] - GREEN).max() <= 4


@pytest.mark.parametrize(("matrix", "full"), [(1, 1), (9, 1), (1, 0), (6, 0)])
def test_matrix_and_range_are_decoded(matrix: int, full: int) -> None:
    source = heic(samples(), 12, 13, matrix_coefficients=matrix, full_range_flag=full)
    photo = read_photo(source)
    assert np.abs(photo.samples.astype(int) - GREEN).max() <= 4
    again = read_photo(edited(photo).encoded(".heic").data)
    assert np.abs(again.samples[40, 50].astype(int) - GREEN).max() <= 5
    assert again.carried["cicp"][:2] == (12, 13)


@pytest.mark.parametrize("target", [".jpg", ".tif", ".webp", ".png", ".avif", ".heic"])
@pytest.mark.parametrize("source", ["avif", "heic", "png"])
def test_the_color_goes_along_into_every_container(source: str, target: str) -> None:
    made = {"avif": lambda: avif(samples(), **P3), "heic": lambda: heic(samples(), 12, 13)}
    photo = read_photo(made.get(source, lambda: png(samples(), 12, 13))())
    again = read_photo(encode_photo(photo, target))
    assert again.profile is not None
    assert np.abs(photo.samples.astype(int) - again.samples).max() <= 5
    bright = color.to_float_rgb(again.samples, again.mode, again.profile)[0, 0]
    assert bright[0] < -10  # as green as it was
    if target in (".png", ".avif", ".heic"):
        assert again.carried["cicp"][:2] == (12, 13)


def test_a_png_keeps_its_chunk_and_samples() -> None:
    result = edited(read_photo(png(samples(), 12, 13)))
    data = result.encoded(".png").data
    assert b"cICP" + bytes([12, 13, 0, 1]) in data
    again = read_photo(data)
    assert (again.samples[40, 50] == GREEN).all()
    assert np.abs(again.samples[16, 16].astype(int) - painted_by_lcms(Cicp(12, 13))).max() <= 1


HDR = {
    "avif-pq": lambda: avif(samples(), 10, primaries=9, transfer=16, matrix=9),
    "avif-hlg": lambda: avif(samples(), 10, primaries=9, transfer=18, matrix=9),
    "avif-pq-8": lambda: avif(samples(), 8, primaries=12, transfer=16, matrix=6),
    "heic-pq": lambda: heic(samples(), 9, 16),
    "heic-hlg": lambda: heic(samples(), 9, 18),
    "png-pq": lambda: png(samples(), 9, 16),
    "png-hlg": lambda: png(samples(), 9, 18),
}


@pytest.mark.parametrize("name", HDR)
def test_hdr_is_refused_in_a_line(name: str) -> None:
    word = "PQ" if "pq" in name else "HLG"
    with pytest.raises(ImageError, match=rf"is HDR \({word}\), .*; export it as SDR first"):
        read_photo(HDR[name]())


def test_a_profile_that_tells_hdr_is_refused() -> None:
    plain = cicp.make_profile(Cicp(9, 13))
    count = int.from_bytes(plain[128:132])
    body = plain[132 + 12 * count :]
    moved = b"".join(
        plain[at : at + 4]
        + (int.from_bytes(plain[at + 4 : at + 8]) + 12).to_bytes(4)
        + plain[at + 8 : at + 12]
        for at in range(132, 132 + 12 * count, 12)
    )
    last = len(plain) + 12
    table = (count + 1).to_bytes(4) + moved + b"cicp" + struct.pack(">II", last, 12)
    made = plain[4:128] + table + body + b"cicp\0\0\0\0" + bytes([9, 16, 0, 1])
    made = (len(made) + 4).to_bytes(4) + made
    out = io.BytesIO()
    Image.fromarray(samples()).save(out, "PNG", icc_profile=made)
    with pytest.raises(ImageError, match="is HDR"):
        read_photo(out.getvalue())


@pytest.mark.parametrize("points", [(10, 13), (1, 9), (200, 13), (1, 99)])
def test_code_points_that_are_not_known_are_refused(points: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="by unknown code points"):
        read_photo(png(samples(), *points))


def test_a_narrow_range_in_a_png_is_refused() -> None:
    with pytest.raises(ImageError, match="narrow range"):
        read_photo(png(samples(), 12, 13, full=False))


def test_srgb_by_code_points_needs_no_profile() -> None:
    for data in (avif(samples(), primaries=1, transfer=13, matrix=6), png(samples(), 1, 13)):
        photo = read_photo(data)
        assert photo.profile is None
        assert photo.notes == ()


@pytest.mark.parametrize("points", [(12, 13), (9, 1), (1, 1), (22, 4), (8, 8)])
def test_profiles_agree_with_little_cms(points: tuple[int, int]) -> None:
    made = cicp.make_profile(Cicp(*points))
    assert made == cicp.make_profile(Cicp(*points))
    primaries, white = cicp.PRIMARIES[points[0]]
    judge = imagecodecs.cms_profile(
        "rgb",
        whitepoint=(*white, 1.0),
        primaries=tuple(v for k in range(3) for v in (*primaries[2 * k : 2 * k + 2], 1.0)),
        gamma=1.0,
    )
    linear = cicp.make_profile(Cicp(points[0], 8))
    rng = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    shown = [
        color.to_rgb(rng, "RGB", color.usable_profile(bytes(p), "RGB")) for p in (linear, judge)
    ]
    assert np.abs(shown[0].astype(int) - shown[1]).max() <= 1


def test_pictures_beside_the_picture_of_a_heic_are_said() -> None:
    out = io.BytesIO()
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8))
    image.info["thumbnails"] = [32]
    image.save(out, "HEIF", thumbnails=[32])
    photo = read_photo(out.getvalue())
    assert photo.notes == ("thumbnail in the file: left out, as it may show what an edit removes",)
    assert read_photo(encode_photo(photo, ".heic")).notes == ()
    behind = out.getvalue() + b"\0\0\0\x10mpvd" + bytes(8)
    assert any("video" in note for note in read_photo(behind).notes)
