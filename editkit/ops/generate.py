"""Text to image."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editkit.diffusion.plans import linear
from editkit.errors import InputError, shown
from editkit.models.base import Model, check_model, device_errors
from editkit.ops.engine.canvas import to_rgb
from editkit.ops.engine.session import Edit, Progress, open_session, whole
from editkit.ops.record import record_of
from editkit.ops.report import describe, prompt_notes
from editkit.ops.result import Result
from editkit.photo.io.files import Photo
from editkit.tensors import Latents
from editkit.types import Rgb, Size


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

    def latents(self, model: Model, size: Size, progress: Progress | None = None) -> Latents:
        """Clean latents of a picture of `size`, whose sides are multiples of the model's."""
        session = open_session(self, model, size, progress)
        x = session.schedule.pure(session.noise(size))
        return session.run(x, linear(session.schedule.steps), session.emptiness(size))

    def __call__(self, model: Model, *, progress: Progress | None = None) -> Result:
        """The picture, exactly of the size asked for, with a report.

        Raises:
            DeviceError: the device is out of memory.
        """
        started = time.perf_counter()
        check_model(model)
        side = self.work_size or model.settings.native_size
        size = self.size or Size(side, side)
        whole = Size(*(-(-length // model.multiple) * model.multiple for length in size))
        with device_errors(model.device):
            painted = to_rgb(model.decode(self.latents(model, whole, progress)))
        report = {**describe(self, model), "size": str(size)}
        report["notes"] = prompt_notes(self, model)
        report["seconds"] = round(time.perf_counter() - started, 2)
        photo = Photo(_middle(painted, size), "RGB")
        return Result(photo, report, record=record_of(self, model))


def _middle(painted: NDArray[np.uint8], size: Size) -> Rgb:
    """The middle of a picture that had to be painted larger."""
    top, left = (painted.shape[0] - size.height) // 2, (painted.shape[1] - size.width) // 2
    return painted[top : top + size.height, left : left + size.width].copy()
