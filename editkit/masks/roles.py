"""Three masks from one: for the sampler, for what the network is told, for the file."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editkit.errors import MaskError
from editkit.masks.evaluate import evaluate
from editkit.masks.language import parse
from editkit.masks.read import Reading, is_file, read_as_is
from editkit.masks.value import Mask, MaskSource, coverage_of, resolve_mask, view_of
from editkit.photo.io.files import Photo, PhotoLike, read_photo
from editkit.types import Coverage


@dataclass(frozen=True, eq=False)
class Masks:
    """The three jobs of a mask, each as it is: what an edit takes in place of one mask.

    Attributes:
        denoise: how much the sampler may change; values between are a strength for each pixel.
        condition: the hole that an inpainting model is told of: all above 0.
        composite: how much of the outcome reaches the photo.
        notes: how those were read that are masks of their own.
    """

    denoise: Coverage
    condition: Coverage
    composite: Coverage
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        photo: PhotoLike | Photo,
        mask: "PhotoLike | Mask",
        *,
        denoise: "PhotoLike | Mask | None" = None,
        condition: "PhotoLike | Mask | None" = None,
        composite: "PhotoLike | Mask | None" = None,
        device: str = "auto",
    ) -> "Masks":
        """The three masks of a photo: each `mask`, or one of its own.

        Args:
            photo: the photo.
            mask: anything that an edit takes as a mask.
            denoise: the same, for one of the jobs; text that begins with `~` refines `mask`.
            condition: the same.
            composite: the same.
            device: where models run that a mask asks for.

        Raises:
            MaskError: one is of another size, wrong, or selects nothing.
        """
        read = read_photo(photo)
        rules = {"denoise": denoise, "condition": condition, "composite": composite}
        return derive(mask, read, device=device, **rules)

    def __iter__(self) -> Iterator[Coverage]:
        return iter((self.denoise, self.condition, self.composite))

    def copy(self) -> "Masks":
        """Masks of the same values to write to; what is one array here is one array there."""
        copies = {id(mask): mask.copy() for mask in self}
        denoise, condition, composite = (copies[id(mask)] for mask in self)
        return Masks(denoise, condition, composite, self.notes)

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
        """True if the sampler is asked for anything between none and all."""
        return bool(((self.denoise > 0) & (self.denoise < 1)).any())


MaskLike = MaskSource | Masks
"""What an edit takes as its mask: one, or one for each of the three jobs."""


def composite_reading(mask: MaskLike, photo: Photo, *, device: str = "auto") -> Reading:
    """The mask as `resolve_mask` reads it; of `Masks`, what reaches the photo.

    Raises:
        MaskError, ImageError, ModelError: as `resolve_mask`.
    """
    if isinstance(mask, Masks):
        return Reading(read_as_is(mask.composite, photo.size))
    return resolve_mask(mask, photo, device=device)


def derive(
    mask: MaskLike,
    photo: Photo,
    *,
    denoise: MaskSource | None = None,
    condition: MaskSource | None = None,
    composite: MaskSource | None = None,
    device: str = "auto",
) -> Masks:
    """The three masks: each the mask as it is, or by its own rule.

    A rule that begins with `~` refines the mask (`~grow:8`); any other is a mask of its own. Of
    `Masks`, each is taken for its own job, and refined by its own rule.

    Raises:
        MaskError: a mask or a rule that is wrong, or selects nothing.
    """
    if isinstance(mask, Masks):
        given = _check_masks(mask, photo)
    else:
        one = coverage_of(mask, photo, device=device)
        given = Masks(one, one, one)
    rules = {"denoise": denoise, "condition": condition, "composite": composite}
    read = {
        name: _apply_rule(rule, getattr(given, name), photo, device) for name, rule in rules.items()
    }
    told = [f"{name}: {note}" for name, part in read.items() for note in part.notes]
    one, two, three = (part.coverage for part in read.values())
    return Masks(one, two, three, (*given.notes, *told))


def check_rule(name: str, rule: object) -> None:
    """Finds what is wrong with a rule before there is a photo.

    Raises:
        MaskError: it is no text, or no expression.
    """
    if rule is None:
        return
    if not isinstance(rule, str):
        raise MaskError(f"{name} is {rule!r}; give text such as '~grow:8'")
    if not is_file(rule):
        parse(rule, rule=True)


def _check_masks(masks: Masks, photo: Photo) -> Masks:
    parts = (masks.denoise, masks.condition, masks.composite)
    denoise, condition, composite = (read_as_is(part, photo.size) for part in parts)
    given = Masks(denoise, condition, composite, masks.notes)
    if not given.denoise.any() or not given.composite.any():
        raise MaskError("the masks select nothing; 1 marks where to edit")
    return given


def _apply_rule(rule: MaskSource | None, mask: Coverage, photo: Photo, device: str) -> Reading:
    if rule is None:
        return Reading(mask)
    if not (isinstance(rule, str) and rule.lstrip().startswith("~")):
        return resolve_mask(rule, photo, device=device)
    refined = Mask(parse(rule, rule=True))
    view = view_of(refined, photo, mask, device)
    found = evaluate(refined.node, view)
    if not found.any():
        raise MaskError(f"the rule {rule} leaves nothing of the mask")
    return Reading(found, tuple(view.notes))
