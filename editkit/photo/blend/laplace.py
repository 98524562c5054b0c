"""Interpolation across a hole by Laplace's equation, fast at any size.

For the difference of a photo and a patch this is the correction of gradient-domain blending (Perez
et al., Poisson Image Editing, 2003, equation 5): smooth, and exact at the edge.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.types import Box

_AROUND = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
_DAMPING = 0.8
_RELAXED = np.where(_AROUND > 0, _DAMPING / 4, np.diag([0, 1 - _DAMPING, 0])).astype(np.float32)
_SPREAD = np.array([1, 3, 3, 1], np.float32) / 4
_SWEEPS, _LAST_SWEEPS = 2, 40
_COARSEST = 12
_BLOCK = 64
_ROUNDS = 50
_PRECISION, _ROUNDING = 1e-4, 1e-6

Values = NDArray[np.float32]
Hole = NDArray[np.bool_]


def solve_laplace(values: Values, known: Hole) -> Values:
    """The known values, and Laplace's interpolation of the unknown ones; float32 (H, W, C).

    Solves the five-point Laplace equation with the known values as its boundary (Dirichlet), and a
    free boundary (Neumann) at the picture's border. The solver is conjugate gradients,
    preconditioned by a multigrid cycle: the cost is linear in the hole's area. Separate holes are
    solved separately. If nothing is known, the result is zeros.

    Args:
        values: (H, W, C); values at unknown pixels are ignored.
        known: (H, W).
    """
    if not known.any():
        return np.zeros(values.shape, np.float32)
    out = values.astype(np.float32)
    for box, hole in _separate_holes(~known):
        grids = _mask_pyramid(hole)
        for channel in range(values.shape[2]):
            part = out[box.slices][..., channel]
            part[hole] = _solve(part, grids)[hole]
    return out


def _separate_holes(free: Hole) -> Iterator[tuple[Box, Hole]]:
    """The separate parts of the free area, each in a box with a border of one known pixel.

    Parts are separated by blocks of 64 pixels, so that thousands of specks are not solved one by
    one.
    """
    whole = np.pad(free, [(0, -side % _BLOCK) for side in free.shape])
    blocks = whole.reshape(len(whole) // _BLOCK, _BLOCK, -1, _BLOCK).any(axis=(1, 3))
    count, labels = cv2.connectedComponents(np.asarray(blocks, np.uint8), connectivity=8)
    for part in range(1, count):
        rows, columns = np.nonzero(np.asarray(labels) == part)
        top, left = int(rows.min()), int(columns.min())
        bottom, right = int(rows.max()) + 1, int(columns.max()) + 1
        mine = np.asarray(labels)[top:bottom, left:right] == part
        box = Box(top * _BLOCK, left * _BLOCK, bottom * _BLOCK, right * _BLOCK)
        here = free[box.slices]
        own = here & np.kron(mine, np.ones((_BLOCK, _BLOCK), np.bool_))[: len(here), : len(here[0])]
        yield _with_border(box, own, free.shape)


def _with_border(box: Box, hole: Hole, shape: tuple[int, ...]) -> tuple[Box, Hole]:
    """The tight box around the hole with a border of one pixel, as far as the picture reaches."""
    rows, columns = (np.flatnonzero(hole.any(axis=axis)) for axis in (1, 0))
    tight = Box(
        max(box.top + int(rows[0]) - 1, 0),
        max(box.left + int(columns[0]) - 1, 0),
        min(box.top + int(rows[-1]) + 2, shape[0]),
        min(box.left + int(columns[-1]) + 2, shape[1]),
    )
    out = np.zeros(tight.size, np.bool_)
    inner = hole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    y, x = box.top + int(rows[0]) - tight.top, box.left + int(columns[0]) - tight.left
    out[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
    return tight, out


def _mask_pyramid(hole: Hole) -> Sequence[Values]:
    """Masks (1 in the hole, 0 outside) at full size and halved repeatedly."""
    grids = [hole.astype(np.float32)]
    while max(grids[-1].shape) > _COARSEST:
        fine = np.pad(grids[-1], [(0, side % 2) for side in grids[-1].shape], "edge")
        # A partly known coarse cell counts as known.
        coarse = np.minimum(fine[::2], fine[1::2])
        coarse = np.minimum(coarse[:, ::2], coarse[:, 1::2])
        if not coarse.any():
            break
        grids.append(coarse)
    return grids


def _solve(values: Values, grids: Sequence[Values]) -> Values:
    """The solution in the hole of the first grid."""
    hole = grids[0]
    border = values[(_filter(hole, _AROUND) > 0) & (hole == 0)]
    u = np.where(hole > 0, border.mean(dtype=np.float64), values).astype(np.float32)
    precise = _PRECISION * float(np.ptp(border)) + _ROUNDING * float(np.abs(border).max())
    residual = _residual(np.zeros_like(u), u, hole)
    step, last = np.zeros_like(u), 1.0
    for _ in range(_ROUNDS):
        better = _cycle(residual, grids)
        if np.abs(better).max() <= precise:
            break
        product = _dot(residual, better)
        step *= np.float32(product / last)
        step += better
        bent = _residual(np.zeros_like(u), step, hole)
        far = np.float32(product / -_dot(step, bent))
        u += far * step
        residual += far * bent
        last = product
    # The maximum principle: the solution lies within the range of the known values.
    return np.where(hole > 0, np.clip(u, border.min(), border.max()), u)


def _cycle(right: Values, grids: Sequence[Values]) -> Values:
    """An approximate solution for a right-hand side: one V-cycle (Briggs et al., 2000)."""
    hole = grids[0]
    out = right * np.float32(_DAMPING / 4)
    if len(grids) == 1:
        return _relax(out, right, hole, _LAST_SWEEPS)
    out = _relax(out, right, hole, _SWEEPS - 1)
    left = _restrict(_residual(right, out, hole), grids[1].shape) * grids[1]
    out += _prolong(_cycle(left, grids[1:]), hole.shape) * hole
    return _relax(out, right, hole, _SWEEPS)


def _relax(values: Values, right: Values, hole: Values, sweeps: int) -> Values:
    """Values after sweeps of damped Jacobi."""
    given = right * np.float32(_DAMPING / 4)
    for _ in range(sweeps):
        values = _filter(values, _RELAXED)
        values += given
        values *= hole
    return values


def _residual(right: Values, values: Values, hole: Values) -> Values:
    around = _filter(values, _AROUND)
    around -= 4 * values
    around += right
    around *= hole
    return around


def _restrict(values: Values, shape: tuple[int, ...]) -> Values:
    """Values at half the size: the transpose of `_prolong`."""
    height, width = values.shape
    missing = (0, 2 * shape[0] - height), (0, 2 * shape[1] - width)
    whole = np.pad(values, missing) if any(more for _, more in missing) else values
    how: dict[str, Any] = {"anchor": (1, 1), "borderType": cv2.BORDER_REPLICATE}
    return np.asarray(cv2.sepFilter2D(whole, -1, _SPREAD, _SPREAD, **how), np.float32)[::2, ::2]


def _prolong(values: Values, shape: tuple[int, ...]) -> Values:
    height, width = values.shape
    double = cv2.resize(values, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(double, np.float32)[: shape[0], : shape[1]]


def _filter(values: Values, kernel: NDArray[np.float32]) -> Values:
    # A replicated edge is a free (Neumann) boundary.
    filtered = cv2.filter2D(values, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(filtered, np.float32)


def _dot(one: Values, other: Values) -> float:
    return float(np.vdot(one, other))
