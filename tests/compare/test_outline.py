"""How far an edit goes that was found: the network that tells, and where it is asked."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from away import Journey, differing, iou
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

from editkit.compare import outline
from editkit.compare import outline_net as network
from editkit.compare.aligned import Overlay, overlay_copy
from editkit.compare.detect import detect_regions, find_changes
from editkit.compare.outline import HALF, input_planes, trace_outline
from editkit.compare.registration import register
from editkit.photo.io.files import read_photo
from editkit.types import Box

SAMPLES = Path(__file__).parent.parent.parent / "samples"
Array = NDArray[np.uint8]
Bits = NDArray[np.bool_]


def picture(name: str = "coffee.jpg", width: int = 420) -> Array:
    with Image.open(SAMPLES / name) as image:
        height = round(image.height * width / image.width)
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))


def ellipse(photo: Array, share: float = 0.16) -> Bits:
    height, width = photo.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    x, y = (columns - 0.5 * width) / (share * width), (rows - 0.5 * height) / (share * height)
    return x**2 + y**2 < 1


def filled(photo: Array, where: Bits) -> Array:
    return np.asarray(cv2.inpaint(photo, where.astype(np.uint8), 5, cv2.INPAINT_NS), np.uint8)


def laid(before: Array, after: Array, journey: Journey) -> Overlay:
    photo, copy = read_photo(before), read_photo(journey.file(after))
    return overlay_copy(photo, copy, register(photo, copy).matrix, drift=True)


def everything(shown: NDArray[np.float32]) -> Array:
    return np.full(shown.shape[1:], 255, np.uint8)


def nothing(shown: NDArray[np.float32]) -> Array:
    return np.zeros(shown.shape[1:], np.uint8)


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.25])
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("coffee.jpg", (0.94, 0.92, 0.88)),
        ("chelsea.jpg", (0.94, 0.92, 0.88)),
        ("rocket.jpg", (0.84, 0.75, 0.65)),  # a dark sky, of which but half differs, in patches
    ],
)
def test_a_fill_is_found_in_a_small_copy(
    name: str, least: tuple[float, float, float], scale: float
) -> None:
    """Where it fades into what was there, and a pixel of the copy is several of the photo."""
    before = picture(name)
    where = ellipse(before)
    after = filled(before, where)
    found = find_changes(laid(before, after, Journey(scale=scale, quality=88)))
    assert iou(found.area, differing(before, after, where)) > least[(1.0, 0.5, 0.25).index(scale)]


def test_the_network_sees_more_than_was_found_at_first() -> None:
    """On what a threshold leaves out: it must do better than that by itself."""
    before = picture()
    where = ellipse(before)
    after = filled(before, where)
    over = laid(before, after, Journey(scale=0.25, quality=90))
    usual, found = detect_regions(over)
    now = trace_outline(over, usual, found) > HALF
    size = before.shape[1::-1]
    shown = [np.asarray(cv2.resize(bits.astype(np.uint8), size)) > 0 for bits in (found, now)]
    first, then = (iou(bits, differing(before, after, where)) for bits in shown)
    assert then > first + 0.02


def test_windows_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    before = picture()
    after = filled(before, ellipse(before, 0.3))
    over = laid(before, after, Journey(quality=85))
    usual, found = detect_regions(over)
    whole = trace_outline(over, usual, found)
    monkeypatch.setattr(outline, "_WINDOW", 64)
    assert np.mean((trace_outline(over, usual, found) > HALF) != (whole > HALF)) < 1e-4


def test_what_is_shown_of_a_box_is_that_part_of_the_whole() -> None:
    before = picture()
    over = laid(before, filled(before, ellipse(before)), Journey(scale=0.5, quality=85))
    usual, found = detect_regions(over)
    whole = input_planes(over, usual, found, Box(0, 0, *over.grid))
    box = Box(40, 60, 90, 130)
    part = input_planes(over, usual, found, box)
    assert whole.shape == (network.PLANES, *over.grid)
    assert np.isfinite(whole).all()
    assert np.abs(whole).max() <= 8
    assert np.abs(part - whole[:, *box.slices]).mean() < 0.01
    assert np.array_equal(part[-1] > 0, found[box.slices])


def test_deep_inside_and_far_away_the_network_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    before = picture()
    where = ellipse(before, 0.3)
    other = picture("chelsea.jpg")[: before.shape[0]]
    after = before.copy()
    after[where] = np.resize(other, before.shape)[where]
    over = laid(before, after, Journey(quality=85))
    usual, found = detect_regions(over)
    away, beyond = (
        np.asarray(cv2.distanceTransform(np.pad(bits, 40, mode="edge"), cv2.DIST_C, 3))[
            40:-40, 40:-40
        ]
        for bits in (found.astype(np.uint8), (~found).astype(np.uint8))
    )
    monkeypatch.setattr(outline, "_REACH", 12)
    monkeypatch.setattr(outline, "_ROUNDS", 1)
    monkeypatch.setattr(network, "predict_inside", everything)
    assert np.array_equal(trace_outline(over, usual, found) == 255, beyond <= 12)
    monkeypatch.setattr(network, "predict_inside", nothing)
    assert np.array_equal(trace_outline(over, usual, found) == 255, away > 12)


def test_a_thin_edit_is_followed_along() -> None:
    """Of which there is evidence enough at one end only."""
    before = picture()
    where = np.zeros(before.shape[:2], np.uint8)
    cv2.line(where, (60, 60), (330, 190), 1, 5)
    after = before.copy()
    share = where[..., None] * np.linspace(0.6, 0.12, before.shape[1])[:, None]
    after = np.rint(before + share * (255.0 - before)).astype(np.uint8)
    over = laid(before, after, Journey(quality=85))
    usual, found = detect_regions(over)
    truth = differing(before, after, where > 0)
    assert iou(trace_outline(over, usual, found) > HALF, truth) > iou(found, truth) + 0.1


def test_a_part_that_the_network_denies_stays_as_it_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = picture()
    over = laid(before, filled(before, ellipse(before)), Journey(quality=85))
    usual, found = detect_regions(over)
    monkeypatch.setattr(network, "predict_inside", nothing)
    monkeypatch.setattr(outline, "_REACH", 200)
    assert np.array_equal(trace_outline(over, usual, found) == 255, found)


def test_the_weights_are_small_halves_that_fit_the_network() -> None:
    file = network.WEIGHTS
    assert file.stat().st_size < 600_000
    held = load_file(file)
    assert {value.dtype for key, value in held.items() if "num_batches" not in key} == {torch.half}
    network.OutlineNet().load_state_dict(held, strict=True)
    assert all(torch.isfinite(value.float()).all() for value in held.values())
