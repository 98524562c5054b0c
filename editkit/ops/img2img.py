"""Image to image: a whole picture, noised in part and painted again."""

import time
from dataclasses import dataclass

import numpy as np

from editkit.diffusion.plans import first_level, linear
from editkit.models.base import Model, check_model, device_errors
from editkit.ops.engine.canvas import to_pixels, to_rgb
from editkit.ops.engine.session import Edit, Progress, open_session, weak, within
from editkit.ops.record import record_of
from editkit.ops.report import describe, prompt_notes
from editkit.ops.result import Result
from editkit.photo.blend.composite import composite
from editkit.photo.geometry.crops import Region, cut_photo, paste, plan_region
from editkit.photo.io.files import Photo, PhotoLike, read_photo
from editkit.tensors import Latents, Pixels
from editkit.types import Box, Size


@dataclass(frozen=True)
class Img2Img(Edit):
    """Repaint a whole picture from a prompt, keeping as much of it as `strength` leaves.

    The picture is noised to the level that `strength` names, and the walk goes down from there
    (SDEdit, arXiv 2108.01073).

    Attributes:
        strength: in (0, 1]: the share of the schedule that is walked.
    """

    strength: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        within("strength", self.strength, 0.01, 1)

    def latents(self, model: Model, pixels: Pixels, progress: Progress | None = None) -> Latents:
        """Clean latents of the repainted picture."""
        size = Size(*pixels.shape[-2:])
        session = open_session(self, model, size, progress)
        plan = linear(session.schedule.steps, first_level(session.schedule.steps, self.strength))
        clean = session.encode("image", pixels)
        x = session.schedule.start(clean, session.noise(size), plan.first)
        return session.run(x, plan, session.emptiness(size))

    def __call__(
        self, model: Model, photo: PhotoLike | Photo, *, progress: Progress | None = None
    ) -> Result:
        """The photo repainted, of the same size and mode, with a report.

        Raises:
            ImageError: the photo cannot be read.
            DeviceError: the device is out of memory.
        """
        started = time.perf_counter()
        check_model(model)
        photo = photo if isinstance(photo, Photo) else read_photo(photo)
        region = self._region(model, photo.size)
        with device_errors(model.device):
            seen = to_pixels(cut_photo(photo, region))
            patch = to_rgb(model.decode(self.latents(model, seen, progress)))
        everything = np.ones(photo.size, np.float32)
        edited = composite(photo, paste(patch, region), region.box, everything, seed=self.seed)
        return Result(
            edited,
            {
                **describe(self, model),
                "strength": self.strength,
                "region": {**region.box._asdict(), "worked_at": str(region.working)},
                "notes": [
                    *photo.notes,
                    *prompt_notes(self, model),
                    *weak(self.steps or model.settings.steps, self.strength),
                ],
                "seconds": round(time.perf_counter() - started, 2),
            },
            photo,
            record=record_of(self, model, photo),
        )

    def _region(self, model: Model, size: Size) -> Region:
        return plan_region(
            size,
            Box(0, 0, *size),
            native=model.settings.native_size,
            multiple=model.multiple,
            context=0.0,
            working=self.work_size,
        )
