"""Grades: found in spite of an edit, undone, and told from it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from away import Journey, iou
from grades import GRADES, Grade, vignette
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import editkit
from editkit.compare.aligned import overlay_copy
from editkit.compare.color_grade import fit_grade
from editkit.compare.registration import register
from editkit.photo.io.files import read_photo

SAMPLES = Path(__file__).parent.parent.parent / "samples"
Array = NDArray[np.uint8]
Bits = NDArray[np.bool_]
COLORS_LOST = ("sepia", "black and white")


def picture(name: str = "coffee.jpg", size: tuple[int, int] = (300, 200)) -> Array:
    with Image.open(SAMPLES / name) as image:
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def disc(photo: Array) -> Bits:
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]]
    return (rows - 110) ** 2 + (columns - 180) ** 2 < 40**2


def pasted(photo: Array) -> Array:
    return np.where(disc(photo)[..., None], picture("chelsea.jpg"), photo)


@pytest.mark.parametrize("name", GRADES)
def test_the_edit_alone_comes_home_of_a_graded_copy(name: str) -> None:
    before = picture()
    journey = Journey() if len(name) % 2 else Journey(scale=0.8, quality=88)
    came = journey.file(GRADES[name](pasted(before)))
    result = editkit.composite(before, came, grow=0, motion="none")
    assert result.mask is not None
    assert iou(result.mask > 0, disc(before)) > 0.93
    # Lightness comes back at least.
    now, wanted = (
        np.asarray(Image.fromarray(np.asarray(picture)).convert("L"), np.float32)[disc(before)]
        for picture in (result.image, pasted(before))
    )
    assert np.abs(now - wanted).mean() < 12
    assert result.report["color_drift"] is not None
    assert any("lost colors" in note for note in result.report["notes"]) == (name in COLORS_LOST)


@pytest.mark.slow
def test_what_a_grade_cuts_off_is_no_edit() -> None:
    """White of the cup and reds of the plate are cut off; both are evenly 255 then."""
    before = picture()
    bright = np.clip(pasted(before) * 1.5 - 20, 0, 255).astype(np.uint8)
    assert (bright == 255).any(axis=2).mean() > 0.15
    result = editkit.composite(before, bright, grow=0, motion="none")
    assert result.mask is not None
    assert not (result.mask > 0)[~disc(before)].mean() > 0.002


@pytest.mark.slow
@pytest.mark.parametrize("name", ["S-curve", "hue turned by 25", "faded"])
def test_a_grade_is_found_and_undone_though_a_third_changed(name: str) -> None:
    before = picture()
    after = before.copy()
    after[:66] = picture("chelsea.jpg")[:66]
    ours, theirs = (
        np.asarray(values, np.float32).reshape(-1, 3) for values in (before, GRADES[name](after))
    )
    grade = fit_grade(ours, theirs, (theirs > 1) & (theirs < 254))
    assert grade is not None
    assert not grade.lost
    rest = np.asarray(GRADES[name](before), np.float32).reshape(-1, 3)
    assert np.median(np.abs(grade.apply(ours) - rest)) < 0.7
    inner = ((rest > 3) & (rest < 252)).all(axis=1)
    assert np.median(np.abs(grade.inverse.apply(rest) - ours)[inner]) < 1.2
    assert fit_grade(ours[:50], theirs[:50], np.ones((50, 3), np.bool_)) is None


@pytest.mark.slow
@pytest.mark.parametrize(("strength", "quality"), [(0.12, None), (0.2, 85), (0.4, None)])
def test_what_no_grade_explains_is_said(strength: float, quality: int | None) -> None:
    before = picture()
    came = Journey(quality=quality).file(vignette(pasted(before), strength))
    result = editkit.composite(before, came, motion="none")
    assert any("MASK" in note for note in result.report["notes"])


@pytest.mark.slow
@pytest.mark.parametrize("journey", [Journey(), Journey(scale=0.8, quality=85)])
def test_what_a_grade_explains_is_no_vignette_though_two_fifths_changed(journey: Journey) -> None:
    before = picture()
    after = before.copy()
    after[20:164, 60:226] = picture("chelsea.jpg")[20:164, 60:226]
    photo, copy = read_photo(before), read_photo(journey.file(GRADES["S-curve"](after)))
    over = overlay_copy(photo, copy, register(photo, copy, motion="none").matrix, drift=True)
    assert not over.uneven
    assert over.grade is not None


@pytest.mark.slow
@settings(max_examples=3, derandomize=True, deadline=None)
@given(
    name=st.sampled_from(["coffee.jpg", "chelsea.jpg", "rocket.jpg"]),
    grade=st.sampled_from([*GRADES.values(), vignette]),
    quality=st.sampled_from([None, 95, 80]),
    scale=st.sampled_from([1.0, 0.6]),
)
def test_nothing_far_from_the_edit_comes_home_without_a_note(
    name: str, grade: Grade, quality: int | None, scale: float
) -> None:
    before = picture(name)
    after = np.where(disc(before)[..., None], 255 - before, before)
    came = Journey(scale=scale, quality=quality).file(grade(after))
    result = editkit.composite(before, came, motion="none")
    assert result.mask is not None
    near = np.asarray(ndimage.binary_dilation(disc(before), iterations=8))
    labeled: Any = ndimage.label(result.mask > 0)
    labels, count = labeled
    far = count - len(np.unique(labels[near & (labels > 0)]))
    assert not far or any("MASK" in note for note in result.report["notes"])


@pytest.mark.slow
def test_what_came_cut_off_is_said() -> None:
    before = picture()
    lit = np.where(disc(before)[..., None], 255 - picture("chelsea.jpg") // 3, before)
    for name, said in (("exposure +2/3", True), ("faded", False)):
        result = editkit.composite(before, GRADES[name](lit), motion="none")
        assert any("cut off" in note for note in result.report["notes"]) == said


def test_what_was_cut_off_beside_the_edit_stays_as_it_is() -> None:
    """The mask is a little larger than the edit: there the photo's own lights are not lost."""
    before = 255 - picture() // 2
    came = GRADES["exposure +2/3"](pasted(before))
    result = editkit.composite(before, came, motion="none")
    assert result.mask is not None
    cut = (came == 255).all(axis=2) & (result.mask > 0) & ~disc(before)
    assert cut.sum() > 50
    off = np.asarray(result.image, np.float32)[cut] - before[cut]
    assert np.abs(off).mean() < 2


