"""Erasing by diffusion, or by a classical method."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, ClassVar, Unpack

from editkit.errors import InputError
from editkit.names import ERASERS
from editkit.ops.fill import Fill
from editkit.ops.hooks import Hooks
from editkit.ops.inpaint import Inpaint
from editkit.options import Option

if TYPE_CHECKING:
    from editkit.masks.roles import MaskLike
    from editkit.models.base import Model
    from editkit.ops.result import Result
    from editkit.photo.io.files import Photo, PhotoLike


@dataclass(frozen=True)
class Erase(Inpaint):
    """Remove the masked part of a photo, and fill it with background.

    It is `Inpaint` without a prompt.

    Methods but `diffusion` are classical: they need no model, and of the other options take `seed`,
    `composite_mask` and `regions`.
    """

    method: Annotated[
        str,
        Option(
            "Method of the fill; all but diffusion are quick and need no model.", choices=ERASERS
        ),
    ] = "diffusion"

    takes_prompt: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prompt:
            raise InputError("erase takes no prompt; to paint something there, use inpaint")

    @property
    def idle(self) -> tuple[str, ...]:
        """Parameters that are set, though the method has no use for them."""
        if self.method == "diffusion":
            return ()
        used = {f.name for f in fields(Fill)}
        others = [f for f in fields(self) if f.name not in used]
        return tuple(f.name for f in others if getattr(self, f.name) != f.default)

    def __call__(
        self,
        model: "Model | None",
        photo: "PhotoLike | Photo",
        mask: "MaskLike",
        **hooks: Unpack[Hooks],
    ) -> "Result":
        """The photo with what the mask covers replaced, with a report.

        Args:
            model: from `load_model`; may be None for classical methods.
            photo: as `Inpaint` takes it.
            mask: the same, of the photo's size; white is erased, black stays.
            hooks: as `Inpaint` takes them; classical methods take `watch` and `progress` alone.

        Raises:
            ImageError: the photo cannot be read.
            MaskError: the mask has another size, or selects nothing.
            InputError: diffusion without a model.
            DeviceError: the device is out of memory.
        """
        if self.method != "diffusion":
            edit = Fill(self.method, self.seed, self.composite_mask, self.regions)
            return edit(photo, mask, **hooks)
        if model is None:
            raise InputError("erasing by diffusion needs a model; give one, or another method")
        return super().__call__(model, photo, mask, **hooks)
