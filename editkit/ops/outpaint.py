"""Outpainting: a photo in a larger frame, with new content around it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Unpack

from editkit.boxes import Size
from editkit.errors import InputError
from editkit.names import ANCHORS
from editkit.ops.hooks import Hooks
from editkit.ops.inpaint import Inpaint
from editkit.options import Option

if TYPE_CHECKING:
    from editkit.models.base import Model
    from editkit.ops.result import Result
    from editkit.photo.geometry.frame import PhotoFrame
    from editkit.photo.io.files import Photo, PhotoLike


@dataclass(frozen=True)
class Outpaint(Inpaint):
    """Paint around a photo, which stays as it is, in a larger frame.

    It is `Inpaint` in that frame.

    Give some sides, or a size, or an aspect; sides are those of the upright photo. How they are
    rounded: `editkit.photo.geometry.frame.plan_frame`. The start is the photo mirrored into the
    frame, at the model's recommended strength. With a prefill it is that, as `Inpaint` starts from
    one; with `none` it is noise.
    """

    left: Annotated[int | str, Option("Pixels to add, or N% of the width.", metavar="N")] = 0
    right: Annotated[int | str, Option("Pixels to add, or N% of the width.", metavar="N")] = 0
    top: Annotated[int | str, Option("Pixels to add, or N% of the height.", metavar="N")] = 0
    bottom: Annotated[int | str, Option("Pixels to add, or N% of the height.", metavar="N")] = 0
    size: Annotated[
        Size | None, Option("Size of the whole picture, in pixels.", low=1, high=99_999)
    ] = None
    aspect: Annotated[
        str | None, Option("Aspect of the whole picture, such as 16:9.", metavar="W:H")
    ] = None
    anchor: Annotated[
        str | None,
        Option(
            "Place of the photo in the frame of a size or an aspect.",
            choices=ANCHORS,
            unset="center",
        ),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.composite_mask is not None:
            raise InputError("outpaint keeps the whole photo; leave composite_mask out")
        from editkit.photo.geometry.frame import check_frame

        sides = (self.left, self.right, self.top, self.bottom)
        check_frame(sides=sides, size=self.size, aspect=self.aspect, anchor=self.anchor)

    def frame(self, photo: Size) -> "PhotoFrame":
        """The frame around a photo of a size.

        Raises:
            InputError: it would cut the photo, add nothing or be too large.
        """
        from editkit.photo.geometry.frame import plan_frame

        sides = (self.left, self.right, self.top, self.bottom)
        return plan_frame(
            photo, sides=sides, size=self.size, aspect=self.aspect, anchor=self.anchor
        )

    # The mask that other edits are given is the frame here.
    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, model: "Model", photo: "PhotoLike | Photo", **hooks: Unpack[Hooks]
    ) -> "Result":
        """The photo in its frame, with a report.

        Args:
            model: from `load_model`.
            photo: a path, a file, a Pillow image, an array (H, W[, C]) or a tensor (C, H, W).
            hooks: the caller's own guide, constraints, solver and callback: see `Hooks`.

        Raises:
            ImageError: the photo cannot be read.
            InputError: the frame cannot be.
            DeviceError: the device is out of memory.
        """
        from editkit.ops.engine.outpaint import paint_around

        return paint_around(self, model, photo, hooks)
