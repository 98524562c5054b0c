"""Grades: found in spite of an edit, undone, and told from it."""

from pathlib import Path

import numpy as np
import pytest
from away import Journey, iou
from grades import GRADES, vignette
from numpy.typing import NDArray
from PIL import Image

import editkit
from editkit.photo.files import read_photo
from editkit.photo.grade import fit_grade
from editkit.photo.overlay import lay

SAMPLES = Path(__file__).parent.parent.parent / "samples"
Array = NDArray[np.uint8]
Bits = NDArray[np.bool_]
COLOURS_LOST = ("sepia", "black and white")


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
    assert result.report["colour_drift"] is not None
    assert any("lost colours" in note for note in result.report["notes"]) == (name in COLOURS_LOST)


def test_what_a_grade_cuts_off_is_no_edit() -> None:
    """White of the cup and reds of the plate are cut off; both are evenly 255 then."""
    before = picture()
    bright = np.clip(pasted(before) * 1.5 - 20, 0, 255).astype(np.uint8)
    assert (bright == 255).any(axis=2).mean() > 0.15
    result = editkit.composite(before, bright, grow=0, motion="none")
    assert result.mask is not None
    assert not (result.mask > 0)[~disc(before)].mean() > 0.002


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
    assert np.median(np.abs(grade.undone(ours) - rest)) < 0.7
    inner = ((rest > 3) & (rest < 252)).all(axis=1)
    assert np.median(np.abs(grade.inverse.undone(rest) - ours)[inner]) < 1.2
    assert fit_grade(ours[:50], theirs[:50], np.ones((50, 3), np.bool_)) is None


def test_what_no_grade_explains_is_said() -> None:
    before = picture()
    graded = vignette(pasted(before))
    result = editkit.composite(before, graded, motion="none")
    assert any("vignette" in note and "MASK" in note for note in result.report["notes"])
    plain = editkit.composite(before, GRADES["S-curve"](pasted(before)), motion="none")
    assert plain.report["notes"] == []


def test_places_far_apart_are_counted() -> None:
    before = picture()
    after = pasted(before)
    after[20:50, 20:60] = 255 - after[20:50, 20:60]
    came = Journey(quality=90).file(after)
    result = editkit.composite(before, came, motion="none")
    assert any(note.startswith("2 places differ") for note in result.report["notes"])


def test_a_thing_of_another_colour_is_no_grade() -> None:
    """All that was red in the plate is green now, and all was turned warmer and lighter."""
    before = picture()
    plate = (before[..., 0] > 100) & (before[..., 0] > 2.2 * before[..., 2]) & disc(before)
    assert plate.mean() > 0.02
    after = np.where(plate[..., None], before[..., [1, 0, 2]], before)
    for name in ("gamma 0.8", "white balance"):
        photo, copy = read_photo(before), read_photo(GRADES[name](after))
        over = lay(photo, copy, np.eye(3), drift=True)
        unedited = np.asarray(GRADES[name](before), np.float32)
        seen = over.tone.undone(np.asarray(before, np.float32))
        assert np.abs(np.clip(seen, 0, 255) - unedited)[plate].mean() < 6
