"""The outline of a detected edit.

Resampling and JPEG spread an outline over adjacent pixels, and a fill fades into its surroundings,
so no threshold on a difference gives the outline. A small network, trained on edits of known area
(`tests/benchmarks/outlines.py`), sees both pictures, the expected copy and the noise floor, and
predicts the inside. It is used only near the outline of detected regions: detection itself, and
the inside of an edit, are not its task.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.compare.aligned import Bits, Overlay, Values, add_margin, soften, to_lab
from editkit.compare.noise_floor import NoiseFloor, difference_length, local_detail
from editkit.photo.geometry.warp import fit_matrix, sample_values, source_box
from editkit.types import Box

_SIGMA = 1.0
_MOST = 8.0
_REACH = 32
_ROUNDS = 6
_HOLE = 0.25
_WINDOW = 384
_AROUND = 64

HALF = 127
"""Larger shares belong to the edit."""

Shares = NDArray[np.uint8]


def input_planes(over: Overlay, usual: Sequence[NoiseFloor], found: Bits, box: Box) -> Values:
    """The network's input for a box of the grid.

    Args:
        over: the two pictures.
        usual: the noise floor.
        found: the detected regions on the whole grid.
        box: the part of the grid.

    Returns:
        (15, H, W): color in CIELAB; the copy's difference from it, and from the expected copy;
        logarithms of both noise floors, of both differences relative to them, and of the photo's
        detail finer than the grid; the detected regions. Zero where the copy covers nothing.
    """
    outer, inner = add_margin(box, over.grid)
    one, other, covered = over.pair(outer)
    grid = over.matrix @ fit_matrix(over.grid, over.photo.size)
    seen, left = over.match_tones(outer, one, other)
    ours = to_lab(seen)
    off = ours - to_lab(left)
    odd = to_lab(over.expected.sample(grid, outer)) - to_lab(other)
    detail = local_detail(to_lab(soften(seen)))
    levels = [level.at(detail) for level in (usual[0].photo, usual[0].expected)]
    lengths = [difference_length(step, _SIGMA, covered) for step in (off, odd)]
    shown = [
        (ours - np.array([50, 0, 0], np.float32)) / 50,
        off / 10,
        odd / 5,
        *(np.log(level) for level in levels),
        *(np.log1p(length / level) for length, level in zip(lengths, levels, strict=True)),
        np.log1p(_fine_detail(over, outer)),
        found[outer.slices],
    ]
    stacked = np.dstack(shown).astype(np.float32) * covered[..., None]
    return np.clip(np.moveaxis(stacked, 2, 0)[:, *inner], -_MOST, _MOST)


def _fine_detail(over: Overlay, box: Box) -> Values:
    """The standard deviation of the photo's lightness within each pixel of the grid."""
    grid = fit_matrix(over.grid, over.photo.size)
    source = source_box(grid, box, over.photo.size)
    if source is None or over.grid == over.photo.size:
        return np.zeros(box.size, np.float32)
    light = to_lab(over.photo.rgb(source).astype(np.float32))[..., 0]
    means, _ = sample_values(np.dstack([light, light**2, light]), source, grid, box)
    return np.sqrt(np.maximum(means[..., 1] - means[..., 0] ** 2, 0))


def trace_outline(over: Overlay, usual: Sequence[NoiseFloor], found: Bits) -> Shares:
    """The outline of each detected region.

    Args:
        over: the two pictures; not an exact copy.
        usual: the noise floor.
        found: (H, W), the detected regions of the grid.

    Returns:
        uint8 (H, W), the edited share of each pixel, 255 for all; each region has pixels above
        half.
    """
    known, out = found, to_shares(found)
    for _ in range(_ROUNDS):
        out = _predict_near_outline(over, usual, found, known)
        parts = _follow_found_parts(out > HALF, found)
        out = np.where(parts == (out > HALF), out, to_shares(parts))
        if not (parts & ~_dilate(_REACH // 2, known)).any():
            break
        known = parts  # a thin edit, most of which was not found, is followed along
    return out


def _predict_near_outline(
    over: Overlay, usual: Sequence[NoiseFloor], found: Bits, known: Bits
) -> Shares:
    """The network's prediction near the outline of the known area, and the known area elsewhere."""
    from editkit.compare.outline_net import predict_inside  # PyTorch is slow to import

    near, out = _near_outline(known), to_shares(known)
    for window in _windows(near):
        outer, inner = add_margin(window, over.grid, _AROUND)
        told = predict_inside(input_planes(over, usual, found, outer))[inner]
        out[window.slices] = np.where(near[window.slices], told, out[window.slices])
    return out


def to_shares(bits: Bits) -> Shares:
    """The mask as shares: 255 or 0."""
    return bits.astype(np.uint8) * np.uint8(255)


def _near_outline(bits: Bits) -> Bits:
    """Pixels within reach of an outline; the border of the frame is none."""
    return _dilate(_REACH, bits) & _dilate(_REACH, ~bits)


def _dilate(reach: int, bits: Bits) -> Bits:
    kernel = np.ones((2 * reach + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(bits.astype(np.uint8), kernel)) > 0


def _connected_parts(bits: Bits) -> Iterator[tuple[tuple[slice, slice], Bits]]:
    """The connected parts: the box of each, and its pixels in the box."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bits.astype(np.uint8))
    for number in range(1, count):
        left, top, width, height, _ = (int(value) for value in stats[number])
        here = (slice(top, top + height), slice(left, left + width))
        yield here, np.asarray(labels[here]) == number


def _windows(near: Bits) -> Iterator[Box]:
    """Squares of the grid that contain pixels of `near`."""
    height, width = near.shape
    for top in range(0, height, _WINDOW):
        for left in range(0, width, _WINDOW):
            box = Box(top, left, min(top + _WINDOW, height), min(left + _WINDOW, width))
            if near[box.slices].any():
                yield box


def _follow_found_parts(told: Bits, found: Bits) -> Bits:
    """The predicted parts that touch detected ones; detected parts without a prediction stay."""
    out = np.zeros_like(told)
    for here, own in _connected_parts(told):
        if (own & found[here]).any():
            out[here] |= fill_small_holes(own)
    for here, own in _connected_parts(found):
        if not (own & out[here]).any():
            out[here] |= own
    return out


def fill_small_holes(bits: Bits) -> Bits:
    """The mask with holes filled that are much smaller than the mask."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (~bits).astype(np.uint8), connectivity=4
    )
    left, top, width, height, area = np.asarray(stats).T
    outside = (left == 0) | (top == 0)
    outside |= (left + width == bits.shape[1]) | (top + height == bits.shape[0])
    hole = ~outside & (area < _HOLE * np.count_nonzero(bits))
    hole[0] = False
    return bits | hole[np.asarray(labels)] if count > 1 else bits
