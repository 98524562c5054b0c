"""Every solver, step by step, against the diffusers scheduler of its name."""

import itertools
from collections.abc import Iterator
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from torch import Tensor

from editkit.diffusion.draws import Sequential
from editkit.diffusion.levels import Level, Pred
from editkit.diffusion.plans import linear
from editkit.diffusion.sampler import sample
from editkit.models.schedules import RECIPES, build_schedule
from editkit.tensors import State

STEPS = 12
BETAS = ("linear", "scaled_linear", "squaredcos_cap_v2")
SPACINGS = ("leading", "linspace", "trailing")
TARGETS = ("epsilon", "sample", "v_prediction")
WEIGHTS = torch.randn(4, 4, generator=torch.Generator().manual_seed(8)) * 0.3


def config(**changes: Any) -> dict[str, Any]:
    """A model's `scheduler_config.json`."""
    base = {
        "_class_name": "DDIMScheduler",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "epsilon",
        "timestep_spacing": "leading",
        "steps_offset": 1,
        "clip_sample": False,
        "set_alpha_to_one": False,
    }
    return {**base, **changes}


def network(x: Tensor, t: float) -> Tensor:
    """A stand-in that is smooth in the state and depends on the time."""
    mixed = torch.einsum("ij,bjhw->bihw", WEIGHTS.to(x), x)
    return torch.tanh(mixed) * (0.7 + t / 3000)


def scheduler(kind: str, settings: dict[str, Any], **overrides: Any) -> Any:
    """A diffusers scheduler; untyped, for its own types are stricter than its code."""
    return getattr(diffusers, kind).from_config(settings, **overrides)


def scheduler_states(settings: dict[str, Any], solver: str, x: Tensor) -> Iterator[Tensor]:
    """What the scheduler steps through from unit noise, in Karras' form where it has one."""
    recipe = RECIPES[solver]
    table = scheduler(recipe.scheduler, settings, **recipe.overrides)
    table.set_timesteps(STEPS)
    generator = torch.Generator().manual_seed(1)
    stochastic = "generator" in table.step.__code__.co_varnames
    drawn = {"generator": generator} if stochastic else {}
    x = x * table.init_noise_sigma
    for t in table.timesteps:
        out = network(table.scale_model_input(x, t), float(t))
        x = table.step(out, t, x, **drawn, return_dict=False)[0]
        yield x


def our_states(settings: dict[str, Any], solver: str, x: Tensor) -> Iterator[tuple[Tensor, Level]]:
    """What our walk steps through: the plan cut short after each step."""
    schedule, made = build_schedule(settings, solver, STEPS)

    def denoise(x: State, level: Level) -> Pred:
        return schedule.target.split(network(x.float(), level.t).double(), x, level)

    seen = list[tuple[Tensor, Level]]()
    x = schedule.pure(x.double())
    for steps in range(1, schedule.steps + 1):
        plan = linear(schedule.steps)
        cut = type(plan)(plan.moves[:steps])
        draws = Sequential(torch.Generator().manual_seed(1))
        seen.append((sample(x, cut, schedule, denoise, made, draws=draws), schedule[steps]))
    yield from seen


def compare(settings: dict[str, Any], solver: str, *, only_last: bool = False) -> None:
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    reference = list(scheduler_states(settings, solver, x))
    if solver.startswith("heun"):  # two calls a step there, but for the last
        reference = [*reference[1::2], reference[-1]]
    ve = solver.startswith(("euler", "heun"))
    ours = list(our_states(settings, solver, x))
    # Karras' form begins at the size of sigma, in float32: with cosine betas that is 20,000.
    widest = build_schedule(settings, solver, STEPS)[0][0].sigma
    rounding = torch.finfo(torch.float32).eps * widest if ve else 0.0
    assert len(ours) == len(reference)
    for theirs, (state, level) in list(zip(reference, ours, strict=True))[-only_last:]:
        scaled = theirs.double() * (level.a if ve else 1)
        scale = max(1.0, float(scaled.abs().max()))
        assert float((scaled - state).abs().max()) < max(2e-5 * scale, rounding)


