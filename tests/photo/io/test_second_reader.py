"""The proof of an edit, by readers that share no code with ours."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import shell
import tifffile
from PIL import Image

import editkit
from editkit.ops.output import Saving
from editkit.ops.result import Result
from editkit.photo.io import second_reader
from editkit.photo.io.files import read_photo

HEIGHT, WIDTH = 48, 64
MASK = np.zeros((HEIGHT, WIDTH), np.uint8)
MASK[13:30, 21:44] = 255


def scene(mode: str = "RGB") -> Image.Image:
    """A photo whose JPEG is not made of noise alone."""
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    planes = [(down * 3 + across * k) % 256 for k in (1, 2, 3)]
    return Image.fromarray(np.dstack(planes).astype(np.uint8)).convert(mode)


def erased(file: Path) -> Result:
    return editkit.erase(file, MASK, method="telea")


def decoded(file: Path | bytes) -> np.ndarray:
    data = file if isinstance(file, bytes) else file.read_bytes()
    found: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return np.asarray(found).astype(int)


@pytest.mark.parametrize("jpeg", ["auto", "encode"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_figure_of_a_jpeg_is_what_others_decode(tmp_path: Path, mode: str, jpeg: str) -> None:
    file, out = tmp_path / "a.jpg", tmp_path / "b.jpg"
    scene(mode).save(file, quality=80)
    result = erased(file)
    result.save(out, saving=Saving(jpeg=jpeg))
    gap = np.abs(decoded(file) - decoded(out))[MASK == 0]
    assert result.report["samples_changed_outside"] == np.count_nonzero(gap) > 0
    assert result.report["largest_change_outside"] == gap.max()
    assert result.report["second_reader"]
    assert ("jpeg_blocks_changed_outside" in result.report) == (jpeg == "auto")


def test_the_command_says_the_same_figure(tmp_path: Path) -> None:
    file, out = tmp_path / "a.jpg", tmp_path / "b.jpg"
    scene().save(file, quality=80)
    Image.fromarray(MASK).save(tmp_path / "m.png")
    done = shell.call("erase", file, tmp_path / "m.png", "--method", "telea", "-o", out)
    gap = np.abs(decoded(file) - decoded(out))[MASK == 0]
    said = f"decoded, {np.count_nonzero(gap)} samples of them differ, by at most {gap.max()}"
    assert said in done.err
    assert "0 of" in done.err


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp"])
def test_two_readers_agree_that_lossless_files_keep_all(tmp_path: Path, suffix: str) -> None:
    file, out = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    scene().save(file, lossless=True)
    result = erased(file)
    result.save(out)
    assert (result.report["samples_changed_outside"], result.report["second_reader"]) == (0, True)
    assert np.array_equal(decoded(file)[MASK == 0], decoded(out)[MASK == 0])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 3)])
def test_tiffs_are_compared_as_they_are_stored(
    tmp_path: Path, shape: tuple[int, ...], order: Any
) -> None:
    file, out = tmp_path / "a.tif", tmp_path / "b.tif"
    stored = np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)
    tifffile.imwrite(file, stored, byteorder=order)
    result = erased(file)
    result.save(out)
    assert (result.report["samples_changed_outside"], result.report["second_reader"]) == (0, True)
    assert np.array_equal(tifffile.imread(out)[MASK == 0], stored[MASK == 0])


def test_a_reader_that_misreads_is_found_out(tmp_path: Path) -> None:
    """What our own reading got wrong, and keeps wrong, others see in the file."""
    file = tmp_path / "a.png"
    scene().save(file)
    photo = read_photo(file)
    wrong = photo.with_samples(photo.samples[..., ::-1].copy())  # red taken for blue
    result = editkit.erase(wrong, MASK, method="telea")
    assert result.report["samples_changed_outside"] == 0  # in memory, where both are wrong
    result.save(tmp_path / "b.png")
    gap = np.abs(decoded(file) - decoded(tmp_path / "b.png"))[MASK == 0]
    assert result.report["samples_changed_outside"] == np.count_nonzero(gap) > 0
    with pytest.raises(editkit.PreservationError, match="kept samples would change"):
        result.encoded("png", Saving(strict=True))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_photos_are_compared_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / "a.png"
    scene().save(file, exif=exif)
    photo = read_photo(file)
    mask = np.zeros(photo.size, np.float32)
    mask[4:20, 7:30] = 1
    result = editkit.erase(photo, mask, method="telea")
    evidence = result.encoded("png").evidence
    assert (evidence["samples_changed_outside"], evidence["second_reader"]) == (0, True)


def test_a_file_that_is_gone_or_another_is_no_witness(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    scene().save(file)
    result = erased(file)
    file.write_bytes(shell.as_bytes(shell.noise(HEIGHT, WIDTH), "PNG"))
    evidence = result.encoded("png").evidence
    assert (evidence["samples_changed_outside"], evidence["second_reader"]) == (0, False)
    file.unlink()
    assert not result.encoded("png").evidence["second_reader"]


def test_bytes_are_their_own_witness() -> None:
    data = shell.as_bytes(scene(), "PNG")
    evidence = editkit.erase(data, MASK, method="telea").encoded("png").evidence
    assert (evidence["samples_changed_outside"], evidence["second_reader"]) == (0, True)


def test_depths_that_differ_are_not_compared() -> None:
    deep = io.BytesIO()
    tifffile.imwrite(deep, np.zeros((HEIGHT, WIDTH), np.uint16))
    photo = read_photo(deep.getvalue())
    flat = shell.as_bytes(Image.new("L", (WIDTH, HEIGHT)), "TIFF")
    assert (
        second_reader.compare_by_other_readers(photo, flat, 1, np.zeros(photo.size, np.float32))
        is None
    )


@pytest.mark.parametrize("bits", [4, 12])
def test_samples_that_each_reader_scales_are_no_evidence(tmp_path: Path, bits: int) -> None:
    file = tmp_path / "a.tif"
    stored = np.random.default_rng(0).integers(0, 2**bits, (HEIGHT, WIDTH)).astype(np.uint16)
    tifffile.imwrite(file, stored.astype(np.uint8) if bits < 8 else stored, bitspersample=bits)
    evidence = erased(file).encoded("tif").evidence
    assert (evidence["samples_changed_outside"], evidence["second_reader"]) == (0, False)
