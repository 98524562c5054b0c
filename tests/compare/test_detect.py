"""What an edit changed, found again after a journey; and the drift of colors."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from away import Journey, differing, iou
from numpy.typing import NDArray
from PIL import Image

from editkit import MaskError
from editkit.compare.aligned import overlay_copy
from editkit.compare.color_drift import fit_drift, identity_drift
from editkit.compare.detect import Changes, find_changes
from editkit.compare.registration import register
from editkit.photo.io.files import read_photo

SAMPLES = Path(__file__).parent.parent.parent / "samples"
Array = NDArray[np.uint8]
Bits = NDArray[np.bool_]


def picture(name: str) -> Array:
    with Image.open(SAMPLES / name) as image:
        height = round(image.height * 420 / image.width)
        return np.asarray(image.convert("RGB").resize((420, height), Image.Resampling.LANCZOS))


def ellipse(photo: Array) -> Bits:
    height, width = photo.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    across, down = (
        (columns - 0.55 * width) / (0.2 * width),
        (rows - 0.45 * height) / (0.22 * height),
    )
    return across**2 + down**2 < 1


def pasted(photo: Array, where: Bits) -> Array:
    other = Image.fromarray(picture("chelsea.jpg")).resize(photo.shape[1::-1])
    return np.where(where[..., None], np.asarray(other), photo)


def recolored(photo: Array, where: Bits) -> Array:
    toned = np.clip(photo * np.array([1.25, 0.95, 0.7]), 0, 255).astype(np.uint8)
    return np.where(where[..., None], toned, photo)


def found_in(before: Array, after: Array | bytes) -> Changes:
    photo, copy = read_photo(before), read_photo(after)
    place = register(photo, copy)
    return find_changes(overlay_copy(photo, copy, place.matrix, drift=True))


JOURNEYS = [
    Journey(quality=80),
    Journey(cast=(1.08, 1, 0.9), gamma=1.1, quality=85),
    Journey(scale=0.5, quality=90),
    Journey(scale=2, quality=85),
    Journey(turn=0.6, tilt=0.01, shift=(3, -2), scale=0.9, cast=(1.05, 1, 0.93), quality=85),
]


@pytest.mark.parametrize("edit", [pasted, recolored])
@pytest.mark.parametrize("journey", JOURNEYS)
def test_the_area_is_found_after_a_journey(
    edit: Callable[[Array, Bits], Array], journey: Journey
) -> None:
    before = picture("coffee.jpg")
    where = ellipse(before)
    found = found_in(before, journey.of(edit(before, where)))
    assert iou(found.area, where) > 0.9
    # As a mask it is a little larger, so that nothing new is left outside.
    assert np.mean(found.coverage[where]) > 0.97
    assert iou(found.coverage > 0, where) > 0.75


@pytest.mark.parametrize("journey", JOURNEYS)
def test_what_was_taken_out_is_found_in_the_file_that_comes_back(journey: Journey) -> None:
    """A fill differs little from what was there: less than JPEG does, in parts."""
    before = picture("coffee.jpg")
    where = ellipse(before)
    filled = np.asarray(cv2.inpaint(before, where.astype(np.uint8), 5, cv2.INPAINT_NS), np.uint8)
    found = found_in(before, journey.file(filled))
    assert iou(found.area, differing(before, filled, where)) > 0.9


@pytest.mark.parametrize("scale", [0.5, 0.25])
@pytest.mark.parametrize("edit", [pasted, recolored])
def test_a_sharp_outline_in_a_small_copy_is_not_found_wider(
    edit: Callable[[Array, Bits], Array], scale: float
) -> None:
    """Though resampling blurs it over several pixels of the photo."""
    before = picture("coffee.jpg")
    where = ellipse(before)
    found = found_in(before, Journey(scale=scale, quality=90).file(edit(before, where)))
    assert np.mean(where[found.area]) > 0.95
    assert iou(found.area, where) > 0.92


def test_of_an_exact_copy_every_changed_sample_is_found() -> None:
    before = picture("coffee.jpg")
    after = before.copy()
    after[100, 200, 1] ^= 1
    after[40:60, 30:50] = 7
    differs = (before != after).any(axis=2)
    found = found_in(before, after)
    assert np.all(found.area[differs])
    assert np.count_nonzero(found.area & ~differs) < 10
    assert found.share == pytest.approx(differs.mean(), rel=0.05)


@pytest.mark.parametrize(
    "journey", [Journey(), Journey(quality=70), Journey(scale=0.5, quality=90)]
)
def test_where_nothing_changed_nothing_is_found(journey: Journey) -> None:
    before = picture("coffee.jpg")
    with pytest.raises(MaskError, match="nothing else than the original"):
        found_in(before, journey.of(before))


def test_growing_and_thresholds_are_what_they_are_told() -> None:
    before = picture("coffee.jpg")
    after = pasted(before, ellipse(before))
    after[20:60, 30:90] = np.clip(after[20:60, 30:90].astype(int) + 14, 0, 255)
    photo, copy = read_photo(before), read_photo(Journey(quality=85).of(after))
    over = overlay_copy(photo, copy, np.eye(3), drift=True)
    tight, wide = find_changes(over, grow=0), find_changes(over, grow=6)
    assert np.array_equal(tight.coverage > 0, tight.area)
    assert np.array_equal(tight.area, wide.area)
    assert np.count_nonzero(wide.coverage) > np.count_nonzero(tight.coverage)
    assert tight.area[20:60, 30:90].mean() > 0.9
    strict = find_changes(over, threshold=60, grow=0)
    assert not strict.area[20:60, 30:90].any()
    assert iou(strict.area, ellipse(before)) > 0.9


def test_a_drift_is_undone_though_a_third_changed() -> None:
    rng = np.random.default_rng(0)
    photo = rng.uniform(20, 235, (4000, 3)).astype(np.float32)
    copy = (255 * (photo / 255) ** 1.12 * np.array([1.04, 1, 0.92])).astype(np.float32)
    wild = copy.copy()
    wild[:1300] = rng.uniform(20, 235, (1300, 3))
    drift = fit_drift(wild, photo)
    off = drift.apply(copy)[1300:] - photo[1300:]
    assert np.abs(off).mean() < 0.7
    assert np.abs(copy[1300:] - photo[1300:]).mean() > 8


def test_a_thing_of_another_color_is_no_drift() -> None:
    """All that is blue was red before; a free enough function of color would undo that."""
    before = picture("coffee.jpg")
    red = (before[..., 0] > 100) & (before[..., 0] > 2.2 * before[..., 2])
    where = ellipse(before) & red
    assert where.mean() > 0.05
    after = np.where(where[..., None], before[..., ::-1], before)
    found = found_in(before, Journey(cast=(1.06, 1, 0.94), quality=88).of(after))
    assert np.mean(found.area[where]) > 0.9


def test_no_drift_is_found_in_noise_and_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    photo = rng.uniform(0, 255, (4000, 3)).astype(np.float32)
    copy = photo + rng.normal(0, 3, photo.shape).astype(np.float32)
    assert fit_drift(copy, photo).nothing
    assert fit_drift(copy[:5], photo[:5]).nothing
    assert identity_drift().apply(copy) is copy