@pytest.mark.parametrize("solver", RECIPES)
def test_every_solver_is_its_namesake_step_by_step(solver: str) -> None:
    compare(config(), solver)


@pytest.mark.parametrize(
    ("betas", "spacing", "target"), list(itertools.product(BETAS, SPACINGS, TARGETS))
)
@pytest.mark.parametrize("solver", ["dpmpp_2m", "euler", "unipc"])
def test_every_configuration(solver: str, betas: str, spacing: str, target: str) -> None:
    settings = config(beta_schedule=betas, timestep_spacing=spacing, prediction_type=target)
    compare(settings, solver, only_last=True)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("one", [True, False])
def test_ddim_ends_where_the_configuration_says(spacing: str, *, one: bool) -> None:
    # 12 does not divide 1000: there DDIM's own hop is a timestep off its own table, ours is not.
    settings = config(timestep_spacing=spacing, set_alpha_to_one=one)
    schedule, _ = build_schedule(settings, "ddim", 10)
    table = scheduler("DDIMScheduler", settings)
    last = 1.0 if one else float(table.alphas_cumprod[0])
    assert schedule[-1].a ** 2 == pytest.approx(last)


@pytest.mark.parametrize("solver", ["ddim", "euler", "dpmpp_2m"])
def test_zero_terminal_snr(solver: str) -> None:
    settings = config(
        prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing"
    )
    schedule, _ = build_schedule(settings, solver, STEPS)
    assert schedule[0].a < 1e-3
    if solver != "ddim":
        compare(settings, solver)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_with_a_static_shift(shift: float) -> None:
    compare_flow({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": shift}, {}, None)


@pytest.mark.parametrize("tokens", [256, 1024, 4096])
def test_flow_with_a_shift_that_depends_on_resolution(tokens: int) -> None:
    settings = {
        "_class_name": "FlowMatchEulerDiscreteScheduler",
        "shift": 3.0,
        "use_dynamic_shifting": True,
        "base_shift": 0.5,
        "max_shift": 1.15,
        "base_image_seq_len": 256,
        "max_image_seq_len": 4096,
    }
    shift = calculate_shift(tokens)
    sigmas = np.linspace(1.0, 1 / STEPS, STEPS)
    compare_flow(settings, {"sigmas": sigmas, "mu": shift}, tokens)


def compare_flow(settings: dict[str, Any], arguments: dict[str, Any], tokens: int | None) -> None:
    table = scheduler("FlowMatchEulerDiscreteScheduler", settings)
    table.set_timesteps(**(arguments or {"num_inference_steps": STEPS}))
    x = reference = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for t in table.timesteps:
        out = network(reference, float(t))
        reference = table.step(out, t, reference, return_dict=False)[0]
    schedule, solver = build_schedule(settings, "euler", STEPS, tokens)

    def denoise(x: State, level: Level) -> Pred:
        return schedule.target.split(network(x, level.t), x, level)

    draws = Sequential(torch.Generator())
    ours = sample(x, linear(STEPS), schedule, denoise, solver, draws=draws)
    assert float((ours - reference).abs().max()) < 2e-5


@pytest.mark.parametrize("name", ["heun", "dpmpp_2m", "unipc", "euler_a", "lcm"])
def test_solvers_run_on_flows(name: str) -> None:
    """From pure noise (a = 0) to clean, every step finite, near what Euler finds in many steps."""
    settings = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    ends = list[Tensor]()
    for solver, steps in ((name, 40), ("euler", 400)):
        schedule, made = build_schedule(settings, solver, steps)

        def denoise(x: State, level: Level, target: Any = schedule.target) -> Pred:
            return target.split(network(x, level.t), x, level)

        draws = Sequential(torch.Generator().manual_seed(2))
        ends.append(sample(x, linear(steps), schedule, denoise, made, draws=draws))
    assert ends[0].isfinite().all()
    if name in ("heun", "dpmpp_2m", "unipc"):
        assert float((ends[0] - ends[1]).abs().mean()) < 0.05
