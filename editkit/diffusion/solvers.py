"""Solvers: one step down in noise, as a pure function of the state and its `StepContext`.

A solver keeps nothing between steps. A multistep method finds its history in `past`: the states of
this descent, the newest last. The sampler empties it whenever the walk goes back up.
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
    """A method to step from one level to the next."""

    def levels(self, schedule: Schedule, move: Move) -> tuple[Level, ...]:
        """The level of each network call of a move, in order; the first call is at its start.

        The cost of a walk is counted by this. A solver that calls `context.denoise` in its step
        gives those levels, too.
        """
        return (schedule[move.i],)

    def correct(self, x: State, pred: Pred, past: Sequence[Past], context: StepContext) -> State:
        """`x`, corrected by the prediction made there; most solvers leave it as it is."""
        del pred, past, context
        return x

    def step(self, x: State, pred: Pred, past: Sequence[Past], context: StepContext) -> State:
        """The state at `context.there`.

        Args:
            x: the state at `context.here`.
            pred: the prediction for `x`.
            past: states of this descent; `past[-1]` is `x` itself.
            context: the move, its levels, its noise and the denoiser.
        """
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
    """Standard deviation of a state at `there`, given the state at `here` and the clean one."""
    if there.s == 0 or here.s <= there.s:
        return 0.0
    r = here.a / there.a
    return there.s / here.s * math.sqrt(here.s**2 - (r * there.s) ** 2)


@dataclass(frozen=True)
class Consistency(Solver):
    """Latent consistency models (arXiv 2310.04378): jump to clean, then noise afresh.

    The boundary condition (`c_skip`, `c_out`) leaves the state alone where no noise is left.
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
    first, as in the paper, for variance-preserving models; the paths of a flow are straight without
    that.
    """

    sigma_space: bool = True

    def levels(self, schedule: Schedule, move: Move) -> tuple[Level, ...]:
        """Both ends of the step; a step to the clean level has one call."""
        here, there = schedule[move.i], schedule[move.j]
        return (here, there) if there.s else (here,)

    def step(self, x: State, pred: Pred, past: Sequence[Past], context: StepContext) -> State:
        """The state after a step along the mean slope of both ends."""
        first = First().step(x, pred, past, context)
        if not context.there.s:
            return first
        other = context.denoise(first, context.there)
        (c_i, a_i, s_i), (c_j, a_j, s_j) = (self._frame(v) for v in (context.here, context.there))
        slope = (a_j - a_i) * (pred.x0 + other.x0) + (s_j - s_i) * (pred.eps + other.eps)
        return c_j * (x / c_i + slope / 2)

    def _frame(self, level: Level) -> tuple[float, float, float]:
        """Scale of the frame of integration, and the level's `a` and `s` in it."""
        c = level.a if self.sigma_space else 1.0
        return c, level.a / c, level.s / c


@dataclass(frozen=True)
class DpmPlusPlus2M(Solver):
    """DPM-Solver++(2M) (arXiv 2211.01095, alg. 2), with `eta` 1 its SDE form, SDE-DPM-Solver++(2M).

    Walks of fewer than `short` steps end with a first-order step, as the paper's authors advise.
    """

    eta: float = 0.0
    short: int = 15

    def step(self, x: State, pred: Pred, past: Sequence[Past], context: StepContext) -> State:
        """Exact in the linear part, of second order in the prediction where there is a history."""
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
        """UniC (alg. 1): the end of the last step again, from the prediction there."""
        if not past:
            return x
        nodes = self._nodes(past, context.schedule, context.move.i)
        return _unified(nodes, context.here, pred.x0)

    def step(self, x: State, pred: Pred, past: Sequence[Past], context: StepContext) -> State:
        """UniP (alg. 2)."""
        nodes = self._nodes(past, context.schedule, context.move.j)
        return _unified(nodes, context.there, None)

    def _nodes(self, past: Sequence[Past], schedule: Schedule, j: int) -> Sequence[Past]:
        """The part of the past that a step to level `j` uses; the order falls toward the end."""
        known = [p for p in past if math.isfinite(p.level.log_snr)] or past[-1:]
        order = min(self.order, schedule.steps + 1 - j, len(known))
        return known[-order:]


def _unified(nodes: Sequence[Past], there: Level, end: State | None) -> State:
    """The step from the last node to `there`, from x0 at the nodes and, to correct, at `there`."""
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
    """Weights of the differences (eq. 9 and 11); a single one has a half."""
    if len(ratios) < 2:
        return [0.5] * len(ratios)
    phi, factorial, right = math.expm1(-h) / -h - 1, 1, list[float]()
    for k in range(1, len(ratios) + 1):
        right.append(phi * factorial / math.expm1(-h))
        factorial *= k + 1
        phi = phi / -h - 1 / factorial
    left = np.vander(ratios, increasing=True).T
    return np.linalg.solve(left, np.array(right)).tolist()
