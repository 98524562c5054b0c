"""Mask-blended resampling: RePaint, on any model."""

from dataclasses import dataclass

from editkit.diffusion.constraints import Blend, Constraint, Known
from editkit.diffusion.plans import Plan, repaint
from editkit.models.base import Model
from editkit.models.settings import Settings
from editkit.ops.engine.masked import MaskedEdit
from editkit.ops.engine.session import whole
from editkit.tensors import Latents


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

    def recommended_solver(self, settings: Settings) -> str:
        """A stochastic first-order solver: fresh noise helps the parts to agree."""
        del settings
        return "ddpm"

    def plan(self, steps: int, first: int) -> Plan:
        """RePaint's walk."""
        return repaint(steps, jump=self.jump, repeats=self.repeats, first=first)

    def uses_constraint(self, model: Model) -> bool:
        """Always: that is the method."""
        del model
        return True

    def constraint(self, clean: Latents, noise: Latents, known: Known) -> Constraint:
        """Blending, with noise drawn afresh at every move."""
        del noise
        return Blend(clean, known)
