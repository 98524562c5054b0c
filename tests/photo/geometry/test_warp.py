"""A photo on another grid: means of what lies in a pixel, the same wherever a box begins."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from editkit.photo.geometry.warp import fit_matrix, sample_box
from editkit.photo.io.files import Photo, read_photo
from editkit.types import Box, Size

GRIDS = [(120, 160), (60, 80), (145, 193), (101, 319), (240, 320), (37, 53)]


def noise(height: int = 240, width: int = 320) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def sloped(height: int, width: int) -> Photo:
    rows, columns = np.mgrid[:height, :width]
    return read_photo(np.dstack([columns, rows, 0 * rows]).astype(np.uint8))


def whole(grid: tuple[int, int]) -> Box:
    return Box(0, 0, *grid)


@pytest.mark.parametrize("grid", GRIDS)
def test_smaller_is_the_mean_of_what_lies_in_a_pixel(grid: tuple[int, int]) -> None:
    samples = noise()
    shown, covered = sample_box(
        read_photo(samples), fit_matrix(Size(*grid), Size(240, 320)), whole(grid)
    )
    reference: Any = cv2.resize(
        samples.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA
    )
    assert covered.all()
    assert np.abs(shown - reference).max() < 1e-3


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("box", [Box(7, 11, 30, 40), Box(0, 13, 37, 50), Box(19, 0, 20, 53)])
def test_a_box_is_that_part_of_the_whole(grid: tuple[int, int], box: Box) -> None:
    photo, matrix = read_photo(noise()), fit_matrix(Size(*grid), Size(240, 320))
    part, covered = sample_box(photo, matrix, box)
    assert covered.all()
    assert np.abs(part - sample_box(photo, matrix, whole(grid))[0][box.slices]).max() < 1e-3


@pytest.mark.parametrize("angle", [0.0, 0.2])
@pytest.mark.parametrize("scale", [1.0, 1.4, 2.0, 3.7])
@pytest.mark.parametrize("shift", [0.0, 0.25, 1.5])
def test_a_slope_is_told_at_the_middle_of_each_pixel(
    scale: float, shift: float, angle: float
) -> None:
    photo = sloped(180, 240)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = (70 + shift, 40 + shift)
    box = Box(3, 2, 25, 30)
    shown, covered = sample_box(photo, matrix, box)
    rows, columns = np.mgrid[box.top : box.bottom, box.left : box.right]
    places = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ matrix.T
    assert covered.all()
    assert np.abs(shown[..., :2] - places[..., :2]).max() < 0.2


@pytest.mark.parametrize("scale", [1.0, 2.0, 2.5])
def test_what_the_photo_does_not_cover_is_told(scale: float) -> None:
    photo = read_photo(np.full((50, 60, 3), 77, np.uint8))
    matrix = np.array([[scale, 0, -10], [0, scale, -10], [0, 0, 1.0]])
    box = Box(0, 0, 60, 60)
    shown, covered = sample_box(photo, matrix, box)
    rows, columns = (scale * np.arange(60) - 10 for _ in range(2))
    inside = ((rows >= -0.5) & (rows < 49.5))[:, None] & ((columns >= -0.5) & (columns < 59.5))
    assert np.array_equal(covered, inside)
    assert np.abs(shown[covered] - 77).max() < 1e-3
    assert not sample_box(photo, matrix, Box(500, 500, 510, 510))[1].any()
