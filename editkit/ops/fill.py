"""Erasing: what a mask covers is replaced by what might be behind it. Light: imports no torch.

Classical methods need no model and work on the photo's own samples, at its own resolution.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from editkit.errors import InputError, shown
from editkit.masks.evaluate import advice
from editkit.masks.roles import MaskLike, check_rule, composite_reading, derive
from editkit.names import ERASERS, REGIONS
from editkit.ops.checks import whole
from editkit.ops.record import mask_told, record_of
from editkit.ops.report import plain, versions
from editkit.ops.result import Result
from editkit.options import SEEDS, Options, called_by_name
from editkit.photo import color
from editkit.photo.blend.composite import blend_into, compared
from editkit.photo.fill.classic import fill
from editkit.photo.geometry.boxes import bounding_box, grow
from editkit.photo.geometry.components import Part, split
from editkit.photo.io.files import Photo, PhotoLike, read_photo
from editkit.photo.metadata import xmp
from editkit.photo.quality.scores import nearby, scores
from editkit.types import Box, Coverage, Report, Size

if TYPE_CHECKING:
    from editkit.api import ModelLike
    from editkit.ops.engine.session import Progress

_REACH = 256
_LEAST_MARGIN, _MOST_MARGIN = 64, 1024
_NARROW_MARGIN = 16
_DETERMINED = ("telea", "ns", "biharmonic")
"""Methods that draw nothing at random."""


@dataclass(frozen=True)
class Fill(Options):
    """Parameters of erasing by a classical method; `Erase` hands over to it.

    Attributes:
        method: one of `editkit.names.ERASERS`, but `diffusion`.
        seed: of PatchMatch's search; None draws one.
        composite: what reaches the photo, as text: `~grow:8` refines the mask.
        regions: which marks of the mask are worked on together: see `MaskedEdit`.
    """

    method: str = "patchmatch"
    seed: int = 0
    composite: str | None = None
    regions: str = "auto"

    def __post_init__(self) -> None:
        self.settle()
        check_eraser(self.method)
        if self.method == "diffusion":
            raise InputError("diffusion needs a model; use Erase")
        whole("seed", self.seed, 0, SEEDS - 1)
        check_rule("composite", self.composite)
        if self.regions not in REGIONS:
            known = ", ".join(REGIONS)
            raise InputError(f"unknown regions {self.regions!r}; choose one of {known}")

    def __call__(
        self, photo: PhotoLike | Photo, mask: MaskLike, *, progress: "Progress | None" = None
    ) -> Result:
        """The photo with what the mask covers replaced, with a report.

        Raises:
            ImageError: the photo cannot be read.
            MaskError: the mask has another size, or selects nothing.
        """
        started = time.perf_counter()
        photo = photo if isinstance(photo, Photo) else read_photo(photo)
        given = composite_reading(mask, photo)
        masks = derive(given, photo, composite=self.composite)
        coverage = masks.composite
        parts = split(coverage, self.regions, _REACH)
        boxes = [self._seen(part.box, photo.size) for part in parts]
        edited = self._filled(photo, coverage, parts, boxes, progress)
        report = self._report(photo, edited, coverage, boxes)
        report["notes"] = [*given.notes, *masks.notes, *report["notes"]]
        report["seconds"] = round(time.perf_counter() - started, 2)
        record: dict[str, Any] = {**record_of(self, None, photo, given.coverage), "edit": "Erase"}
        record["mask"] |= mask_told(mask)
        return Result(edited, report, photo, coverage, record, xmp.HUMAN_EDITS)

    def _seen(self, box: Box, size: Size) -> Box:
        """The part of the photo that a fill of the box looks at."""
        margin = _NARROW_MARGIN
        if self.method == "patchmatch":
            margin = min(max(_LEAST_MARGIN, *box.size), _MOST_MARGIN)
        return grow(box, margin, size)

    def _filled(
        self,
        photo: Photo,
        coverage: Coverage,
        parts: Sequence[Part],
        boxes: Sequence[Box],
        progress: "Progress | None",
    ) -> Photo:
        """The photo with one part after the other filled; those to come are holes to the others."""
        samples, left = photo.samples.copy(), coverage > 0
        for number, (part, seen) in enumerate(zip(parts, boxes, strict=True)):
            here = samples[seen.slices]
            new = self._painted(photo, here, left[seen.slices])
            alpha, mine = np.zeros(photo.size, np.float32), part.coverage > 0
            alpha[part.box.slices][mine] = part.coverage[mine]
            blend_into(here, new.astype(np.float32), alpha[seen.slices])
            left[part.box.slices][mine] = False
            if progress is not None:
                progress(number + 1, len(parts))
        return photo.with_samples(samples)

    def _painted(self, photo: Photo, samples: color.Samples, hole: Any) -> color.Samples:  # noqa: ANN401
        """The colors of a part of the photo, (H, W, colors), with all holes in it filled."""
        colors = color.colors_of(samples, photo.mode)
        guide = color.to_rgb(samples, photo.mode, photo.profile)
        made = fill(colors, hole, self.method, seed=self.seed, guide=guide)
        return made.reshape(*hole.shape, -1)

    def _report(self, before: Photo, after: Photo, mask: Coverage, boxes: Sequence[Box]) -> Report:
        kept = int((mask == 0).sum())
        count = compared(before, after, mask)
        near = nearby(bounding_box(mask), before.size)
        told = [{**box._asdict(), "worked_at": str(box.size)} for box in boxes]
        return {
            **{f.name: plain(getattr(self, f.name)) for f in fields(self)},
            "edit": "erase",
            "prompt": "",
            "negative": "",
            "unread": "",
            "model": None,
            "weights": None,
            "device": "cpu",
            "versions": versions(),
            "region": told[max(range(len(boxes)), key=lambda k: boxes[k].size.area)],
            "worked_regions": told,
            "pixels": mask.size,
            "pixels_kept": kept,
            "samples_kept": count.kept,
            "samples_changed": count.edited_changed,
            "samples_changed_outside": count.kept_changed,
            "scores": scores(after.rgb(near), mask[near.slices]),
            "notes": [*before.notes, *advice(mask)],
        }


@called_by_name
def erase(
    photo: PhotoLike | Photo,
    mask: MaskLike,
    *,
    method: str = "diffusion",
    model: "ModelLike | None" = None,
    progress: "Progress | None" = None,
    **options: Any,  # noqa: ANN401 - fields of `Erase`, typed where torch may be imported
) -> Result:
    """The photo with what the mask covers replaced by what might be behind it.

    Args:
        photo: a path, a file, a Pillow image, an array (H, W[, C]) or a tensor (C, H, W).
        mask: the same, of the photo's size; white is erased, black stays.
        method: `diffusion`, or a classical one that needs no model: `telea`, `ns`, `biharmonic`,
            `patchmatch`.
        model: a loaded model, or the name of one, for diffusion; the built-in one unless given.
        progress: told of every step.
        options: fields of `Erase`; of `Fill`, for classical methods.

    Raises:
        InputError: an option, the photo or the mask cannot be used.
        ModelError: the model cannot be found or loaded.
        DeviceError: the device is absent or out of memory.
    """
    check_eraser(method)
    if method != "diffusion":
        unknown = sorted(set(options) - {f.name for f in fields(Fill)})
        if unknown:
            raise InputError(f"{method} takes no {unknown[0]}; leave it out, or use diffusion")
        return Fill(method, **options)(photo, mask, progress=progress)
    from editkit.api import loaded
    from editkit.ops.erase import Erase

    edit = Erase(**options)
    return edit(loaded(model), photo, mask, progress=progress)


def check_eraser(method: object) -> None:
    """Checks the name of a method.

    Raises:
        InputError: there is none of that name.
    """
    if method not in ERASERS:
        raise InputError(f"unknown method {shown(method)}; choose one of {', '.join(ERASERS)}")


def varies(method: str) -> bool:
    """Whether another seed gives another picture."""
    return method not in _DETERMINED
