"""Erase: classical methods without a model, diffusion with one, and the same promises for both."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shell
from PIL import Image

import editkit
from editkit import Erase, InputError, MaskError
from editkit.models.base import Model
from editkit.names import ERASERS
from editkit.ops.fill import Fill
from editkit.ops.replay import find_replay
from editkit.photo.color import adobe_rgb_profile
from editkit.photo.io.files import Photo, read_photo
from editkit.photo.metadata import xmp

CLASSICAL = ERASERS[1:]
MODES = ["L", "LA", "RGB", "RGBA", "CMYK", "I;16"]


def samples(photo: Photo | Image.Image) -> np.ndarray:
    return photo.samples if isinstance(photo, Photo) else np.asarray(photo)


@pytest.mark.parametrize("method", CLASSICAL)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(1, 1), (1, 60), (37, 53)])
def test_kept_samples_are_exact(method: str, mode: str, size: tuple[int, int]) -> None:
    photo, mask = shell.noise(*size, mode), np.zeros(size, np.uint8)
    mask[size[0] // 2 : size[0] // 2 + 9, size[1] // 2 : size[1] // 2 + 9] = 255
    result = editkit.erase(photo, mask, method=method)
    assert (result.image.mode, result.image.size) == (mode, photo.size)
    before, after = samples(photo), samples(result.image)
    assert np.array_equal(before[mask == 0], after[mask == 0])
    if mode in ("LA", "RGBA"):
        assert np.array_equal(before[..., -1], after[..., -1])
    assert not np.array_equal(before, after)
    report = result.report
    assert report["samples_changed_outside"] == 0
    assert report["pixels_kept"] == int((mask == 0).sum())
    assert (report["edit"], report["method"], report["model"]) == ("erase", method, None)
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize("method", CLASSICAL)
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_stay_16_bits(method: str, channels: int) -> None:
    """A slope finer than 8 bits goes on through the hole; nothing is rounded to 8 bits."""
    y, x = np.mgrid[:50, :60]
    plane = (20000 + 40 * x + 30 * y).astype(np.uint16)
    photo = plane if channels == 1 else np.stack([plane, plane // 2, 65535 - plane], 2)
    mask = np.zeros((50, 60), np.uint8)
    mask[20:30, 25:35] = 255
    broken = photo.copy()
    broken[mask > 0] = 0
    made = samples(editkit.erase(broken, mask, method=method).photo)
    assert made.dtype == np.uint16
    off = np.abs(made.astype(int) - photo)[mask > 0]
    assert off.mean() < 2 * 257
    assert len(np.unique(made[mask > 0] % 257)) > 20


@pytest.mark.parametrize("method", CLASSICAL)
def test_colors_of_a_profile_are_not_converted(method: str) -> None:
    """A flat area outside of sRGB is filled with itself."""
    green = Image.new("RGB", (50, 40), (0, 255, 0))
    green.info["icc_profile"] = adobe_rgb_profile()
    result = editkit.erase(green, shell.block(40, 50), method=method)
    assert np.abs(samples(result.image).astype(int) - samples(green)).max() <= 4


def test_a_mask_between_mixes() -> None:
    photo = np.full((40, 40, 3), 100, np.uint8)
    mask = np.zeros((40, 40), np.float32)
    mask[10:20, 10:20] = 0.5
    photo[mask > 0] = 200
    made = samples(editkit.erase(photo, mask, method="ns").image)
    assert (made[12:18, 12:18] == 150).all()


def test_marks_far_apart_are_crops_of_their_own() -> None:
    """What a fill costs follows the mark: what is far from all marks is not looked at."""
    photo, mask = samples(shell.noise(200, 700)).copy(), np.zeros((200, 700), np.uint8)
    mask[50:60, 50:60] = mask[120:130, 620:640] = 255
    result = editkit.erase(photo, mask, method="patchmatch")
    boxes = result.report["worked_regions"]
    assert [(box["top"], box["left"]) for box in boxes] == [(0, 0), (56, 556)]
    middle = (slice(0, 200), slice(150, 500))
    photo[middle] = 255 - photo[middle]
    again = editkit.erase(photo, mask, method="patchmatch")
    assert np.array_equal(samples(again.image)[mask > 0], samples(result.image)[mask > 0])
    each = editkit.erase(photo, mask, method="telea", regions="together")
    assert len(each.report["worked_regions"]) == 1


def test_what_a_later_mark_covers_is_not_seen_by_an_earlier_one() -> None:
    photo, mask = samples(shell.noise(64, 90)).copy(), np.zeros((64, 90), np.uint8)
    mask[20:26, 30:36] = mask[20:26, 40:46] = 255
    for method in CLASSICAL:
        first = samples(editkit.erase(photo, mask, method=method, regions="each").image)
        other = photo.copy()
        other[mask > 0] = 255 - photo[mask > 0]
        again = samples(editkit.erase(other, mask, method=method, regions="each").image)
        assert np.array_equal(first, again)


def test_the_seed_is_patchmatchs() -> None:
    photo, mask = shell.noise(60, 70), shell.block(60, 70)
    made = [
        samples(editkit.erase(photo, mask, method="patchmatch", seed=seed).image)
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


def test_diffusion_is_inpainting_without_a_prompt(tiny9: Model) -> None:
    photo, mask = shell.noise(40, 50), shell.block(40, 50)
    ours = editkit.erase(photo, mask, model=tiny9, steps=2, prefill="patchmatch")
    theirs = editkit.inpaint(photo, mask, model=tiny9, steps=2, prefill="patchmatch")
    assert np.array_equal(samples(ours.image), samples(theirs.image))
    assert ours.report["edit"] == "erase"
    assert ours.source_type == "compositeWithTrainedAlgorithmicMedia"
    edit = Erase(steps=2, prefill="patchmatch")
    assert np.array_equal(samples(edit(tiny9, photo, mask).image), samples(ours.image))


def test_a_classical_edit_is_a_value_too() -> None:
    photo, mask = shell.noise(40, 50), shell.block(40, 50)
    one = Erase(method="telea", seed=3)(None, photo, mask)
    other = Fill("telea", seed=3)(photo, mask)
    assert np.array_equal(samples(one.image), samples(other.image))
    assert one.record == other.record
    assert one.record is not None
    assert one.record["edit"] == "Erase"


def test_no_torch_is_loaded_for_a_classical_method(tmp_path: Path) -> None:
    shell.noise(40, 50).save(tmp_path / "p.png")
    shell.block(40, 50).save(tmp_path / "m.png")
    code = """
