"""What another container has no place for is said, by name; notes of reading and saving add up."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shell
import tifffile
from PIL import Image, PngImagePlugin

import editkit
from editkit.batch.manifest import read_rows
from editkit.photo.formats.jpeg import APP13, IPTC, Segment, read_segments, replace_segments
from editkit.photo.metadata.bundle import photoshop_resource

SIDE = 32
MASK = np.zeros((SIDE, SIDE), np.float32)
MASK[8:16, 8:16] = 1
BOX = "box:8,8,16,16"
RNG = np.random.default_rng(9)
NOISE = RNG.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)


def jpeg(*more: Segment, **options: Any) -> bytes:
    out = BytesIO()
    Image.fromarray(NOISE).save(out, "JPEG", **options)
    return replace_segments(out.getvalue(), [*read_segments(out.getvalue()), *more])


def png() -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "a door")
    texts.add(b"tIME", bytes([7, 234, 11, 28, 6, 0, 0]))
    texts.add(b"gAMA", (45455).to_bytes(4))
    out = BytesIO()
    Image.fromarray(NOISE).save(out, "PNG", pnginfo=texts)
    return out.getvalue()


def tiff() -> bytes:
    out = BytesIO()
    tags = [(269, 2, 5, "page", True), (65000, 3, 1, 7, True), (33432, 2, 3, "me", True)]
    tifffile.imwrite(out, NOISE, photometric="rgb", metadata=None, software=False, extratags=tags)
    return out.getvalue()


def narrow_bmp() -> bytes:
    """Of 16 bits a pixel, which is said at reading; BMP holds no XMP, which is said at saving."""
    rows = RNG.integers(0, 1 << 15, (SIDE, SIDE)).astype("<u2").tobytes()
    head = b"BM" + (54 + len(rows)).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
    numbers = [40, SIDE, SIDE, 1 | 16 << 16, 0, len(rows), 0, 0, 0, 0]
    return head + b"".join(n.to_bytes(4, "little") for n in numbers) + rows


def notes_of(data: bytes, format_: str) -> list[str]:
    return editkit.erase(data, MASK, method="telea").encoded(format_).evidence.get("notes", [])


IPTC_ONLY = Segment(APP13, IPTC + photoshop_resource(b"\x1c\x02\x78\0\x02hi"))
PATHS = Segment(APP13, IPTC + b"8BIM\x04\x0a\0\0\0\0\0\x01\x01\0")


@pytest.mark.parametrize(
    ("data", "format_", "names"),
    [
        (jpeg(comment=b"a word"), "PNG", ["a comment"]),
        (jpeg(IPTC_ONLY), "PNG", ["IPTC data"]),
        (jpeg(IPTC_ONLY), "WEBP", ["IPTC data"]),
        (jpeg(PATHS), "PNG", ["Photoshop data"]),
        (jpeg(PATHS), "TIFF", ["Photoshop data"]),
        (jpeg(Segment(0xEC, b"Ducky\0\1\0\4\0\0\0\x3c\0\0")), "TIFF", ["APP12 data of a JPEG"]),
        (jpeg(dpi=(300, 300)), "WEBP", ["its resolution"]),
        (png(), "JPEG", ["texts of a PNG", "the chunk tIME of a PNG", "the chunk gAMA of a PNG"]),
        (png(), "TIFF", ["texts of a PNG", "the chunk tIME of a PNG"]),
        (tiff(), "PNG", ["the TIFF tag 269 (DocumentName)", "the TIFF tag 65000 (private)"]),
        (tiff(), "BMP", ["EXIF data", "XMP data", "the TIFF tag 269 (DocumentName)"]),
    ],
)
def test_what_another_container_cannot_hold_is_named(
    data: bytes, format_: str, names: list[str]
) -> None:
    (note,) = notes_of(data, format_)
    assert note.startswith(f"{format_} has no place for ")
    assert note.endswith(": left out")
    for name in names:
        assert name in note
    assert "33432" not in note  # Copyright goes along in EXIF


@pytest.mark.parametrize(
    ("data", "format_"), [(jpeg(PATHS), "JPEG"), (png(), "PNG"), (tiff(), "TIFF")]
)
def test_the_same_container_loses_nothing(data: bytes, format_: str) -> None:
    assert notes_of(data, format_) == []


@pytest.mark.parametrize(
    ("maker", "told"), [(b"Canon" * 9, True), (b"Nikon\0\2" + b"x" * 40, False)]
)
def test_maker_notes_that_move_are_told(maker: bytes, told: bool, tmp_path: Path) -> None:  # noqa: FBT001
    exif = Image.Exif()
    exif.get_ifd(0x8769)[37500] = maker
    data = jpeg(exif=exif.tobytes())
    assert notes_of(data, "JPEG") == notes_of(data, "PNG") == []
    assert any("maker notes" in note for note in notes_of(data, "TIFF")) is told
    path = editkit.erase(data, MASK, method="telea").save(tmp_path / "a.tif")
    again = path.read_bytes()
    assert any("maker notes" in note for note in notes_of(again, "TIFF")) is told
    assert any("maker notes" in note for note in notes_of(again, "JPEG")) is told


def test_a_report_holds_the_notes_of_reading_and_of_the_last_saving(tmp_path: Path) -> None:
    result = editkit.erase(narrow_bmp(), MASK, method="telea")
    read = list(result.report["notes"])
    assert any("5 or 6 bits" in note for note in read)
    for name in ("a.bmp", "b.bmp"):
        result.save(tmp_path / name)
        assert result.report["notes"][:-1] == read
        assert "no place for XMP data" in result.report["notes"][-1]
    result.save(tmp_path / "c.png")
    assert result.report["notes"] == read


def test_the_command_says_both(tmp_path: Path) -> None:
    (tmp_path / "a.bmp").write_bytes(narrow_bmp())
    given = ("erase", tmp_path / "a.bmp", BOX, "--method", "telea", "-o")
    done = shell.call(*given, tmp_path / "b.bmp")
    assert done.code == 0, done.err
    told = shell.call(*given, tmp_path / "c.bmp", "--json")
    notes = json.loads(told.out)["notes"]
    for part in ("5 or 6 bits", "no place for XMP data"):
        assert part in done.err
        assert part in told.err
        assert any(part in note for note in notes)


def test_rows_of_a_batch_have_both(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.bmp").write_bytes(narrow_bmp())
    given = ("--mask", BOX, "--method", "telea", "-o", tmp_path / "out")
    done = shell.call("batch", "erase", tmp_path / "in", *given)
    assert done.code == 0, done.err
    (row,) = read_rows(tmp_path / "out" / ".editkit")
    notes = json.loads(row["report"])["notes"]
    for part in ("5 or 6 bits", "no place for XMP data"):
        assert sum(part in note for note in notes) == 1
