"""Inpainting: new content inside a mask, from a prompt and what surrounds it."""

from dataclasses import dataclass

from editkit.diffusion.constraints import Blend, Constraint, Known
from editkit.diffusion.plans import Plan, linear
from editkit.models.base import Model
from editkit.ops.engine.masked import MaskedEdit
from editkit.tensors import Latents


@dataclass(frozen=True)
class Inpaint(MaskedEdit):
    """Repaint the masked area from a prompt and leave every other pixel as it was.

    An inpainting model is told the hole and what surrounds it; any other model is held to the
    surroundings by blending them in, noised, before every step (arXiv 2206.02779).

    Attributes:
        blend: hold an inpainting model by blending too.
    """

    blend: bool = False

    def plan(self, steps: int, first: int) -> Plan:
        """Straight down."""
        return linear(steps, first)

    def uses_constraint(self, model: Model) -> bool:
        """Always, but for models that are told what surrounds the hole."""
        return self.blend or not model.capabilities.inpainting

    def constraint(self, clean: Latents, noise: Latents, known: Known) -> Constraint:
        """Blending, with the start's own noise at every level."""
        return Blend(clean, known, noise, lagging=self.compat)
