"""Text to image."""

import time

import numpy as np
from numpy.typing import NDArray

from editkit.diffusion.plans import linear
from editkit.models.base import Model, check_model, device_errors
from editkit.ops.edit import Progress
from editkit.ops.engine.canvas import to_rgb
from editkit.ops.engine.session import open_session
from editkit.ops.engine.strategies import solver_of
from editkit.ops.generate import Generate
from editkit.ops.record import record_of
from editkit.ops.report import describe, prompt_notes
from editkit.ops.result import Result
from editkit.photo.io.files import Photo
from editkit.tensors import Latents
from editkit.types import Rgb, Size


def paint(edit: Generate, model: Model, progress: Progress | None = None) -> Result:
    """The picture, with a report: see `Generate.__call__`."""
    started = time.perf_counter()
    check_model(model)
    side = edit.work_size or model.settings.native_size
    size = edit.size or Size(side, side)
    whole = Size(*(-(-length // model.multiple) * model.multiple for length in size))
    with device_errors(model.device):
        painted = to_rgb(model.decode(latents(edit, model, whole, progress)))
    report = {**describe(edit, model, solver_of(edit, model.settings)), "size": str(size)}
    report["notes"] = prompt_notes(edit, model)
    report["seconds"] = round(time.perf_counter() - started, 2)
    photo = Photo(_middle(painted, size), "RGB")
    return Result(photo, report, record=record_of(edit, model))


def latents(edit: Generate, model: Model, size: Size, progress: Progress | None = None) -> Latents:
    """Clean latents of a picture of `size`, whose sides are multiples of the model's."""
    session = open_session(edit, model, size, progress)
    x = session.schedule.pure(session.noise(size))
    return session.run(x, linear(session.schedule.steps), session.emptiness(size))


def _middle(painted: NDArray[np.uint8], size: Size) -> Rgb:
    """The middle of a picture that had to be painted larger."""
    top, left = (painted.shape[0] - size.height) // 2, (painted.shape[1] - size.width) // 2
    return painted[top : top + size.height, left : left + size.width].copy()
