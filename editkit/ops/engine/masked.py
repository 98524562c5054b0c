"""Edits inside a mask: the part of the photo that is worked on, and the way back into it."""

import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from editkit.diffusion.constraints import (
    ChangeMap,
    Coarse,
    Constraint,
    Hard,
    Known,
    blurred,
)
from editkit.diffusion.plans import Plan, first_level, linear
from editkit.diffusion.views import Views
from editkit.errors import InputError, shown
from editkit.masks.evaluate import advice
from editkit.masks.roles import MaskLike, Masks, check_rule, composite_reading, derive
from editkit.models.base import Model, check_model, device_errors
from editkit.models.settings import Settings
from editkit.names import PREFILLS, REGIONS
from editkit.ops.engine.canvas import Canvas, as_canvas, make_canvas, to_values
from editkit.ops.engine.region_plan import ProgressSplitter, RegionPlan, seed_for
from editkit.ops.engine.session import Edit, Progress, Session, open_session, weak, within
from editkit.ops.record import mask_told, record_of
from editkit.ops.report import describe, prompt_notes
from editkit.ops.result import Result
from editkit.photo.blend.composite import compared, composite
from editkit.photo.blend.harmonize import Harmony, blend_of, harmonized
from editkit.photo.blend.seams import poisson
from editkit.photo.geometry.boxes import bounding_box
from editkit.photo.geometry.components import Part, split
from editkit.photo.geometry.crops import (
    Region,
    cut,
    cut_mask,
    cut_photo,
    finer_regions,
    paste,
    plan_region,
)
from editkit.photo.io.files import Photo, PhotoLike, read_photo
from editkit.photo.quality.scores import nearby, scores
from editkit.tensors import LatentMask, Latents, Pixels
from editkit.types import Box, Coverage, Report, Rgb, Size

_OVERLAP = 8
"""Windows overlap by this share of their side; their grid moves, so it need not be much."""

_COARSE = 2.0
"""Places of a state beyond which a pass in tiles paints nothing new: those of half the scale."""

_START = 0.75
"""Strength from a prefill that was asked for, of models that recommend none."""


