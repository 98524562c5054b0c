"""Three masks from one: for the sampler, for what the network is told, for the file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from editkit.errors import MaskError
from editkit.masks.evaluate import coverage_of, select_in
from editkit.masks.language import parse
from editkit.photo.files import Photo
from editkit.types import Coverage


@dataclass(frozen=True, eq=False)
class Masks:
    """The three jobs of a mask.

    Attributes:
        denoise: how much the sampler may change; values between are a strength for each pixel.
        condition: the hole that an inpainting model is told of: all above 0.
        composite: how much of the outcome reaches the photo.
    """

    denoise: Coverage
    condition: Coverage
    composite: Coverage

    def __iter__(self) -> Iterator[Coverage]:
        return iter((self.denoise, self.condition, self.composite))

    def copied(self) -> "Masks":
        """Masks of the same values to write to; what is one array here is one array there."""
        copies = {id(mask): mask.copy() for mask in self}
        return Masks(*(copies[id(mask)] for mask in self))

    def clear(self, here: tuple[slice, slice], where: NDArray[np.bool_]) -> None:
        """Writes 0 into all three, `where` in the rectangle `here`."""
        for mask in self:
            mask[here][where] = 0

    @property
    def union(self) -> Coverage:
        """All that is repainted or replaced: what the worked region must hold."""
        if self.denoise is self.composite:
            return self.denoise
        return np.maximum(self.denoise, self.composite)

    @property
    def soft(self) -> bool:
        """Whether the sampler is asked for anything between none and all."""
        return bool(((self.denoise > 0) & (self.denoise < 1)).any())


def derive(
    mask: Coverage,
    photo: Photo,
    *,
    denoise: str | None = None,
    condition: str | None = None,
    composite: str | None = None,
) -> Masks:
    """The three masks: each the mask as it is, or by its own rule.

    A rule that begins with `~` refines the mask (`~grow:8`); any other is a mask of its own.

    Raises:
        MaskError: a rule that is wrong, or selects nothing.
    """
    return Masks(*(_by_rule(rule, mask, photo) for rule in (denoise, condition, composite)))


def check_rule(name: str, rule: object) -> None:
    """Finds what is wrong with a rule before there is a photo.

    Raises:
        MaskError: it is no text, or no expression.
    """
    if rule is None:
        return
    if not isinstance(rule, str):
        raise MaskError(f"{name} is {rule!r}; give text such as '~grow:8'")
    if not Path(rule).is_file():
        parse(rule, rule=True)


def _by_rule(rule: str | None, mask: Coverage, photo: Photo) -> Coverage:
    if rule is None:
        return mask
    if not rule.lstrip().startswith("~"):
        return coverage_of(rule, photo)
    found = select_in(rule, photo, mask)
    if not found.any():
        raise MaskError(f"the rule {rule} leaves nothing of the mask")
    return found
