import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
from gaussian import Fast, schedule
from torch import Tensor

from editkit import InputError
from editkit.diffusion.guides import COND, UNCOND, Branch, Cfg, Guided, all_branches
from editkit.diffusion.levels import Level
from editkit.diffusion.plans import linear
from editkit.diffusion.sampler import sample
from editkit.diffusion.solvers import First

COND_OUT, UNCOND_OUT = torch.randn(
    2, 3, 4, 5, 5, generator=torch.Generator().manual_seed(0)
).unbind()
BOTH = {"uncond": UNCOND_OUT, "cond": COND_OUT}


def test_guidance_extrapolates_from_the_unconditional() -> None:
    guided = Cfg(7.5).combine(BOTH)
    assert torch.allclose(guided, UNCOND_OUT + 7.5 * (COND_OUT - UNCOND_OUT))
    assert torch.equal(Cfg(0.0).combine(BOTH), UNCOND_OUT)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_rescale_is_that_of_diffusers(share: float) -> None:
    plain = Cfg(7.5).combine(BOTH)
    reference = rescale_noise_cfg(plain, COND_OUT, guidance_rescale=share)
    assert torch.allclose(Cfg(7.5, rescale=share).combine(BOTH), reference, atol=1e-6)


def test_full_rescale_has_the_conditional_s_deviation() -> None:
    out = Cfg(9.0, rescale=1.0).combine(BOTH)
    assert torch.allclose(out.std((1, 2, 3)), COND_OUT.std((1, 2, 3)))


def test_scale_one_asks_once() -> None:
    assert Cfg(1.0).branches(Level(0.0, 0.6, 0.8)) == (COND,)
    assert torch.equal(Cfg(1.0).combine({"cond": COND_OUT}), COND_OUT)


@pytest.mark.parametrize("family", ["vp", "flow"])
def test_an_interval_saves_exactly_the_questions_outside_it(family: str) -> None:
    table, asked = schedule(family, 20), list[tuple[float, int]]()

    def network(x: Tensor, level: Level, branches: Sequence[Branch]) -> list[Tensor]:
        asked.append((level.sigma, len(branches)))
        return [0.1 * x + (0.5 if b == COND else 0.0) for b in branches]

    low, high = 0.3, 2.0
    denoise = Guided(network, Cfg(5.0, interval=(low, high)), table.target)
    sample(torch.ones(1, 4), linear(20), table, denoise, First(), draws=Fast())
    assert len(asked) == 20
    assert {questions for sigma, questions in asked if low < sigma <= high} == {2}
    assert {questions for sigma, questions in asked if not low < sigma <= high} == {1}
    assert math.isinf(asked[0][0]) is (family == "flow")


class Faulty:
    def __init__(self, branches: object) -> None:
        self._branches = branches

    def branches(self, level: Level) -> Any:
        del level
        return self._branches

    def combine(self, outputs: Mapping[str, Tensor]) -> Tensor:
        return next(iter(outputs.values()))


@pytest.mark.parametrize("branches", [("cond",), [COND], (), (COND, Branch("cond")), None])
def test_a_guide_of_faulty_branches_is_refused(branches: object) -> None:
    with pytest.raises(InputError, match=r"Faulty\.branches returns"):
        all_branches(Faulty(branches), [Level(0.0, 0.6, 0.8)])


def test_all_branches_of_a_walk_are_known_before_it() -> None:
    levels = [Level(0.0, 0.6, 0.8), Level(0.0, 0.8, 0.6)]
    assert all_branches(Cfg(2.0, interval=(1.0, 9.0)), levels[1:]) == (COND,)
    assert set(all_branches(Cfg(2.0, interval=(1.0, 9.0)), levels)) == {COND, UNCOND}
