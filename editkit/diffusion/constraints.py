"""Constraints: what of a picture is known already, and how a walk is held to it.

A constraint may act on the state before the network is asked (`enter`), on what the network says
(`clamp`) and on the outcome (`finish`). Several apply in order; none is known to the sampler.
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
    """Leaves everything as it is."""

    def enter(self, x: State, context: StepContext) -> State:
        """`x` made consistent with what is known at `context.here`."""
        del context
        return x

    def clamp(self, pred: Pred, x: State, level: Level) -> Pred:
        """A prediction for `x` made consistent with what is known."""
        del x, level
        return pred

    def finish(self, x: State) -> State:
        """The outcome made consistent with what is known."""
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
    """How much each part may change, in [0, 1]: it is free once the noise has fallen to that.

    A soft mask becomes a strength for each pixel (Differential Diffusion, arXiv 2306.00950). It is
    never used to mix two states at each step: that would compound.
    """

    change: StateMask

    def __call__(self, level: Level) -> StateMask:
        """1 where the change allowed is below this level's share of noise, or none at all."""
        return ((self.change < level.noisiness) | (self.change <= 0)).to(self.change)


@dataclass(frozen=True)
class Blend(Constraint):
    """Puts the known part, noised to the present level, back before every question.

    Blended latent diffusion (arXiv 2206.02779) and, with a `repaint` plan, RePaint.

    Attributes:
        clean: the known state, without noise.
        known: which part of it is known.
        noise: the noise to use at every level; None draws it afresh each time.
        lagging: leave the very first state alone, as diffusers' pipelines do.
    """

    clean: State
    known: Known
    noise: State | None = None
    lagging: bool = False

    def enter(self, x: State, context: StepContext) -> State:
        """The known part at this level's noise, the rest of `x`."""
        if self.lagging and context.move.k == 0:
            return x
        noise = context.noise("blend", x) if self.noise is None else self.noise
        held = context.schedule.start(self.clean, noise, context.move.i)
        return _mixed(held, x, self.known(context.here))

    def finish(self, x: State) -> State:
        """The known part as it was, the rest of `x`."""
        return _mixed(self.clean, x, self.known(CLEAN))


@dataclass(frozen=True)
class Clamp(Constraint):
    """Keeps the known part in what the network predicts to be clean (DDNM, arXiv 2212.00490).

    Multistep solvers then find the known part in their history too.
    """

    clean: State
    known: Known

    def clamp(self, pred: Pred, x: State, level: Level) -> Pred:
        """The clean state with the known part in place, and the noise that goes with it."""
        if not level.s:
            return pred
        x0 = _mixed(self.clean, pred.x0, self.known(level))
        return Pred(x0, (x - level.a * x0) / level.s)

    def finish(self, x: State) -> State:
        """The known part as it was, the rest of `x`."""
        return _mixed(self.clean, x, self.known(CLEAN))


@dataclass(frozen=True)
class Coarse(Constraint):
    """Keeps what is coarse in what the network predicts to be clean (ILVR, arXiv 2108.02938).

    A network that looks through windows cannot bring them to different colors then.

    Attributes:
        clean: the state whose coarse part is kept.
        sigma: of the Gaussian that tells coarse from fine, in places of the state.
    """

    clean: State
    sigma: float

    def clamp(self, pred: Pred, x: State, level: Level) -> Pred:
        """The clean state with the coarse part of ours, and the noise that goes with it."""
        if not level.s:
            return pred
        x0 = pred.x0 + blurred(self.clean - pred.x0, self.sigma)
        return Pred(x0, (x - level.a * x0) / level.s)


def blurred(x: State, sigma: float) -> State:
    """A Gaussian blur of each channel; borders go on as they are.

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
