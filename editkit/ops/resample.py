"""Mask-blended resampling: RePaint, on any model."""

from dataclasses import dataclass
from typing import Annotated

from editkit.ops.masked_edit import MaskedEdit
from editkit.options import Option


@dataclass(frozen=True)
class Resample(MaskedEdit):
    """Repaint the masked area by going back and forth in noise until it fits what surrounds it.

    RePaint (arXiv 2201.09865): the surroundings are blended in with fresh noise at every level, and
    each stretch of `jump` levels is walked `repeats` times. Slower than `Inpaint` by about that
    factor; needs no model that was trained for it.
    """

    jump: Annotated[int, Option("Levels of noise to go back by.", "Look", low=1, high=1000)] = 1
    repeats: Annotated[
        int, Option("Times that each stretch is walked.", "Look", low=1, high=1000)
    ] = 5
