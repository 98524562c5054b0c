"""Views: a large state in overlapping windows of the size that a network was trained at.

MultiDiffusion (arXiv 2302.08113): at every level the network answers for each window, and overlaps
are averaged. There is one state, with one noise; windows are views of it. Averages are taken in the
network's own output space; for one state all spaces are linear in each other, so any would do.

The grid of windows moves at every level, so that no line is an edge twice.
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
    """A grid of windows over a field.

    Attributes:
        field: rows and columns of the whole.
        window: rows and columns of a window; those of the field where that is smaller.
        overlap: least overlap of neighbors; less than the sides of the window.
        wanted: 1 where answers are needed, `(1, 1, rows, columns)`; windows without any are left
            out. None needs all.
    """

    field: Size
    window: Size
    overlap: int
    wanted: LatentMask | None = None

    def near(self, reach: int) -> "Views":
        """The same views, with windows within `reach` of the wanted places, too."""
        if self.wanted is None:
            return self
        grown = F.max_pool2d(self.wanted, 2 * reach + 1, stride=1, padding=reach)
        return replace(self, wanted=grown)

    def at(self, level: Level) -> Iterator[Window]:
        """The windows for a level."""
        return self.windows(tuple(level.noisiness * step % 1.0 for step in _STEPS))

    def windows(self, phases: Sequence[float] = (0.0, 0.0)) -> Iterator[Window]:
        """Windows that cover the field, on a grid moved by shares of its spacing."""
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
    """The answers of windows in one, each fading out over the overlap.

    Args:
        parts: windows, each with one tensor `(..., rows, columns)` for each of `like`.
        like: tensors of the size of the whole; their values stay where no window is.
        overlap: rows and columns over which a window fades.

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
    """The same window where every place is `cell` long."""
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
    """Weights that rise from near 0 at the ends to 1 over the overlap."""
    length = span.stop - span.start
    place = torch.arange(length) + 0.5
    return (torch.minimum(place, length - place) / max(1, overlap)).clamp(max=1.0)
