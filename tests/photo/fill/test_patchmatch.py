"""PatchMatch: textures come back exactly, kept samples stay, no shape is too small."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from editkit.photo.fill import patchmatch as module
from editkit.photo.fill.patchmatch import patchmatch

Hole = NDArray[np.bool_]


def tiles(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    """A tile of noise, repeated."""
    tile = np.random.default_rng(4).integers(0, 256, (9, 13, channels), np.uint8)
    many = np.tile(tile, (-(-height // 9), -(-width // 13), 1))
    return many[:height, :width]


def waves(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    across, down = np.sin(2 * np.pi * x / 11), np.sin(2 * np.pi * y / 7)
    return (128 + 60 * np.stack([across, down, across * down], 2)).astype(np.uint8)


def box(height: int, width: int, *sides: int) -> Hole:
    hole = np.zeros((height, width), np.bool_)
    top, left, bottom, right = sides
    hole[top:bottom, left:right] = True
    return hole


def broken(image: NDArray[Any], hole: Hole) -> NDArray[Any]:
    out = image.copy()
    out[hole] = np.iinfo(image.dtype).max
    return out


def filled(image: NDArray[Any], hole: Hole, **options: Any) -> NDArray[Any]:
    """The fill; kept samples are checked on the way."""
    given = broken(image, hole)
    before = given.copy()
    made = patchmatch(given, hole, **options)
    assert made is not None
    assert np.array_equal(given, before)
    assert (made.shape, made.dtype) == (image.shape, image.dtype)
    assert np.array_equal(made[~hole], image[~hole])
    return made


HOLES = {
    "small": box(100, 120, 40, 50, 55, 70),
    "large": box(100, 120, 25, 30, 75, 90),
    "border": box(100, 120, 0, 40, 30, 80),
    "corner": box(100, 120, 70, 90, 100, 120),
    "edge": box(100, 120, 0, 0, 100, 25),
    "stroke": box(100, 120, 48, 5, 51, 115),
    "two": box(100, 120, 10, 10, 25, 30) | box(100, 120, 60, 70, 85, 100),
    "one pixel": box(100, 120, 50, 60, 51, 61),
}


@pytest.mark.parametrize("place", HOLES)
@pytest.mark.parametrize("texture", [tiles, waves])
def test_a_texture_that_repeats_is_restored(texture: Any, place: str) -> None:
    image, hole = texture(100, 120), HOLES[place]
    off = np.abs(filled(image, hole).astype(int) - image)[hole]
    assert off.mean() < 1
    assert np.quantile(off, 0.99) <= 4


def test_gray_deep_and_real_samples_are_restored_too() -> None:
    hole = HOLES["small"]
    gray = tiles(100, 120, 1)[..., 0]
    deep = (tiles(100, 120).astype(np.uint16) * 257) ^ 85
    for image in (gray, deep, tiles(100, 120, 4)):
        assert np.array_equal(filled(image, hole), image)
    real = tiles(100, 120).astype(np.float32)
    given = np.where(hole[..., None], np.float32(0), real)
    made = patchmatch(given, hole)
    assert made is not None
    assert np.abs(made - real).max() < 0.01


def test_the_seed_decides() -> None:
    rng = np.random.default_rng(1)
    image, hole = rng.integers(0, 256, (60, 70, 3), np.uint8), box(60, 70, 20, 20, 40, 45)
    first = filled(image, hole, seed=3)
    assert np.array_equal(filled(image, hole, seed=3), first)
    assert not np.array_equal(filled(image, hole, seed=4), first)
    assert np.array_equal(filled(image, hole, seed=2**63 - 1), filled(image, hole, seed=2**63 - 1))


def test_what_the_hole_covers_does_not_matter() -> None:
    image, hole = waves(70, 80), box(70, 80, 20, 20, 50, 55)
    noise = np.random.default_rng(0).integers(0, 256, image.shape, np.uint8)
    one = patchmatch(np.where(hole[..., None], noise, image), hole)
    other = patchmatch(np.where(hole[..., None], 255 - noise, image), hole)
    assert one is not None
    assert np.array_equal(one, other)  # pyright: ignore[reportArgumentType]


def test_two_textures_are_told_apart() -> None:
    """The border between them is carried on straight through the hole."""
    image = np.concatenate([tiles(90, 60) // 4, 160 + waves(90, 60) // 4], axis=1).astype(np.uint8)
    hole = box(90, 120, 30, 45, 60, 75)
    off = np.abs(filled(image, hole).astype(int) - image)[hole]
    assert off.mean() < 8


def test_a_slope_has_no_steps_at_the_edge() -> None:
    """Copies of other parts of a slope are too dark or too bright; they are brought to fit."""
    y, x = np.mgrid[:90, :110]
    image = np.stack([y + x, 200 - x, 40 + y], 2).astype(np.uint8)
    hole = box(90, 110, 30, 35, 55, 75)
    steps = np.diff(filled(image, hole).astype(int), axis=1)
    across = np.diff(hole.astype(int), axis=1) != 0
    assert np.abs(steps[across]).max() <= 6


SHAPES = [(1, 1), (1, 9), (9, 1), (2, 2), (6, 6), (7, 7), (7, 40), (8, 9), (31, 33)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.97, 1.0])
def test_tiny_pictures_are_filled_or_there_is_nothing_to_copy(
    shape: tuple[int, int], share: float
) -> None:
    rng = np.random.default_rng(7)
    image, hole = rng.integers(0, 256, (*shape, 3), np.uint8), rng.random(shape) < share
    made = patchmatch(image, hole)
    whole = np.lib.stride_tricks.sliding_window_view(~hole, (7, 7)) if min(shape) >= 7 else None
    copied = not hole.any() or (whole is not None and bool(whole.all(axis=(2, 3)).any()))
    assert (made is not None) == copied
    if made is not None:
        assert np.array_equal(made[~hole], image[~hole])


def test_a_hole_of_all_but_one_patch_is_filled_from_it() -> None:
    image, hole = np.full((60, 80, 3), (9, 99, 199), np.uint8), np.ones((60, 80), np.bool_)
    hole[30:37, 40:47] = False
    assert np.array_equal(filled(image, hole), image)


def test_large_holes_are_searched_at_a_reduced_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are those of memory; made small here, so that a small picture is beyond them."""
    image, hole = tiles(144, 208), box(144, 208, 40, 50, 100, 150)
    monkeypatch.setattr(module, "_MOST_TARGETS", 2500)
    searched: list[int] = []
    whole = module._search  # pyright: ignore[reportPrivateUsage]

    def watched(level: Any, *more: Any, **options: Any) -> None:
        searched.append(len(level.targets))
        whole(level, *more, **options)

    monkeypatch.setattr(module, "_search", watched)
    made = filled(image, hole)
    assert 0 < max(searched) <= 2500
    # Its samples are those of the full size: a fill that was enlarged would have lost the noise.
    assert np.abs(np.diff(made.astype(int), axis=1))[hole[:, 1:]].mean() > 20
