"""The parameters that edits inside a mask share. Light: imports no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from editkit.errors import InputError, shown
from editkit.names import PREFILLS, REGIONS
from editkit.ops.checks import within
from editkit.ops.edit import Edit, Progress

if TYPE_CHECKING:
    from editkit.masks.roles import MaskLike
    from editkit.models.base import Model
    from editkit.ops.result import Result
    from editkit.photo.io.files import Photo, PhotoLike


@dataclass(frozen=True)
class MaskedEdit(Edit):
    """Parameters of an edit inside a mask.

    Attributes:
        strength: in (0, 1]; below 1 the walk starts from the photo (pre-filled, if so asked),
            noised to that share of the schedule.
        regions: which marks of the mask are worked on together, one of
            `editkit.names.REGIONS`: `each` by itself, all `together`, or in `auto`
            those that the model sees no smaller for being together.
        prefill: what fills the hole before the sampler starts, one of
            `editkit.names.PREFILLS`. The walk starts from it at the strength that the model
            recommends, or at 0.75 of a model that recommends none below 1; with `none` it starts
            from noise, unless a strength is given.
        context: how far the worked region exceeds the mask on each side, as a share of the mask's
            longer side.
        match: carry the photo's own colors at the hole's edge into what was painted.
        denoise: where the sampler works, as text: `~grow:8` refines the mask, anything else is a
            mask of its own; the mask itself unless given. Values between 0 and 1 are a strength
            for each pixel where the walk is held to the photo.
        condition: what an inpainting model is told is missing, in the same way.
        composite: what reaches the photo, in the same way; the rest stays bit for bit.
        detail: in [0, 1], strength of the passes that paint what is larger than the model's own
            size once more, in tiles, at twice the scale each time until it is the photo's; 0 makes
            none, and leaves it soft.
        seam: how what was painted passes into the photo, inside the mask, one of
            `editkit.names.SEAMS`; never into what the hole covers. `multiband` unless a
            feather is given.
        feather: width in photo pixels over which it does so by `feather`.
        grain: how much of the noise around the hole, that what was painted lacks, is added to it:
            1 is all of it, 0 nothing. Not where `compat`.
        sharpen: bring what was painted to the sharpness of what surrounds it. Not where `compat`.
    """

    strength: float | None = None
    prefill: str | None = None
    context: float = 0.3
    match: bool = True
    seam: str | None = None
    feather: float | None = None
    grain: float = 1.0
    sharpen: bool = False
    denoise: str | None = None
    condition: str | None = None
    composite: str | None = None
    regions: str = "auto"
    detail: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        within("strength", self.strength, 0.01, 1)
        within("context", self.context, 0, 10)
        within("feather", self.feather, 0, 1000)
        within("detail", self.detail, 0, 1)
        within("grain", self.grain, 0, 4)
        from editkit.masks.roles import check_rule
        from editkit.photo.blend.harmonize import resolve_seam

        resolve_seam(self.seam, self.feather)
        for name in ("denoise", "condition", "composite"):
            check_rule(name, getattr(self, name))
        if self.regions not in REGIONS:
            known = ", ".join(REGIONS)
            raise InputError(f"unknown regions {shown(self.regions)}; choose one of {known}")
        if self.prefill is not None and self.prefill not in PREFILLS:
            known = ", ".join(PREFILLS)
            raise InputError(f"unknown prefill {shown(self.prefill)}; choose one of {known}")

    def __call__(
        self,
        model: "Model",
        photo: "PhotoLike | Photo",
        mask: "MaskLike",
        *,
        progress: Progress | None = None,
    ) -> "Result":
        """The photo edited inside the mask, with a report.

        Args:
            model: from `load_model`.
            photo: a path, a file, a Pillow image, an array (H, W[, C]) or a tensor (C, H, W).
            mask: the same, of the photo's size; white may change, black stays.
            progress: told of every step.

        Raises:
            ImageError: the photo cannot be read.
            MaskError: the mask has another size, or selects nothing.
            DeviceError: the device is out of memory.
        """
        from editkit.ops.engine.masked import edit_masked

        return edit_masked(self, model, photo, mask, progress)
