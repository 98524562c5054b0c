"""Hooks: a caller's own guide, constraints, solver and callback for one call of an edit.

Light: imports no torch. The record of a result names the guide, constraints and solver that were
the caller's own. `editkit replay` refuses such a result, as a record keeps no code.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, cast

from editkit.boxes import Box
from editkit.keywords import check_names

if TYPE_CHECKING:
    from editkit.diffusion.constraints import Constraint
    from editkit.diffusion.guides import Guide
    from editkit.diffusion.levels import Level
    from editkit.diffusion.solvers import Solver
    from editkit.ops.edit import Progress
    from editkit.tensors import LatentMask, Latents
    from editkit.types import Rgb

Phase = Literal["load", "fill", "paint", "detail", "blend", "save"]
"""A part of the work: load the model, fill the hole by a classical method, paint it, paint it again
in tiles, blend it into the photo, save the file. Edits themselves begin at `fill`."""


@dataclass(frozen=True, eq=False)
class Step:
    """The progress of an edit: after every network call, and at the start of every phase.

    Attributes:
        phase: the phase of the work.
        done: network calls made so far; never decreases.
        total: network calls of the whole edit, every window of every pass counted; the same in all
            steps. A classical method makes no calls and counts the marks of the mask instead.
        box: the region in the photo, or in the frame of `outpaint`.
        level: noise level of the last call; None before the first one in a region.
        x0: the latest prediction of the clean latents; None before the first one in a region.
    """

    phase: Phase
    done: int = 0
    total: int = 0
    box: Box | None = None
    level: "Level | None" = None
    x0: "Latents | None" = field(default=None, repr=False)
    decode: "Callable[[Latents], Rgb] | None" = field(default=None, repr=False)

    @property
    def sigma(self) -> float | None:
        """Noise over signal at the last call; None before the first one in a region."""
        return None if self.level is None else self.level.sigma

    def preview(self) -> "Rgb | None":
        """The prediction as a picture (H, W, 3) at the model's size; None where there is none.

        Each call runs the autoencoder. Tiles show gray outside of the windows.
        """
        return None if self.x0 is None or self.decode is None else self.decode(self.x0)


Watch: TypeAlias = Callable[[Step], object]
"""Called with every `Step`, before the next network call; an exception in it ends the edit."""

OwnConstraint: TypeAlias = "Constraint | Callable[[Latents, LatentMask], Constraint]"
"""A constraint, or a function that makes one for each region.

The function gets the encoded picture, pre-filled, and the mask: 1 where latents may change.
"""


class Hooks(TypedDict, total=False):
    """Keyword arguments that every edit by a model takes.

    Attributes:
        guide: in place of the guide of the model's family.
        constraints: in addition to those of the edit; they act after them.
        solver: a name of `editkit.names.SOLVERS`, or a `Solver` that steps through the levels of
            the solver that the edit names.
        watch: called after every network call.
        progress: called as `progress(done, total)` after every network call.
    """

    guide: "Guide | None"
    constraints: "Sequence[OwnConstraint]"
    solver: "str | Solver | None"
    watch: "Watch | None"
    progress: "Progress | None"


WATCHING = ("watch", "progress")
HOOKS = ("guide", "constraints", "solver", *WATCHING)


def split_hooks(options: Mapping[str, Any]) -> tuple[dict[str, Any], Hooks]:
    """Keyword arguments as fields of an edit, and hooks; the name of a solver is a field."""
    named = {"solver"} if isinstance(options.get("solver"), str | None) else set[str]()
    hooks = {k: v for k, v in options.items() if k in HOOKS and k not in named}
    fields = {k: v for k, v in options.items() if k not in hooks}
    return fields, cast("Hooks", hooks)


def check_no_parts(method: str, hooks: Mapping[str, object]) -> None:
    """Checks that a method without a network gets no guide, constraint or solver.

    Raises:
        InputError: it does.
    """
    check_names(method, [name for name, given in hooks.items() if given], WATCHING)
