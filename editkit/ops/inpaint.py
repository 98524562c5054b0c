"""Inpainting: new content inside a mask, from a prompt and what surrounds it."""

from dataclasses import dataclass
from typing import Annotated

from editkit.ops.masked_edit import MaskedEdit
from editkit.options import Option


@dataclass(frozen=True)
class Inpaint(MaskedEdit):
    """Repaint the masked area from a prompt and leave every other pixel as it was.

    An inpainting model is given the hole and what surrounds it; any other model is held to the
    surroundings by blending them in, noised, before every step (arXiv 2206.02779).
    """

    blend_known: Annotated[
        bool,
        Option(
            "Hold an inpainting model, too, by blending the photo in at every step.",
            "Expert",
            former=("blend",),
        ),
    ] = False
