"""The three figures of an edit: what they find in pictures whose seams are known."""

import tracemalloc
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from editkit.errors import InputError
from editkit.photo.quality.scores import grain_ratio, ring_difference, scores, seam_score
from editkit.types import Coverage, Rgb

Score = Callable[[Rgb, Coverage], float | None]
ALL: tuple[Score, ...] = (seam_score, ring_difference, grain_ratio)


def noise(side: int, sigma: float = 8.0, seed: int = 0, mean: float = 120.0) -> Rgb:
    values = np.random.default_rng(seed).normal(mean, sigma, (side, side, 3))
    return np.clip(np.rint(values), 1, 254).astype(np.uint8)


def disc(side: int, radius: float) -> Coverage:
    rows, columns = np.mgrid[:side, :side] - side // 2
    return (rows**2 + columns**2 < radius**2).astype(np.float32)


def inside(coverage: Coverage) -> NDArray[np.bool_]:
    return coverage > 0


def got(score: Score, rgb: Rgb, coverage: Coverage) -> float:
    value = score(rgb, coverage)
    assert value is not None
    return value


def test_a_photo_that_was_not_edited_has_no_seam_and_its_own_grain() -> None:
    photo, mask = noise(200), disc(200, 60)
    assert got(seam_score, photo, mask) == pytest.approx(1, abs=0.15)
    assert got(grain_ratio, photo, mask) == pytest.approx(1, abs=0.05)
    assert got(ring_difference, photo, mask) < 2.5


def test_a_step_at_the_edge_is_a_seam_that_grows_with_it() -> None:
    photo, mask = noise(200), disc(200, 60)
    found: list[float] = []
    for step in (0, 5, 10, 20):
        edited = photo.copy()
        edited[inside(mask)] += np.uint8(step)
        found.append(got(seam_score, edited, mask))
    assert found == sorted(found)
    assert found[1] > 1.5
    assert found[3] > 4


def test_a_seam_is_measured_against_what_surrounds_it() -> None:
    mask = disc(200, 60)
    quiet, loud = noise(200, 2), noise(200, 20)
    for photo in (quiet, loud):
        photo[inside(mask)] += np.uint8(6)
    assert got(seam_score, quiet, mask) > 2 * got(seam_score, loud, mask)


def test_a_ramp_has_no_seam() -> None:
    ramp = np.repeat(np.linspace(20, 220, 200)[:, None], 200, 1)
    photo = np.repeat(np.rint(ramp)[..., None], 3, 2).astype(np.uint8)
    assert got(seam_score, photo, disc(200, 50)) == pytest.approx(1, abs=0.25)


def test_the_ring_difference_of_two_flat_colors_is_theirs() -> None:
    one, other = (120, 130, 140), (150, 120, 110)
    labs = [rgb2lab(np.array([[color]], np.uint8)) for color in (one, other)]
    exact = float(deltaE_ciede2000(*labs)[0, 0])
    for mask in (disc(100, 30), square(96, 24, 72), square(90, 10, 90)):
        photo = np.full((*mask.shape, 3), one, np.uint8)
        photo[inside(mask)] = other
        assert got(ring_difference, photo, mask) == pytest.approx(exact, rel=1e-3)


def square(side: int, low: int, high: int) -> Coverage:
    mask = np.zeros((side, side), np.float32)
    mask[low:high, low:high] = 1
    return mask


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0, 1.5])
def test_the_grain_ratio_is_that_of_the_noise(ratio: float) -> None:
    mask, photo = disc(300, 90), noise(300, 10)
    photo[inside(mask)] = noise(300, 10 * ratio, seed=1)[inside(mask)]
    assert got(grain_ratio, photo, mask) == pytest.approx(ratio, abs=0.06)


def test_texture_on_one_side_does_not_count_as_grain_where_there_are_quiet_parts() -> None:
    photo, mask = noise(300, 3).astype(np.int16), disc(300, 90)
    photo[:, 150:][::2] += 60
    assert got(grain_ratio, photo.astype(np.uint8), mask) == pytest.approx(1, abs=0.1)


def test_blown_highlights_have_no_grain_to_measure() -> None:
    mask, photo = disc(200, 60), np.full((200, 200, 3), 255, np.uint8)
    photo[inside(mask)] = noise(200)[inside(mask)]
    assert grain_ratio(photo, mask) is None


@pytest.mark.parametrize("score", ALL)
def test_only_the_surroundings_of_the_edge_count(score: Score) -> None:
    photo, mask = noise(400), disc(400, 80)
    other = photo.copy()
    distance = [cv2.distanceTransform(m.astype(np.uint8), cv2.DIST_L2, 5) for m in (mask, 1 - mask)]
    other[np.maximum(*distance) > 32] = 0
    assert score(other, mask) == score(photo, mask)


@pytest.mark.parametrize("score", ALL)
def test_what_has_no_edge_has_no_score(score: Score) -> None:
    for mask in (np.ones((50, 50), np.float32), np.zeros((50, 50), np.float32)):
        assert score(noise(50), mask) is None


@pytest.mark.parametrize("score", ALL)
def test_large_edges_are_measured_in_portions_to_the_same_end(
    score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, mask = noise(300), disc(300, 100)
    whole = got(score, photo, mask)
    monkeypatch.setattr("editkit.photo.quality.scores._PORTION", 64)
    assert got(score, photo, mask) == pytest.approx(whole, rel=0.1)


@settings(deadline=None)
@given(
    height=st.integers(1, 30), width=st.integers(1, 30), share=st.floats(0, 1), seed=st.integers(0)
)
def test_any_photo_and_mask_give_finite_scores(
    height: int, width: int, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    photo = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = (rng.random((height, width)) < share).astype(np.float32)
    found = scores(photo, mask)
    assert list(found) == ["seam", "ring", "grain"]
    assert all(value is None or (np.isfinite(value) and value >= 0) for value in found.values())


def test_another_size_is_refused() -> None:
    # Where shapes are checked at run time, that check comes first.
    with pytest.raises((InputError, TypeError), match=r"shape|Float\[ndarray"):
        scores(noise(20), np.ones((20, 19), np.float32))


def test_a_small_mask_in_a_large_photo_costs_little() -> None:
    photo = np.zeros((4000, 6000, 3), np.uint8)
    mask = np.zeros((4000, 6000), np.float32)
    mask[2000:2100, 3000:3100] = 1
    scores(photo, mask)  # what is imported at first use does not count
    tracemalloc.start()
    scores(photo, mask)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20
