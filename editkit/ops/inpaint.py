"""Inpainting: new content inside a mask, from a prompt and what surrounds it."""

from dataclasses import dataclass

from editkit.ops.masked_edit import MaskedEdit


@dataclass(frozen=True)
class Inpaint(MaskedEdit):
    """Repaint the masked area from a prompt and leave every other pixel as it was.

    An inpainting model is told the hole and what surrounds it; any other model is held to the
    surroundings by blending them in, noised, before every step (arXiv 2206.02779).

    Attributes:
        blend: hold an inpainting model by blending too.
    """

    blend: bool = False