@dataclass(frozen=True)
class MaskedEdit(Edit):
    """Parameters of an edit inside a mask.

    Attributes:
        strength: in (0, 1]; below 1 the walk starts from the photo (pre-filled, if so asked),
            noised to that share of the schedule.
        regions: which marks of the mask are worked on together, one of
            `editkit.names.REGIONS`: `each` by itself, all `together`, or in `auto`
            those that the model sees no smaller for being together.
        prefill: what fills the hole before the sampler starts, one of
            `editkit.names.PREFILLS`. The walk starts from it at the strength that the model
            recommends, or at 0.75 of a model that recommends none below 1; with `none` it starts
            from noise, unless a strength is given.
        context: how far the worked region exceeds the mask on each side, as a share of the mask's
            longer side.
        match: carry the photo's own colors at the hole's edge into what was painted.
        denoise: where the sampler works, as text: `~grow:8` refines the mask, anything else is a
            mask of its own; the mask itself unless given. Values between 0 and 1 are a strength
            for each pixel where the walk is held to the photo.
        condition: what an inpainting model is told is missing, in the same way.
        composite: what reaches the photo, in the same way; the rest stays bit for bit.
        detail: in [0, 1], strength of the passes that paint what is larger than the model's own
            size once more, in tiles, at twice the scale each time until it is the photo's; 0 makes
            none, and leaves it soft.
        seam: how what was painted passes into the photo, inside the mask, one of
            `editkit.names.SEAMS`; never into what the hole covers. `multiband` unless a
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
    detail: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        within("strength", self.strength, 0.01, 1)
        within("context", self.context, 0, 10)
        within("feather", self.feather, 0, 1000)
        within("detail", self.detail, 0, 1)
        within("grain", self.grain, 0, 4)
        self.harmony()
        for name in ("denoise", "condition", "composite"):
            check_rule(name, getattr(self, name))
        if self.regions not in REGIONS:
            known = ", ".join(REGIONS)
            raise InputError(f"unknown regions {shown(self.regions)}; choose one of {known}")
        if self.prefill is not None and self.prefill not in PREFILLS:
            known = ", ".join(PREFILLS)
            raise InputError(f"unknown prefill {shown(self.prefill)}; choose one of {known}")

    def start_settings(self, settings: Settings) -> tuple[str, float]:
        """Prefill and strength of the start, with the model's recommendation for what is open.

        Without a prefill a strength below 1 would start from what is to be removed; with one that
        was asked for, a strength of 1 would make nothing of it.
        """
        prefill = self.prefill or settings.prefill
        strength = 1.0 if prefill == "none" else settings.strength
        if self.prefill not in (None, "none") and strength == 1:
            strength = _START
        return prefill, self.strength or strength

    def detail_strength(self, settings: Settings) -> float:
        """Strength of the passes in tiles, with the model's recommendation; 0 for none."""
        return settings.detail if self.detail is None else self.detail

    def harmony(self) -> Harmony:
        """What is done to what was painted, at the photo's own size."""
        blend, feather = blend_of(self.seam, self.feather)
        return Harmony(
            color=self.match,
            blend=blend,
            feather=feather,
            grain=0.0 if self.compat else self.grain,
            sharpen=self.sharpen and not self.compat,
        )

    @abstractmethod
    def plan(self, steps: int, first: int) -> Plan:
        """The walk."""

    @abstractmethod
    def uses_constraint(self, model: Model) -> bool:
        """Whether the walk on `model` is held to what surrounds the hole by a constraint."""

    @abstractmethod
    def constraint(self, clean: Latents, noise: Latents, known: Known) -> Constraint:
        """The constraint: the `known` part of `clean` is held; `noise` is the walk's start."""

    def latents(self, model: Model, canvas: Canvas, progress: Progress | None = None) -> Latents:
        """Clean latents of the canvas with its hole repainted."""
        session = open_session(self, model, canvas.size, progress)
        (_, strength), steps = self.start_settings(model.settings), session.schedule.steps
        plan = self.plan(steps, first_level(steps, strength))
        return self._walk(session, canvas, plan, strength, constrained=self.uses_constraint(model))

    def _walk(
        self,
        session: Session,
        canvas: Canvas,
        plan: Plan,
        strength: float,
        *,
        constrained: bool,
        keep_coarse: bool = False,
    ) -> Latents:
        # A walk from pure noise that is held to nothing needs no encoding of the picture.
        clean = session.encode("image", canvas.start) if constrained or strength < 1 else None
        noise = session.noise(canvas.size)
        hole = session.hole(
            canvas.pixels, canvas.mask if canvas.condition_mask is None else canvas.condition_mask
        )
        x, constraints = session.schedule.pure(noise), list[Constraint]()
        if clean is not None and strength < 1:
            x = session.schedule.start(clean, noise, plan.first)
        if clean is not None and keep_coarse:
            constraints.append(Coarse(clean, _COARSE))
        if clean is not None and constrained:
            constraints.append(self.constraint(clean, noise, self._known(session, canvas)))
        return session.run(x, plan, hole, constraints)

    def refine_tiles(
        self, model: Model, canvas: Canvas, progress: Progress | None = None
    ) -> Pixels:
        """The canvas painted once more from its start, through windows of the model's own size.

        The surroundings are held by blending whatever the model, so that every window sees them at
        the level of noise that it works at. Where no window was, the canvas's pixels come back.
        What there is to paint is there already, so half the steps do, straight down; and what is
        as coarse as the places of a state at half the scale, where that was painted, stays so.
        """
        settings, strength = model.settings, self.detail_strength(model.settings)
        fewer = replace(self, steps=ceil((self.steps or settings.steps) / 2))
        session = open_session(fewer, model, canvas.size, progress)
        side = self.work_size or settings.native_size
        session = views_for(session, session.reduce(canvas.mask), side)
        steps = session.schedule.steps
        plan = linear(steps, first_level(steps, strength))
        latents = self._walk(session, canvas, plan, strength, constrained=True, keep_coarse=True)
        pixels = session.decode(latents, canvas.pixels)
        # An autoencoder shifts colors, too, and otherwise in each window.
        return pixels + blurred(canvas.start - pixels, _COARSE * model.latent_cell)

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
        check_model(model)
        photo = photo if isinstance(photo, Photo) else read_photo(photo)
        read = composite_reading(mask, photo, device=str(model.device))
        rules = {"denoise": self.denoise, "condition": self.condition, "composite": self.composite}
        given = mask if isinstance(mask, Masks) else read
        masks = derive(given, photo, device=str(model.device), **rules)
        work = [self._work(model, photo, part) for part in self._parts(model, masks.union)]
        edited = self._painted(model, photo, masks, work, progress)
        report = self._report(model, photo, edited, masks, work)
        report["notes"] = [*read.notes, *masks.notes, *report["notes"]]
        report["seconds"] = round(time.perf_counter() - started, 2)
        record = record_of(self, model, photo, read.coverage)
        record["mask"] |= mask_told(mask)
        return Result(edited, report, photo, masks.composite, record)

    def _parts(self, model: Model, coverage: Coverage) -> list[Part]:
        """The marks that are worked on together: in auto, those that fit into one native square."""
        side = self.work_size or model.settings.native_size
        return split(coverage, self.regions, side / (1 + 2 * self.context))

    def _work(self, model: Model, photo: Photo, part: Part) -> RegionPlan:
        settings = model.settings
        native, multiple = self.work_size or settings.native_size, model.multiple
        region = plan_region(
            photo.size,
            part.box,
            native=settings.native_size,
            multiple=multiple,
            context=self.context,
            working=self.work_size,
        )
        if self.compat or self.detail_strength(settings) == 0:
            return RegionPlan(part, region)
        return RegionPlan(
            part, region, finer_regions(part.box, region, native=native, multiple=multiple)
        )

    def _painted(
        self,
        model: Model,
        photo: Photo,
        masks: Masks,
        work: Sequence[RegionPlan],
        progress: Progress | None,
    ) -> Photo:
        """The photo with one part after the other painted and put back.

        A part that is painted later is a hole to those before it: what it covers is to go. To those
        after it, a part that is done is a part of the photo.
        """
        meter = ProgressSplitter(progress, [cost for part in work for cost in part.costs()])
        left = masks.copied() if len(work) > 1 else masks
        for number, one in enumerate(work):
            edit = replace(self, seed=seed_for(self.seed, "part", number))
            patch, box = edit._patch(model, photo, left, one, meter)  # noqa: SLF001 - of its own kind
            here, mine = one.part.box.slices, one.part.coverage > 0
            alpha = np.zeros(box.size, np.float32)
            alpha[one.part.box.seen_from(box).slices][mine] = left.composite[here][mine]
            photo = composite(photo, patch, box, alpha, seed=edit.seed)
            if number + 1 < len(work):
                left.clear(here, mine)
        return photo

    def _patch(
        self, model: Model, photo: Photo, masks: Masks, work: RegionPlan, meter: ProgressSplitter
    ) -> tuple[NDArray[np.float32], Box]:
        """What the model paints, at its size in the photo, and its place there."""
        region, method = work.region, self.start_settings(model.settings)[0]
        seen, holes = _seen(photo, masks, region)
        canvas = make_canvas(seen, holes.denoise, method, holes.condition)
        with device_errors(model.device):
            values = to_values(model.decode(self.latents(model, canvas, meter.next())))
        for number, finer in enumerate(work.finer, 1):
            start = self._agreed(values, seen, holes.composite > 0)
            start = cut(paste(start, region), replace(finer, box=finer.box.seen_from(region.box)))
            region, edit = finer, replace(self, seed=seed_for(self.seed, "detail", number))
            seen, holes = _seen(photo, masks, region)
            start = np.where(holes.denoise[..., None] > 0, start, seen)
            canvas = as_canvas(seen, holes.denoise, start, holes.condition)
            with device_errors(model.device):
                values = to_values(edit.refine_tiles(model, canvas, meter.next()))
        kept, hole = photo.rgb(region.box), masks.composite[region.box.slices] > 0
        return harmonized(paste(values, region), kept, hole, self.harmony(), self.seed), region.box

    def _agreed(
        self, values: NDArray[np.float32], seen: Rgb, hole: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """What was painted, in the colors of what is around the hole, to go on from."""
        return poisson(values, seen.astype(np.float32), hole) if self.match else values

    def _report(
        self,
        model: Model,
        before: Photo,
        after: Photo,
        masks: Masks,
        work: Sequence[RegionPlan],
    ) -> Report:
        """What was done and what it changed."""
        (prefill, strength), harmony = self.start_settings(model.settings), self.harmony()
        mask = masks.composite
        kept = int((mask == 0).sum())
        count = compared(before, after, mask)
        near = nearby(bounding_box(mask), before.size)
        notes = [*before.notes, *advice(mask), *prompt_notes(self, model)]
        notes += weak(self.steps or model.settings.steps, strength)
        if masks.soft and (self.compat or not self.uses_constraint(model)):
            notes.append(
                "the mask's values between 0 and 1 were 1 to the sampler, as this edit holds the "
                "photo by what the model is told; blend=True makes them a strength for each pixel"
            )
        if self.prefill not in (None, "none") and strength == 1:
            notes.append(
                f"at strength 1 the walk starts from noise, so the prefill {self.prefill} was not "
                "used; a strength below 1 starts from it"
            )
        return {
            **describe(self, model),
            "prefill": prefill,
            "strength": strength,
            "detail": self.detail_strength(model.settings),
            "seam": harmony.blend,
            "feather": harmony.feather,
            "region": max(work, key=lambda one: one.region.box.size.area).told(),
            "worked_regions": [one.told() for one in work],
            "pixels": mask.size,
            "pixels_kept": kept,
            "samples_kept": count.kept,
            "samples_changed": count.edited_changed,
            "samples_changed_outside": count.kept_changed,
            "scores": scores(after.rgb(near), mask[near.slices]),
            "notes": notes,
        }


def _seen(photo: Photo, masks: Masks, region: Region) -> tuple[Rgb, Masks]:
    """What a model sees in a region, and the masks there."""
    denoise, condition, composite = (cut_mask(mask, region) for mask in masks)
    return cut_photo(photo, region), Masks(denoise, condition, composite)


def views_for(session: Session, wanted: LatentMask, side: int) -> Session:
    """The session, its model looking at `wanted` through windows of `side` pixels."""
    field, places = Size(*wanted.shape[-2:]), max(1, side // session.model.latent_cell)
    window = Size(min(places, field.height), min(places, field.width))
    return replace(session, views=Views(field, window, places // _OVERLAP, wanted))
