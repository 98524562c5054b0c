"""The sampler: one loop, for every edit."""

from collections.abc import Callable, Sequence

import torch

from editkit.diffusion.constraints import Constraint
from editkit.diffusion.draws import Draws
from editkit.diffusion.levels import Level, Pred, Schedule
from editkit.diffusion.plans import How, Move, Plan
from editkit.diffusion.solvers import Solver
from editkit.diffusion.step import Denoise, Past, StepContext
from editkit.tensors import State

Watch = Callable[[Move, Pred], None]
"""Called after every step down with the move made and what was predicted before it."""

MEMORY = 3
"""Past states kept: the most that any solver here looks back."""


@torch.inference_mode()
def sample(
    x: State,
    plan: Plan,
    schedule: Schedule,
    denoise: Denoise,
    solver: Solver,
    *,
    draws: Draws,
    constraints: Sequence[Constraint] = (),
    watch: Watch | None = None,
) -> State:
    """Walk `plan` from `x`, a state at the plan's first level, to the state at its last.

    Args:
        x: the start, at noise level `schedule[plan.first]`.
        plan: the moves to make.
        schedule: the levels that the plan's numbers mean.
        denoise: what is asked at each level.
        solver: how a step is made.
        draws: where noise comes from.
        constraints: what is known already; they act in order.
        watch: told of every step.
    """

    def held(x: State, level: Level) -> Pred:
        pred = denoise(x, level)
        for constraint in constraints:
            pred = constraint.clamp(pred, x, level)
        return pred

    past: list[Past] = []  # of this descent only: a jump back in noise makes it stale
    for move in plan:
        context = StepContext(schedule, move, held, draws)
        if move.how is How.RENOISE:
            x = schedule.renoise(x, move.i, move.j, context.noise("renoise", x))
            past = []
            continue
        for constraint in constraints:
            x = constraint.enter(x, context)
        pred = held(x, context.here)
        x = solver.correct(x, pred, past, context)
        past = [*past, Past(context.here, x, pred.x0)][-MEMORY:]
        x = solver.step(x, pred, past, context)
        if watch:
            watch(move, pred)
    for constraint in constraints:
        x = constraint.finish(x)
    return x


def cost(plan: Plan, schedule: Schedule, solver: Solver) -> int:
    """Network calls that a walk will make; a guide may put several questions in one."""
    return sum(solver.calls(schedule, m) for m in plan if m.how is not How.RENOISE)
