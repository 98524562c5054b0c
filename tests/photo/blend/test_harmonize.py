"""Harmonizing: nothing outside the hole, nothing of what it covers, and what each step gives."""

import dataclasses
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from editkit.errors import InputError
from editkit.names import SEAMS
from editkit.photo.blend import seams
from editkit.photo.blend.color_match import color_offset, match_color
from editkit.photo.blend.composite import composite
from editkit.photo.blend.harmonize import Harmonization, harmonize
from editkit.photo.blend.sharpness import match_sharpness
from editkit.photo.io.files import Photo
from editkit.photo.quality.scores import scores
from editkit.types import Box, Size

Values = NDArray[np.float32]
Hole = NDArray[np.bool_]

OFF = Harmonization(color=False, blend="none", grain=0, sharpen=False)
STEPS = {
    "color": dataclasses.replace(OFF, color=True),
    "feather": dataclasses.replace(OFF, blend="feather", feather=3),
    "multiband": dataclasses.replace(OFF, blend="multiband"),
    "poisson": dataclasses.replace(OFF, blend="poisson"),
    "grain": dataclasses.replace(OFF, grain=1),
    "sharpen": dataclasses.replace(OFF, sharpen=True),
    "default": Harmonization(),
    "all": Harmonization(sharpen=True),
}
HARMONIES = st.builds(
    Harmonization,
    color=st.booleans(),
    blend=st.sampled_from(SEAMS),
    feather=st.floats(0, 20),
    grain=st.sampled_from([0, 0.5, 1, 4]),
    sharpen=st.booleans(),
)


def disc(side: int, radius: float) -> Hole:
    rows, columns = np.mgrid[:side, :side] - side // 2
    return rows**2 + columns**2 < radius**2


def scene(height: int, width: int, seed: int, noise: float = 4.0) -> NDArray[np.uint8]:
    """A photo: broad shapes, an edge, and noise."""
    rng = np.random.default_rng(seed)
    broad = ndimage.gaussian_filter(rng.normal(size=(height, width, 3)), (8, 8, 0)) * 600 + 128
    broad[:, width // 2 :] += 30
    return np.clip(broad + rng.normal(scale=noise, size=broad.shape), 0, 255).astype(np.uint8)


def softened(image: Values, sigma: float) -> Values:
    return np.asarray(ndimage.gaussian_filter(image, (sigma, sigma, 0)), np.float32)


def random_hole(height: int, width: int, seed: int) -> Hole:
    """Of one kind of several: scattered, a box, strokes, everything but a corner, nothing, all."""
    rng, out = np.random.default_rng(seed), np.zeros((height, width), np.uint8)
    kind = seed % 6
    if kind == 0:
        return rng.random((height, width)) < rng.random()
    top, left = int(rng.integers(height)), int(rng.integers(width))
    if kind == 1:
        out[top : top + 30, left : left + 40] = 1
    elif kind == 2:
        cv2.line(out, (0, top), (width, left), (1,), 3)
        cv2.circle(out, (left, top), 9, (1,), -1)
    elif kind == 3:
        out[1:, 1:] = 1
    elif kind == 4:
        out[:] = 1
    return out > 0


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    seed=st.integers(0, 2**32 - 1),
    harmony=HARMONIES,
)
def test_nothing_changes_outside_the_hole(
    height: int, width: int, seed: int, harmony: Harmonization
) -> None:
    rng, hole = np.random.default_rng(seed), random_hole(height, width, seed)
    photo = scene(height, width, seed) if seed % 2 else rng.integers(0, 256, (height, width, 3))
    photo = photo.astype(np.uint8)
    patch = rng.uniform(0, 255, (height, width, 3)).astype(np.float32)
    out = harmonize(patch, photo, hole, harmony, seed)
    assert out.dtype == np.float32
    assert np.array_equal(out[~hole], photo[~hole])
    assert np.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 255


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("mode", ["RGB", "RGB;16", "I;16", "CMYK"])
def test_no_stored_sample_outside_the_mask_changes(step: str, mode: str) -> None:
    rng, hole = np.random.default_rng(0), disc(96, 30)
    shape = (96, 96, *{"RGB": (3,), "RGB;16": (3,), "CMYK": (4,)}.get(mode, ()))
    kind = np.uint16 if mode.endswith("16") else np.uint8
    photo = Photo(rng.integers(0, np.iinfo(kind).max, shape, dtype=kind), mode)
    patch = rng.uniform(0, 255, (96, 96, 3)).astype(np.float32)
    values = harmonize(patch, photo.rgb(), hole, STEPS[step], 1)
    edited = composite(photo, values, Box(0, 0, *Size(96, 96)), hole.astype(np.float32))
    assert np.array_equal(edited.samples[~hole], photo.samples[~hole])
    assert not np.array_equal(edited.samples[hole], photo.samples[hole])


