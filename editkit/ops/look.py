"""Options of several edits: how what is new is made to sit in the photo, and where it goes."""

from typing import Annotated

from editkit.names import REGIONS, SEAMS
from editkit.options import Option, Options, facts_of

Match = Annotated[
    bool, Option("Carry the photo's colors at the mask's edge into the edit.", "Look")
]
Seam = Annotated[
    str | None,
    Option(
        "How the edit is blended into the photo, inside the mask.",
        "Look",
        choices=SEAMS,
        unset="multiband",
    ),
]
Feather = Annotated[
    float | None,
    Option(
        "Blend by a feather of this width instead.",
        "Look",
        low=0,
        high=1000,
        metavar="PX",
        unset="2 with the seam feather",
    ),
]
Sharpen = Annotated[bool, Option("Bring the edit to the sharpness of the photo around it.", "Look")]
CompositeMask = Annotated[
    str | None,
    Option(
        "Where the edit reaches the photo; the rest stays bit for bit. '~grow:8' refines the mask.",
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
        "Edit each region of the mask by itself, all together, or those that fit together.",
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
