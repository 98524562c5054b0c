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
"""Called after every step down, with the move and the prediction that it used."""

MEMORY = 3
"""Number of past states that a solver gets."""


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
    """The state at the last level of `plan`, reached from `x` at its first.

    Args:
        x: the start, at noise level `schedule[plan.first]`.
        plan: the moves.
        schedule: the levels that the plan refers to by number.
        denoise: the denoiser: network, conditions and guide.
        solver: the method of a step.
        draws: the source of noise.
        constraints: known parts of the picture; they act in order.
        watch: called after every step.
    """

    def constrained(x: State, level: Level) -> Pred:
        pred = denoise(x, level)
        for constraint in constraints:
            pred = constraint.clamp(pred, x, level)
        return pred

    past: list[Past] = []  # of this descent only: a jump back in noise makes it stale
    for move in plan:
        context = StepContext(schedule, move, constrained, draws)
        if move.how is How.RENOISE:
            x = schedule.renoise(x, move.i, move.j, context.noise("renoise", x))
            past = []
            continue
        for constraint in constraints:
            x = constraint.enter(x, context)
        pred = constrained(x, context.here)
        x = solver.correct(x, pred, past, context)
        past = [*past, Past(context.here, x, pred.x0)][-MEMORY:]
        x = solver.step(x, pred, past, context)
        if watch:
            watch(move, pred)
    for constraint in constraints:
        x = constraint.finish(x)
    return x


def cost(plan: Plan, schedule: Schedule, solver: Solver) -> int:
    """Network calls of a walk; all branches of a level share one call."""
    return len(levels_called(plan, schedule, solver))


def levels_called(plan: Plan, schedule: Schedule, solver: Solver) -> list[Level]:
    """The level of each network call of a walk, in order."""
    moves = [move for move in plan if move.how is not How.RENOISE]
    return [level for move in moves for level in solver.levels(schedule, move)]
