"""EXIF blocks that are long, odd or damaged: what can be read is kept, and nothing is raised."""

import json
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import editkit
from editkit.ops.output import Saving
from editkit.ops.result import Result
from editkit.photo.io.files import encode_photo, read_photo
from editkit.photo.metadata.exif import clean_exif, read_orientation

SAMPLES = np.random.default_rng(6).integers(0, 256, (32, 48, 3), dtype=np.uint8)
MASK = np.zeros((32, 48), np.float32)
MASK[4:9, 5:12] = 1
MARK = b"Exif\0\0"
ORDERS = ("<", ">")


def entry(order: str, tag: int, kind: int, count: int, value: int) -> bytes:
    if kind == 3 and count == 1:
        return struct.pack(order + "HHIHH", tag, kind, count, value, 0)
    return struct.pack(order + "HHII", tag, kind, count, value)


def block(
    order: str,
    *,
    entries: Sequence[bytes] = (),
    count: int | None = None,
    following: int = 0,
    rest: bytes = b"",
) -> bytes:
    """TIFF with an artist and other entries; `rest` begins at byte 200."""
    texts = [entry(order, 0x013B, 2, 8, 150), *entries]
    texts.sort(key=lambda e: struct.unpack(order + "H", e[:2]))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    number = struct.pack(order + "H", len(texts) if count is None else count)
    made = head + number + b"".join(texts) + struct.pack(order + "I", following)
    return made.ljust(150, b"\0") + b"Someone\0".ljust(50, b"\0") + rest


def jpeg(*segments: bytes, **options: Any) -> bytes:
    """A JPEG with APP1 segments of EXIF after its first."""
    out = BytesIO()
    Image.fromarray(SAMPLES).save(out, "JPEG", quality=90, **options)
    data = out.getvalue()
    at = 4 + int.from_bytes(data[4:6])
    made = [b"\xff\xe1" + (len(s) + 2).to_bytes(2) + s for s in segments]
    return data[:at] + b"".join(made) + data[at:]


def erased(data: bytes, path: Path) -> Result:
    path.write_bytes(data)
    return editkit.erase(path, MASK, method="telea")


def tags(data: bytes | Path) -> dict[str, Any]:
    """What exiftool reads."""
    given = data if isinstance(data, bytes) else data.read_bytes()
    done = subprocess.run(
        ["exiftool", "-json", "-G1", "-a", "-u", "-"], input=given, capture_output=True, check=False
    )
    return json.loads(done.stdout)[0]


@pytest.mark.parametrize(
    ("order", "following"), [("<", 9), (">", 0xFFFFFFFF), ("<", 8), (">", 190), (">", 100000)]
)
def test_a_bad_pointer_costs_the_thumbnail_only(tmp_path: Path, order: str, following: int) -> None:
    result = erased(jpeg(MARK + block(order, following=following)), tmp_path / "a.jpg")
    assert b"Someone" in result.encoded(".jpg", Saving(jpeg="encode")).data
    found = tags(result.encoded(".jpg", Saving(jpeg="lossless")).data)
    assert found["IFD0:Artist"] == "Someone"
    assert "ExifTool:Warning" not in found
    assert result.encoded(".png").data.count(b"Someone") == 1


def test_a_thumbnail_out_of_place_is_said(tmp_path: Path) -> None:
    result = erased(jpeg(MARK + block("<", following=100000)), tmp_path / "a.jpg")
    assert "its EXIF thumbnail is damaged and was left out" in result.report["notes"]


@pytest.mark.parametrize("order", ORDERS)
def test_all_directories_lose_their_pictures(order: str) -> None:
    """A second and a third one, of which the last leads back to the first."""

    def directory(at: int, following: int) -> bytes:
        pair = entry(order, 0x0201, 4, 1, at) + entry(order, 0x0202, 4, 1, 6)
        return struct.pack(order + "H", 2) + pair + struct.pack(order + "I", following)

    rest = (directory(260, 230) + directory(270, 8)).ljust(60, b"\0")
    made = block(order, following=200, rest=rest + b"\xff\xd8ONE!\0\0\0\0\xff\xd8TWO!")
    after = clean_exif(made)
    assert b"ONE" not in after
    assert b"TWO" not in after
    assert b"Someone" in after
    assert clean_exif(after) == after


