import math

import pytest
import torch
from gaussian import LEVELS, schedule
from hypothesis import given
from hypothesis import strategies as st

from editkit.diffusion.levels import Level, Pred, Schedule, Target, from_sigmas

ANGLES = st.floats(0.01, math.pi / 2 - 0.01)


@pytest.mark.parametrize("target", Target)
@given(angle=ANGLES)
def test_splitting_undoes_joining(target: Target, angle: float) -> None:
    level = Level(0.0, math.cos(angle), math.sin(angle))
    if target is Target.VELOCITY:
        level = Level(0.0, 1 - level.s, level.s)
    x0, eps = torch.randn(2, 2, 5, generator=torch.Generator().manual_seed(0)).double()
    out = target.join(Pred(x0, eps), level)
    pred = target.split(out, level.a * x0 + level.s * eps, level)
    assert torch.allclose(pred.x0, x0, atol=1e-9)
    assert torch.allclose(pred.eps, eps, atol=1e-9)


@pytest.mark.parametrize("target", [Target.V, Target.VELOCITY, Target.SAMPLE])
def test_pure_noise_is_a_level_like_any_other(target: Target) -> None:
    level = Level(1000.0, 0.0, 1.0)
    x0, eps = torch.randn(2, 2, 5).double()
    pred = target.split(target.join(Pred(x0, eps), level), eps, level)
    assert torch.allclose(pred.x0, x0)
    assert torch.allclose(pred.eps, eps)
    assert level.sigma == math.inf
    assert level.log_snr == -math.inf


def test_noise_prediction_at_pure_noise_is_refused() -> None:
    levels = (Level(1000.0, 0.0, 1.0), Level(0.0, 1.0, 0.0))
    with pytest.raises(ValueError, match="pure noise"):
        Schedule(levels, Target.EPSILON)


@pytest.mark.parametrize("family", LEVELS)
@given(pair=st.tuples(st.integers(0, 19), st.integers(0, 20)))
def test_renoising_keeps_the_marginal_for_any_pair(family: str, pair: tuple[int, int]) -> None:
    j, i = min(pair), max(pair)
    table = schedule(family, 20)
    here, there = table[i], table[j]
    # Renoising is linear: of x = a*x0 + s*e and unit z it must give a' of x0 and s' of noise.
    one, none = torch.ones(1, 1).double(), torch.zeros(1, 1).double()
    mean = table.renoise(here.a * one, i, j, none)
    noise = math.hypot(
        float(table.renoise(here.s * one, i, j, none)), float(table.renoise(none, i, j, one))
    )
    assert float(mean) == pytest.approx(there.a, abs=1e-12)
    assert noise == pytest.approx(there.s, abs=1e-12)


def test_renoising_downwards_is_refused() -> None:
    table = schedule("vp", 20)
    x = torch.zeros(1, 1)
    with pytest.raises(ValueError, match="not noisier"):
        table.renoise(x, 3, 5, x)


def test_levels_of_sigmas_preserve_variance() -> None:
    levels = from_sigmas([3.0, 1.0, 0.0], [14.6, 0.3, 0.0])
    assert all(v.a**2 + v.s**2 == pytest.approx(1) for v in levels)
    assert [v.sigma for v in levels] == pytest.approx([14.6, 0.3, 0.0])


def test_a_start_is_signal_and_noise() -> None:
    table = schedule("flow", 10)
    x0, noise = torch.full((1, 2), 3.0), torch.ones(1, 2)
    assert torch.equal(table.start(x0, noise, 10), x0)
    assert torch.equal(table.start(x0, noise, 0), noise)
