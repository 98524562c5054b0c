from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from editkit.photo.match import matched, membrane, softened

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
    assert np.abs(membrane(values, known)[..., 0] - exact(values, known)).max() < 0.02 * spread


def test_a_membrane_keeps_what_is_known_and_a_plane_is_one() -> None:
    rows, columns = np.mgrid[:64, :64].astype(np.float32)
    plane = (3 * rows - 2 * columns + 5)[..., None]
    known = ~disc(64, 20)
    out = membrane(np.where(known[..., None], plane, 1e6), known)
    assert np.array_equal(out[known], plane[known])
    assert np.abs(out - plane).max() < 0.015 * float(np.ptp(plane))


@given(height=st.integers(1, 20), width=st.integers(1, 20), share=st.floats(0, 1))
def test_a_membrane_stays_within_what_is_known(height: int, width: int, share: float) -> None:
    known = np.random.default_rng(1).random((height, width)) < share
    values = np.random.default_rng(2).random((height, width, 3)).astype(np.float32)
    out = membrane(values, known)
    assert out.shape == values.shape
    if not known.any():
        assert not out.any()
        return
    assert out.min() >= values[known].min() - 1e-5
    assert out.max() <= values[known].max() + 1e-5


def test_a_patch_that_is_off_evenly_is_set_right() -> None:
    photo = RNG.integers(60, 180, (40, 40, 3)).astype(np.uint8)
    off = (photo + np.array([10, -20, 30])).astype(np.uint8)
    assert np.array_equal(matched(off, photo, disc(40, 12)), photo)


def test_what_the_hole_covers_does_not_count() -> None:
    photo = RNG.integers(60, 180, (40, 40, 3)).astype(np.uint8)
    patch, hole = RNG.integers(60, 180, (40, 40, 3)).astype(np.uint8), disc(40, 12)
    other = photo.copy()
    other[hole] = 255
    assert np.array_equal(matched(patch, photo, hole), matched(patch, other, hole))
    assert np.array_equal(softened(patch, photo, hole, 3), softened(patch, other, hole, 3))


@pytest.mark.parametrize("width", [1.0, 3.0])
def test_softening_acts_inside_the_hole_s_edge_only(width: float) -> None:
    photo, patch = np.full((60, 60, 3), 40, np.uint8), np.full((60, 60, 3), 200, np.uint8)
    hole = disc(60, 25)
    out = softened(patch, photo, hole, width)
    assert (out[~hole] == 200).all()
    assert (out[disc(60, 20)] == 200).all()
    assert (out[hole & ~disc(60, 24)] < 200).all()
    assert np.array_equal(softened(patch, photo, hole, 0), patch)
