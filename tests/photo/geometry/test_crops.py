"""Regions: where a crop lies, what it is scaled to, and the way there and back."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editkit.errors import InputError
from editkit.photo.geometry.crops import (
    Region,
    crop,
    crop_mask,
    crop_photo,
    finer_regions,
    paste,
    plan_region,
)
from editkit.photo.io.files import Photo
from editkit.types import Box, Size

SIDES = st.integers(1, 3000)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Size, Box]:
    size = Size(draw(SIDES), draw(SIDES))
    top, left = draw(st.integers(0, size.height - 1)), draw(st.integers(0, size.width - 1))
    bottom = draw(st.integers(top + 1, size.height))
    right = draw(st.integers(left + 1, size.width))
    return size, Box(top, left, bottom, right)


@given(cases(), st.sampled_from([64, 512, 1024]), st.sampled_from([1, 8, 64]), st.floats(0, 2))
def test_a_region_contains_the_mask_and_stays_in_the_photo(
    case: tuple[Size, Box], native: int, multiple: int, context: float
) -> None:
    size, mask = case
    region = plan_region(size, mask, native=native, multiple=multiple, context=context)
    box, scaled, working = region.box, region.scaled, region.working
    assert 0 <= box.top <= mask.top < mask.bottom <= box.bottom <= size.height
    assert 0 <= box.left <= mask.left < mask.right <= box.right <= size.width
    assert min(box.size) >= min(native, *size)
    assert box.size.height == box.size.width or size in (
        (box.size.height, size.width),
        (size.height, box.size.width),
    )
    assert all(length >= 1 for length in scaled)
    assert all(length % multiple == 0 for length in working)
    assert all(
        max(multiple, native // 4) <= padded and length <= padded
        for length, padded in zip(scaled, working, strict=True)
    )
    if scaled == box.size:
        assert max(scaled) <= 3 * native
        return
    factor = max(scaled) / max(box.size)
    assert factor <= 4 + 1e-9
    assert max(scaled) <= 3 * native + 1
    # Rounding moves each side by half a pixel at most, save for sides kept at 1.
    assert all(
        abs(length - before * factor) <= 1.5 or length == 1
        for length, before in zip(scaled, box.size, strict=True)
    )


@given(cases(), st.sampled_from([64, 256, 512]), st.sampled_from([8, 64]), st.floats(0, 1))
def test_finer_regions_go_up_to_the_photos_own_scale(
    case: tuple[Size, Box], native: int, multiple: int, context: float
) -> None:
    size, mask = case
    first = plan_region(size, mask, native=native, multiple=multiple, context=context)
    finer = finer_regions(mask, first, native=native, multiple=multiple)
    scales = [r.scaled.width / r.box.size.width for r in (first, *finer)]
    if not finer:
        assert scales[0] >= 0.79
        return
    # 3000 pixels square fit into the most that is painted at once.
    assert finer[-1].scaled == finer[-1].box.size
    rounding = 1 + 2 / min(min(r.scaled) for r in (first, *finer))
    for before, after in pairwise(scales):
        assert before < after <= 2**1.1 * before * rounding
    for region in finer:
        box = region.box
        assert first.box.top <= box.top <= mask.top
        assert mask.bottom <= box.bottom <= first.box.bottom
        assert first.box.left <= box.left <= mask.left
        assert mask.right <= box.right <= first.box.right
        assert all(length % multiple == 0 for length in region.working)
        assert all(w >= s for w, s in zip(region.working, region.scaled, strict=True))


def test_what_is_painted_at_once_is_bounded() -> None:
    size, mask = Size(9000, 12000), Box(100, 100, 8900, 11900)
    first = plan_region(size, mask, native=256, multiple=8)
    areas = [r.scaled.area for r in finer_regions(mask, first, native=256, multiple=8)]
    assert 4 * areas[-2] > areas[-1]
    assert 15e6 < areas[-1] < 18e6


@given(cases(), st.floats(0, 0.2))
def test_a_small_mask_in_a_large_photo_is_seen_at_scale_1(
    case: tuple[Size, Box], context: float
) -> None:
    size, mask = case
    if min(size) < 128 or max(mask.size) * (1 + 2 * context) > 128:
        mask, size = Box(0, 0, 3, 3), Size(200, 128)
    region = plan_region(size, mask, native=128, multiple=8, context=context)
    assert region == Region(region.box, Size(128, 128), Size(128, 128))
    assert region.box.size == (128, 128)


def test_the_scaled_area_is_the_models() -> None:
    large = plan_region(Size(3000, 4000), Box(0, 0, 2000, 2000), native=512, multiple=64)
    assert (large.box.size, large.scaled, large.working) == ((3000, 3200), (496, 529), (512, 576))
    small = plan_region(Size(100, 120), Box(0, 0, 10, 10), native=512, multiple=64)
    assert small.scaled == (400, 480)
    chosen = plan_region(Size(3000, 4000), Box(9, 9, 50, 50), native=512, multiple=64, working=1024)
    assert chosen.scaled == chosen.box.size == (1024, 1024)


def test_nearly_the_same_scale_is_the_same_scale() -> None:
    region = plan_region(Size(500, 500), Box(0, 0, 10, 10), native=512, multiple=8)
    assert region.scaled == (500, 500)
    assert region.working == (504, 504)


@pytest.mark.parametrize(
    "options",
    [{"native": 0}, {"multiple": 0}, {"context": -0.1}, {"context": float("nan")}, {"working": 0}],
)
def test_senseless_numbers_are_refused(options: dict[str, float]) -> None:
    settings_ = {"native": 64, "multiple": 8} | options
    with pytest.raises(InputError):
        plan_region(Size(9, 9), Box(0, 0, 1, 1), **settings_)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("box", [Box(0, 0, 0, 5), Box(0, 0, 10, 5), Box(-1, 0, 2, 2)])
def test_boxes_outside_are_refused(box: Box) -> None:
    with pytest.raises(InputError, match="not inside"):
        plan_region(Size(9, 9), box, native=64, multiple=8)


@settings(max_examples=40, deadline=None)
@given(cases(), st.sampled_from([1, 3, None]), st.integers(0, 2**32 - 1))
def test_cut_and_paste_fit_and_are_exact_at_scale_1(
    case: tuple[Size, Box], channels: int | None, seed: int
) -> None:
    size, mask = case
    shape = size if channels is None else (*size, channels)
    photo = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    region = plan_region(size, mask, native=64, multiple=8)
    patch = crop(photo, region)
    assert patch.shape == (*region.working, *shape[2:])
    assert patch.dtype == np.uint8
    back = paste(patch, region)
    assert back.shape == (*region.box.size, *shape[2:])
    if region.scaled == region.box.size:
        assert np.array_equal(back, photo[region.box.slices])
    assert not np.shares_memory(back, photo)


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_no_masked_pixel_is_lost(case: tuple[Size, Box], seed: int, many: int) -> None:
    size, mask = case
    rng = np.random.default_rng(seed)
    coverage = np.zeros(size, np.float32)
    rows = rng.integers(mask.top, mask.bottom, many)
    columns = rng.integers(mask.left, mask.right, many)
    coverage[rows, columns] = rng.uniform(0.001, 1, many)
    region = plan_region(size, mask, native=64, multiple=8)
    cut_ = crop_mask(coverage, region)
    assert cut_.shape == region.working
    assert cut_.dtype == np.float32
    assert not cut_[region.scaled.height :].any()
    assert not cut_[:, region.scaled.width :].any()
    for row, column in zip(rows - region.box.top, columns - region.box.left, strict=True):
        there = tuple(
            slice(place * new // old, -(-(place + 1) * new // old))
            for place, new, old in zip((row, column), region.scaled, region.box.size, strict=True)
        )
        # Every working pixel that the source pixel touches is at least as much masked.
        assert cut_[there].size
        assert cut_[there].min() >= coverage[row + region.box.top, column + region.box.left]
    assert cut_.max() == coverage[region.box.slices].max()


@pytest.mark.parametrize("side", [64, 200])
def test_cutting_a_photo_is_cutting_its_rgb(side: int) -> None:
    samples = np.random.default_rng(0).integers(0, 256, (300, 250, 2), dtype=np.uint8)
    photo = Photo(samples, "LA")
    region = plan_region(photo.size, Box(60, 70, 200, 210), native=side, multiple=64)
    assert np.array_equal(crop_photo(photo, region), crop(photo.rgb(), region))


def test_masks_are_cut_exactly_at_scale_1() -> None:
    coverage = np.random.default_rng(1).random((90, 80), np.float32)
    region = Region(Box(3, 4, 53, 44), Size(50, 40), Size(56, 40))
    assert np.array_equal(crop_mask(coverage, region)[:50], coverage[3:53, 4:44])


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("side", [150, 260, 1100])
def test_smooth_photos_come_back_nearly(kind: type, side: int) -> None:
    rows, columns = np.mgrid[:side, :side] / side
    smooth = np.stack([rows, columns, np.sin(4 * rows) * np.cos(3 * columns) / 2 + 0.5], axis=2)
    photo = (smooth * 255).astype(kind)
    region = plan_region(Size(side, side), Box(0, 0, side, side), native=512, multiple=64)
    assert region.scaled != region.box.size
    back = paste(crop(photo, region), region)
    difference = np.abs(back.astype(np.float32) - photo.astype(np.float32))
    assert difference.max() <= 3
    assert difference.mean() <= 0.6


def test_padding_mirrors_the_crop_and_repeats_where_it_is_too_small() -> None:
    photo = np.arange(5 * 7, dtype=np.uint8).reshape(5, 7)
    region = Region(Box(0, 0, 5, 7), Size(5, 7), Size(8, 8))
    assert np.array_equal(crop(photo, region), np.pad(photo, ((0, 3), (0, 1)), mode="reflect"))
    far = Region(Box(0, 0, 5, 7), Size(5, 7), Size(16, 16))
    assert np.array_equal(crop(photo, far), np.pad(photo, ((0, 11), (0, 9)), mode="edge"))


def test_floats_stay_in_their_range() -> None:
    photo = np.zeros((40, 40), np.float32)
    photo[20:] = 1
    region = plan_region(Size(40, 40), Box(0, 0, 40, 40), native=128, multiple=8)
    patch = crop(photo, region)
    assert patch.min() == 0
    assert patch.max() == 1


@pytest.mark.parametrize("size", [Size(1, 1), Size(1, 40000), Size(40000, 1), Size(2, 70000)])
def test_extreme_shapes(size: Size) -> None:
    for mask in (Box(0, 0, 1, 1), Box(0, 0, *size)):
        region = plan_region(size, mask, native=512, multiple=64)
        photo = np.full((*size, 3), 77, np.uint8)
        assert (crop(photo, region) == 77).all()
        assert (paste(crop(photo, region), region) == 77).all()
        assert paste(crop(photo, region), region).shape == (*region.box.size, 3)
        assert crop_mask(np.ones(size, np.float32), region).max() == 1


def test_50_megapixels() -> None:
    size = Size(5000, 10000)
    photo, coverage = np.zeros((*size, 3), np.uint8), np.zeros(size, np.float32)
    coverage[4000, 9000] = 1
    near = plan_region(size, Box(4000, 9000, 4001, 9001), native=512, multiple=64)
    paste(crop(photo, near), near)
    whole = plan_region(size, Box(0, 0, *size), native=512, multiple=64)
    crop(photo, whole)
    assert crop_mask(coverage, whole).sum() == 1
