"""JPEGs of rare kinds: their blocks are kept, or it is said why not; the terminal stays clean."""

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from editkit.errors import ImageError
from editkit.ops.output import Encoded, Saving
from editkit.ops.result import Result
from editkit.photo.blend.composite import composite
from editkit.photo.io.files import read_photo
from editkit.types import Box

SAMPLES = np.random.default_rng(8).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def plain(**options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(SAMPLES).save(out, "JPEG", quality=92, **options)
    return out.getvalue()


def encoded(data: bytes, jpeg: str = "auto") -> tuple[Encoded, tuple[str, ...]]:
    photo = read_photo(data)
    mask = np.zeros(photo.size, np.float32)
    mask[8:16, 8:16] = 1
    after = composite(photo, np.full((8, 8, 3), 99, np.float32), Box(8, 8, 16, 16), mask)
    result = Result(after, {"scores": {}}, photo, mask, {"edit": "Inpaint", "model": "none"})
    return result.encoded(".jpg", Saving(jpeg=jpeg)), photo.notes


def oriented(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = value, "Someone"
    return exif.tobytes()


@pytest.mark.parametrize("value", [0, 9, 255, 65535])
def test_an_orientation_that_means_nothing_is_none(value: int) -> None:
    made, notes = encoded(plain(exif=oriented(value)), jpeg="lossless")
    assert made.evidence["jpeg_blocks_changed_outside"] == 0
    assert "jpeg_encoded_again" not in made.evidence
    assert notes == ()
    assert read_photo(made.data).size == (48, 64)


@pytest.mark.parametrize("kind", [2, 3, 7])
def test_an_orientation_of_another_type_is_none(kind: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    block = bytearray(exif.tobytes())
    at = block.index(b"\x12\x01") if b"\x12\x01" in block else block.index(b"\x01\x12")
    order = "little" if block.find(b"II") == 6 else "big"
    block[at + 2 : at + 8] = kind.to_bytes(2, order) + (2).to_bytes(4, order)
    made, _ = encoded(plain(exif=bytes(block)))
    assert "jpeg_blocks" in made.evidence or "orientation" in made.evidence["jpeg_encoded_again"]


def arithmetic() -> bytes:
    """A gray JPEG of arithmetic coding, by its head; any bytes of a scan stand for a picture."""
    out = io.BytesIO()
    Image.new("L", (64, 48), 128).save(out, "JPEG")
    data = out.getvalue()
    tables, scan = data.index(b"\xff\xc4"), data.index(b"\xff\xda")
    head = data[:tables].replace(b"\xff\xc0", b"\xff\xc9")
    return head + data[scan : scan + 10] + b"\x12\x34\x56\x78" * 20 + b"\xff\xd9"


def test_arithmetic_coding_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    made, notes = encoded(arithmetic())
    assert any("arithmetic" in note for note in notes)
    assert made.evidence["jpeg_encoded_again"] == "its coding is arithmetic"
    with pytest.raises(ImageError, match="its coding is arithmetic"):
        encoded(arithmetic(), jpeg="lossless")
    assert capfd.readouterr().err == ""


def test_why_a_jpeg_is_encoded_again_is_said() -> None:
    made, _ = encoded(plain(), jpeg="encode")
    assert made.evidence["jpeg_encoded_again"] == "it was told to encode all again"
    made, _ = encoded(plain())
    assert "jpeg_encoded_again" not in made.evidence


@pytest.mark.parametrize("damage", ["before a table", "in the scan"])
def test_libjpeg_writes_nothing_on_the_terminal(
    damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data = plain()
    at = data.index(b"\xff\xdb") if damage == "before a table" else len(data) - 60
    encoded(data[:at] + (b"xyz" if damage == "before a table" else b"\xff\xd0") + data[at:])
    assert capfd.readouterr().err == ""


def test_what_others_write_meanwhile_appears() -> None:
    code = (
        "import os\nfrom editkit.photo.silence import silence_libraries\n"
        "with silence_libraries():\n"
        "    os.write(2, b'mine\\nCorrupt JPEG data: 3 bytes\\nours\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stderr == b"mine\nours\n"
