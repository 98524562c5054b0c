"""One large state seen through overlapping windows of the size that a network was trained at.

MultiDiffusion (arXiv 2302.08113): at every level the network is asked about each window, and where
windows overlap, its answers are averaged. The state, and so the noise that it began with, is one;
the windows only look at it. The answers are averaged in the network's own output space, which for
one and the same state is as good as any other, all of them being linear in each other.

The grid of windows lies elsewhere at every level, so that no line is an edge twice.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

from editkit.diffusion.guides import Branch, Network
from editkit.diffusion.levels import Level
from editkit.tensors import LatentMask, State
from editkit.types import Size

Window = tuple[slice, slice]
"""Rows and columns of a state."""

# Two irrational steps: the grids of successive levels spread evenly and never repeat.
_STEPS = (0.7548776662466927 * 97, 0.5698402909980532 * 97)


@dataclass(frozen=True)
class Views:
    """Windows over a field.

    Attributes:
        field: rows and columns of the whole.
        window: rows and columns of a window; where the field is smaller, the field's.
        overlap: by how much neighbors overlap, at least; less than the window's sides.
        wanted: 1 where answers are needed, `(1, 1, rows, columns)`; windows without are left out.
            None wants all.
    """

    field: Size
    window: Size
    overlap: int
    wanted: LatentMask | None = None

    def near(self, reach: int) -> "Views":
        """Those windows, too, that come within `reach` of what is wanted."""
        if self.wanted is None:
            return self
        grown = F.max_pool2d(self.wanted, 2 * reach + 1, stride=1, padding=reach)
        return replace(self, wanted=grown)

    def at(self, level: Level) -> Iterator[Window]:
        """The windows for a level."""
        return self.windows(tuple(level.noisiness * step % 1.0 for step in _STEPS))

    def windows(self, phases: Sequence[float] = (0.0, 0.0)) -> Iterator[Window]:
        """Windows that cover the field, their grid moved by shares of its spacing."""
        spans = [
            _spans(length, side, self.overlap, phase)
            for length, side, phase in zip(self.field, self.window, phases, strict=True)
        ]
        for rows, columns in product(*spans):
            if self.wanted is None or bool((self.wanted[..., rows, columns] > 0).any()):
                yield rows, columns


def blended(
    parts: Iterator[tuple[Window, Sequence[Tensor]]], like: Sequence[Tensor], overlap: int
) -> list[Tensor]:
    """Windows' answers put together, each fading out over the overlap.

    Args:
        parts: windows, each with one tensor `(..., rows, columns)` for each of `like`.
        like: tensors of the size of the whole, to be taken where no window was.
        overlap: over how many rows and columns a window fades.

    Returns:
        Weighted means.
    """
    totals = [torch.zeros_like(whole) for whole in like]
    weights = torch.zeros(like[0].shape[-2:], device=like[0].device)
    for (rows, columns), answers in parts:
        fade = _fade(rows, overlap)[:, None] * _fade(columns, overlap)[None, :]
        fade = fade.to(weights.device)
        weights[rows, columns] += fade
        for total, answer in zip(totals, answers, strict=True):
            total[..., rows, columns] += fade * answer
    none, least = weights == 0, weights.clamp_min(torch.finfo(weights.dtype).tiny)
    return [
        torch.where(none, whole, total / least) for total, whole in zip(totals, like, strict=True)
    ]


def viewed(network: Callable[[Window], Network], views: Views) -> Network:
    """A network for the whole field, made of one for each window."""

    def predict(x: State, level: Level, branches: Sequence[Branch]) -> Sequence[State]:
        def parts() -> Iterator[tuple[Window, Sequence[Tensor]]]:
            for rows, columns in views.at(level):
                seen = x[..., rows, columns]
                yield (rows, columns), network((rows, columns))(seen, level, branches)

        return blended(parts(), [x] * len(branches), views.overlap)

    return predict


def enlarged(window: Window, cell: int) -> Window:
    """The same window over a field whose every place is `cell` long."""
    rows, columns = (slice(span.start * cell, span.stop * cell) for span in window)
    return rows, columns


def _spans(length: int, side: int, overlap: int, phase: float) -> list[slice]:
    """Stretches of `side` that cover 0..length, each at least `overlap` into the next."""
    if length <= side:
        return [slice(0, length)]
    spacing = max(1, side - overlap)
    first = -int(phase * spacing)
    starts = (min(max(start, 0), length - side) for start in range(first, length, spacing))
    return [slice(start, start + side) for start in dict.fromkeys(starts)]


def _fade(span: slice, overlap: int) -> Tensor:
    """From near 0 at the ends to 1, over the overlap."""
    length = span.stop - span.start
    place = torch.arange(length) + 0.5
    return (torch.minimum(place, length - place) / max(1, overlap)).clamp(max=1.0)