@pytest.mark.parametrize("order", ORDERS)
def test_strips_of_a_thumbnail_are_blanked(order: str) -> None:
    pair = entry(order, 0x0111, 4, 2, 240) + entry(order, 0x0117, 3, 2, 0)
    lengths = struct.pack(order + "HH", 3, 4)
    pair = pair[:20] + lengths
    directory = (struct.pack(order + "H", 2) + pair + bytes(4)).ljust(40, b"\0")
    rest = directory + struct.pack(order + "II", 248, 251) + b"ABCDEFG"
    after = clean_exif(block(order, following=200, rest=rest))
    assert b"ABC" not in after
    assert b"DEFG" not in after


@pytest.mark.parametrize("order", ORDERS)
def test_a_thumbnail_that_claims_other_data_takes_none(order: str) -> None:
    pair = entry(order, 0x0201, 4, 1, 0) + entry(order, 0x0202, 4, 1, 100000)
    directory = struct.pack(order + "H", 2) + pair + bytes(4)
    made = block(order, following=200, rest=directory)
    assert b"Someone" in clean_exif(made)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("count", [2, 3, 500, 65535])
def test_a_wrong_count_keeps_what_there_is(tmp_path: Path, order: str, count: int) -> None:
    turned = entry(order, 0x0112, 3, 1, 3)
    made = block(order, entries=[turned], count=count)
    assert read_orientation(made) == 3
    after = clean_exif(made)
    assert read_orientation(after) == 1
    assert b"Someone" in after
    result = erased(jpeg(MARK + made), tmp_path / "a.jpg")
    for how in ("auto", "encode"):
        assert b"Someone" in result.encoded(".jpg", Saving(jpeg=how)).data


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("kind", "count"), [(3, 2), (4, 1), (1, 1), (2, 4), (7, 4), (0, 1), (99, 1), (3, 0), (5, 1)]
)
def test_odd_types_are_no_orientation_or_one(
    tmp_path: Path, order: str, kind: int, count: int
) -> None:
    made = block(order, entries=[entry(order, 0x0112, kind, count, 3)])
    file = tmp_path / "a.jpg"
    result = erased(jpeg(MARK + made), file)
    assert read_photo(file).orientation == read_orientation(made)
    assert b"Someone" in result.encoded(".jpg").data


