"""Bringing home an edit made elsewhere: only what changed, into the untouched original."""

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Annotated

from editkit.names import MAKERS, MOTIONS
from editkit.ops.look import Feather, Match, Seam, Sharpen, check_look
from editkit.options import SEEDS, Option, Options

if TYPE_CHECKING:
    from editkit.masks.roles import MaskLike
    from editkit.ops.result import Result
    from editkit.photo.io.files import Photo, PhotoLike


@dataclass(frozen=True)
class Composite(Options):
    """Paste only the edit of an edited copy into the original.

    The edited picture is registered to the original, the area that changed is found, the change of
    color that the whole went through is undone, and the area is passed into the original.

    Where the edited picture is the original to the sample outside of the edit, its own samples are
    taken inside, and nothing is done to them.

    A mask that is given is not grown.
    """

    _: KW_ONLY
    motion: Annotated[
        str,
        Option(
            "Alignment of EDITED with ORIGINAL; auto takes the simplest that fits.",
            choices=MOTIONS,
        ),
    ] = "auto"
    threshold: Annotated[
        float,
        Option(
            "Least difference that counts as an edit, in multiples of the noise elsewhere.",
            low=0.1,
            high=1000,
        ),
    ] = 5.0
    grow: Annotated[
        int | None,
        Option(
            "Enlarge the found area by this width.",
            low=0,
            high=1000,
            metavar="PX",
            unset="2, or a pixel of EDITED",
        ),
    ] = None
    drift: Annotated[bool, Option("Undo a change of color in the whole of EDITED.", "Look")] = True
    match: Match = True
    seam: Seam = None
    feather: Feather = None
    grain: Annotated[
        float,
        Option(
            "Share of the photo's grain to add where EDITED lacks it; use 1 for a model's "
            "smooth edit.",
            "Look",
            low=0,
            high=4,
        ),
    ] = 0.0
    sharpen: Sharpen = False
    made_by: Annotated[
        str,
        Option(
            "Who made the edit, for the metadata: a model, a person by hand, a montage of photos; "
            "auto takes it from EDITED's metadata, or else says unknown.",
            "Output",
            choices=("auto", *MAKERS),
        ),
    ] = "auto"
    seed: Annotated[
        int, Option("Random seed of grain and dither.", "Expert", low=0, high=SEEDS - 1)
    ] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_look(self.seam, self.feather)

    def __call__(
        self,
        original: "PhotoLike | Photo",
        edited: "PhotoLike | Photo",
        mask: "MaskLike | None" = None,
    ) -> "Result":
        """The original with only the edit in it, and a report.

        Args:
            original: a path, a file, a Pillow image, an array (H, W[, C]) or a tensor (C, H, W).
            edited: the same, of any size that shows the same.
            mask: where the edit is, of the original's size; found unless given.

        Raises:
            InputError: the two do not lie on each other.
            MaskError: nothing changed, or the mask has another size or lies outside.
        """
        from editkit.ops.engine.composite import bring_home

        return bring_home(self, original, edited, mask)
