"""Masks of other programs, by the command: what is nearly black, labels, probabilities, paint."""

import json
from pathlib import Path

import numpy as np
import pytest
import shell
from PIL import Image

import editkit

BOX = (slice(8, 24), slice(8, 24))
SHARE = 256 / (48 * 64)


def nearly_black() -> np.ndarray:
    samples = np.ones((48, 64), np.uint8)
    samples[BOX] = 255
    return samples


def probabilities() -> np.ndarray:
    samples = np.full((48, 64), 0.02, np.float32)
    samples[BOX] = 0.97
    return samples


def painted(folder: Path) -> np.ndarray:
    samples = np.asarray(Image.open(folder / "photo.png").convert("RGB")).copy()
    samples[BOX] = (255, 0, 0)
    return samples


def hole(folder: Path) -> np.ndarray:
    rgb = np.asarray(Image.open(folder / "photo.png").convert("RGB"))
    alpha = np.full((48, 64, 1), 255, np.uint8)
    alpha[BOX] = 0
    return np.concatenate([rgb, alpha], axis=2)


@pytest.mark.parametrize("kind", ["black is 1", "painted copy", "hole"])
def test_the_part_that_is_meant_is_edited_alone(folder: Path, kind: str) -> None:
    made = {"painted copy": painted, "hole": hole}
    samples = nearly_black() if kind == "black is 1" else made[kind](folder)
    Image.fromarray(samples).save(folder / "m.png")
    done = shell.call("erase", "photo.png", "m.png", "--method", "telea", "-o", "o.png", "--json")
    assert done.code == 0, done.err
    kept = json.loads(done.out)["pixels_kept"]
    assert kept == pytest.approx(48 * 64 * (1 - SHARE), rel=0.06)
    names = ("photo.png", "o.png")
    before, after = (np.asarray(Image.open(folder / n).convert("RGB")) for n in names)
    changed = (before != after).any(axis=2)
    assert changed[BOX].mean() > 0.9


def test_a_map_of_probabilities_is_no_hole_of_the_whole_photo(folder: Path) -> None:
    edited = editkit.erase(folder / "photo.png", probabilities(), method="telea")
    before = np.asarray(Image.open(folder / "photo.png").convert("RGB"))
    edited.save(folder / "o.png")
    changed = (before != np.asarray(Image.open(folder / "o.png").convert("RGB"))).any(axis=2)
    assert changed.mean() == pytest.approx(SHARE, rel=0.1)


@pytest.mark.parametrize("top", [1, 4095])
def test_16_bit_labels_are_refused_with_advice(folder: Path, top: int) -> None:
    samples = np.zeros((48, 64), np.uint16)
    samples[BOX] = top
    Image.fromarray(samples).save(folder / "m.png")
    done = shell.call("erase", "photo.png", "m.png", "--method", "telea", "-o", "o.png")
    assert str(top) in done.refused(2)
    assert not (folder / "o.png").exists()
