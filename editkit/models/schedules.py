"""Schedules by name: the table of levels of a diffusers scheduler, and its solver.

diffusers' schedulers serve as tables, never as steppers: a stepper keeps hidden state and cannot go
back in noise. The model's configuration decides the betas, the spacing of the timesteps and the
prediction target; the name of the solver decides which class reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, cast, runtime_checkable

import diffusers
import numpy as np
import torch

from editkit.diffusion.levels import Schedule, Target, from_alphas, from_sigmas, from_times
from editkit.diffusion.solvers import Consistency, DpmPlusPlus2M, First, Heun, Solver, UniPC
from editkit.errors import InputError, ModelLoadError

Config = Mapping[str, Any]


@runtime_checkable
class Table(Protocol):
    """The parts of a diffusers scheduler that are read, once its timesteps are set."""

    config: Any
    order: int
    timesteps: torch.Tensor


@dataclass(frozen=True)
class Recipe:
    """A solver, and the diffusers class of its table on variance-preserving models."""

    scheduler: str
    solver: Solver
    overrides: Mapping[str, Any] = field(default_factory=dict)


_PLAIN = {
    "ddim": Recipe("DDIMScheduler", First()),
    "ddpm": Recipe("DDPMScheduler", First(eta=1.0)),
    "dpmpp_2m": Recipe("DPMSolverMultistepScheduler", DpmPlusPlus2M()),
    "dpmpp_2m_sde": Recipe(
        "DPMSolverMultistepScheduler",
        DpmPlusPlus2M(eta=1.0),
        {"algorithm_type": "sde-dpmsolver++"},
    ),
    "euler": Recipe("EulerDiscreteScheduler", First()),
    "euler_a": Recipe("EulerAncestralDiscreteScheduler", First(eta=1.0)),
    "heun": Recipe("HeunDiscreteScheduler", Heun()),
    "lcm": Recipe("LCMScheduler", Consistency()),
    "unipc": Recipe("UniPCMultistepScheduler", UniPC()),
}
_KARRAS = {
    f"{name}_karras": Recipe(
        recipe.scheduler, recipe.solver, {**recipe.overrides, "use_karras_sigmas": True}
    )
    for name, recipe in _PLAIN.items()
    if name in ("dpmpp_2m", "dpmpp_2m_sde", "euler", "heun", "unipc")
}
RECIPES: Mapping[str, Recipe] = MappingProxyType({**_PLAIN, **_KARRAS})

_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
_FLOW_SOLVERS: Mapping[str, Solver] = MappingProxyType(
    {name: Heun(sigma_space=False) for name in ("heun", "heun_karras")}
)


def build_schedule(
    config: Config, solver: str, steps: int, tokens: int | None = None
) -> tuple[Schedule, Solver]:
    """Levels of `steps` steps from a model's scheduler configuration, and the solver named.

    Args:
        config: a diffusers `scheduler_config.json`.
        solver: a name of `RECIPES`.
        steps: number of steps, at least 1.
        tokens: length of the picture as a sequence, for flows with a shift by resolution.

    Raises:
        InputError: an unknown solver, or more steps than the model has levels.
        ModelLoadError: a configuration that cannot be read.
    """
    if solver not in RECIPES:
        raise InputError(f"unknown solver {solver!r}; choose one of {', '.join(RECIPES)}")
    recipe = RECIPES[solver]
    flow = _is_flow(config)
    kind = "FlowMatchEulerDiscreteScheduler" if flow else recipe.scheduler
    try:
        table = getattr(diffusers, kind).from_config(_for_class(config), **recipe.overrides)
        _set_steps(table, steps, tokens)
        schedule = read_schedule(table)
    # A damaged configuration can raise any of these in the library.
    except (*_DAMAGE, AssertionError, RuntimeError) as error:
        if steps > int(config.get("num_train_timesteps", 1000)) or solver == "lcm":
            raise InputError(f"{solver} cannot make {steps} steps: {error}") from error
        raise ModelLoadError(f"the scheduler configuration cannot be read: {error}") from error
    return schedule, _FLOW_SOLVERS.get(solver, recipe.solver) if flow else recipe.solver


def _is_flow(config: Config) -> bool:
    named = str(config.get("_class_name", "")).startswith("FlowMatch")
    return named or config.get("prediction_type") == Target.VELOCITY.value


def _for_class(config: Config) -> dict[str, Any]:
    # A class can read the configuration of another, except for the choice of algorithm.
    own = ("_class_name", "algorithm_type", "solver_order", "solver_type", "use_karras_sigmas")
    return {k: v for k, v in config.items() if k not in own}


def _set_steps(table: Any, steps: int, tokens: int | None) -> None:  # noqa: ANN401
    config = table.config
    if not config.get("use_dynamic_shifting"):
        table.set_timesteps(steps)
        return
    low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    base, top = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    mu = base + (top - base) * ((tokens or low) - low) / (high - low)
    table.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)


def read_schedule(table: Table) -> Schedule:
    """The levels and the target of a diffusers scheduler whose timesteps are set."""
    target = Target(table.config.get("prediction_type", Target.VELOCITY.value))
    stride = table.order  # second-order schedulers list every level but the first twice
    ts = [*table.timesteps[::stride].tolist(), 0.0]
    if not hasattr(table, "sigmas"):
        return Schedule(from_alphas(ts, _alphas(table)), target)
    sigmas = cast("torch.Tensor", getattr(table, "sigmas")).double()  # noqa: B009
    values = [*sigmas[:-1:stride].tolist(), float(sigmas[-1])]
    if target is Target.VELOCITY:
        return Schedule(from_times(ts, values), target)
    levels = from_sigmas(ts, values)
    # In Karras' form pure noise has deviation `init_noise_sigma`; ours is smaller by `a`.
    width = float(getattr(table, "init_noise_sigma", 1.0))
    return Schedule(levels, target, unit=width * levels[0].a if width > 1 else 1.0)


def _alphas(table: Table) -> list[float]:
    alphas = cast("torch.Tensor", getattr(table, "alphas_cumprod")).double()  # noqa: B009
    # Only DDIM may end above the clean level, by the model's configuration.
    ends_noisy = type(table).__name__ == "DDIMScheduler"
    final = float(getattr(table, "final_alpha_cumprod", 1.0)) if ends_noisy else 1.0
    return [*alphas[table.timesteps].tolist(), final]
