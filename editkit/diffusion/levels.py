"""Noise levels, and the meaning of a network's output at a level.

At a level the state is `x = a*x0 + s*eps` with `eps ~ N(0, I)`. Variance-preserving models have
`a^2 + s^2 = 1`, rectified flows `a + s = 1`; nothing below depends on either. A network gives
`p*eps + q*x0`. The two equations give both unknowns by one formula for all families.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from editkit.tensors import State


class Level(NamedTuple):
    """A noise level: `x = a*x0 + s*eps`, and the time `t` that the network gets there."""

    t: float
    a: float
    s: float

    @property
    def sigma(self) -> float:
        """Noise over signal, `s/a`, in [0, inf]: sigma of Karras et al. (arXiv 2206.00364)."""
        return self.s / self.a if self.a else math.inf

    @property
    def log_snr(self) -> float:
        """Half log signal-to-noise, `ln(a/s)`: lambda of DPM-Solver (arXiv 2206.00927)."""
        return -math.log(self.sigma) if self.sigma else math.inf

    @property
    def noisiness(self) -> float:
        """Share of noise, `s/(a + s)`, in [0, 1]: a scale that all families share."""
        return self.s / (self.a + self.s)


class Pred(NamedTuple):
    """A prediction for a noisy state: the clean state, and the noise in it."""

    x0: State
    eps: State


class Target(Enum):
    """The output that a network was trained for, as `p*eps + q*x0`."""

    EPSILON = "epsilon"
    SAMPLE = "sample"
    V = "v_prediction"
    VELOCITY = "flow_prediction"

    def weights(self, level: Level) -> tuple[float, float]:
        """`(p, q)` at a level; v is of Salimans and Ho (arXiv 2202.00512, eq. 9)."""
        match self:
            case Target.EPSILON:
                return 1.0, 0.0
            case Target.SAMPLE:
                return 0.0, 1.0
            case Target.V:
                return level.a, -level.s
            case Target.VELOCITY:
                return 1.0, -1.0

    def split(self, out: State, x: State, level: Level) -> Pred:
        """The clean state and the noise in `x`, from the network's output `out` for it."""
        p, q = self.weights(level)
        d = p * level.a - q * level.s
        return Pred((p * x - level.s * out) / d, (level.a * out - q * x) / d)

    def join(self, pred: Pred, level: Level) -> State:
        """The network output that means `pred`: the inverse of `split`."""
        p, q = self.weights(level)
        return p * pred.eps + q * pred.x0


@dataclass(frozen=True)
class Schedule:
    """The levels of a walk, noisiest first; at the last one the picture is clean.

    Attributes:
        levels: one more than there are steps.
        target: the meaning of the network's output.
        unit: standard deviation of a start from pure noise: 1, except for tables that start at the
            `s` of the noisiest level.
    """

    levels: tuple[Level, ...]
    target: Target
    unit: float = 1.0

    def __post_init__(self) -> None:
        if len(self.levels) < 2:
            raise ValueError("a schedule needs at least two levels")
        if self.target is Target.EPSILON and any(v.a == 0 for v in self.levels):
            raise ValueError(
                "a network that predicts noise needs some signal: no level of pure noise"
            )

    def __getitem__(self, i: int) -> Level:
        return self.levels[i]

    @property
    def steps(self) -> int:
        """Number of steps from the first level to the last."""
        return len(self.levels) - 1

    def pure(self, noise: State) -> State:
        """The start of a walk from pure noise: unit noise at the noisiest level's scale."""
        return self.unit * noise

    def start(self, x0: State, noise: State, i: int) -> State:
        """A clean state with the noise of level `i`: forward noising."""
        a, s = self.levels[i].a, self.levels[i].s
        return a * x0 + s * noise

    def renoise(self, x: State, i: int, j: int, noise: State) -> State:
        """A state at level `i` with more noise, at the noisier level `j`; exact in distribution.

        `x_j = r*x_i + sqrt(s_j^2 - r^2*s_i^2)*z`, `r = a_j/a_i`: the noise that the forward
        process adds (RePaint, arXiv 2201.09865, alg. 1 line 10, for any pair of levels).

        Raises:
            ValueError: level `j` is not noisier.
        """
        here, there = self.levels[i], self.levels[j]
        # Above pure noise there is only pure noise.
        r = there.a / here.a if here.a else 1.0
        added = there.s**2 - (r * here.s) ** 2
        if added < 0:
            raise ValueError(f"level {j} is not noisier than level {i}")
        return r * x + math.sqrt(added) * noise


def from_sigmas(ts: Sequence[float], sigmas: Sequence[float]) -> tuple[Level, ...]:
    """Variance-preserving levels of a table in Karras' form, `x0 + sigma*eps`."""
    scales = [1 / math.sqrt(1 + sigma**2) for sigma in sigmas]
    return tuple(Level(t, a, sigma * a) for t, a, sigma in zip(ts, scales, sigmas, strict=True))


def from_alphas(ts: Sequence[float], alphas_cumprod: Sequence[float]) -> tuple[Level, ...]:
    """Levels of a DDPM table, `a = sqrt(alpha_bar)` and `a^2 + s^2 = 1` (arXiv 2006.11239)."""
    pairs = zip(ts, alphas_cumprod, strict=True)
    return tuple(Level(t, math.sqrt(abar), math.sqrt(1 - abar)) for t, abar in pairs)


def from_times(ts: Sequence[float], times: Sequence[float]) -> tuple[Level, ...]:
    """Levels of a rectified flow, `a = 1 - time`, `s = time` (arXiv 2209.03003)."""
    return tuple(Level(t, 1 - time, time) for t, time in zip(ts, times, strict=True))
