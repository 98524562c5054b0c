"""Solvers: how one step down in noise is made. Pure functions of what a `StepContext` shows.

A solver keeps nothing between steps; a multistep method finds its history in `past`, which holds
this descent only, the newest last, and is emptied whenever the walk goes back up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from editkit.diffusion.levels import Level, Pred, Schedule
from editkit.diffusion.plans import Move
from editkit.diffusion.step import Past, StepContext
from editkit.tensors import State


class Solver:
    """A way to step from one level to the next."""

    def calls(self, schedule: Schedule, move: Move) -> int:
        """Network calls that the step of `move` makes, the one before it included."""
        del schedule, move
        return 1

    def correct(self, x: State, pred: Pred, past: Sequence[Past], context: StepContext) -> State:
        """`x` as better known once the network has been asked there; most solvers leave it."""
        del pred, past, context
        return x

    def step(self, x: State, pred: Pred, past: Sequence[Past], context: StepContext) -> State:
        """The state at `context.there`; `past[-1]` is the present one."""
        raise NotImplementedError


@dataclass(frozen=True)
class First(Solver):
    """First order, `x_j = a_j*x0 + sqrt(s_j^2 - churn^2)*eps + churn*z` (DDIM, arXiv 2010.02502).

    `eta` scales the churn: 0 is DDIM and Euler, 1 is DDPM and Euler ancestral. All four differ in
    their tables of levels only.
    """

    eta: float = 0.0

    def step(self, x: State, pred: Pred, past: Sequence[Past], context: StepContext) -> State:
        """Equation 12 of the paper, with the state written as `a*x0 + s*eps`."""
        del past
        there = context.there
        churn = self.eta * _posterior_deviation(context.here, there)
        out = there.a * pred.x0 + math.sqrt(there.s**2 - churn**2) * pred.eps
        return out + churn * context.noise("step", x) if churn else out


def _posterior_deviation(here: Level, there: Level) -> float:
    """Deviation of the level `there` given the noisier level `here` and the clean state."""
    if there.s == 0 or here.s <= there.s:
        return 0.0
    r = here.a / there.a
    return there.s / here.s * math.sqrt(here.s**2 - (r * there.s) ** 2)


@dataclass(frozen=True)
class Consistency(Solver):
    """Latent consistency models (arXiv 2310.04378): jump to clean, then noise afresh.

    The boundary condition (`c_skip`, `c_out`) keeps the network's word out where no noise is left.
    """

    sigma_data: float = 0.5
    timestep_scaling: float = 10.0

    def step(self, x: State, pred: Pred, past: Sequence[Past], context: StepContext) -> State:
        """Multistep consistency sampling (algorithm 3 of the paper)."""
        del past
        scaled = context.here.t * self.timestep_scaling
        c_skip = self.sigma_data**2 / (scaled**2 + self.sigma_data**2)
        c_out = scaled / math.hypot(scaled, self.sigma_data)
        clean = c_out * pred.x0 + c_skip * x
        there = context.there
        return there.a * clean + there.s * context.noise("step", x) if there.s else there.a * clean


@dataclass(frozen=True)
class Heun(Solver):
    """Second order, two network calls a step (arXiv 2206.00364, alg. 1, without churn).

    The slope is averaged over both ends of the step. In sigma space the state is divided by `a`
    first, as the paper has it for variance-preserving models; a flow's paths are straight as they
    are.
    """

    sigma_space: bool = True

    def calls(self, schedule: Schedule, move: Move) -> int:
        """Two, but one for a step to the clean level."""
        return 2 if schedule[move.j].s else 1

    def step(self, x: State, pred: Pred, past: Sequence[Past], context: StepContext) -> State:
        """Predict with a first-order step, ask again there, go back and use the mean slope."""
        first = First().step(x, pred, past, context)
        if not context.there.s:
            return first
        other = context.denoise(first, context.there)
        (c_i, a_i, s_i), (c_j, a_j, s_j) = (self._frame(v) for v in (context.here, context.there))
        slope = (a_j - a_i) * (pred.x0 + other.x0) + (s_j - s_i) * (pred.eps + other.eps)
        return c_j * (x / c_i + slope / 2)

    def _frame(self, level: Level) -> tuple[float, float, float]:
        """Scale of the frame that is integrated in, and the level's `a` and `s` in it."""
        c = level.a if self.sigma_space else 1.0
        return c, level.a / c, level.s / c


