"""Options of several edits: how what is new is made to sit in the photo, and where it goes."""

from typing import Annotated

from editkit.names import REGIONS, SEAMS
from editkit.options import Option, Options, facts_of

Match = Annotated[bool, Option("Match the edit's colors to the photo at the mask's edge.", "Look")]
Seam = Annotated[
    str | None,
    Option(
        "Method that blends the edit into the photo, inside the mask.",
        "Look",
        choices=SEAMS,
        unset="multiband",
    ),
]
Feather = Annotated[
    float | None,
    Option(
        "Width of the seam `feather`; chooses this seam.",
        "Look",
        low=0,
        high=1000,
        metavar="PX",
        unset="2 with the seam feather",
    ),
]
Sharpen = Annotated[bool, Option("Make the edit as sharp as the photo around it.", "Look")]
CompositeMask = Annotated[
    str | None,
    Option(
        "Area of the photo that may change; the rest stays as it is. '~grow:8' refines the mask.",
        "Expert",
        metavar="EXPR",
        unset="the mask",
        rule=True,
        former=("composite",),
    ),
]
Regions = Annotated[
    str,
    Option(
        "Edit the regions of the mask one by one, together, or (auto) in groups that fit.",
        "Expert",
        choices=REGIONS,
    ),
]


def check_look(seam: str | None, feather: float | None) -> None:
    """Checks a seam and a feather.

    Raises:
        InputError: a feather does not go with the seam.
    """
    from editkit.photo.blend.harmonize import resolve_seam

    resolve_seam(seam, feather)


def check_rules(edit: Options) -> None:
    """Checks the masks that options of an edit describe.

    Raises:
        MaskError: one is no expression, or refines nothing.
    """
    from editkit.masks.roles import check_rule

    for fact in facts_of(type(edit)).values():
        if fact.option.rule:
            check_rule(fact.name, getattr(edit, fact.name))
