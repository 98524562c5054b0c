"""Edits inside a mask: the part of the photo that is worked on, and the way back into it."""

import hashlib
import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editkit.diffusion.constraints import ChangeMap, Constraint, Hard, Known
from editkit.diffusion.plans import Plan, first_level
from editkit.errors import InputError
from editkit.masks.derive import Masks, check_rule, derive
from editkit.masks.evaluate import MaskLike, advice, coverage_of
from editkit.masks.read import bounding_box
from editkit.models.base import Model, device_errors
from editkit.models.settings import PREFILLS, REGIONS, Settings
from editkit.ops.canvas import Canvas, make_canvas, to_values
from editkit.ops.edit import Edit, Progress, Session, open_session, within
from editkit.ops.record import mask_told, record_of
from editkit.ops.result import Report, Result, describe
from editkit.photo.composite import compared, composite
from editkit.photo.files import Photo, PhotoLike, read_photo
from editkit.photo.harmonise import Harmony, blend_of, harmonised
from editkit.photo.parts import Part, split
from editkit.photo.regions import Region, cut_mask, cut_photo, paste, plan_region
from editkit.photo.scores import nearby, scores
from editkit.tensors import Latents
from editkit.types import Coverage


@dataclass(frozen=True)
class MaskedEdit(Edit):
    """Parameters of an edit inside a mask.

    Attributes:
        strength: in (0, 1]; below 1 the walk starts from the photo (pre-filled, if so asked),
            noised to that share of the schedule.
        regions: which marks of the mask are worked on together, one of
            `editkit.models.settings.REGIONS`: `each` by itself, all `together`, or in `auto`
            those that the model sees no smaller for being together.
        prefill: what fills the hole before the sampler starts, one of
            `editkit.models.settings.PREFILLS`. Its strength is recommended by the model; without
            one the walk starts from noise, unless a strength is given.
        context: how far the worked region exceeds the mask on each side, as a share of the mask's
            longer side.
        match: carry the photo's own colours at the hole's edge into what was painted.
        denoise: where the sampler works, as text: `~grow:8` refines the mask, anything else is a
            mask of its own; the mask itself unless given. Values between 0 and 1 are a strength
            for each pixel where the walk is held to the photo.
        condition: what an inpainting model is told is missing, in the same way.
        composite: what reaches the photo, in the same way; the rest stays bit for bit.
        seam: how what was painted passes into the photo, inside the mask, one of
            `editkit.photo.harmonise.BLENDS`; never into what the hole covers. `multiband` unless a
            feather is given.
        feather: width in photo pixels over which it does so by `feather`.
        grain: how much of the noise around the hole, that what was painted lacks, is added to it:
            1 is all of it, 0 nothing. Not where `compat`.
        sharpen: bring what was painted to the sharpness of what surrounds it. Not where `compat`.
    """

    strength: float | None = None
    prefill: str | None = None
    context: float = 0.3
    match: bool = True
    seam: str | None = None
    feather: float | None = None
    grain: float = 1.0
    sharpen: bool = False
    denoise: str | None = None
    condition: str | None = None
    composite: str | None = None
    regions: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        within("strength", self.strength, 0.01, 1)
        within("context", self.context, 0, 10)
        within("feather", self.feather, 0, 1000)
        within("grain", self.grain, 0, 4)
        self.harmony()
        for name in ("denoise", "condition", "composite"):
            check_rule(name, getattr(self, name))
        if self.regions not in REGIONS:
            known = ", ".join(REGIONS)
            raise InputError(f"unknown regions {self.regions!r}; choose one of {known}")
        if self.prefill is not None and self.prefill not in PREFILLS:
            known = ", ".join(PREFILLS)
            raise InputError(f"unknown prefill {self.prefill!r}; choose one of {known}")

    def begins(self, settings: Settings) -> tuple[str, float]:
        """Prefill and strength of the start, with the model's recommendation for what is open.

        The recommended strength goes with the recommended prefill: one without the other would
        start from what is to be removed.
        """
        as_recommended = self.prefill in (None, settings.prefill)
        strength = settings.strength if as_recommended and settings.prefill != "none" else 1.0
        return self.prefill or settings.prefill, self.strength or strength

    def harmony(self) -> Harmony:
        """What is done to what was painted, at the photo's own size."""
        blend, feather = blend_of(self.seam, self.feather)
        return Harmony(
            colour=self.match,
            blend=blend,
            feather=feather,
            grain=0.0 if self.compat else self.grain,
            sharpen=self.sharpen and not self.compat,
        )

    @abstractmethod
    def plan(self, steps: int, first: int) -> Plan:
        """The walk."""

    @abstractmethod
    def holds(self, model: Model) -> bool:
        """Whether the walk on `model` is held to what surrounds the hole by a constraint."""

    @abstractmethod
    def hold(self, clean: Latents, noise: Latents, known: Known) -> Constraint:
        """The constraint: the `known` part of `clean` is held; `noise` is the walk's start."""

    def latents(self, model: Model, canvas: Canvas, progress: Progress | None = None) -> Latents:
        """Clean latents of the canvas with its hole repainted."""
        session = open_session(self, model, canvas.size, progress)
        _, strength = self.begins(model.settings)
        plan = self.plan(session.schedule.steps, first_level(session.schedule.steps, strength))
        holds = self.holds(model)
        # A walk from pure noise that is held to nothing needs no encoding of the picture.
        clean = session.encode("image", canvas.start) if holds or strength < 1 else None
        noise = session.noise(canvas.size)
        hole = session.hole(canvas.pixels, canvas.mask if canvas.told is None else canvas.told)
        x, constraints = session.schedule.pure(noise), list[Constraint]()
        if clean is not None and strength < 1:
            x = session.schedule.start(clean, noise, plan.first)
        if clean is not None and holds:
            constraints.append(self.hold(clean, noise, self._known(session, canvas)))
        return session.run(x, plan, hole, constraints)

    def _known(self, session: Session, canvas: Canvas) -> Known:
        """What is known at each level: a soft mask is a strength for each latent."""
        if self.compat:  # the pipelines know no soft masks
            return Hard(1 - session.reduce((canvas.mask > 0).float()))
        change = session.reduce(canvas.mask)
        return (
            Hard(1 - change) if bool(((change == 0) | (change == 1)).all()) else ChangeMap(change)
        )

    def __call__(
        self,
        model: Model,
        photo: PhotoLike | Photo,
        mask: MaskLike,
        *,
        progress: Progress | None = None,
    ) -> Result:
        """The photo edited inside the mask, with a report.

        Args:
            model: from `load_model`.
            photo: a path, a file, a Pillow image, an array (H, W[, C]) or a tensor (C, H, W).
            mask: the same, of the photo's size; white may change, black stays.
            progress: told of every step.

        Raises:
            ImageError: the photo cannot be read.
            MaskError: the mask has another size, or selects nothing.
            DeviceError: the device is out of memory.
        """
        started = time.perf_counter()
        photo = photo if isinstance(photo, Photo) else read_photo(photo)
        coverage = coverage_of(mask, photo)
        rules = {"denoise": self.denoise, "condition": self.condition, "composite": self.composite}
        masks = derive(coverage, photo, **rules)
        parts = self._parts(model, masks.union)
        regions = [self._region(model, photo, part) for part in parts]
        work = list(zip(parts, regions, strict=True))
        edited = self._painted(model, photo, masks, work, progress)
        report = self._report(model, photo, edited, masks, regions)
        report["seconds"] = round(time.perf_counter() - started, 2)
        record = record_of(self, model, photo, coverage)
        record["mask"] |= mask_told(mask)
        return Result(edited, report, photo, masks.composite, record)

    def _parts(self, model: Model, coverage: Coverage) -> list[Part]:
        """The marks that are worked on together: in auto, those that fit into one native square."""
        side = self.work_size or model.settings.native_size
        return split(coverage, self.regions, side / (1 + 2 * self.context))

    def _region(self, model: Model, photo: Photo, part: Part) -> Region:
        return plan_region(
            photo.size,
            part.box,
            native=model.settings.native_size,
            multiple=model.multiple,
            context=self.context,
            working=self.work_size,
        )

    def _painted(
        self,
        model: Model,
        photo: Photo,
        masks: Masks,
        work: Sequence[tuple[Part, Region]],
        progress: Progress | None,
    ) -> Photo:
        """The photo with one part after the other painted and put back.

        A part that is painted later is a hole to those before it: what it covers is to go. To those
        after it, a part that is done is a part of the photo.
        """
        if len(work) == 1:
            ((_, region),) = work
            patch = self._patch(model, photo, masks, region, progress)
            return composite(photo, patch, region.box, masks.composite, seed=self.seed)
        left = Masks(masks.denoise.copy(), masks.condition.copy(), masks.composite.copy())
        for number, (part, region) in enumerate(work):
            edit = replace(self, seed=_seed_of(self.seed, number))
            told = _shifted(progress, number, len(work))
            patch = edit._patch(model, photo, left, region, told)  # noqa: SLF001 - of its own kind
            alpha, mine = np.zeros(photo.size, np.float32), part.coverage > 0
            alpha[part.box.slices][mine] = masks.composite[part.box.slices][mine]
            photo = composite(photo, patch, region.box, alpha, seed=edit.seed)
            for mask in (left.denoise, left.condition, left.composite):
                mask[part.box.slices][mine] = 0
        return photo

    def _patch(
        self,
        model: Model,
        photo: Photo,
        masks: Masks,
        region: Region,
        progress: Progress | None,
    ) -> NDArray[np.float32]:
        """What the model paints, at the region's place and size in the photo."""
        method, _ = self.begins(model.settings)
        seen, told = cut_photo(photo, region), cut_mask(masks.condition, region)
        canvas = make_canvas(seen, cut_mask(masks.denoise, region), method, told)
        with device_errors(model.device):
            patch = to_values(model.decode(self.latents(model, canvas, progress)))
        kept, hole = photo.rgb(region.box), masks.composite[region.box.slices] > 0
        return harmonised(paste(patch, region), kept, hole, self.harmony(), self.seed)

    def _report(
        self,
        model: Model,
        before: Photo,
        after: Photo,
        masks: Masks,
        regions: Sequence[Region],
    ) -> Report:
        """What was done and what it changed."""
        (prefill, strength), harmony = self.begins(model.settings), self.harmony()
        mask = masks.composite
        kept = int((mask == 0).sum())
        count = compared(before, after, mask)
        near = nearby(bounding_box(mask), before.size)
        notes = [*before.notes, *advice(mask)]
        if masks.soft and (self.compat or not self.holds(model)):
            notes.append(
                "the mask's values between 0 and 1 were 1 to the sampler, as this edit holds the "
                "photo by what the model is told; --blend makes them a strength for each pixel"
            )
        return {
            **describe(self, model),
            "prefill": prefill,
            "strength": strength,
            "seam": harmony.blend,
            "feather": harmony.feather,
            "region": _told(max(regions, key=lambda region: region.box.size.area)),
            "worked_regions": [_told(region) for region in regions],
            "pixels": mask.size,
            "pixels_kept": kept,
            "samples_kept": count.kept,
            "samples_changed": count.edited_changed,
            "samples_changed_outside": count.kept_changed,
            "scores": scores(after.rgb(near), mask[near.slices]),
            "notes": notes,
        }


def _told(region: Region) -> dict[str, Any]:
    return {**region.box._asdict(), "worked_at": str(region.working)}


def _seed_of(seed: int, number: int) -> int:
    """A seed for each part: the first has the edit's own, and no two have the same noise."""
    if number == 0:
        return seed
    key = hashlib.sha256(f"{seed}/part/{number}".encode()).digest()
    return int.from_bytes(key[:8], "big") >> 1


def _shifted(progress: Progress | None, number: int, of: int) -> Progress | None:
    """Progress of one of several walks of the same length."""
    if progress is None:
        return None
    return lambda done, total: progress(number * total + done, of * total)
