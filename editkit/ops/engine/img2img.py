"""Image to image: a whole picture, noised in part and painted again."""

import time

import numpy as np

from editkit.diffusion.plans import first_level, linear
from editkit.models.base import Model, check_model, device_errors
from editkit.ops.edit import Progress
from editkit.ops.engine.canvas import to_pixels, to_rgb
from editkit.ops.engine.session import open_session, weak
from editkit.ops.engine.strategies import solver_of
from editkit.ops.img2img import Img2Img
from editkit.ops.record import record_of
from editkit.ops.report import describe, prompt_notes
from editkit.ops.result import Result
from editkit.photo.blend.composite import composite
from editkit.photo.geometry.crops import Region, crop_photo, paste, plan_region
from editkit.photo.io.files import Photo, PhotoLike, read_photo
from editkit.tensors import Latents, Pixels
from editkit.types import Box, Size


def edit_photo(
    edit: Img2Img, model: Model, photo: PhotoLike | Photo, progress: Progress | None = None
) -> Result:
    """The photo repainted, with a report: see `Img2Img.__call__`."""
    started = time.perf_counter()
    check_model(model)
    photo = read_photo(photo)
    region = _region(edit, model, photo.size)
    with device_errors(model.device):
        seen = to_pixels(crop_photo(photo, region))
        patch = to_rgb(model.decode(latents(edit, model, seen, progress)))
    everything = np.ones(photo.size, np.float32)
    edited = composite(photo, paste(patch, region), region.box, everything, seed=edit.seed)
    return Result(
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


def latents(
    edit: Img2Img, model: Model, pixels: Pixels, progress: Progress | None = None
) -> Latents:
    """Clean latents of the repainted picture."""
    size = Size(*pixels.shape[-2:])
    session = open_session(edit, model, size, progress)
    plan = linear(session.schedule.steps, first_level(session.schedule.steps, edit.strength))
    clean = session.encode("image", pixels)
    x = session.schedule.start(clean, session.noise(size), plan.first)
    return session.run(x, plan, session.emptiness(size))


def _region(edit: Img2Img, model: Model, size: Size) -> Region:
    return plan_region(
        size,
        Box(0, 0, *size),
        native=model.settings.native_size,
        multiple=model.multiple,
        context=0.0,
        working=edit.work_size,
    )