@pytest.mark.parametrize("step", STEPS)
def test_what_the_hole_covers_does_not_count(step: str) -> None:
    photo, hole = scene(120, 130, 1), disc(130, 30)[:120]
    patch = scene(120, 130, 2, noise=0).astype(np.float32)
    other = photo.copy()
    other[hole] = np.random.default_rng(3).integers(0, 256, other[hole].shape)
    out = [harmonize(patch, given, hole, STEPS[step], 1) for given in (photo, other)]
    assert np.array_equal(out[0], out[1])


@pytest.mark.parametrize("step", STEPS)
def test_the_same_seed_gives_the_same_bytes(step: str) -> None:
    photo, hole = scene(120, 130, 1), disc(130, 30)[:120]
    patch = softened(photo.astype(np.float32), 2)
    out = [harmonize(patch, photo, hole, STEPS[step], seed) for seed in (7, 7, 8)]
    assert np.array_equal(out[0], out[1])
    assert np.array_equal(out[0], out[2]) == (not STEPS[step].grain)


def test_without_any_step_the_patch_is_put_in_as_it_is() -> None:
    photo, hole = scene(60, 60, 1), disc(60, 20)
    patch = np.random.default_rng(0).uniform(0, 255, (60, 60, 3)).astype(np.float32)
    out = harmonize(patch, photo, hole, OFF)
    assert np.array_equal(out, np.where(hole[..., None], patch, photo.astype(np.float32)))


# Blending.


@pytest.mark.parametrize("step", ["poisson", "color"])
def test_a_constant_offset_is_made_up_for_exactly(step: str) -> None:
    photo, hole = scene(100, 100, 1), disc(100, 35)
    patch = photo.astype(np.float32) + np.array([12.5, -7.25, 3], np.float32)
    out = harmonize(patch, photo, hole, STEPS[step])
    assert np.abs(out - photo).max() < 1e-3


def test_poisson_solves_its_equation() -> None:
    """In the hole the Laplacian is the patch's; around it the values are the photo's."""
    rng, hole = np.random.default_rng(0), disc(80, 28)
    photo, patch = (rng.uniform(60, 190, (80, 80, 3)).astype(np.float32) for _ in range(2))
    out = np.where(hole[..., None], seams.poisson(patch, photo, hole), photo)
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])[..., None]
    bent = [ndimage.convolve(image.astype(np.float64), kernel) for image in (out, patch)]
    assert np.abs(bent[0] - bent[1])[hole].max() < 0.1


@pytest.mark.parametrize("way", [seams.poisson, seams.multiband])
def test_blending_a_picture_with_itself_is_the_identity(way: Any) -> None:
    photo, hole = scene(120, 101, 5).astype(np.float32), disc(120, 40)[:, :101]
    assert np.array_equal(way(photo, photo, hole), photo)


