"""Guides: which questions a level puts to the network, and how the answers become one.

The answers are combined in the network's own output space, where classifier-free guidance and its
rescaling were defined; being linear, plain guidance would give the same in any other.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from editkit.diffusion.levels import Level, Pred, Target
from editkit.tensors import State

COND = "cond"
UNCOND = "uncond"

Network = Callable[[State, Level, Sequence[str]], Sequence[State]]
"""`(x, level, branches) -> outputs`: the model asked once for each named branch, in order."""


@runtime_checkable
class Guide(Protocol):
    """What is asked at a level, and what is made of the answers."""

    def branches(self, level: Level) -> tuple[str, ...]:
        """Names of the questions that this level needs."""
        ...

    def combine(self, outputs: Mapping[str, State]) -> State:
        """One output of the answers, in the network's own space."""
        ...


@dataclass(frozen=True)
class Cfg:
    """Classifier-free guidance (arXiv 2207.12598), with rescale and interval.

    Attributes:
        scale: 1 is the prompt alone (one question a level instead of two), 0 the negative alone.
        rescale: in [0, 1], how far the guided output is brought back to the deviation of the
            conditional one (arXiv 2305.08891, eq. 14 to 16).
        interval: noise levels sigma = s/a in (low, high] that are guided; elsewhere only the
            prompt is asked (arXiv 2404.07724).
    """

    scale: float = 7.5
    rescale: float = 0.0
    interval: tuple[float, float] = (0.0, math.inf)

    def branches(self, level: Level) -> tuple[str, ...]:
        """Both questions inside the interval, the prompt alone outside."""
        low, high = self.interval
        guided = self.scale != 1 and low < level.sigma <= high
        return (UNCOND, COND) if guided else (COND,)

    def combine(self, outputs: Mapping[str, State]) -> State:
        """`u + scale*(c - u)`, rescaled."""
        cond = outputs[COND]
        if UNCOND not in outputs:
            return cond
        uncond = outputs[UNCOND]
        guided = uncond + self.scale * (cond - uncond)
        return self._rescaled(guided, cond) if self.rescale else guided

    def _rescaled(self, guided: State, cond: State) -> State:
        matched = guided * (_deviation(cond) / _deviation(guided))
        return self.rescale * matched + (1 - self.rescale) * guided


def _deviation(x: Tensor) -> Tensor:
    return x.std(dim=tuple(range(1, x.ndim)), keepdim=True)


@dataclass(frozen=True)
class Guided:
    """A denoiser: a network with its conditions, asked as a guide wants it."""

    network: Network
    guide: Guide
    target: Target

    def __call__(self, x: State, level: Level) -> Pred:
        """The clean state and the noise that the guided network sees in `x`."""
        branches = self.guide.branches(level)
        outputs = dict(zip(branches, self.network(x, level, branches), strict=True))
        return self.target.split(self.guide.combine(outputs), x, level)