@dataclass(frozen=True)
class DpmPlusPlus2M(Solver):
    """DPM-Solver++(2M) (arXiv 2211.01095, alg. 2), with `eta` 1 its SDE form, SDE-DPM-Solver++(2M).

    `short` walks (fewer than 15 steps) end with a first-order step, as the paper's authors advise.
    """

    eta: float = 0.0
    short: int = 15

    def step(self, x: State, pred: Pred, past: Sequence[Past], context: StepContext) -> State:
        """Exact for the linear part, second order in the prediction where there is a history."""
        here, there = context.here, context.there
        h = there.log_snr - here.log_snr
        churned = h * (1 + self.eta)
        keep = there.s / here.s * (math.exp(-self.eta * h) if self.eta else 1.0)
        out = keep * x - there.a * math.expm1(-churned) * self._slope(pred, past, context, h)
        if not self.eta or not there.s:
            return out
        return out + there.s * math.sqrt(-math.expm1(-2 * self.eta * h)) * context.noise("step", x)

    def _slope(self, pred: Pred, past: Sequence[Past], context: StepContext, h: float) -> State:
        ends = context.move.j == context.schedule.steps and context.schedule.steps < self.short
        if len(past) < 2 or ends or math.isinf(h):
            return pred.x0
        before = past[-2]
        r = (context.here.log_snr - before.level.log_snr) / h
        return pred.x0 + (pred.x0 - before.x0) / (2 * r)


@dataclass(frozen=True)
class UniPC(Solver):
    """UniPC with B2 (arXiv 2302.04867): a predictor, and a corrector that costs no network call."""

    order: int = 2

    def correct(self, x: State, pred: Pred, past: Sequence[Past], context: StepContext) -> State:
        """UniC (alg. 1): the last step made again, now that its end is known."""
        if not past:
            return x
        nodes = self._nodes(past, context.schedule, context.move.i)
        return _unified(nodes, context.here, pred.x0)

    def step(self, x: State, pred: Pred, past: Sequence[Past], context: StepContext) -> State:
        """UniP (alg. 2)."""
        nodes = self._nodes(past, context.schedule, context.move.j)
        return _unified(nodes, context.there, None)

    def _nodes(self, past: Sequence[Past], schedule: Schedule, j: int) -> Sequence[Past]:
        """As much of the past as the step to level `j` uses; the order falls towards the end."""
        known = [p for p in past if math.isfinite(p.level.log_snr)] or past[-1:]
        order = min(self.order, schedule.steps + 1 - j, len(known))
        return known[-order:]


def _unified(nodes: Sequence[Past], there: Level, end: State | None) -> State:
    """The step from the last node to `there`, from x0 at the nodes and, to correct, at the end."""
    base = nodes[-1]
    h = there.log_snr - base.level.log_snr
    others = [(p.x0, (p.level.log_snr - base.level.log_snr) / h) for p in nodes[-2::-1]]
    if end is not None:
        others.append((end, 1.0))
    b = math.expm1(-h)
    out = there.s / base.level.s * base.x - there.a * b * base.x0
    for (x0, ratio), rho in zip(others, _rhos([r for _, r in others], h), strict=True):
        out = out - there.a * b * rho / ratio * (x0 - base.x0)
    return out


def _rhos(ratios: Sequence[float], h: float) -> Sequence[float]:
    """Weights of the differences (eq. 9 and 11); one alone is always given a half."""
    if len(ratios) < 2:
        return [0.5] * len(ratios)
    phi, factorial, right = math.expm1(-h) / -h - 1, 1, list[float]()
    for k in range(1, len(ratios) + 1):
        right.append(phi * factorial / math.expm1(-h))
        factorial *= k + 1
        phi = phi / -h - 1 / factorial
    left = np.vander(ratios, increasing=True).T
    return np.linalg.solve(left, np.array(right)).tolist()
