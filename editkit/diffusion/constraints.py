"""Constraints: they keep known parts of a picture during a walk.

A constraint may change the state before each step (`enter`), each prediction (`clamp`) and the last
state (`finish`). Several apply in order. The sampler knows no constraint by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from editkit.diffusion.levels import Level, Pred
from editkit.diffusion.step import StepContext
from editkit.tensors import State, StateMask

Known = Callable[[Level], StateMask]
"""`level -> mask`: 1 where the state is known at that level, 0 where it is free."""

CLEAN = Level(0.0, 1.0, 0.0)


class Constraint:
    """A constraint that changes nothing: a base for others."""

    def enter(self, x: State, context: StepContext) -> State:
        """`x` at the level `context.here`, with the known parts in place."""
        del context
        return x

    def clamp(self, pred: Pred, x: State, level: Level) -> Pred:
        """The prediction for `x`, with the known parts in place."""
        del x, level
        return pred

    def finish(self, x: State) -> State:
        """The clean state `x`, with the known parts in place."""
        return x


@dataclass(frozen=True)
class Hard:
    """The same part is known at every level."""

    keep: StateMask

    def __call__(self, level: Level) -> StateMask:
        """The mask, whatever the level."""
        del level
        return self.keep


@dataclass(frozen=True)
class ChangeMap:
    """A strength for each place, in [0, 1]: it is free once the share of noise is as low as that.

    A soft mask is a strength for each pixel (Differential Diffusion, arXiv 2306.00950). It never
    mixes two states at each step: that would compound.
    """

    change: StateMask

    def __call__(self, level: Level) -> StateMask:
        """1 where the strength is below this level's share of noise, or is 0."""
        return ((self.change < level.noisiness) | (self.change <= 0)).to(self.change)


@dataclass(frozen=True)
class Blend(Constraint):
    """Replaces the known part before every step, noised to the level of the step.

    Blended latent diffusion (arXiv 2206.02779) and, with a `repaint` plan, RePaint.

    Attributes:
        clean: the known state, without noise.
        known: the part of it to keep.
        noise: the noise for all levels; None draws new noise each time.
        lagging: leave the first state alone, as diffusers' pipelines do.
    """

    clean: State
    known: Known
    noise: State | None = None
    lagging: bool = False

    def enter(self, x: State, context: StepContext) -> State:
        """`x`, with the known part at this level's noise."""
        if self.lagging and context.move.k == 0:
            return x
        noise = context.noise("blend", x) if self.noise is None else self.noise
        held = context.schedule.start(self.clean, noise, context.move.i)
        return _mixed(held, x, self.known(context.here))

    def finish(self, x: State) -> State:
        """`x`, with the known part of `clean`."""
        return _mixed(self.clean, x, self.known(CLEAN))


@dataclass(frozen=True)
class Clamp(Constraint):
    """Replaces the known part of the predicted clean state (DDNM, arXiv 2212.00490).

    The history of multistep solvers has the known part, too, then.
    """

    clean: State
    known: Known

    def clamp(self, pred: Pred, x: State, level: Level) -> Pred:
        """The prediction with the known part in its clean state, and the matching noise."""
        if not level.s:
            return pred
        x0 = _mixed(self.clean, pred.x0, self.known(level))
        return Pred(x0, (x - level.a * x0) / level.s)

    def finish(self, x: State) -> State:
        """`x`, with the known part of `clean`."""
        return _mixed(self.clean, x, self.known(CLEAN))


@dataclass(frozen=True)
class Coarse(Constraint):
    """Keeps the low frequencies of the predicted clean state (ILVR, arXiv 2108.02938).

    So a network that sees windows cannot give them different colors.

    Attributes:
        clean: the state that has the low frequencies.
        sigma: of the Gaussian low-pass filter, in places of the state.
    """

    clean: State
    sigma: float

    def clamp(self, pred: Pred, x: State, level: Level) -> Pred:
        """The prediction with the low frequencies of `clean`, and the matching noise."""
        if not level.s:
            return pred
        x0 = pred.x0 + blurred(self.clean - pred.x0, self.sigma)
        return Pred(x0, (x - level.a * x0) / level.s)


def blurred(x: State, sigma: float) -> State:
    """A Gaussian blur of each channel, the borders repeated.

    Args:
        x: `(N, C, rows, columns)`.
        sigma: in places.
    """
    reach = ceil(3 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=x.device) / sigma) ** 2)
    kernel = (weights / weights.sum()).to(x).expand(x.shape[1], 1, 1, -1)
    for _ in range(2):  # along rows, then along columns
        wide = F.pad(x, (reach, reach, 0, 0), mode="replicate")
        x = F.conv2d(wide, kernel, groups=x.shape[1]).mT
    return x


def _mixed(known: State, free: State, mask: StateMask) -> State:
    # Not a lerp: the free part must come out bit for bit where the mask is 0.
    return torch.where(mask > 0, mask * known + (1 - mask) * free, free)
