from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editkit.diffusion.plans import (
    How,
    Plan,
    first_level,
    inversion,
    linear,
    repaint,
    travel,
)

STEPS = st.integers(1, 30)


@given(steps=STEPS, strength=st.floats(0.001, 1))
def test_strength_rounds_as_the_pipelines_do_but_never_to_nothing(
    steps: int, strength: float
) -> None:
    reference = max(steps - min(int(steps * strength), steps), 0)
    assert first_level(steps, strength) == min(reference, steps - 1)


@pytest.mark.parametrize(("steps", "strength", "run"), [(28, 0.6, 16), (100, 0.29, 28), (8, 1, 8)])
def test_strength_runs_the_known_numbers_of_steps(steps: int, strength: float, run: int) -> None:
    assert len(linear(steps, first_level(steps, strength))) == run


@given(steps=STEPS, first=st.integers(0, 29), jump=st.integers(1, 6), repeats=st.integers(1, 5))
def test_repaint_is_one_unbroken_walk(steps: int, first: int, jump: int, repeats: int) -> None:
    first = min(first, steps - 1)
    plan = repaint(steps, jump=jump, repeats=repeats, first=first)
    assert_unbroken(plan, first, steps)
    assert all(m.i - m.j == jump for m in plan if m.how is How.RENOISE)


def assert_unbroken(plan: Plan, first: int, last: int) -> None:
    assert plan.first == first
    assert plan.moves[-1].j == last
    assert all(a.j == b.i for a, b in pairwise(plan.moves))
    assert [m.k for m in plan] == list(range(len(plan)))
    assert all((m.j == m.i + 1) is (m.how is How.DENOISE) for m in plan)


def test_repaint_walks_each_stretch_as_often_as_asked() -> None:
    assert str(repaint(3, jump=1, repeats=2)) == "0>1<0>1>2<1>2>3"
    assert str(repaint(4, jump=2, repeats=2)) == "0>1>2<0>1>2>3>4"


def test_the_paper_s_cost_of_repaint() -> None:
    downs = [m for m in repaint(20, jump=1, repeats=5) if m.how is How.DENOISE]
    assert len(downs) == 20 + 19 * 4


def test_one_repeat_is_a_straight_walk() -> None:
    assert repaint(12, repeats=1, first=3) == linear(12, 3)


@given(repeats=st.integers(1, 5))
def test_travel_repeats_its_band(repeats: int) -> None:
    plan = travel(20, low=5, high=9, repeats=repeats, first=2)
    assert_unbroken(plan, 2, 20)
    assert sum(m.i == 6 and m.how is How.DENOISE for m in plan) == repeats
    assert sum(m.i == 12 for m in plan) == 1


def test_a_band_outside_the_walk_is_refused() -> None:
    with pytest.raises(ValueError, match="not inside"):
        travel(20, low=5, high=20, repeats=2)


def test_inversion_is_the_walk_backwards() -> None:
    there, back = inversion(10, 4), linear(10, 4)
    assert [(m.j, m.i) for m in reversed(there.moves)] == [(m.i, m.j) for m in back]


def test_the_rest_of_a_plan_keeps_its_numbers() -> None:
    plan = repaint(6, repeats=2)
    assert plan.rest(4).moves == plan.moves[4:]
