"""Erasing by a classical method, which needs no model. Light: imports no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Unpack

from editkit.errors import InputError, shown
from editkit.names import ERASERS
from editkit.ops.hooks import Hooks, check_no_parts
from editkit.ops.look import CompositeMask, Regions, check_rules
from editkit.options import Option, Options
from editkit.run_options import Seed

if TYPE_CHECKING:
    from editkit.masks.roles import MaskLike
    from editkit.ops.result import Result
    from editkit.photo.io.files import Photo, PhotoLike

_DETERMINED = ("telea", "ns", "biharmonic")
"""Methods that draw nothing at random."""


@dataclass(frozen=True)
class Fill(Options):
    """Erasing by a classical method; `Erase` hands over to it."""

    method: Annotated[str, Option("Method of the fill.", choices=ERASERS)] = "patchmatch"
    seed: Seed = 0
    composite_mask: CompositeMask = None
    regions: Regions = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method == "diffusion":
            raise InputError("diffusion needs a model; use Erase")
        check_rules(self)

    def __call__(
        self, photo: "PhotoLike | Photo", mask: "MaskLike", **hooks: Unpack[Hooks]
    ) -> "Result":
        """The photo with what the mask covers replaced, with a report.

        Raises:
            ImageError: the photo cannot be read.
            MaskError: the mask has another size, or selects nothing.
        """
        from editkit.ops.engine.fill import fill_holes
        from editkit.ops.engine.tracker import make_tracker

        check_no_parts(self.method, hooks)
        return fill_holes(self, photo, mask, make_tracker(hooks))


def check_eraser(method: object) -> None:
    """Checks the name of a method.

    Raises:
        InputError: there is none of that name.
    """
    if method not in ERASERS:
        raise InputError(f"unknown method {shown(method)}; choose one of {', '.join(ERASERS)}")


def varies(method: str) -> bool:
    """Whether another seed gives another picture."""
    return method not in _DETERMINED
