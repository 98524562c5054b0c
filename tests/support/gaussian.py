"""A Gaussian field whose denoiser, prior and conditional are known exactly: the tests' oracle.

32 samples of covariance exp(-|i - j|/8); samples 8 to 25 are a hole, the rest is known. Errors are
Wasserstein-2 distances between Gaussians, divided by the root of the number of samples compared.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from editkit.diffusion.levels import Level, Pred, Schedule, Target, from_alphas, from_times

WIDTH = 32
HOLE = slice(8, 26)


def vp_levels(steps: int) -> tuple[Level, ...]:
    """Stable Diffusion's betas at evenly spaced times, and clean at the end."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    bars = torch.cumprod(1 - betas, 0)
    ts = [1000 * k // steps - 1 for k in range(steps, 0, -1)]
    return from_alphas([*map(float, ts), 0.0], [*(float(bars[t]) for t in ts), 1.0])


def flow_levels(steps: int, shift: float = 3.0) -> tuple[Level, ...]:
    """A rectified flow with a static shift."""
    times = [shift * u / (1 + (shift - 1) * u) for u in ((steps - k) / steps for k in range(steps))]
    return from_times([*(1000 * t for t in times), 0.0], [*times, 0.0])


def smooth_levels(steps: int, low: float = -4.0, high: float = 4.0) -> tuple[Level, ...]:
    """Levels evenly spaced in log signal-to-noise: where a solver's order shows undisturbed."""
    lams = [low + (high - low) * k / steps for k in range(steps + 1)]
    return tuple(
        Level(-lam, 1 / math.sqrt(1 + math.exp(-2 * lam)), 1 / math.sqrt(1 + math.exp(2 * lam)))
        for lam in lams
    )


LEVELS = {"vp": vp_levels, "flow": flow_levels}


def schedule(family: str, steps: int) -> Schedule:
    target = Target.VELOCITY if family == "flow" else Target.V
    return Schedule(LEVELS[family](steps), target)


@dataclass
class Field:
    """The field in float64, with the levels of its denoiser's calls."""

    levels: list[Level] = field(default_factory=list[Level])
    covariance: Tensor = field(init=False)

    def __post_init__(self) -> None:
        at = torch.arange(WIDTH, dtype=torch.float64)
        self.covariance = torch.exp(-(at[:, None] - at[None]).abs() / 8)

    def __call__(self, x: Tensor, level: Level) -> Pred:
        """The exact posterior mean of the clean field, and the noise that goes with it."""
        self.levels.append(level)
        x0 = x @ self.gain(level).T
        return Pred(x0, (x - level.a * x0) / level.s)

    def gain(self, level: Level) -> Tensor:
        noisy = level.a**2 * self.covariance + level.s**2 * torch.eye(WIDTH, dtype=torch.float64)
        return level.a * torch.linalg.solve(noisy, self.covariance)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Clean samples of the prior."""
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(n, WIDTH, generator=generator, dtype=torch.float64)
        return z @ torch.linalg.cholesky(self.covariance).T

    def at(self, level: Level, n: int, seed: int = 1) -> Tensor:
        """Samples of the prior, noised to a level."""
        generator = torch.Generator().manual_seed(seed + 1000)
        noise = torch.randn(n, WIDTH, generator=generator, dtype=torch.float64)
        return level.a * self.sample(n, seed) + level.s * noise

    def exact(self, x: Tensor, here: Level, there: Level) -> Tensor:
        """Where the probability-flow ODE takes `x`: each eigenvector is stretched on its own.

        Along one of variance v the state's deviation is sqrt(a^2 v + s^2) at every level.
        """
        values, vectors = torch.linalg.eigh(self.covariance)
        wide = [(v.a**2 * values + v.s**2).sqrt() for v in (here, there)]
        return (x @ vectors * (wide[1] / wide[0])) @ vectors.T

    def conditional(self, known: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and covariance of the hole, given the samples around it."""
        hole = torch.zeros(WIDTH, dtype=torch.bool)
        hole[HOLE] = True
        across = self.covariance[hole][:, ~hole]
        weights = torch.linalg.solve(self.covariance[~hole][:, ~hole], across.T).T
        return weights @ known[~hole], self.covariance[hole][:, hole] - weights @ across.T


def distance(samples: Tensor, mean: Tensor, covariance: Tensor) -> float:
    """Wasserstein-2 between the Gaussian of the samples and another, a sample's share."""
    m, c = samples.mean(0), torch.cov(samples.T)
    root = square_root(covariance)
    cross = square_root(root @ c @ root)
    squared = (m - mean).pow(2).sum() + torch.trace(c + covariance - 2 * cross)
    return math.sqrt(max(float(squared), 0.0) / len(mean))


def square_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


@dataclass(frozen=True)
class Fast:
    """Draws in float64 for whole batches at once: statistics need speed, not keys by image."""

    seed: int = 0

    def __call__(self, purpose: str, shape: Sequence[int], index: int = 0) -> Tensor:
        key = hash((self.seed, sum(map(ord, purpose)), index)) % 2**31
        generator = torch.Generator().manual_seed(key)
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def posterior(self, purpose: str, shape: Sequence[int]) -> Tensor:
        del purpose
        return torch.zeros(*shape)
