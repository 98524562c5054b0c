"""Draws: named streams of noise.

The seed of the picture, the purpose and the move of the plan key each draw. So it is the same on
every device and in every batch, and does not depend on other draws.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Draws(Protocol):
    """A source of noise."""

    def __call__(self, purpose: str, shape: Sequence[int], index: int = 0) -> Tensor:
        """Standard normal noise of a shape, float32 on the CPU."""
        ...

    def posterior(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Noise for the posterior of an autoencoder; zeros give its mode."""
        ...


@dataclass(frozen=True)
class Keyed:
    """An independent stream for each (seed, purpose, index); a batch has a seed for each picture.

    Posteriors are taken at their mode: a photo has one encoding, whatever the seed.
    """

    seeds: tuple[int, ...]

    def __call__(self, purpose: str, shape: Sequence[int], index: int = 0) -> Tensor:
        """Noise of `shape`; its first axis has one entry for each seed."""
        if shape[0] != len(self.seeds):
            raise ValueError(f"{len(self.seeds)} seeds cannot serve a batch of {shape[0]}")
        return torch.stack([_stream(seed, purpose, index, shape[1:]) for seed in self.seeds])

    def posterior(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Zeros."""
        del purpose
        return torch.zeros(*shape)


def _stream(seed: int, purpose: str, index: int, shape: Sequence[int]) -> Tensor:
    key = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    # 63 bits: PyTorch refuses seeds that do not fit a signed integer on some devices.
    generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "big") >> 1)
    return torch.randn(*shape, generator=generator)


@dataclass(frozen=True)
class Sequential:
    """One generator, used in the order of the calls, for parity with diffusers."""

    generator: torch.Generator

    def __call__(self, purpose: str, shape: Sequence[int], index: int = 0) -> Tensor:
        """The next draw; purpose and index have no effect."""
        del purpose, index
        return torch.randn(*shape, generator=self.generator)

    def posterior(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """The next draw: posteriors are sampled."""
        return self(purpose, shape)
