"""Image to image: a whole picture, noised in part and painted again."""

import time

import numpy as np
import torch

from editkit.diffusion.plans import Plan, first_level, linear
from editkit.models.base import Model, check_model, device_errors
from editkit.ops.engine.canvas import to_pixels, to_rgb
from editkit.ops.engine.run import Run, start_run
from editkit.ops.engine.session import Session, open_session, weak
from editkit.ops.engine.strategies import solver_of
from editkit.ops.hooks import Hooks
from editkit.ops.img2img import Img2Img
from editkit.ops.record import record_of
from editkit.ops.report import describe, prompt_notes
from editkit.ops.result import Result
from editkit.photo.blend.composite import composite
from editkit.photo.geometry.crops import Region, crop_photo, paste, plan_region
from editkit.photo.io.files import Photo, PhotoLike, read_photo
from editkit.tensors import Latents, Pixels
from editkit.types import Box, Size


def edit_photo(edit: Img2Img, model: Model, photo: PhotoLike | Photo, hooks: Hooks) -> Result:
    """The photo repainted, with a report: see `Img2Img.__call__`."""
    started = time.perf_counter()
    check_model(model)
    edit, run = start_run(edit, hooks)
    photo = read_photo(photo)
    region = _region(edit, model, photo.size)
    session, plan = _plan(edit, model, region.working, run)
    run.tracker.start(session.calls(plan))
    run.tracker.enter("paint", region.box)
    with device_errors(model.device):
        seen = to_pixels(crop_photo(photo, region))
        patch = to_rgb(model.decode(_walk(session, plan, seen)))
    run.tracker.enter("blend", region.box)
    everything = np.ones(photo.size, np.float32)
    edited = composite(photo, paste(patch, region), region.box, everything, seed=edit.seed)
    result = Result(
        edited,
        {
            **describe(edit, model, solver_of(edit, model.settings)),
            "strength": edit.strength,
            "region": {**region.box._asdict(), "worked_at": str(region.working)},
            "notes": [
                *photo.notes,
                *prompt_notes(edit, model),
                *weak(edit.steps or model.settings.steps, edit.strength),
            ],
            "seconds": round(time.perf_counter() - started, 2),
        },
        photo,
        record=record_of(edit, model, photo),
    )
    return run.mark(result)


def latents(edit: Img2Img, model: Model, pixels: Pixels) -> Latents:
    """Clean latents of the repainted picture."""
    return _walk(*_plan(edit, model, Size(*pixels.shape[-2:])), pixels)


def _plan(edit: Img2Img, model: Model, size: Size, run: Run | None = None) -> tuple[Session, Plan]:
    """A session, and the walk that the edit's strength gives."""
    session = open_session(edit, model, size, run)
    plan = linear(session.schedule.steps, first_level(session.schedule.steps, edit.strength))
    session.check(plan)
    return session, plan


def _walk(session: Session, plan: Plan, pixels: Pixels) -> Latents:
    """Clean latents at the end of the walk from a picture."""
    size = Size(*pixels.shape[-2:])
    clean = session.encode("image", pixels)
    x = session.schedule.start(clean, session.noise(size), plan.first)
    constraints = session.run.bind(clean, torch.ones_like(clean[:, :1]))
    return session.walk(x, plan, session.emptiness(size), constraints)


def _region(edit: Img2Img, model: Model, size: Size) -> Region:
    return plan_region(
        size,
        Box(0, 0, *size),
        native=model.settings.native_size,
        multiple=model.multiple,
        context=0.0,
        working=edit.work_size,
    )