@pytest.mark.parametrize(
    "made",
    [
        b"",
        b"M",
        b"MM\0*",
        b"MM\0*\0\0\0",
        b"MM\0*\0\0\0\x08",
        b"II*\0\x08\0\0\0\x01",
        b"II\0*" + block("<")[4:],
        b"MM*\0" + block(">")[4:],
        b"XX*\0" + block("<")[4:],
        block("<")[:4] + b"\xff\xff\xff\xff" + block("<")[8:],
        b"junk" * 20,
    ],
    ids=range(11),
)
def test_what_cannot_be_read_is_left_out_and_said(tmp_path: Path, made: bytes) -> None:
    result = erased(jpeg(MARK + made), tmp_path / "a.jpg")
    assert any("EXIF" in note for note in result.report["notes"])
    for how in ("auto", "encode"):
        assert made[4:] not in result.encoded(".jpg", Saving(jpeg=how)).data or len(made) < 9


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif", ".heic", ".jxl"])
def test_a_comment_of_two_segments_goes_everywhere(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Cam"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + b"a" * 90000
    whole = exif.tobytes()
    size = 65533 - 6
    parts = [MARK + whole[6:][at : at + size] for at in range(0, len(whole), size)]
    result = erased(jpeg(*parts), tmp_path / "a.jpg")
    assert len(read_photo(tmp_path / "a.jpg").carried["exif"]) == len(whole)
    for how in ("auto", "encode"):
        again = read_photo(result.encoded(suffix, Saving(jpeg=how)).data)
        kept = Image.Exif()
        kept.load(again.carried["exif"])
        assert kept.get_ifd(0x8769)[0x9286] == b"ASCII\0\0\0" + b"a" * 90000
        if suffix != ".jpg":
            break
    if suffix == ".jpg":
        found = tags(result.encoded(suffix).data)
        assert found["ExifIFD:UserComment"] == "a" * 90000


def test_two_blocks_are_two_blocks(tmp_path: Path) -> None:
    turned = block(">", entries=[entry(">", 0x0112, 3, 1, 6)])
    other = turned.replace(b"Someone", b"Anybody")
    result = erased(jpeg(MARK + block("<"), MARK + other), tmp_path / "a.jpg")
    for how in ("lossless", "encode"):
        data = result.encoded(".jpg", Saving(jpeg=how)).data
        assert b"Someone" in data
        assert b"Anybody" in data
        assert read_photo(data).size == (32, 48)
    encoded = result.encoded(".jpg", Saving(jpeg="encode")).data
    assert read_orientation(encoded[encoded.index(b"MM\0*") :]) == 1


def test_a_short_second_block_is_no_error(tmp_path: Path) -> None:
    for second in (MARK, MARK + b"MM\0*", MARK + b"II*\0\x08\0\0\0", MARK + b"more"):
        result = erased(jpeg(MARK + block("<"), second), tmp_path / "a.jpg")
        for how in ("auto", "encode"):
            assert b"Someone" in result.encoded(".jpg", Saving(jpeg=how)).data


def test_random_damage_raises_nothing() -> None:
    rng = np.random.default_rng(1)
    whole = block("<", entries=[entry("<", 0x0112, 3, 1, 6)], following=200, rest=bytes(60))
    for _ in range(400):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 6):
            data[at] = rng.integers(0, 256)
        try:
            after = clean_exif(bytes(data))
        except ValueError:
            continue
        assert len(after) == len(data) + 6
        assert read_orientation(after) == 1


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_takes_and_gives_directories_as_they_are(
    tmp_path: Path, order: str, *, big: bool
) -> None:
    """Types, signs, maker notes and unknown tags, from JPEG to TIFF and back."""
    source = tmp_path / "a.jpg"
    Image.fromarray(SAMPLES).save(source)
    byte_order = "II" if order == "<" else "MM"
    told = [
        "-IFD0:Artist=Someone", "-IFD0:Rating=3", "-IFD0:XPTitle=Title",
        "-ExifIFD:ExposureTime=1/125", "-ExifIFD:ExposureCompensation=-1/3",
        "-ExifIFD:ISO=400", "-ExifIFD:SubjectArea=1 2 3 4", "-ExifIFD:UserComment=Hello",
        "-GPS:GPSLatitude=1 2 3.4", "-GPS:GPSLatitudeRef=N", "-GPS:GPSAltitudeRef=1",
        "-InteropIFD:InteropIndex=R03", "-ExifIFD:MakerNoteUnknownText=unknown maker note",
    ]  # fmt: skip
    args = ["exiftool", "-q", "-overwrite_original", f"-ExifByteOrder={byte_order}", *told, source]
    subprocess.run(args, check=True)
    before = {
        k: v for k, v in tags(source).items() if k.startswith(("IFD0", "Exif", "GPS", "Inte"))
    }
    result = editkit.erase(source, MASK, method="telea")
    photo = result.photo
    if big:
        carried = {**photo.carried, "tiff": {"bigtiff": True, "byteorder": "<"}}
        photo = replace(photo, carried=carried)
    (tmp_path / "b.tif").write_bytes(encode_photo(photo, ".tif"))
    middle = tags(tmp_path / "b.tif")
    (tmp_path / "c.jpg").write_bytes(encode_photo(read_photo(tmp_path / "b.tif"), ".jpg"))
    after = tags(tmp_path / "c.jpg")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        inner = file.pages[0].tags[0x8769].value  # pyright: ignore[reportAttributeAccessIssue]
        assert inner["ExposureTime"] == (1, 125)
    assert len(before) > 15
    for name, value in before.items():
        if not name.endswith(("ByteOrder", "XResolution", "YResolution", "Positioning", "Unit")):
            # In a BigTIFF exiftool knows no tags of inner directories.
            assert big or middle.get(name) == value, name
            assert after.get(name) == value, name


@pytest.mark.parametrize("suffix", [".tif", ".png", ".webp", ".avif", ".heic", ".jxl"])
def test_damaged_blocks_go_wherever_they_can(tmp_path: Path, suffix: str) -> None:
    for count in (1, 3, 65535):
        made = block("<", count=count, entries=[entry("<", 0x8769, 4, 1, 8)])
        result = erased(jpeg(MARK + made), tmp_path / "a.jpg")
        assert b"Someone" in result.encoded(suffix).data
