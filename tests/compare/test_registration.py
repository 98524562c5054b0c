"""Registration against motions that are known, made by other means than those under test."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from away import Journey
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates

from editkit import InputError
from editkit.compare.registration import register
from editkit.photo.geometry.warp import fit_matrix, sample_box, scale_matrix, transform_points
from editkit.photo.io.files import read_photo
from editkit.types import Box, Size

SAMPLES = Path(__file__).parent.parent.parent / "samples"
Array = NDArray[np.uint8]


def picture(name: str, width: int = 420) -> Array:
    with Image.open(SAMPLES / name) as image:
        height = round(image.height * width / image.width)
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))


def edited(photo: Array) -> Array:
    """With two fifths of it replaced by another picture."""
    height, width = photo.shape[:2]
    other = np.asarray(Image.fromarray(picture("chelsea.jpg")).resize((width, height)))
    here = np.s_[int(0.2 * height) : int(0.77 * height), int(0.15 * width) : int(0.85 * width)]
    out = photo.copy()
    out[here] = other[here]
    return out


JOURNEYS = {
    "nowhere": (Journey(), "none"),
    "JPEG": (Journey(quality=75), "none"),
    "cast": (Journey(cast=(1.1, 1, 0.88), gamma=1.15, quality=85), "none"),
    "half": (Journey(scale=0.5, quality=88), "none"),
    "twice": (Journey(scale=2, quality=85), "none"),
    "shift": (Journey(shift=(3.4, -2.7), quality=85), "shift"),
    "crop": (Journey(shift=(5, 7)), "shift"),
    "zoom": (Journey(zoom=1.05, shift=(4, 2), cast=(1.05, 1, 0.95), quality=85), "scale"),
    "padded": (Journey(zoom=0.93, scale=0.7, quality=85), "scale"),
    "turned": (Journey(turn=0.7, shift=(2, 3), scale=0.8, quality=85), "affine"),
    "tilted": (Journey(tilt=0.03, turn=-0.5, zoom=1.02, shift=(-6, 3.3), quality=80), None),
}


@pytest.mark.parametrize("name", JOURNEYS)
@pytest.mark.parametrize("photo", ["coffee.jpg", "astronaut.jpg"])
def test_motions_are_found_beside_an_edit(name: str, photo: str) -> None:
    journey, motion = JOURNEYS[name]
    before = picture(photo)
    found = register(read_photo(before), read_photo(journey.of(edited(before))))
    mean, largest = journey.error(before, found.matrix)
    assert mean < 0.15
    assert largest < 0.3
    assert motion in (None, found.motion)
    if motion == "none" or name == "crop":
        assert largest < 1e-9
    assert found.residual is not None
    assert found.residual < 0.5


def test_an_edit_that_is_known_is_not_looked_at() -> None:
    before = picture("coffee.jpg", 300)
    height, width = before.shape[:2]
    other = np.asarray(Image.fromarray(picture("chelsea.jpg")).resize((width, height)))
    mask = np.zeros((height, width), np.float32)
    mask[: int(0.8 * height)] = 1
    journey = Journey(shift=(2.3, 1.2))
    after = journey.of(np.where(mask[..., None] > 0, other, before))
    found = register(read_photo(before), read_photo(after), mask)
    assert journey.error(before, found.matrix)[0] < 0.3


def test_a_motion_that_is_asked_for_is_kept_to() -> None:
    before = picture("coffee.jpg", 300)
    after = read_photo(Journey(turn=0.5, shift=(2, 1)).of(before))
    assert register(read_photo(before), after, motion="shift").motion == "shift"
    none = register(read_photo(before), after, motion="none")
    assert np.array_equal(none.matrix, np.eye(3))
    with pytest.raises(InputError, match="give one of auto, none, shift"):
        register(read_photo(before), after, motion="wild")


def test_pictures_that_are_not_the_same_are_refused() -> None:
    one, other = read_photo(picture("coffee.jpg")), read_photo(picture("rocket.jpg"))
    with pytest.raises(InputError, match=r"does not match the original: \d+ of \d+ matches agree"):
        register(one, other)


def test_flat_pictures_lie_frame_on_frame_and_say_so() -> None:
    flat = np.full((60, 90, 3), 120, np.uint8)
    found = register(read_photo(flat), read_photo(flat[::2, ::2]))
    assert found.motion == "none"
    assert "too little detail" in found.notes[0]
    with pytest.raises(InputError, match="an edit of the same shape"):
        register(read_photo(flat), read_photo(flat[:20]))


def test_a_single_pixel_is_a_picture() -> None:
    dot = np.zeros((1, 1, 3), np.uint8)
    assert register(read_photo(dot), read_photo(dot)).motion == "none"


def smooth(rows: Any, columns: Any) -> Any:
    wave = 128 + 50 * np.sin(columns * 0.2) + 50 * np.cos(rows * 0.15 + columns * 0.05)
    return np.stack([wave, wave / 2, 255 - wave], axis=-1)


def test_sampling_is_where_the_matrix_says() -> None:
    rows, columns = np.mgrid[:80, :100].astype(np.float64)
    photo = read_photo(np.rint(smooth(rows, columns)).astype(np.uint8))
    matrix = np.array([[0.9, 0.05, 4.3], [-0.04, 0.95, 5.1], [1e-5, 2e-5, 1.0]])
    box = Box(5, 7, 60, 80)
    found, covered = sample_box(photo, matrix, box)
    y, x = np.mgrid[5:60, 7:80]
    places = transform_points(matrix, np.c_[x.ravel(), y.ravel()].astype(np.float64))
    true = [
        map_coordinates(photo.samples[..., c].astype(float), places.T[::-1], order=3)
        for c in range(3)
    ]
    inner = covered.ravel()
    assert inner.mean() > 0.9
    off = found.reshape(-1, 3)[inner] - np.stack(true, axis=-1)[inner]
    assert np.abs(off).max() < 1.5
    assert np.abs(off.mean(axis=0)).max() < 0.05


def test_sampling_of_whole_pixels_copies_and_tells_what_it_has_not() -> None:
    rng = np.random.default_rng(0)
    photo = read_photo(rng.integers(0, 256, (20, 30, 3), np.uint8))
    matrix = np.array([[1, 0, -4], [0, 1, 3], [0, 0, 1.0]])
    found, covered = sample_box(photo, matrix, Box(0, 0, 20, 30))
    assert np.array_equal(found[:17, 4:], photo.samples[3:, :26])
    assert np.array_equal(covered, np.pad(np.ones((17, 26), bool), ((0, 3), (4, 0))))


def test_shrinking_is_the_mean_of_what_a_pixel_covers() -> None:
    rng = np.random.default_rng(0)
    photo = read_photo(rng.integers(0, 256, (40, 60, 3), np.uint8))
    found, _ = sample_box(photo, fit_matrix(Size(20, 30), photo.size), Box(0, 0, 20, 30))
    means = photo.samples.reshape(20, 2, 30, 2, 3).mean(axis=(1, 3))
    assert np.abs(found - means).max() < 1e-3
    assert np.array_equal(fit_matrix(Size(20, 30), photo.size), scale_matrix(2, 2))
    reference = cv2.resize(photo.samples, (30, 20), interpolation=cv2.INTER_AREA)
    assert np.abs(found - reference).max() <= 0.5
