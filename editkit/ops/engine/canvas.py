"""Tensors of a photo for a model, and the way back to samples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from numpy.typing import NDArray

from editkit.photo.fill.classic import prefill
from editkit.tensors import LatentMask, PixelMask, Pixels
from editkit.types import Coverage, Rgb, Size


@dataclass(frozen=True)
class Canvas:
    """One picture at a model's working size.

    Attributes:
        pixels: the picture.
        mask: how much it may change: 0 not at all, 1 freely, between a strength.
        start: the picture with the hole pre-filled; `pixels` itself where nothing was filled.
        condition_mask: the hole that an inpainting model is given, 0 or 1; None means `mask`.
    """

    pixels: Pixels
    mask: PixelMask
    start: Pixels
    condition_mask: PixelMask | None = None

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return Size(*self.pixels.shape[-2:])


def make_canvas(
    rgb: Rgb, coverage: Coverage, method: str, condition: Coverage | None = None
) -> Canvas:
    """A canvas of a picture and its mask, the hole filled by a classic method or `none`.

    `condition` is the hole that a model gets, all of it above 0; the mask unless given.
    """
    filled = prefill(rgb, coverage > 0, method)
    return as_canvas(rgb, coverage, filled, coverage if condition is None else condition)


def as_canvas(rgb: Rgb, coverage: Coverage, start: NDArray[Any], condition: Coverage) -> Canvas:
    """A canvas of a picture, its mask, its start as samples in [0, 255], and the model's hole."""
    hole = to_mask(condition > 0)
    return Canvas(to_pixels(rgb), to_mask(coverage), to_pixels(start), hole)


def to_mask(coverage: NDArray[Any]) -> PixelMask:
    """A mask of one picture, values in [0, 1]."""
    return torch.from_numpy(coverage.astype(np.float32))[None, None]


def to_pixels(rgb: NDArray[Any]) -> Pixels:
    """Samples in [0, 255] as one picture in [-1, 1]."""
    return torch.from_numpy(np.array(rgb)).permute(2, 0, 1)[None].float() / 127.5 - 1


def to_rgb(pixels: Pixels) -> Rgb:
    """One picture in [-1, 1] as samples in [0, 255], rounded: the inverse of `to_pixels`."""
    samples = ((pixels[0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return samples.permute(1, 2, 0).cpu().numpy()


def to_values(pixels: Pixels) -> NDArray[np.float32]:
    """One picture in [-1, 1] as (H, W, 3) in [0, 255], not rounded."""
    values = ((pixels[0].float() + 1) * 127.5).clamp(0, 255)
    return values.permute(1, 2, 0).contiguous().cpu().numpy()


def reduce_mask(mask: PixelMask, cell: int, grow: int = 0) -> LatentMask:
    """A mask at latent size that holds every masked pixel, grown by `grow` latents.

    A latent stands for a square of pixels; it may change if any of them may. Sampling one pixel of
    the square, as diffusers does, loses thin strokes.
    """
    cells = F.max_pool2d(mask, cell)
    return F.max_pool2d(cells, 2 * grow + 1, stride=1, padding=grow) if grow else cells


def sample_mask(mask: PixelMask, cell: int) -> LatentMask:
    """A mask at latent size by its nearest pixels: diffusers' way, for parity with it."""
    return F.interpolate(mask, size=(mask.shape[-2] // cell, mask.shape[-1] // cell))
