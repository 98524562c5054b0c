"""Prefills: known pixels stay, holes are filled, no shape is too small."""

import numpy as np
import pytest

from editkit.errors import InputError
from editkit.names import PREFILLS
from editkit.photo.fill.classic import fill, prefill

FILLING = [method for method in PREFILLS if method != "none"]
SHAPES = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (1, 50), (50, 1), (4, 30), (40, 40)]


@pytest.mark.parametrize("method", PREFILLS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.95, 1.0])
def test_kept_pixels_are_exact(method: str, shape: tuple[int, int], share: float) -> None:
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    hole = rng.random(shape) < share
    before = image.copy()
    filled = prefill(image, hole, method)
    assert np.array_equal(image, before)
    assert (filled.shape, filled.dtype) == (image.shape, np.uint8)
    assert np.array_equal(filled[~hole], image[~hole])
    if method == "none":
        assert np.array_equal(filled, image)
    elif hole.all():
        assert (filled == 127).all()


@pytest.mark.parametrize("method", FILLING)
def test_a_hole_in_a_smooth_image_is_filled_smoothly(method: str) -> None:
    rows, columns = np.mgrid[:48, :48]
    image = np.stack([rows * 4, columns * 4, (rows + columns) * 2], axis=2).astype(np.uint8)
    hole = np.zeros((48, 48), np.bool_)
    hole[18:28, 20:30] = True
    broken = image.copy()
    broken[hole] = (255, 0, 255)
    difference = np.abs(prefill(broken, hole, method).astype(int) - image)
    assert difference.max() <= 40
    assert difference[hole].mean() <= 16


@pytest.mark.parametrize("method", FILLING)
def test_a_hole_in_a_flat_image_gets_its_color(method: str) -> None:
    image = np.full((30, 30, 3), (10, 120, 240), np.uint8)
    hole = np.zeros((30, 30), np.bool_)
    hole[:12, 5:20] = True
    filled = prefill(np.where(hole[..., None], 0, image).astype(np.uint8), hole, method)
    # OpenCV's Telea drifts by a level or so for every few pixels inward.
    assert np.abs(filled.astype(int) - image).max() <= 4


def test_unknown_methods_name_the_known_ones() -> None:
    image, hole = np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.bool_)
    with pytest.raises(
        InputError, match="'magic'; use one of none, telea, ns, biharmonic, patchmatch"
    ):
        prefill(image, hole, "magic")
    with pytest.raises(InputError, match="shape"):
        prefill(image, hole[:3], "telea")


@pytest.mark.parametrize("method", FILLING)
@pytest.mark.parametrize("shape", [(40, 36), (40, 36, 1), (40, 36, 3), (40, 36, 4)])
def test_samples_of_any_channels_and_16_bits_are_filled_as_they_are(
    method: str, shape: tuple[int, ...]
) -> None:
    """A fill of 16 bits is that of 8 bits, finer: not rounded to 8 bits on the way."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    plane = 300 * rows + 371 * columns + 1000
    deep = (plane if len(shape) == 2 else plane[..., None].repeat(shape[2], 2)).astype(np.uint16)
    hole = np.zeros(shape[:2], np.bool_)
    hole[15:22, 12:20] = True
    broken = deep.copy()
    broken[hole] = 65535
    guide = (plane[..., None].repeat(3, 2) // 257).astype(np.uint8)
    filled = fill(broken, hole, method, guide=guide)
    assert (filled.shape, filled.dtype) == (deep.shape, np.uint16)
    assert np.array_equal(filled[~hole], deep[~hole])
    assert np.abs(filled.astype(int) - deep)[hole].mean() < 12 * 257
    assert (filled[hole] % 257 != 0).any()
