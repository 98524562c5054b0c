"""The options that all edits by a model share. Light: imports no torch.

An edit is imperative and frozen: the instance is the options, calling it applies them. Options left
at None are the model's recommendation. What runs an edit is in `editkit.ops.engine`, imported when
the edit is called.
"""

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from editkit.names import SOLVERS
from editkit.options import Option, Options
from editkit.run_options import Seed

Progress = Callable[[int, int], object]
"""Called as `progress(done, total)` after every network call; both count network calls."""

BY_MODEL = "the model's recommendation"
"""Used where an option is left to the model."""


@dataclass(frozen=True)
class Edit(Options):
    """Options of any edit by a model.

    With `compat` an edit does what diffusers' pipeline of the same name does, to the draw:
    posteriors are sampled, masks are sampled at nearest pixels, blending follows each step.
    """

    prompt: Annotated[str, Option("What to paint.")] = ""
    _: KW_ONLY
    negative: Annotated[str, Option("What to avoid.", metavar="TEXT")] = ""
    steps: Annotated[
        int | None,
        Option(
            "Sampling steps; more are slower and finer.", "Model", low=1, high=1000, unset=BY_MODEL
        ),
    ] = None
    guidance: Annotated[
        float | None,
        Option("Guidance scale; 1 disables guidance.", "Model", low=0, high=100, unset=BY_MODEL),
    ] = None
    guidance_rescale: Annotated[
        float,
        Option("Share of the extra contrast from guidance to remove.", "Expert", low=0, high=1),
    ] = 0.0
    guidance_interval: Annotated[
        tuple[float, float],
        Option(
            "Noise levels (sigma) that are guided; the others take half the work.",
            "Expert",
            low=0,
            metavar="LOW HIGH",
            unset="all",
        ),
    ] = (0.0, math.inf)
    seed: Seed = 0
    solver: Annotated[
        str | None, Option("Sampling method.", "Model", choices=SOLVERS, unset=BY_MODEL)
    ] = None
    work_size: Annotated[
        int | None,
        Option(
            "Work on the area of a square of this side.",
            "Model",
            low=32,
            high=8192,
            metavar="PX",
            unset="the model's native size",
        ),
    ] = None
    compat: Annotated[bool, Option("Do as diffusers' pipeline does.", hidden=True)] = False
