"""What a model sees of a photo: pixels and back, and masks that lose nothing."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from editkit.ops.engine.canvas import make_canvas, reduce_mask, sample_mask, to_pixels, to_rgb


def test_pixels_and_back() -> None:
    rgb = np.arange(256 * 3, dtype=np.uint32).astype(np.uint8).reshape(16, 16, 3)
    pixels = to_pixels(rgb)
    assert pixels.shape == (1, 3, 16, 16)
    assert float(pixels.min()) == -1
    assert float(pixels.max()) == 1
    assert np.array_equal(to_rgb(pixels), rgb)
    assert np.array_equal(to_rgb(pixels * 1.5), np.asarray(to_rgb((pixels * 1.5).clamp(-1, 1))))


def test_a_canvas_is_filled_only_inside_the_hole() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    coverage = np.zeros((32, 32), np.float32)
    coverage[8:16, 8:16] = 0.001  # any coverage is a hole to the model
    canvas = make_canvas(rgb, coverage, "telea")
    outside = canvas.mask[0, 0] == 0
    assert int((~outside).sum()) == 64
    assert torch.equal(canvas.pixels[0, :, outside], canvas.start[0, :, outside])
    assert not torch.equal(canvas.pixels, canvas.start)
    assert torch.equal(make_canvas(rgb, coverage, "none").start, canvas.pixels)


@settings(max_examples=60, deadline=None)
@given(
    places=st.lists(st.tuples(st.integers(0, 63), st.integers(0, 47)), min_size=1, max_size=5),
    cell=st.sampled_from([4, 8, 16]),
    grow=st.integers(0, 2),
)
def test_reduced_masks_hold_every_masked_pixel(
    places: list[tuple[int, int]], cell: int, grow: int
) -> None:
    mask = torch.zeros(1, 1, 64, 48)
    for row, column in places:
        mask[0, 0, row, column] = 1
    reduced = reduce_mask(mask, cell, grow)
    assert reduced.shape == (1, 1, 64 // cell, 48 // cell)
    assert set(reduced.unique().tolist()) <= {0.0, 1.0}
    back = reduced.repeat_interleave(cell, 2).repeat_interleave(cell, 3)
    assert bool((back >= mask).all())
    # Grown by that many cells and no more.
    far = torch.nn.functional.max_pool2d(mask, 2 * (grow + 1) * cell - 1, 1, (grow + 1) * cell - 1)
    assert bool((far >= back).all())


def test_nearest_sampling_loses_thin_strokes() -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 3] = 1
    assert not sample_mask(mask, 8).any()
    assert int(reduce_mask(mask, 8).sum()) == 8
