"""Grain: what is measured of a known noise, what is made of it, and where it goes."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, signal

from editkit.photo.blend.grain import Grain, estimate_grain, missing_grain, synthesize_grain
from editkit.photo.blend.harmonize import Harmonization, harmonize

Values = NDArray[np.float32]
Hole = NDArray[np.bool_]

SIDE = 320
EVERYWHERE = np.ones((SIDE, SIDE), np.bool_)
LEVELS = np.array([3.0, 5.0, 8.0])
ONLY = Harmonization(color=False, blend="none", grain=1)


def noise(softness: float, seed: int = 0, side: int = SIDE) -> Values:
    """Gaussian noise of `LEVELS` in its channels, white or softened by a Gaussian."""
    drawn = np.random.default_rng(seed).normal(size=(side, side, 3))
    if softness:
        drawn = ndimage.gaussian_filter(drawn, (softness, softness, 0), mode="wrap")
    return (drawn / drawn.std(axis=(0, 1)) * LEVELS).astype(np.float32)


def disc(side: int, radius: float) -> Hole:
    rows, columns = np.mgrid[:side, :side] - side // 2
    return rows**2 + columns**2 < radius**2


def spectrum(values: Values) -> NDArray[np.float64]:
    """Welch's estimate of the power along rows, a line for each channel, each adding up to 1."""
    _, power = signal.welch(values.transpose(2, 0, 1), nperseg=32, axis=2)
    mean = power.mean(axis=1)
    return mean / mean.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("softness", [0, 0.7, 1.0])
def test_level_and_spectrum_of_a_known_noise_come_back(softness: float) -> None:
    given = noise(softness)
    grain = estimate_grain(128 + given, EVERYWHERE)
    assert grain is not None
    assert np.abs(grain.level / LEVELS - 1).max() < 0.06
    made = synthesize_grain(grain, EVERYWHERE, 1)
    assert np.abs(made.std(axis=(0, 1)) / LEVELS - 1).max() < 0.06
    assert np.abs(spectrum(made) - spectrum(given)).max() < 0.08 * spectrum(given).max()
    assert np.abs(np.corrcoef(made.reshape(-1, 3).T) - np.eye(3)).max() < 0.05
    assert np.abs(made.mean(axis=(0, 1)) / LEVELS).max() < 0.06


def test_noise_that_the_channels_share_is_shared() -> None:
    """As film has it: mostly of brightness, little of color."""
    values = (noise(0, 1)[..., :1] + 0.1 * noise(0, 2)).astype(np.float32)
    grain = estimate_grain(128 + values, EVERYWHERE)
    assert grain is not None
    given = np.corrcoef(values.reshape(-1, 3).T)
    made = np.corrcoef(synthesize_grain(grain, EVERYWHERE, 1).reshape(-1, 3).T)
    assert given.min() > 0.9
    assert np.abs(made - given).max() < 0.02


def test_noise_that_runs_one_way_runs_that_way() -> None:
    """Wider than high, as what was stretched has it."""
    given = np.asarray(ndimage.gaussian_filter1d(noise(0), 1.0, axis=1, mode="wrap"), np.float32)
    grain = estimate_grain(128 + given, EVERYWHERE)
    assert grain is not None
    made = synthesize_grain(grain, EVERYWHERE, 3)
    for values in (given, made):
        across = (values[:, 1:] * values[:, :-1]).mean() / (values**2).mean()
        down = (values[1:] * values[:-1]).mean() / (values**2).mean()
        assert across == pytest.approx(0.78, abs=0.05)
        assert down == pytest.approx(0, abs=0.05)


