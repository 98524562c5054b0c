"""The options that edits inside a mask share. Light: imports no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Unpack

from editkit.names import PREFILLS
from editkit.ops.edit import BY_MODEL, Edit
from editkit.ops.hooks import Hooks
from editkit.ops.look import (
    CompositeMask,
    Feather,
    Match,
    Regions,
    Seam,
    Sharpen,
    check_look,
    check_rules,
)
from editkit.options import Option

if TYPE_CHECKING:
    from editkit.masks.roles import MaskLike
    from editkit.models.base import Model
    from editkit.ops.result import Result
    from editkit.photo.io.files import Photo, PhotoLike


@dataclass(frozen=True)
class MaskedEdit(Edit):
    """Options of an edit inside a mask.

    A seam never blends with what the mask covers. Neither grain nor sharpness is matched where
    `compat`.
    """

    strength: Annotated[
        float | None,
        Option(
            "Share of the noise schedule to run; 1 starts from noise, lower values keep more.",
            low=0.01,
            high=1,
            unset=f"{BY_MODEL}; with a prefill, 0.75 if that is 1",
        ),
    ] = None
    prefill: Annotated[
        str | None,
        Option(
            "Classical method that fills the hole first; with none, the model starts from noise.",
            "Look",
            choices=PREFILLS,
            unset=BY_MODEL,
        ),
    ] = None
    context: Annotated[
        float,
        Option(
            "Width around the mask that the model sees, as a share of the mask's longer side.",
            "Look",
            low=0,
            high=10,
        ),
    ] = 0.3
    match: Match = True
    seam: Seam = None
    feather: Feather = None
    grain: Annotated[
        float,
        Option(
            "Share of the photo's grain to add where the edit lacks it; 0 adds none.",
            "Look",
            low=0,
            high=4,
        ),
    ] = 1.0
    sharpen: Sharpen = False
    denoise_mask: Annotated[
        str | None,
        Option(
            "Area where the sampler works. '~grow:8' refines the mask; values between 0 and 1 are "
            "a strength for each pixel.",
            "Expert",
            metavar="EXPR",
            unset="the mask",
            rule=True,
            former=("denoise",),
        ),
    ] = None
    condition_mask: Annotated[
        str | None,
        Option(
            "The hole that an inpainting model sees. '~grow:8' refines the mask.",
            "Expert",
            metavar="EXPR",
            unset="the mask",
            rule=True,
            former=("condition",),
        ),
    ] = None
    composite_mask: CompositeMask = None
    regions: Regions = "auto"
    detail: Annotated[
        float | None,
        Option(
            "Strength of the tiled passes, which repaint large holes at the photo's resolution; "
            "0 skips them.",
            "Look",
            low=0,
            high=1,
            unset=BY_MODEL,
        ),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_look(self.seam, self.feather)
        check_rules(self)

    def __call__(
        self,
        model: "Model",
        photo: "PhotoLike | Photo",
        mask: "MaskLike",
        **hooks: Unpack[Hooks],
    ) -> "Result":
        """The photo edited inside the mask, with a report.

        Args:
            model: from `load_model`.
            photo: a path, a file, a Pillow image, an array (H, W[, C]) or a tensor (C, H, W).
            mask: the same, of the photo's size; white may change, black stays.
            hooks: the caller's own guide, constraints, solver and callback: see `Hooks`.

        Raises:
            ImageError: the photo cannot be read.
            MaskError: the mask has another size, or selects nothing.
            DeviceError: the device is out of memory.
        """
        from editkit.ops.engine.masked import edit_masked

        return edit_masked(self, model, photo, mask, hooks)
