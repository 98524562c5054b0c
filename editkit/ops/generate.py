"""Text to image."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Unpack

from editkit.boxes import Size
from editkit.ops.edit import Edit
from editkit.ops.hooks import Hooks
from editkit.options import Option

if TYPE_CHECKING:
    from editkit.models.base import Model
    from editkit.ops.result import Result


@dataclass(frozen=True)
class Generate(Edit):
    """Paint a picture from a prompt alone."""

    size: Annotated[
        Size | None,
        Option("Size in pixels.", low=16, high=8192, unset="the model's native square"),
    ] = None

    def __call__(self, model: "Model", **hooks: Unpack[Hooks]) -> "Result":
        """The picture, exactly of the size asked for, with a report.

        Raises:
            DeviceError: the device is out of memory.
        """
        from editkit.ops.engine.generate import paint

        return paint(self, model, hooks)
