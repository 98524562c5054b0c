"""Guides: the branches that a network answers at each level, and one output made of the answers.

Answers are combined in the network's own output space, where classifier-free guidance and its
rescaling were defined. Plain guidance is linear, so it gives the same in any other space.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from editkit.diffusion.levels import Level, Pred, Target
from editkit.errors import InputError, shown
from editkit.tensors import State


@dataclass(frozen=True)
class Branch:
    """One answer that a guide needs of the network.

    Attributes:
        name: key of the answer in `Guide.combine`.
        negative: whether the negative prompt takes the place of the prompt.
        drop: conditions to leave out: `text`, `hole`, `references` or `controls`. A model raises
            `UnsupportedEditError` for one that it cannot leave out.
    """

    name: str
    negative: bool = False
    drop: frozenset[str] = frozenset()


COND = Branch("cond")
UNCOND = Branch("uncond", negative=True)

Network = Callable[[State, Level, Sequence[Branch]], Sequence[State]]
"""`(x, level, branches) -> outputs`: one output for each branch, in order, from one call."""


@runtime_checkable
class Guide(Protocol):
    """A way to guide a network. Depends on the level alone, so its cost is known beforehand."""

    def branches(self, level: Level) -> tuple[Branch, ...]:
        """The branches that this level needs, at least one; all are answered in one call."""
        ...

    def combine(self, outputs: Mapping[str, State]) -> State:
        """One output, in the network's own space, from the answers by branch name."""
        ...


@dataclass(frozen=True)
class Cfg:
    """Classifier-free guidance (arXiv 2207.12598), with rescale and interval.

    Attributes:
        scale: 1 is the prompt alone (one branch instead of two), 0 the negative prompt alone.
        rescale: in [0, 1], how far the deviation of the guided output returns to that of the
            conditional one (arXiv 2305.08891, eq. 14 to 16).
        interval: noise levels sigma = s/a in (low, high] that are guided; all others use the
            prompt alone (arXiv 2404.07724).
    """

    scale: float = 7.5
    rescale: float = 0.0
    interval: tuple[float, float] = (0.0, math.inf)

    def branches(self, level: Level) -> tuple[Branch, ...]:
        """Both branches inside the interval, the prompt alone outside."""
        low, high = self.interval
        guided = self.scale != 1 and low < level.sigma <= high
        return (UNCOND, COND) if guided else (COND,)

    def combine(self, outputs: Mapping[str, State]) -> State:
        """`u + scale*(c - u)`, rescaled."""
        cond = outputs[COND.name]
        if UNCOND.name not in outputs:
            return cond
        uncond = outputs[UNCOND.name]
        guided = uncond + self.scale * (cond - uncond)
        return self._rescaled(guided, cond) if self.rescale else guided

    def _rescaled(self, guided: State, cond: State) -> State:
        matched = guided * (_deviation(cond) / _deviation(guided))
        return self.rescale * matched + (1 - self.rescale) * guided


def _deviation(x: Tensor) -> Tensor:
    return x.std(dim=tuple(range(1, x.ndim)), keepdim=True)


@dataclass(frozen=True)
class Guided:
    """A denoiser: a network with its conditions, and a guide."""

    network: Network
    guide: Guide
    target: Target

    def __call__(self, x: State, level: Level) -> Pred:
        """The clean state and the noise that the guided network sees in `x`."""
        branches = self.guide.branches(level)
        outputs = self.network(x, level, branches)
        named = {b.name: out for b, out in zip(branches, outputs, strict=True)}
        return self.target.split(self.guide.combine(named), x, level)


def all_branches(guide: Guide, levels: Iterable[Level]) -> tuple[Branch, ...]:
    """Every branch that a guide needs at some of the levels.

    Raises:
        InputError: a level has no branch, something else than branches, or a name twice.
    """
    found = dict[Branch, None]()
    for level in levels:
        branches = guide.branches(level)
        _check_branches(type(guide).__name__, branches)
        found |= dict.fromkeys(branches)
    return tuple(found)


def _check_branches(name: str, branches: object) -> None:
    if not isinstance(branches, tuple) or not all(isinstance(b, Branch) for b in branches):
        advice = "give a tuple of editkit.diffusion.guides.Branch"
        raise InputError(f"{name}.branches returns {shown(branches)}; {advice}")
    names = [b.name for b in branches]
    if not names or len(set(names)) < len(names):
        advice = "give at least one, each of its own name"
        raise InputError(f"{name}.branches returns {names or 'no branch'}; {advice}")
