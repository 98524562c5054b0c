"""Blending: an edge that never leaks, and samples that stay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from editkit.errors import InputError
from editkit.photo.blend.composite import composite, count_changed_outside
from editkit.photo.blend.seams import feather_alpha
from editkit.photo.io.files import Photo
from editkit.types import Box, Size

MODES = {
    "L": (),
    "LA": (2,),
    "RGB": (3,),
    "RGBA": (4,),
    "CMYK": (4,),
    "I;16": (),
    "LA;16": (2,),
    "RGB;16": (3,),
    "RGBA;16": (4,),
    "CMYK;16": (4,),
}
MASKS = hnp.arrays(
    np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24), elements=st.booleans()
)


def photo_of(mode: str, height: int = 20, width: int = 30, seed: int = 0) -> Photo:
    rng, shape = np.random.default_rng(seed), (height, width, *MODES[mode])
    if mode.endswith("16"):
        return Photo(rng.integers(0, 65536, shape, dtype=np.uint16), mode)
    return Photo(rng.integers(0, 256, shape, dtype=np.uint8), mode)


def blank(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


@given(MASKS, st.floats(0, 40))
def test_a_feather_never_leaks_and_reaches_1(mask: np.ndarray, width: float) -> None:
    alpha = feather_alpha(mask.astype(np.float32), width)
    assert alpha.dtype == np.float32
    assert alpha.shape == mask.shape
    assert (alpha[~mask] == 0).all()
    assert (alpha[mask] > 0).all()
    assert alpha.max() == mask.max()


@given(st.integers(1, 3), st.floats(0, 40))
def test_thin_scratches_are_replaced(thickness: int, width: float) -> None:
    coverage = blank(40, 60)
    coverage[10 : 10 + thickness, 5:50] = 1
    coverage[25:39, 20:50] = 1
    alpha = feather_alpha(coverage, width)
    middle = alpha[10 + thickness // 2, 20:40]
    assert (middle == 1).all()
    assert alpha[10 : 10 + thickness, 10:45].min() > 0.85


def test_the_ramp_is_the_distance() -> None:
    coverage = blank(200, 200)
    coverage[50:150, 50:150] = 1
    alpha = feather_alpha(coverage, 4.0)
    assert alpha[100, 49:56].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1, 1])
    assert np.array_equal(alpha, alpha.T)


def test_each_part_has_its_own_width() -> None:
    coverage = blank(120, 200)
    coverage[10:110, 10:110] = 1
    coverage[50, 150:180] = 1
    alpha = feather_alpha(coverage, 4.0)
    assert alpha[50, 10] == pytest.approx(0.2)
    assert (alpha[50, 150:180] == 1).all()


def test_the_photos_border_is_no_edge() -> None:
    coverage = blank(60, 60)
    coverage[:40] = 1
    alpha = feather_alpha(coverage, 4.0)
    assert (alpha[:30] == 1).all()
    assert (alpha[39] < 1).all()
    assert (feather_alpha(np.ones((5, 5), np.float32)) == 1).all()


def test_soft_values_are_scaled_not_lost() -> None:
    coverage = blank(100, 100)
    coverage[20:80, 20:80] = 0.5
    alpha = feather_alpha(coverage, 2.0)
    assert alpha[50, 50] == 0.5
    assert 0 < alpha[20, 50] < 0.5


def test_no_width_and_no_mask_change_nothing() -> None:
    coverage = np.random.default_rng(0).random((9, 9), np.float32)
    assert np.array_equal(feather_alpha(coverage, 0.0), coverage)
    assert not feather_alpha(blank(4, 4), 3.0).any()
    for width in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="feather"):
            feather_alpha(coverage, width)


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_kept_samples_are_kept_and_edited_ones_are_the_patch(mode: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    photo = photo_of(mode, seed=seed)
    alpha = rng.choice([0, 0, 0.25, 1], photo.size).astype(np.float32)
    top, left = int(rng.integers(0, 10)), int(rng.integers(0, 10))
    box = Box(top, left, top + int(rng.integers(1, 11)), left + int(rng.integers(1, 21)))
    patch = rng.integers(0, 256, (*box.size, 3), dtype=np.uint8)
    before = photo.samples.copy()
    after = composite(photo, patch, box, alpha)
    assert np.array_equal(photo.samples, before)
    assert count_changed_outside(photo, after, alpha) == 0
    outside = np.ones(photo.size, np.bool_)
    outside[box.slices] = False
    assert np.array_equal(after.samples[outside], before[outside])
    # Half for rounding; in 16 bits half a step of 8 bits more, for the dither.
    most = 0.501 + (128.5 if mode.endswith("16") else 0)
    wanted = expected(photo, patch, box, alpha)
    assert np.abs(inside(after, box).astype(float) - wanted).max() <= most


def inside(photo: Photo, box: Box) -> np.ndarray:
    return photo.samples[box.slices].reshape(*box.size, -1)


def expected(photo: Photo, patch: np.ndarray, box: Box, alpha: np.ndarray) -> np.ndarray:
    """The formula, in float64."""
    mode = {"I;16": "L"}.get(photo.mode, photo.mode.removesuffix(";16"))
    real = patch.astype(np.float64)
    new = real
    if mode in ("L", "LA"):
        new = (real @ [0.299, 0.587, 0.114])[..., None]
    if mode == "CMYK":
        new = np.concatenate([255 - real, np.zeros_like(real[..., :1])], axis=2)
    new = new * (257 if photo.mode.endswith("16") else 1)
    wanted = inside(photo, box).astype(np.float64)
    colors = new.shape[2]
    step = alpha[box.slices].astype(np.float64)[..., None] * (new - wanted[..., :colors])
    wanted[..., :colors] = np.clip(
        wanted[..., :colors] + step, 0, np.iinfo(photo.samples.dtype).max
    )
    return wanted


def test_patches_in_16_bits_are_dithered_and_the_same_for_a_seed() -> None:
    photo = Photo(np.zeros((200, 300, 3), np.uint16), "RGB;16")
    patch = np.full((200, 300, 3), 100.25, np.float32)
    everything = np.ones((200, 300), np.float32)
    box = Box(0, 0, 200, 300)
    after = [composite(photo, patch, box, everything, seed=seed).samples for seed in (1, 1, 2)]
    assert np.array_equal(after[0], after[1])
    assert not np.array_equal(after[0], after[2])
    assert abs(after[0].mean() / 257 - 100.25) < 0.005
    assert len(np.unique(after[0])) > 200


def test_alpha_channels_are_left_alone() -> None:
    for mode in ("LA", "RGBA"):
        photo = photo_of(mode)
        patch = np.full((20, 30, 3), 200, np.uint8)
        after = composite(photo, patch, Box(0, 0, 20, 30), np.ones((20, 30), np.float32))
        assert np.array_equal(after.samples[..., -1], photo.samples[..., -1])
        assert (after.samples[..., :-1] == 200).all()


def test_the_count_is_of_differing_samples_where_alpha_is_0() -> None:
    photo, alpha = photo_of("RGB"), blank(20, 30)
    alpha[:5] = 0.5
    other = photo.samples.copy()
    other[2, 2] += 1
    other[10, 10] += 1
    other[11, 11, 0] += 1
    assert count_changed_outside(photo, photo.with_samples(other), alpha) == 4
    with pytest.raises(InputError, match="compared"):
        count_changed_outside(photo, photo_of("L"), alpha)


def test_wrong_sizes_are_refused() -> None:
    photo = photo_of("RGB")
    for patch, alpha in [((5, 5, 3), (20, 29)), ((5, 4, 3), (20, 30)), ((5, 5, 4), (20, 30))]:
        with pytest.raises(InputError, match="do not fit"):
            composite(photo, np.zeros(patch, np.uint8), Box(0, 0, 5, 5), blank(*alpha))


@pytest.mark.parametrize("size", [Size(1, 1), Size(1, 40000), Size(40000, 1)])
def test_extreme_shapes_are_feathered(size: Size) -> None:
    coverage = np.zeros(size, np.float32)
    coverage[size.height // 2, size.width // 2] = 1
    assert feather_alpha(coverage).sum() == 1
    assert (feather_alpha(np.ones(size, np.float32)) == 1).all()


def test_50_megapixels() -> None:
    photo = Photo(np.zeros((5000, 10000, 3), np.uint8), "RGB")
    coverage = blank(5000, 10000)
    coverage[4000:4300, 9000:9300] = 1
    box = Box(3900, 8900, 4412, 9412)
    alpha = feather_alpha(coverage)
    after = composite(photo, np.full((512, 512, 3), 9, np.uint8), box, alpha)
    assert count_changed_outside(photo, after, alpha) == 0
    assert after.samples[4150, 9150].tolist() == [9, 9, 9]
