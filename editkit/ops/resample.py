"""Mask-blended resampling: RePaint, on any model."""

from dataclasses import dataclass

from editkit.ops.checks import whole
from editkit.ops.masked_edit import MaskedEdit


@dataclass(frozen=True)
class Resample(MaskedEdit):
    """Repaint the masked area by going back and forth in noise until it fits what surrounds it.

    RePaint (arXiv 2201.09865): the surroundings are blended in with fresh noise at every level, and
    each stretch of `jump` levels is walked `repeats` times. Slower than `Inpaint` by about that
    factor; needs no model that was trained for it.

    Attributes:
        jump: levels that the walk is thrown back by, at least 1.
        repeats: times that each stretch is walked, at least 1.
    """

    jump: int = 1
    repeats: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("jump", self.jump, 1, 1000)
        whole("repeats", self.repeats, 1, 1000)
