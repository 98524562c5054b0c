"""Windows over a large state: they cover it, agree on it, and leave no grid."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from editkit.diffusion.guides import COND, UNCOND, Branch, Network
from editkit.diffusion.levels import Level
from editkit.diffusion.views import Views, Window, blended, enlarged, viewed
from editkit.tensors import State
from editkit.types import Size

LEVEL = Level(500.0, 0.8, 0.6)


@given(
    height=st.integers(1, 80),
    width=st.integers(1, 80),
    side=st.integers(4, 32),
    overlap=st.integers(0, 3),
    phases=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
)
def test_windows_cover_the_field_and_have_one_size(
    height: int, width: int, side: int, overlap: int, phases: tuple[float, float]
) -> None:
    views = Views(Size(height, width), Size(side, side), overlap)
    seen = torch.zeros(height, width)
    for rows, columns in views.windows(phases):
        assert rows.stop - rows.start == min(side, height)
        assert columns.stop - columns.start == min(side, width)
        seen[rows, columns] += 1
    assert (seen > 0).all()


def test_only_wanted_windows_are_looked_through() -> None:
    wanted = torch.zeros(1, 1, 64, 64)
    wanted[..., 40, 10] = 1
    views = Views(Size(64, 64), Size(16, 16), 4, wanted)
    found = list(views.windows())
    assert 1 <= len(found) <= 4
    assert all(r.start <= 40 < r.stop and c.start <= 10 < c.stop for r, c in found)


def pointwise(window: Window) -> Network:
    """A network that looks at each place alone, so windows cannot matter to it."""
    del window

    def ask(x: State, level: Level, branches: Sequence[Branch]) -> Sequence[State]:
        return [x.sin() * level.a + k for k, _ in enumerate(branches)]

    return ask


@pytest.mark.parametrize("size", [Size(8, 8), Size(16, 40), Size(50, 33)])
def test_a_network_that_sees_places_alone_is_the_same_through_windows(size: Size) -> None:
    x = torch.randn(1, 4, *size, generator=torch.Generator().manual_seed(0))
    views = Views(size, Size(16, 16), 4)
    branches = (UNCOND, COND)
    whole = pointwise((slice(0, 1), slice(0, 1)))(x, LEVEL, branches)
    parts = viewed(pointwise, views)(x, LEVEL, branches)
    assert len(parts) == 2
    for a, b in zip(whole, parts, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_where_windows_disagree_the_answer_goes_over_smoothly() -> None:
    def offset(window: Window) -> Network:
        value = float(window[1].start)
        return lambda x, level, branches: [torch.full_like(x, value) for _ in branches]

    x = torch.zeros(1, 1, 16, 64)
    (out,) = viewed(offset, Views(Size(16, 64), Size(16, 16), 8))(x, LEVEL, (COND,))
    steps = out[0, 0, 0].diff()
    # Neighboring windows differ by 8 and share 8 columns.
    assert steps.min() >= 0
    assert steps.max() <= 2


def test_the_grid_moves_from_level_to_level() -> None:
    views = Views(Size(64, 64), Size(16, 16), 4)
    levels = [Level(0.0, 1 - k / 20, k / 20) for k in range(1, 20)]
    edges = [{rows.start for rows, _ in views.at(level)} - {0, 48} for level in levels]
    assert len(set.union(*edges)) > 20
    assert [list(views.at(v)) for v in levels] == [list(views.at(v)) for v in levels]


def test_where_no_window_was_the_rest_shows() -> None:
    rest = torch.randn(1, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    seen = (slice(4, 12), slice(8, 16))
    (out,) = blended(iter([(seen, [torch.full((1, 2, 8, 8), 3.0)])]), [rest], 2)
    assert torch.allclose(out[..., 4:12, 8:16], torch.tensor(3.0))
    out[..., 4:12, 8:16] = rest[..., 4:12, 8:16]
    assert torch.equal(out, rest)


def test_nearby_windows_are_looked_through_too() -> None:
    wanted = torch.zeros(1, 1, 64, 64)
    wanted[..., 40, 10] = 1
    views = Views(Size(64, 64), Size(16, 16), 4, wanted)
    few, more = set(map(str, views.windows())), set(map(str, views.near(16).windows()))
    assert few < more < set(map(str, replace(views, wanted=None).windows()))


def test_a_window_over_larger_cells_covers_the_same() -> None:
    assert enlarged((slice(2, 5), slice(0, 7)), 8) == (slice(16, 40), slice(0, 56))
