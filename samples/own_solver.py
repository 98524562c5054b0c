"""A solver of your own: the explicit midpoint rule, two network calls a step."""

import sys
from pathlib import Path

import editkit
from editkit.diffusion.levels import Level, Pred, Schedule, from_sigmas
from editkit.diffusion.plans import Move
from editkit.diffusion.solvers import Solver
from editkit.diffusion.step import StepContext
from editkit.tensors import State


class Midpoint(Solver):
    def levels(self, schedule: Schedule, move: Move) -> tuple[Level, ...]:
        here, there = schedule[move.i], schedule[move.j]
        half = from_sigmas([(here.t + there.t) / 2], [(here.sigma * there.sigma) ** 0.5])[0]
        return (here, half) if there.s else (here,)

    def step(self, x: State, pred: Pred, past: object, context: StepContext) -> State:
        here, there = context.here, context.there
        for half in self.levels(context.schedule, context.move)[1:]:
            pred = context.denoise(half.a * pred.x0 + half.s * pred.eps, half)
        return there.a * (x / here.a + (there.sigma - here.sigma) * pred.eps)


out = Path(sys.argv[1] if sys.argv[1:] else ".")
made = editkit.generate("grass", steps=8, seed=1, solver=Midpoint())
print(made.save(out / "own_solver.png", force=True), made.report["own"])
