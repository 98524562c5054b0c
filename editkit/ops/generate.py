"""Text to image."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from editkit.boxes import Size
from editkit.errors import InputError, shown
from editkit.ops.checks import whole
from editkit.ops.edit import Edit, Progress

if TYPE_CHECKING:
    from editkit.models.base import Model
    from editkit.ops.result import Result


@dataclass(frozen=True)
class Generate(Edit):
    """Paint a picture from a prompt alone: an edit whose mask is everything.

    Attributes:
        size: height and width in pixels; the model's native square where None.
    """

    size: Size | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is None:
            return
        if not isinstance(self.size, Size):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"size is {shown(self.size)}; give editkit.Size(height, width)")
        for name, value in self.size._asdict().items():
            whole(name, value, 16, 8192)

    def __call__(self, model: "Model", *, progress: Progress | None = None) -> "Result":
        """The picture, exactly of the size asked for, with a report.

        Raises:
            DeviceError: the device is out of memory.
        """
        from editkit.ops.engine.generate import paint

        return paint(self, model, progress)
