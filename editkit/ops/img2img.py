"""Image to image: a whole picture, noised in part and painted again."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Unpack

from editkit.ops.edit import Edit
from editkit.ops.hooks import Hooks
from editkit.options import Option

if TYPE_CHECKING:
    from editkit.models.base import Model
    from editkit.ops.result import Result
    from editkit.photo.io.files import Photo, PhotoLike


@dataclass(frozen=True)
class Img2Img(Edit):
    """Repaint a whole picture from a prompt; a lower `strength` keeps more of it.

    The picture is noised to the level that `strength` names, and the walk goes down from there
    (SDEdit, arXiv 2108.01073).
    """

    strength: Annotated[
        float,
        Option("Share of the noise schedule to run; higher values change more.", low=0.01, high=1),
    ] = 0.5

    def __call__(
        self, model: "Model", photo: "PhotoLike | Photo", **hooks: Unpack[Hooks]
    ) -> "Result":
        """The photo repainted, of the same size and mode, with a report.

        Raises:
            ImageError: the photo cannot be read.
            DeviceError: the device is out of memory.
        """
        from editkit.ops.engine.img2img import edit_photo

        return edit_photo(self, model, photo, hooks)
