"""Parts of a mask: which marks go together, and that none is lost or counted twice."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from editkit.errors import InputError, MaskError
from editkit.names import REGIONS
from editkit.photo.geometry import components
from editkit.photo.geometry.components import split_components

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=30))


def blank() -> np.ndarray:
    return np.zeros((400, 600), np.float32)


@given(MASKS, st.sampled_from(REGIONS), st.floats(1, 40), st.integers(0, 9))
def test_parts_make_up_the_mask(mask: np.ndarray, how: str, reach: float, seed: int) -> None:
    mask[0, 0] = True
    soft = np.random.default_rng(seed).uniform(0.1, 1, mask.shape).astype(np.float32)
    coverage = np.where(mask, soft, np.float32(0))
    total, counts = np.zeros_like(coverage), np.zeros(mask.shape, int)
    for part in split_components(coverage, how, reach):
        assert part.coverage.shape == part.box.size
        assert part.coverage.any()
        total[part.box.slices] += part.coverage
        counts[part.box.slices] += part.coverage > 0
    assert np.array_equal(total, coverage)
    assert counts.max() == 1


def component_count(mask: np.ndarray) -> int:
    labeled: Any = ndimage.label(mask, np.ones((3, 3)))
    return labeled[1]


@given(MASKS)
def test_each_mark_is_a_connected_component(mask: np.ndarray) -> None:
    mask[0, 0] = True
    count = component_count(mask)
    found = split_components(mask.astype(np.float32), "each", 10)
    assert len(found) == count
    for part in found:
        assert component_count(part.coverage > 0) == 1


def test_marks_that_fit_into_a_square_go_together_and_others_apart() -> None:
    coverage = blank()
    coverage[10:20, 10:20] = coverage[60:70, 60:70] = coverage[300:310, 500:510] = 1
    assert len(split_components(coverage, "auto", 100)) == 2
    assert len(split_components(coverage, "auto", 40)) == 3
    assert len(split_components(coverage, "together", 40)) == 1


def test_a_mark_beside_a_larger_one_goes_with_it() -> None:
    coverage = blank()
    coverage[50:350, 50:350] = 1
    coverage[100:110, 360:370] = 1
    coverage[100:110, 560:570] = 1
    found = split_components(coverage, "auto", 64)
    assert sorted(part.box.size.width for part in found) == [10, 320]


def test_marks_in_each_others_boxes_stay_apart() -> None:
    coverage = blank()
    coverage[20:380, 20:580] = 1
    coverage[40:360, 40:560] = 0
    coverage[200, 300] = 0.5
    frame, dot = sorted(
        split_components(coverage, "each", 10), key=lambda part: -part.box.size.area
    )
    assert frame.coverage[180, 280] == 0
    assert dot.coverage.tolist() == [[0.5]]


def test_large_masks_are_split_on_a_coarser_grid_without_losing_a_pixel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(components, "_LARGEST", 400 * 600 / 9)
    rng, coverage = np.random.default_rng(0), blank()
    coverage[rng.integers(0, 400, 40), rng.integers(0, 600, 40)] = 1
    coverage[0, 0] = coverage[399, 599] = 1
    total = np.zeros_like(coverage)
    for part in split_components(coverage, "each", 50):
        total[part.box.slices] += part.coverage
    assert np.array_equal(total, coverage)


def test_thousands_of_specks_make_few_parts() -> None:
    coverage = blank()
    coverage[::6, ::6] = 1
    found = split_components(coverage, "auto", 200)
    assert 6 <= len(found) <= 16
    assert sum(int((part.coverage > 0).sum()) for part in found) == int(coverage.sum())


def test_senseless_calls_are_refused() -> None:
    with pytest.raises(InputError, match="regions"):
        split_components(np.ones((4, 4), np.float32), "some", 10)
    with pytest.raises(MaskError, match="nothing"):
        split_components(blank(), "each", 10)
