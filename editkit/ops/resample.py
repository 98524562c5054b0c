"""Mask-blended resampling: RePaint, on any model."""

from dataclasses import dataclass
from typing import Annotated

from editkit.ops.masked_edit import MaskedEdit
from editkit.options import Option


@dataclass(frozen=True)
class Resample(MaskedEdit):
    """Repaint the masked area by RePaint, in several passes, until it fits its surroundings.

    RePaint (arXiv 2201.09865): the surroundings are blended in with fresh noise at every level, and
    each stretch of `jump` levels is walked `repeats` times. Slower than `Inpaint` by about that
    factor; needs no model that was trained for it.
    """

    jump: Annotated[int, Option("Noise levels to go back each time.", "Look", low=1, high=1000)] = 1
    repeats: Annotated[
        int, Option("Number of passes through each stretch of levels.", "Look", low=1, high=1000)
    ] = 5
