"""The parameters that all edits by a model share. Light: imports no torch.

An edit is imperative and frozen: the instance is the parameters, calling it applies them. Options
left at None are the model's recommendation. What runs an edit is in `editkit.ops.engine`, imported
when the edit is called.
"""

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from editkit.errors import InputError, shown
from editkit.names import SOLVERS
from editkit.ops.checks import readable, whole, within
from editkit.options import SEEDS, Options

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)`, in steps of the walk."""


@dataclass(frozen=True)
class Edit(Options):
    """Parameters of any edit.

    Attributes:
        prompt: what to paint.
        negative: what to avoid; heard where guidance is above 1.
        steps: steps of the whole schedule, at least 1.
        guidance: scale of classifier-free guidance, at least 0; 1 asks only the prompt.
        guidance_rescale: in [0, 1], how far guidance's contrast is brought back.
        guidance_interval: noise levels sigma in (low, high] that are guided.
        seed: of all noise; the same seed gives the same picture. None draws one.
        solver: one of `editkit.names.SOLVERS`.
        work_size: side in pixels of the square whose area the model works on.
        compat: do what diffusers' pipeline of the same name does, to the draw: posteriors are
            sampled, masks are sampled at nearest pixels, blending follows each step.
    """

    prompt: str = ""
    _: KW_ONLY
    negative: str = ""
    steps: int | None = None
    guidance: float | None = None
    guidance_rescale: float = 0.0
    guidance_interval: tuple[float, float] = (0.0, math.inf)
    seed: int = 0
    solver: str | None = None
    work_size: int | None = None
    compat: bool = False

    def __post_init__(self) -> None:
        self.settle()
        readable("prompt", self.prompt)
        readable("negative", self.negative)
        whole("steps", self.steps, 1, 1000)
        within("guidance", self.guidance, 0, 100)
        within("guidance_rescale", self.guidance_rescale, 0, 1)
        low, high = _pair("guidance_interval", self.guidance_interval)
        if not 0 <= low <= high:
            raise InputError(f"guidance_interval is {(low, high)}; give (low, high), 0 or more")
        whole("seed", self.seed, 0, SEEDS - 1)
        whole("work_size", self.work_size, 32, 8192)
        if self.solver is not None and self.solver not in SOLVERS:
            raise InputError(
                f"unknown solver {shown(self.solver)}; choose one of {', '.join(SOLVERS)}"
            )


def _pair(name: str, value: object) -> tuple[float, float]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise InputError(f"{name} is {shown(value)}; give (low, high), 0 or more")
    for number in value:
        within(name, number, 0, math.inf)
    return value
