"""Text to image."""

import time

import numpy as np
import torch
from numpy.typing import NDArray

from editkit.diffusion.plans import Plan, linear
from editkit.models.base import Model, check_model, device_errors
from editkit.ops.engine.canvas import to_rgb
from editkit.ops.engine.run import Run, start_run
from editkit.ops.engine.session import Session, open_session
from editkit.ops.engine.strategies import solver_of
from editkit.ops.generate import Generate
from editkit.ops.hooks import Hooks
from editkit.ops.record import record_of
from editkit.ops.report import describe, prompt_notes
from editkit.ops.result import Result
from editkit.photo.io.files import Photo
from editkit.tensors import Latents
from editkit.types import Box, Rgb, Size


def paint(edit: Generate, model: Model, hooks: Hooks) -> Result:
    """The picture, with a report: see `Generate.__call__`."""
    started = time.perf_counter()
    check_model(model)
    edit, run = start_run(edit, hooks)
    side = edit.work_size or model.settings.native_size
    size = edit.size or Size(side, side)
    whole = Size(*(-(-length // model.multiple) * model.multiple for length in size))
    session, plan = _plan(edit, model, whole, run)
    run.tracker.start(session.calls(plan))
    run.tracker.enter("paint", Box(0, 0, *size))
    with device_errors(model.device):
        painted = to_rgb(model.decode(_walk(session, plan, whole)))
    report = {**describe(edit, model, solver_of(edit, model.settings)), "size": str(size)}
    report["notes"] = prompt_notes(edit, model)
    report["seconds"] = round(time.perf_counter() - started, 2)
    photo = Photo(_middle(painted, size), "RGB")
    return run.mark(Result(photo, report, record=record_of(edit, model)))


def latents(edit: Generate, model: Model, size: Size) -> Latents:
    """Clean latents of a picture of `size`, whose sides are multiples of the model's."""
    return _walk(*_plan(edit, model, size), size)


def _plan(edit: Generate, model: Model, size: Size, run: Run | None = None) -> tuple[Session, Plan]:
    """A session, and the walk from pure noise."""
    session = open_session(edit, model, size, run)
    plan = linear(session.schedule.steps)
    session.check(plan)
    return session, plan


def _walk(session: Session, plan: Plan, size: Size) -> Latents:
    """Clean latents at the end of the walk."""
    noise = session.noise(size)
    constraints = session.run.bind(None, torch.ones_like(noise[:, :1]))
    return session.walk(session.schedule.pure(noise), plan, session.emptiness(size), constraints)


def _middle(painted: NDArray[np.uint8], size: Size) -> Rgb:
    """The middle of a picture that had to be painted larger."""
    top, left = (painted.shape[0] - size.height) // 2, (painted.shape[1] - size.width) // 2
    return painted[top : top + size.height, left : left + size.width].copy()
