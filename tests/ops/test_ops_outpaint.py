"""Outpaint: the photo stays bit for bit, the frame is exact, files and records hold."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import shell
import tifffile
from PIL import Image

import editkit
from editkit import InputError, Outpaint
from editkit.models.base import Model
from editkit.ops.replay import find_replay
from editkit.photo.io.files import read_photo, write_photo
from editkit.photo.metadata import xmp
from editkit.types import Size

MODES = ["L", "LA", "RGB", "RGBA", "CMYK", "I;16"]


def samples(image: Image.Image) -> np.ndarray:
    return np.asarray(image)


@pytest.mark.parametrize("channels", [4, 9])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(1, 1), (37, 53)])
def test_the_photo_stays_bit_for_bit(
    tiny4: Model, tiny9: Model, mode: str, size: tuple[int, int], channels: int
) -> None:
    photo = shell.noise(*size, mode)
    model = tiny4 if channels == 4 else tiny9
    result = editkit.outpaint(photo, "x", model=model, steps=1, left=9, bottom=12)
    assert (result.image.mode, result.image.size) == (mode, (size[1] + 9, size[0] + 12))
    made = samples(result.image)
    assert np.array_equal(made[: size[0], 9:], samples(photo))
    if mode in ("LA", "RGBA"):
        assert (made[size[0] :, :, -1] == 255).all()
    report = result.report
    assert report["samples_changed_outside"] == 0
    assert report["samples_kept"] == samples(photo).size
    assert report["pixels_kept"] == report["pixels_before"] == size[0] * size[1]
    assert report["photo_at"] == {"top": 0, "left": 9, "bottom": size[0], "right": size[1] + 9}
    assert report["prefill"] == "mirror"
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize("prefill", ["none", "telea", "ns", "biharmonic", "patchmatch"])
def test_prefills(tiny9: Model, prefill: str) -> None:
    photo = shell.noise(30, 40)
    result = editkit.outpaint(photo, model=tiny9, steps=2, strength=0.5, right=8, prefill=prefill)
    assert np.array_equal(samples(result.image)[:, :40], samples(photo))
    assert result.report["prefill"] == prefill


def test_a_prefill_alone_is_used(tiny9: Model) -> None:
    photo = shell.noise(30, 40)
    more: dict[str, Any] = {"model": tiny9, "steps": 4, "right": 8}
    made = {name: editkit.outpaint(photo, **more, prefill=name) for name in ("none", "ns")}
    assert [made[name].report["strength"] for name in made] == [1, 0.75]
    assert not np.array_equal(samples(made["none"].image), samples(made["ns"].image))


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"aspect": "1:1"}, (64, 64)),
        ({"aspect": "16:9", "anchor": "left"}, (85, 48)),
        ({"size": Size(50, 90), "anchor": "bottom-right"}, (90, 50)),
        ({"top": "50%"}, (64, 72)),
    ],
)
def test_frames(tiny9: Model, options: dict[str, Any], size: tuple[int, int]) -> None:
    result = Outpaint("x", steps=1, **options)(tiny9, shell.noise(48, 64))
    assert result.image.size == size
    box = result.report["photo_at"]
    inner = samples(result.image)[box["top"] : box["bottom"], box["left"] : box["right"]]
    assert np.array_equal(inner, samples(shell.noise(48, 64)))
    assert result.report["frame"] == f"{size[0]}x{size[1]}"


def test_sides_far_apart_are_worked_on_apart(tiny9: Model) -> None:
    result = editkit.outpaint(shell.noise(64, 300), model=tiny9, steps=1, left=9, right=9)
    assert len(result.report["worked_regions"]) == 2


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_files_of_16_bits_are_read_by_others(tiny9: Model, tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(3)
    deep = rng.integers(0, 65536, (40, 50, 3), np.uint16)
    write_photo(read_photo(deep), tmp_path / f"p{suffix}")
    result = editkit.outpaint(tmp_path / f"p{suffix}", model=tiny9, steps=1, top=5, right="10%")
    file = result.save(tmp_path / f"o{suffix}")
    if suffix == ".tif":
        made = tifffile.imread(file)
    else:
        made = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)[..., ::-1]  # pyright: ignore[reportOptionalSubscript]
    assert (made.shape, made.dtype) == ((45, 55, 3), np.uint16)
    assert np.array_equal(made[5:, :50], deep)
    evidence = result.encoded(suffix).evidence
    assert evidence["samples_changed_outside"] == 0


def test_a_jpeg_is_encoded_again_with_its_own_tables_and_says_so(
    tiny9: Model, tmp_path: Path
) -> None:
    smooth = Image.fromarray(np.add.outer(np.arange(64), 2 * np.arange(80)).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0100], exif[0x010F] = 80, "Maker"
    smooth.convert("RGB").save(tmp_path / "p.jpg", quality=71, exif=exif)
    result = editkit.outpaint(tmp_path / "p.jpg", model=tiny9, steps=1, left=16, top=16)
    file = result.save(tmp_path / "o.jpg")
    with Image.open(file) as made, Image.open(tmp_path / "p.jpg") as given:
        assert made.size == (96, 80)
        assert made.quantization == given.quantization  # pyright: ignore[reportAttributeAccessIssue]
        assert (made.getexif()[0x0100], made.getexif()[0x010F]) == (96, "Maker")
    evidence = result.encoded("JPEG").evidence
    assert not evidence["lossless"]
    assert "jpeg_blocks_kept" not in evidence
    assert evidence["largest_change_outside"] < 40
    with pytest.raises(editkit.ImageError, match="lossless cannot be done"):
        result.encoded("JPEG", editkit.ops.output.Saving(jpeg="lossless"))  # pyright: ignore[reportAttributeAccessIssue]


def test_sides_are_those_of_the_upright_photo(tiny9: Model, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    photo = shell.noise(40, 60)
    photo.save(tmp_path / "p.png", exif=exif)
    result = editkit.outpaint(tmp_path / "p.png", model=tiny9, steps=1, left=8)
    assert result.image.size == (48, 60)
    upright = np.rot90(samples(photo), -1)
    assert np.array_equal(samples(result.image)[:, 8:], upright)
    with Image.open(result.save(tmp_path / "o.png")) as made:
        assert made.size == (48, 60)
        assert made.getexif().get(0x0112, 1) == 1


def test_a_file_says_how_to_repeat_it(tiny9: Model, tmp_path: Path) -> None:
    shell.noise(40, 50).save(tmp_path / "p.png")
    options: dict[str, Any] = {"size": Size(48, 70), "anchor": "top", "seed": 4}
    result = editkit.outpaint(tmp_path / "p.png", "x", model=tiny9, steps=1, **options)
    file = result.save(tmp_path / "o.png")
    packet = read_photo(file).carried["xmp"]
    assert xmp.read_source_type(packet) == "compositeWithTrainedAlgorithmicMedia"
    found = find_replay(file)
    assert [part.mask for part in found.parts] == [None]
    done = found.run(tiny9)
    assert done["same"]
    assert done["differences"] == []


def test_what_cannot_be_is_told(tiny9: Model) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "nothing to add"),
        ({"left": 5, "aspect": "1:1"}, "contradict"),
        ({"left": 5, "composite_mask": "all"}, "leave composite_mask out"),
        ({"left": "5 px"}, "left is '5 px'"),
        ({"size": Size(0, 3)}, "size is"),
        ({"aspect": "1:1", "anchor": "up"}, "unknown anchor"),
    ]
    for options, told in wrong:
        with pytest.raises(InputError, match=told):
            Outpaint(**options)
    with pytest.raises(InputError, match="would cut the photo"):
        editkit.outpaint(shell.noise(40, 50), model=tiny9, size=Size(39, 90))