def burt_and_adelson(one: Values, other: Values, weights: list[Values]) -> Values:
    """Two pictures blended band by band, as the paper has it."""

    def bands(image: Values) -> list[Values]:
        out = list[Values]()
        for _ in weights[:-1]:
            small = np.asarray(cv2.pyrDown(image))
            out.append(image - cv2.pyrUp(small, dstsize=image.shape[1::-1]))
            image = np.asarray(small, np.float32)
        return [*out, image]

    pairs = zip(bands(one), bands(other), weights, strict=True)
    mixed = [w[..., None] * a + (1 - w[..., None]) * b for a, b, w in pairs]
    whole = mixed[-1]
    for band in reversed(mixed[:-1]):
        whole = cv2.pyrUp(whole, dstsize=band.shape[1::-1]) + band
    return np.asarray(whole, np.float32)


def test_multiband_is_burt_and_adelson_s_blend() -> None:
    """Of the patch and the photo, its hole filled with the patch brought to the photo's values."""
    rng, hole = np.random.default_rng(4), disc(140, 50)
    photo, patch = (
        ndimage.gaussian_filter(rng.uniform(0, 255, (140, 140, 3)), (2, 2, 0)).astype(np.float32)
        for _ in range(2)
    )
    filled = np.where(hole[..., None], seams.poisson(patch, photo, hole), photo)
    weights = seams.transition_weights(hole)
    assert len(weights) > 2
    for weight in weights:
        size = (hole.shape[1], hole.shape[0])
        assert cv2.resize(weight, size, interpolation=cv2.INTER_NEAREST)[~hole].max() < 1e-6
    wanted = burt_and_adelson(patch, filled, weights)
    assert np.abs(seams.multiband(patch, photo, hole) - wanted).max() < 1e-2


def test_multiband_keeps_the_patch_s_own_colors_far_in_and_poisson_does_not() -> None:
    photo, hole = np.full((400, 400, 3), 100, np.uint8), disc(400, 180)
    patch = np.full((400, 400, 3), 130, np.float32)
    there = (200, 200)
    for step, wanted in (("multiband", 130), ("poisson", 100)):
        out = harmonize(patch, photo, hole, STEPS[step])
        assert np.abs(out[there] - wanted).max() < 0.5
        edge = hole & ~disc(400, 178)
        assert np.abs(out[edge] - 100).max() < 1.5


def test_what_is_off_broadly_does_not_stay_in_the_middle_of_a_stroke() -> None:
    """Six pixels are no room for a color of its own: a line of it would show."""
    photo = scene(200, 200, 6)
    rows = np.arange(200)[:, None]
    hole = np.broadcast_to(np.abs(rows - 100) < 6, (200, 200))
    patch = photo.astype(np.float32) + 25
    out = harmonize(patch, photo, hole, STEPS["multiband"])
    off = (out - photo)[hole].reshape(11, 200, 3).mean(axis=(1, 2))
    assert np.abs(off).max() < 3


@pytest.mark.parametrize("step", ["feather", "multiband", "poisson"])
def test_a_seam_goes(step: str) -> None:
    photo, hole = scene(200, 200, 6), disc(200, 70)
    patch = photo.astype(np.float32) + 25
    before, after = (
        scores(np.rint(harmonize(patch, photo, hole, h)).astype(np.uint8), hole.astype(np.float32))
        for h in (OFF, STEPS[step])
    )
    assert before["seam"] is not None
    assert after["seam"] is not None
    assert after["seam"] < 0.4 * before["seam"]


@pytest.mark.parametrize("width", [1.0, 3.0])
def test_feathering_acts_inside_the_hole_s_edge_only(width: float) -> None:
    photo, patch = np.full((60, 60, 3), 40, np.float32), np.full((60, 60, 3), 200, np.float32)
    hole = disc(60, 25)
    out = seams.feather(patch, photo, hole, width)
    assert (out[disc(60, 20)] == 200).all()
    assert (out[hole & ~disc(60, 24)] < 200).all()
    assert np.array_equal(seams.feather(patch, photo, hole, 0), patch)


