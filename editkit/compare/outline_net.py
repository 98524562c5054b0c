"""A small network that predicts the inside of an edit: a U-Net (arXiv:1505.04597)."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pad, silu

PLANES = 15
"""The number of planes of `editkit.compare.outline.input_planes`."""

_WIDTHS = (16, 32, 48, 64)
_HALVED = 8
WEIGHTS = Path(__file__).parent.parent / "weights" / "outlines" / "outlines.safetensors"


class OutlineNet(nn.Module):
    """Maps (N, PLANES, H, W) to logits of being inside, (N, 1, H, W); sides are multiples of 8."""

    def __init__(self, planes: int = PLANES, widths: Sequence[int] = _WIDTHS) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList([_Block(planes, widths[0]), *(_Block(*pair) for pair in pairs)])
        self.up = nn.ModuleList([_Block(fine + coarse, fine) for fine, coarse in pairs])
        self.out = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        passed = list[Tensor]()
        for number, block in enumerate(self.down):
            x = block(avg_pool2d(x, 2) if number else x)
            passed.append(x)
        passed.pop()
        for block in reversed(self.up):
            x = interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(torch.cat([passed.pop(), x], dim=1))
        return self.out(x)


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return silu(self.second(silu(self.norm(self.first(x)))))


def predict_inside(planes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The share of each pixel that is inside an edit.

    Args:
        planes: (PLANES, H, W) of `editkit.compare.outline.input_planes`.

    Returns:
        uint8 (H, W), 255 for a pixel fully inside.
    """
    height, width = planes.shape[1:]
    shown = pad(torch.from_numpy(planes)[None], (0, -width % _HALVED, 0, -height % _HALVED))
    with torch.inference_mode():
        share = _load_network()(shown)[0, 0, :height, :width].sigmoid()
    return (255 * share).round().to(torch.uint8).numpy()


@cache
def _load_network() -> OutlineNet:
    net = OutlineNet()
    net.load_state_dict(load_file(WEIGHTS))
    return net.eval()
