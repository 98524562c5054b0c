"""Three masks from one: for the sampler, for what the network is told, for the file."""

from editkit.errors import MaskError
from editkit.masks.evaluate import MaskLike, coverage_of, select_in
from editkit.masks.language import parse
from editkit.masks.read import is_file, read_as_is
from editkit.masks.value import Masks
from editkit.photo.files import Photo
from editkit.types import Coverage

__all__ = ["Masks", "check_rule", "derive"]


def derive(
    mask: MaskLike,
    photo: Photo,
    *,
    denoise: MaskLike | None = None,
    condition: MaskLike | None = None,
    composite: MaskLike | None = None,
    device: str = "auto",
) -> Masks:
    """The three masks: each the mask as it is, or by its own rule.

    A rule that begins with `~` refines the mask (`~grow:8`); any other is a mask of its own. Of
    `Masks`, each is taken for its own job, and refined by its own rule.

    Raises:
        MaskError: a mask or a rule that is wrong, or selects nothing.
    """
    given = _checked(mask, photo) if isinstance(mask, Masks) else None
    if given is None:
        one = coverage_of(mask, photo, device=device)
        given = Masks(one, one, one)
    return Masks(
        _by_rule(denoise, given.denoise, photo, device),
        _by_rule(condition, given.condition, photo, device),
        _by_rule(composite, given.composite, photo, device),
    )


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


def _checked(masks: Masks, photo: Photo) -> Masks:
    parts = (masks.denoise, masks.condition, masks.composite)
    given = Masks(*(read_as_is(part, photo.size) for part in parts))
    if not given.denoise.any() or not given.composite.any():
        raise MaskError("the masks select nothing; 1 marks where to edit")
    return given


def _by_rule(rule: MaskLike | None, mask: Coverage, photo: Photo, device: str) -> Coverage:
    if rule is None:
        return mask
    if not (isinstance(rule, str) and rule.lstrip().startswith("~")):
        return coverage_of(rule, photo, device=device)
    found = select_in(rule, photo, mask, device=device)
    if not found.any():
        raise MaskError(f"the rule {rule} leaves nothing of the mask")
    return found