def test_texture_is_not_grain() -> None:
    """Half of the picture is grass; the noise is what the other half tells."""
    grass = np.float32(25 / LEVELS[0]) * noise(0.8, 3)[..., :1]
    grass[:, SIDE // 2 :] = 0
    grain = estimate_grain(128 + grass + noise(0), EVERYWHERE)
    assert grain is not None
    assert np.abs(grain.level / LEVELS - 1).max() < 0.08


def test_shading_is_not_grain() -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    shading = (40 * np.sin(rows / 40) + 30 * np.cos(columns / 55))[..., None]
    grain = estimate_grain(128 + shading + noise(0), EVERYWHERE)
    assert grain is not None
    assert np.abs(grain.level / LEVELS - 1).max() < 0.06


def test_noise_that_grows_with_light_grows_with_light() -> None:
    brightness = np.linspace(30, 220, SIDE, dtype=np.float32)[None, :, None]
    strength = np.sqrt(brightness / 128)
    grain = estimate_grain(brightness + strength * noise(0), EVERYWHERE)
    assert grain is not None
    for there in (60.0, 128.0, 190.0):
        wanted = LEVELS * np.sqrt(there / 128)
        assert np.abs(grain.at(there).level / wanted - 1).max() < 0.1


def test_what_is_missing_is_added_and_no_more() -> None:
    whole, soft = (
        estimate_grain(128 + noise(0), EVERYWHERE),
        estimate_grain(128 + noise(1.0, 1), EVERYWHERE),
    )
    assert whole is not None
    assert soft is not None
    made = noise(1.0, 5) + synthesize_grain(whole.beyond(soft), EVERYWHERE, 1)
    flat = spectrum(made)[:, 9:-1]  # above where the softened noise has more than the white one
    assert np.abs(made.std(axis=(0, 1)) / LEVELS - 1).max() < 0.35
    assert flat.std() < 0.05 * flat.mean()
    assert soft.beyond(soft).level.max() < 1e-3


def test_a_patch_with_grain_enough_gets_none() -> None:
    photo, hole = (128 + 0.5 * noise(0, 1)), disc(SIDE, 60)
    patch = 128 + noise(0, 2)
    added = missing_grain(patch, photo, hole, ~hole, 1)
    assert added is not None
    assert added.std() < 0.25


def test_a_smooth_patch_gets_the_grain_of_its_surroundings() -> None:
    photo, hole = 128 + noise(0.7), disc(SIDE, 60)
    out = harmonize(np.full_like(photo, 128), photo, hole, ONLY, 3)
    assert np.abs(out[hole].std(axis=0) / LEVELS - 1).max() < 0.08


@pytest.mark.parametrize("amount", [0.5, 2.0])
def test_the_amount_multiplies(amount: float) -> None:
    photo, hole = 128 + noise(0), disc(SIDE, 60)
    patch = np.full_like(photo, 128)
    one, other = (
        harmonize(patch, photo, hole, Harmonization(color=False, blend="none", grain=grain), 3)
        - 128
        for grain in (1.0, amount)
    )
    assert np.allclose(other[hole], amount * one[hole], atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 255.0])
def test_what_is_clipped_stays_clean(value: float) -> None:
    photo, hole = 128 + noise(0), disc(SIDE, 60)
    patch = np.full_like(photo, 128)
    patch[SIDE // 2 :] = value
    out = harmonize(patch, photo, hole, ONLY, 3)
    below = hole & (np.arange(SIDE)[:, None] > SIDE // 2 + 6)
    assert (out[below] == value).all()
    assert out[hole & ~below].std() > 1


def test_a_photo_without_noise_lends_none() -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    photo = np.repeat(((rows + columns) / 4)[..., None], 3, axis=2)
    hole = disc(SIDE, 60)
    out = harmonize(photo, photo, hole, ONLY, 3)
    assert np.abs(out - photo).max() < 0.05


def test_too_little_to_tell_by() -> None:
    assert estimate_grain(np.zeros((8, 200, 3), np.float32), np.ones((8, 200), np.bool_)) is None
    assert estimate_grain(128 + noise(0), np.zeros((SIDE, SIDE), np.bool_)) is None
    white = np.full((SIDE, SIDE, 3), 255, np.float32)
    assert estimate_grain(white, EVERYWHERE) is None


def test_the_same_seed_makes_the_same_noise() -> None:
    grain = Grain(np.tile(np.eye(3), (16, 16, 1, 1)))
    made = [synthesize_grain(grain, EVERYWHERE, seed) for seed in (1, 1, 2)]
    assert np.array_equal(made[0], made[1])
    assert abs(np.corrcoef(made[0].ravel(), made[2].ravel())[0, 1]) < 0.01


def test_noise_is_made_in_strips_that_do_not_show() -> None:
    """Across the rows where one strip ends and the next begins, neighbors go on as elsewhere."""
    soft = estimate_grain(128 + noise(1.0), EVERYWHERE)
    assert soft is not None
    made = synthesize_grain(soft, np.ones((1100, 64), np.bool_), 1)
    assert made.shape == (1100, 64, 3)
    steps = np.sqrt((np.diff(made, axis=0) ** 2).mean(axis=(1, 2)))
    for row in (511, 1023):
        assert abs(steps[row] - steps.mean()) < 4 * steps.std()
    only = np.zeros((1100, 64), np.bool_)
    only[700] = True
    there: Any = synthesize_grain(soft, only, 1)
    assert np.array_equal(there[700], made[700])


def test_no_grid_is_in_the_grain() -> None:
    """Its spectrum has no line: no frequency has much more power than those beside it."""
    grain = estimate_grain(128 + noise(0.7), EVERYWHERE)
    assert grain is not None
    made = synthesize_grain(grain, np.ones((512, 512), np.bool_), 1).mean(axis=2)
    power = np.abs(np.fft.fft2(made)) ** 2
    around = cv2.blur(power, (9, 9), borderType=cv2.BORDER_REFLECT)
    assert (power / around).max() < 30  # of exponential draws, the largest of 262,144 is about 13