def test_sepia_that_is_cut_off_comes_home_with_the_hue_of_the_rest() -> None:
    before = picture("chelsea.jpg")
    toned = GRADES["sepia"](before)
    ours, theirs = (one.reshape(-1, 3).astype(np.float32) for one in (before, toned))
    grade = fit_grade(ours, theirs, (theirs > 2.5) & (theirs < 252.5))
    assert grade is not None
    assert grade.lost
    grays = np.repeat(np.arange(150, 250, 10), 3).astype(np.uint8).reshape(-1, 1, 3)
    back = grade.inverse.apply(GRADES["sepia"](grays).astype(np.float32)).reshape(-1, 3)
    assert np.ptp(back[:, 2] - back[:, 1]) < 4
    assert (np.diff(back.mean(axis=1)) > 0).all()


def test_places_far_apart_are_counted() -> None:
    before = picture()
    after = pasted(before)
    after[20:50, 20:60] = 255 - after[20:50, 20:60]
    came = Journey(quality=90).file(after)
    result = editkit.composite(before, came, motion="none")
    assert any(note.startswith("2 places differ") for note in result.report["notes"])


@pytest.mark.slow
def test_a_thing_of_another_color_is_no_grade() -> None:
    """All that was red in the plate is green now, and all was turned warmer and lighter."""
    before = picture()
    plate = (before[..., 0] > 100) & (before[..., 0] > 2.2 * before[..., 2]) & disc(before)
    assert plate.mean() > 0.02
    after = np.where(plate[..., None], before[..., [1, 0, 2]], before)
    for name in ("gamma 0.8", "white balance"):
        photo, copy = read_photo(before), read_photo(GRADES[name](after))
        over = overlay_copy(photo, copy, np.eye(3), drift=True)
        unedited = np.asarray(GRADES[name](before), np.float32)
        seen = over.tone.apply(np.asarray(before, np.float32))
        assert np.abs(np.clip(seen, 0, 255) - unedited)[plate].mean() < 6


@pytest.mark.parametrize("name", ["brightness, contrast, saturation", "gamma 0.8"])
def test_a_grade_is_no_drift_under_the_noise_of_jpeg(name: str) -> None:
    """A cubic is off by ten levels in rare light colors, and those were taken for an edit."""
    before = picture()
    photo, copy = read_photo(before), read_photo(Journey(quality=90).file(GRADES[name](before)))
    over = overlay_copy(photo, copy, np.eye(3), drift=True)
    assert over.grade is not None
    shown = np.clip(over.tone.apply(before.astype(np.float32)), 0, 255)
    off = np.abs(shown - GRADES[name](before)).max(axis=2)
    assert np.quantile(off, 0.9) < 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["brightness, contrast, saturation", "exposure +2/3"])
def test_what_was_cut_off_before_a_copy_was_made_smaller_is_no_edit(name: str) -> None:
    before = picture()
    came = Journey(scale=0.6).file(GRADES[name](pasted(before)))
    result = editkit.composite(before, came, grow=0, motion="none")
    assert result.mask is not None
    assert not (result.mask > 0)[~disc(before)].mean() > 0.002


def test_rare_colors_that_are_cut_off_between_two_steps_are_graded_as_well() -> None:
    rng = np.random.default_rng(3)
    usual = rng.uniform(20, 190, (9000, 3))
    rare = rng.uniform((235, 235, 150), (252, 252, 200), (300, 3))

    def graded(values: NDArray[np.float64]) -> NDArray[np.float64]:
        cut = np.minimum(values * 1.25, 255)
        gray = cut.mean(axis=1, keepdims=True)
        return np.clip(gray + 1.4 * (cut - gray), 0, 255)

    photo = np.concatenate([usual, rare])
    copy = graded(photo) + rng.normal(0, 1, photo.shape)
    ours, theirs = photo.astype(np.float32), np.clip(copy, 0, 255).astype(np.float32)
    grade = fit_grade(ours, theirs, (theirs > 2.5) & (theirs < 252.5))
    assert grade is not None
    off = np.clip(grade.apply(ours), 0, 255) - graded(photo)
    assert np.abs(off[9000:]).mean() < 4


def test_an_edit_of_some_of_each_shade_does_not_bend_the_grade() -> None:
    rng = np.random.default_rng(4)
    photo = rng.uniform(10, 245, (9000, 3)).astype(np.float32)
    after = photo.copy()
    after[:1500] = np.clip(after[:1500] * np.array([1.25, 0.95, 0.7]), 0, 255)
    copy = np.asarray(255 * (after / 255) ** 0.8 + rng.normal(0, 1, after.shape), np.float32)
    grade = fit_grade(photo, copy, (copy > 2.5) & (copy < 252.5))
    assert grade is not None
    off = grade.apply(photo) - 255 * (photo / 255) ** 0.8
    assert np.abs(off).mean() < 1
