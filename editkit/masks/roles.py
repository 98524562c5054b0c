"""Three masks from one: for the sampler, for what the network is told, for the file."""

from editkit.errors import MaskError
from editkit.masks.evaluate import MaskLike, coverage_of, evaluate, reading_of, view_of
from editkit.masks.language import parse
from editkit.masks.read import Reading, is_file, read_as_is
from editkit.masks.value import Mask, Masks
from editkit.photo.io.files import Photo
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
    rules = {"denoise": denoise, "condition": condition, "composite": composite}
    read = {
        name: _by_rule(rule, getattr(given, name), photo, device) for name, rule in rules.items()
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


def _checked(masks: Masks, photo: Photo) -> Masks:
    parts = (masks.denoise, masks.condition, masks.composite)
    denoise, condition, composite = (read_as_is(part, photo.size) for part in parts)
    given = Masks(denoise, condition, composite, masks.notes)
    if not given.denoise.any() or not given.composite.any():
        raise MaskError("the masks select nothing; 1 marks where to edit")
    return given


def _by_rule(rule: MaskLike | None, mask: Coverage, photo: Photo, device: str) -> Reading:
    if rule is None:
        return Reading(mask)
    if not (isinstance(rule, str) and rule.lstrip().startswith("~")):
        return reading_of(rule, photo, device=device)
    refined = Mask(parse(rule, rule=True))
    view = view_of(refined, photo, mask, device)
    found = evaluate(refined.node, view)
    if not found.any():
        raise MaskError(f"the rule {rule} leaves nothing of the mask")
    return Reading(found, tuple(view.notes))
