"""Bringing home an edit made elsewhere: only what changed, into the untouched original."""

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from editkit.errors import InputError, shown
from editkit.names import MAKERS, MOTIONS
from editkit.ops.checks import whole, within
from editkit.options import SEEDS, Options

if TYPE_CHECKING:
    from editkit.masks.roles import MaskLike
    from editkit.ops.result import Result
    from editkit.photo.io.files import Photo, PhotoLike


@dataclass(frozen=True)
class Composite(Options):
    """Bring an edit made elsewhere back into its original, and nothing but the edit.

    The edited picture is registered to the original, the area that changed is found, the change of
    color that the whole went through is undone, and the area is passed into the original.

    Where the edited picture is the original to the sample outside of the edit, its own samples are
    taken inside, and nothing is done to them.

    Attributes:
        motion: how the edited picture may lie on the original, one of
            `editkit.names.MOTIONS`: the simplest that explains it in `auto`, frame on
            frame in `none`.
        threshold: how many times the usual difference of the rest is a change.
        grow: pixels to add around what was found; two, or one of the edited picture's, unless
            given. A mask that was given is not grown.
        drift: undo what the whole picture's colors changed by.
        match: carry the photo's own colors at the area's edge into it.
        seam: how the area passes into the photo, one of `editkit.names.SEAMS`;
            `multiband` unless given, or `feather` where a feather is given.
        feather: width in photo pixels over which it does so by `feather`.
        grain: how much of the photo's noise, that the edit lacks, is added to it; none unless
            given, for what was smoothed, or drawn smooth, is to come home so.
        sharpen: bring the area to the sharpness of what surrounds it.
        made_by: who made the edit, one of `editkit.names.MAKERS`, for the file's metadata; in
            `auto` what the edited file says of itself, else `unknown`.
        seed: of grain and dither.
    """

    _: KW_ONLY
    motion: str = "auto"
    threshold: float = 5.0
    grow: int | None = None
    drift: bool = True
    match: bool = True
    seam: str | None = None
    feather: float | None = None
    grain: float = 0.0
    sharpen: bool = False
    made_by: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        self.settle()
        within("threshold", self.threshold, 0.1, 1000)
        whole("grow", self.grow, 0, 1000)
        within("feather", self.feather, 0, 1000)
        within("grain", self.grain, 0, 4)
        whole("seed", self.seed, 0, SEEDS - 1)
        from editkit.photo.blend.harmonize import resolve_seam

        resolve_seam(self.seam, self.feather)
        for name, known in (
            ("motion", MOTIONS),
            ("made_by", ("auto", *MAKERS)),
        ):
            if getattr(self, name) not in known:
                given = getattr(self, name)
                raise InputError(f"unknown {name} {shown(given)}; choose one of {', '.join(known)}")

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
