"""Erasing by a classical method, which needs no model. Light: imports no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from editkit.errors import InputError, shown
from editkit.names import ERASERS, REGIONS
from editkit.ops.checks import whole
from editkit.ops.edit import Progress
from editkit.options import SEEDS, Options

if TYPE_CHECKING:
    from editkit.masks.roles import MaskLike
    from editkit.ops.result import Result
    from editkit.photo.io.files import Photo, PhotoLike

_DETERMINED = ("telea", "ns", "biharmonic")
"""Methods that draw nothing at random."""


@dataclass(frozen=True)
class Fill(Options):
    """Parameters of erasing by a classical method; `Erase` hands over to it.

    Attributes:
        method: one of `editkit.names.ERASERS`, but `diffusion`.
        seed: of PatchMatch's search; None draws one.
        composite: what reaches the photo, as text: `~grow:8` refines the mask.
        regions: which marks of the mask are worked on together: see `MaskedEdit`.
    """

    method: str = "patchmatch"
    seed: int = 0
    composite: str | None = None
    regions: str = "auto"

    def __post_init__(self) -> None:
        self.settle()
        check_eraser(self.method)
        if self.method == "diffusion":
            raise InputError("diffusion needs a model; use Erase")
        whole("seed", self.seed, 0, SEEDS - 1)
        from editkit.masks.roles import check_rule

        check_rule("composite", self.composite)
        if self.regions not in REGIONS:
            known = ", ".join(REGIONS)
            raise InputError(f"unknown regions {self.regions!r}; choose one of {known}")

    def __call__(
        self, photo: "PhotoLike | Photo", mask: "MaskLike", *, progress: Progress | None = None
    ) -> "Result":
        """The photo with what the mask covers replaced, with a report.

        Raises:
            ImageError: the photo cannot be read.
            MaskError: the mask has another size, or selects nothing.
        """
        from editkit.ops.engine.fill import fill_holes

        return fill_holes(self, photo, mask, progress)


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