# Color.


def test_a_smooth_cast_is_found() -> None:
    rows, columns = np.mgrid[:200, :240].astype(np.float32)
    cast = np.stack([0.1 * rows - 8, 12 - 0.06 * columns, 0.05 * rows + 0.05 * columns], axis=2)
    photo, hole = scene(200, 240, 8), np.zeros((200, 240), np.bool_)
    hole[40:160, 50:190] = True
    noise = np.random.default_rng(1).normal(scale=4, size=photo.shape)
    found = color_offset((photo - cast + noise).astype(np.float32), photo.astype(np.float32), hole)
    assert np.abs(found - cast)[hole].max() < 2.5
    assert np.sqrt(((found - cast)[hole] ** 2).mean()) < 0.6


def test_content_that_differs_is_no_cast() -> None:
    photo, hole = scene(160, 160, 9).astype(np.float32), disc(160, 40)
    patch = photo - 10
    patch[20:40, 70:90] += 120  # something of the edit that the mask missed
    off = match_color(patch, photo, hole) - photo
    assert np.abs(off[hole]).max() < 4


# Sharpness.


def test_what_was_softened_is_brought_back_and_no_further() -> None:
    rng = np.random.default_rng(2)
    texture = softened(rng.normal(size=(240, 240, 1)).astype(np.float32), 1.5)
    photo = np.clip(128 + 20 * texture / texture.std() + np.zeros(3), 0, 255).astype(np.float32)
    soft = softened(photo, 1.2)
    hole = disc(240, 60)
    ring = disc(240, 110) & ~hole

    def energy(image: Values) -> float:
        band = image - softened(image, 2)
        return float(band[disc(240, 55)].std())

    out = match_sharpness(soft, photo, hole, ring)
    assert energy(soft) < 0.75 * energy(photo)
    assert energy(soft) * 1.2 < energy(out) < 1.05 * energy(photo)
    assert np.array_equal(match_sharpness(photo, photo, hole, ring), photo)


def test_sharpening_makes_no_halo() -> None:
    photo = np.full((200, 200, 3), 60, np.float32)
    photo[:, 100:] = 190
    photo += np.random.default_rng(0).normal(size=photo.shape).astype(np.float32)
    soft = softened(photo, 2.5)
    hole = disc(200, 40)
    out = match_sharpness(soft, photo, hole, ~hole)
    steeper = np.abs(np.diff(out, axis=1)).max(axis=1) / np.abs(np.diff(soft, axis=1)).max(axis=1)
    assert steeper[80:120].mean() > 1.2
    assert out.min() > soft.min() - 4.1
    assert out.max() < soft.max() + 4.1


def test_nothing_is_sharpened_by_a_photo_that_shows_something_else() -> None:
    rng, hole = np.random.default_rng(1), disc(160, 40)
    photo = rng.uniform(0, 255, (160, 160, 3)).astype(np.float32)
    patch = scene(160, 160, 3).astype(np.float32)
    assert np.array_equal(match_sharpness(patch, photo, hole, ~hole), patch)


# What is refused.


@pytest.mark.parametrize(
    "given",
    [{"blend": "magic"}, {"feather": -1}, {"feather": np.nan}, {"grain": -1}, {"grain": np.inf}],
)
def test_what_cannot_be_done_is_named(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(given))):
        Harmonization(**given)


def test_shapes_that_do_not_fit() -> None:
    photo, patch = np.zeros((9, 8, 3), np.uint8), np.zeros((9, 8, 3), np.float32)
    with pytest.raises(InputError, match=r"9, 7"):
        harmonize(patch, photo, np.ones((9, 7), np.bool_), OFF)
    with pytest.raises(InputError, match=r"8, 8"):
        harmonize(patch[:8], photo, np.ones((9, 8), np.bool_), OFF)
