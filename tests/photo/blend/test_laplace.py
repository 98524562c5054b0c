"""The membrane: Laplace's equation, against a sparse solve and against what is known of it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from editkit.photo.blend.laplace import solve_laplace

RNG = np.random.default_rng(0)


def disc(side: int, radius: float) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:side, :side] - side // 2
    return rows**2 + columns**2 < radius**2


def exact(values: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The membrane by a sparse solve, its hole away from the border of the picture."""
    number = np.full(known.shape, -1)
    number[~known] = np.arange((~known).sum())
    matrix = sparse.lil_matrix(((~known).sum(),) * 2)
    right = np.zeros((~known).sum())
    for row, column in np.argwhere(~known):
        k = number[row, column]
        matrix[k, k] = 4
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if known[r, c]:
                right[k] += values[r, c, 0]
            else:
                matrix[k, number[r, c]] = -1
    out = values[..., 0].astype(np.float64)
    solved: Any = spsolve(matrix.tocsr(), right)
    out[~known] = solved
    return out


def test_a_membrane_solves_laplace_s_equation() -> None:
    values = np.cumsum(RNG.normal(size=(48, 48, 1)), axis=0).astype(np.float32)
    known = ~disc(48, 14)
    spread = float(np.ptp(values))
    assert np.abs(solve_laplace(values, known)[..., 0] - exact(values, known)).max() < 1e-3 * spread


def test_a_membrane_keeps_what_is_known_and_a_plane_is_one() -> None:
    rows, columns = np.mgrid[:64, :64].astype(np.float32)
    plane = (3 * rows - 2 * columns + 5)[..., None]
    known = ~disc(64, 20)
    out = solve_laplace(np.where(known[..., None], plane, 1e6), known)
    assert np.array_equal(out[known], plane[known])
    assert np.abs(out - plane).max() < 2e-4 * float(np.ptp(plane))


@given(height=st.integers(1, 20), width=st.integers(1, 20), share=st.floats(0, 1))
def test_a_membrane_stays_within_what_is_known(height: int, width: int, share: float) -> None:
    known = np.random.default_rng(1).random((height, width)) < share
    values = np.random.default_rng(2).random((height, width, 3)).astype(np.float32)
    out = solve_laplace(values, known)
    assert out.shape == values.shape
    if not known.any():
        assert not out.any()
        return
    assert out.min() >= values[known].min() - 1e-5
    assert out.max() <= values[known].max() + 1e-5


def test_parts_and_the_border_of_the_picture() -> None:
    """Several holes, one at a corner, where the membrane ends free: against a sparse solve."""
    values = np.cumsum(RNG.normal(size=(40, 56, 2)), axis=1).astype(np.float32)
    hole = np.zeros((40, 56), np.bool_)
    hole[:17, :23] = hole[20:39, 30:55] = hole[25:30, 3:8] = True
    hole[5, 5] = False
    count, number = int(hole.sum()), np.full(hole.shape, -1)
    number[hole] = np.arange(count)
    matrix, right = sparse.lil_matrix((count, count)), np.zeros((count, 2))
    for row, column in np.argwhere(hole):
        k = number[row, column]
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if not (0 <= r < 40 and 0 <= c < 56):
                continue
            matrix[k, k] += 1
            if hole[r, c]:
                matrix[k, number[r, c]] -= 1
            else:
                right[k] += values[r, c]
    solved: Any = spsolve(matrix.tocsc(), right)
    spread = float(np.ptp(values[~hole]))
    out = solve_laplace(np.where(hole[..., None], np.float32(1e6), values), ~hole)
    assert np.array_equal(out[~hole], values[~hole])
    assert np.abs(out[hole] - solved).max() < 1e-3 * spread


def test_what_is_constant_comes_back_exactly() -> None:
    values = np.full((70, 90, 3), 0.1, np.float32)
    assert np.abs(solve_laplace(values, RNG.random((70, 90)) < 0.01) - np.float32(0.1)).max() < 1e-7


@pytest.mark.parametrize("side", [129, 600])
def test_large_holes_are_solved_as_well_as_small_ones(side: int) -> None:
    """The real part of z squared is harmonic on the grid, too."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    truth = (100 * (rows**2 - columns**2))[..., None].astype(np.float32)
    known = ~disc(side, 0.45 * side)
    known[side // 2, side // 2] = True
    out = solve_laplace(np.where(known[..., None], truth, np.float32(0)), known)
    assert np.abs(out - truth).max() < 0.02