import sys, editkit
result = editkit.erase(sys.argv[1], sys.argv[2], method="patchmatch")
result.save(sys.argv[3])
print(sorted({"torch", "diffusers", "transformers"} & set(sys.modules)))
"""
    done = shell.python(code, tmp_path / "p.png", tmp_path / "m.png", tmp_path / "e.png")
    assert (done.out, done.code) == (b"[]\n", 0), done.err


def test_a_file_says_what_made_it_and_how_to_repeat_it(tmp_path: Path) -> None:
    shell.noise(40, 50).save(tmp_path / "p.png")
    shell.block(40, 50).save(tmp_path / "m.png")
    file = editkit.erase(tmp_path / "p.png", tmp_path / "m.png", method="patchmatch", seed=7).save(
        tmp_path / "e.png"
    )
    packet = read_photo(file).carried["xmp"]
    assert xmp.read_source_type(packet) == "humanEdits"
    (event,) = xmp.read_history(packet)
    assert event["parameters"] == "Erase by patchmatch, without a model"
    found = find_replay(file)
    assert found.run(None) | {"data": None} == {"same": True, "differences": [], "data": None}


def test_what_a_model_made_before_stays_said(tiny9: Model, tmp_path: Path) -> None:
    shell.noise(40, 50).save(tmp_path / "p.png")
    shell.block(40, 50).save(tmp_path / "m.png")
    first = editkit.inpaint(tmp_path / "p.png", tmp_path / "m.png", model=tiny9, steps=1)
    file = first.save(tmp_path / "first.png")
    second = editkit.erase(file, tmp_path / "m.png", method="ns").save(tmp_path / "second.png")
    packet = read_photo(second).carried["xmp"]
    assert xmp.read_source_type(packet) == "compositeWithTrainedAlgorithmicMedia"
    assert len(xmp.read_history(packet)) == 2


def test_what_cannot_be_is_told() -> None:
    photo, mask = shell.noise(40, 50), shell.block(40, 50)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"method": "magic"}, "unknown method 'magic'; choose one of diffusion, telea"),
        ({"method": "telea", "steps": 3}, "telea takes no steps"),
        ({"method": "telea", "seed": -1}, "seed is -1"),
        ({"method": "telea", "regions": "some"}, "unknown regions 'some'"),
        ({"method": "telea", "composite_mask": "~nothing"}, "nothing"),
    ]
    for options, told in wrong:
        with pytest.raises(InputError, match=told):
            editkit.erase(photo, mask, **options)
    with pytest.raises(MaskError, match="photo is 50x40"):
        editkit.erase(photo, mask.resize((20, 20)), method="telea")
    with pytest.raises(InputError, match="takes no prompt"):
        Erase("a red door")
    with pytest.raises(InputError, match="needs a model"):
        Erase()(None, photo, mask)
    with pytest.raises(InputError, match="needs a model"):
        Fill("diffusion")


@pytest.mark.parametrize("method", CLASSICAL)
def test_a_hole_of_all_is_gray(method: str) -> None:
    result = editkit.erase(shell.noise(20, 30), np.ones((20, 30), np.bool_), method=method)
    assert (samples(result.image) == 127).all()
    assert result.report["pixels_kept"] == 0
