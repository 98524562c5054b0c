"""Edits inside a mask: the part of the photo that is worked on, and the way back into it."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from editkit.masks.evaluate import advice
from editkit.masks.roles import MaskLike, Masks, composite_reading, derive
from editkit.models.base import Model, check_model, device_errors
from editkit.ops.engine.canvas import as_canvas, make_canvas, to_mask, to_values
from editkit.ops.engine.masked_walk import (
    Walk,
    detail_strength,
    paint_tiles,
    plan_tiles,
    plan_whole,
)
from editkit.ops.engine.region_plan import RegionPlan, seed_for
from editkit.ops.engine.run import Run, start_run
from editkit.ops.engine.session import weak
from editkit.ops.engine.strategies import solver_of, strategy_of
from editkit.ops.hooks import Hooks
from editkit.ops.masked_edit import MaskedEdit
from editkit.ops.record import mask_told, record_of
from editkit.ops.report import describe, describe_changes, prompt_notes
from editkit.ops.result import Result
from editkit.photo.blend.composite import composite
from editkit.photo.blend.harmonize import Harmonization, harmonize, resolve_seam
from editkit.photo.blend.seams import poisson
from editkit.photo.geometry.components import MaskComponent, split_components
from editkit.photo.geometry.crops import (
    Region,
    crop,
    crop_mask,
    crop_photo,
    finer_regions,
    paste,
    plan_region,
)
from editkit.photo.io.files import Photo, PhotoLike, read_photo
from editkit.types import Box, Coverage, Report, Rgb


def edit_masked(
    edit: MaskedEdit,
    model: Model,
    photo: PhotoLike | Photo,
    mask: MaskLike,
    hooks: Hooks,
) -> Result:
    """The photo edited inside the mask, with a report: see `MaskedEdit.__call__`."""
    started = time.perf_counter()
    check_model(model)
    edit, run = start_run(edit, hooks)
    photo = read_photo(photo)
    read = composite_reading(mask, photo, device=str(model.device))
    rules = {
        "denoise": edit.denoise_mask,
        "condition": edit.condition_mask,
        "composite": edit.composite_mask,
    }
    given = mask if isinstance(mask, Masks) else read
    masks = derive(given, photo, device=str(model.device), **rules)
    work = [_region_plan(edit, model, photo, part) for part in _parts(edit, model, masks.union)]
    walks = _walks(edit, model, masks, work, run)
    run.tracker.start(sum(walk.calls for some in walks for walk in some))
    edited = _painted(photo, masks, work, walks, edit)
    report = _report(edit, model, photo, edited, masks, work)
    report["notes"] = [*read.notes, *masks.notes, *report["notes"]]
    report["seconds"] = round(time.perf_counter() - started, 2)
    record = record_of(edit, model, photo, read.coverage)
    record["mask"] |= mask_told(mask)
    return run.mark(Result(edited, report, photo, masks.composite, record))


def _parts(edit: MaskedEdit, model: Model, coverage: Coverage) -> list[MaskComponent]:
    """The marks that are worked on together: in auto, those that fit into one native square."""
    side = edit.work_size or model.settings.native_size
    return split_components(coverage, edit.regions, side / (1 + 2 * edit.context))


def _region_plan(edit: MaskedEdit, model: Model, photo: Photo, part: MaskComponent) -> RegionPlan:
    settings = model.settings
    native, multiple = edit.work_size or settings.native_size, model.multiple
    region = plan_region(
        photo.size,
        part.box,
        native=settings.native_size,
        multiple=multiple,
        context=edit.context,
        working=edit.work_size,
    )
    if edit.compat or detail_strength(edit, settings) == 0:
        return RegionPlan(part, region)
    return RegionPlan(
        part, region, finer_regions(part.box, region, native=native, multiple=multiple)
    )


def _walks(
    edit: MaskedEdit, model: Model, masks: Masks, work: Sequence[RegionPlan], run: Run
) -> list[list[Walk]]:
    """For each part all its walks: over the region at once, then in tiles.

    A part that is done is no hole to those after it.
    """
    several = len(work) > 1 and any(one.finer for one in work)
    left = masks.denoise.copy() if several else masks.denoise
    walks = list[list[Walk]]()
    for number, one in enumerate(work):
        part = replace(edit, seed=seed_for(edit.seed, "part", number))
        walks.append([plan_whole(part, model, one.region.working, run)])
        for k, finer in enumerate(one.finer, 1):
            again = replace(part, seed=seed_for(part.seed, "detail", k))
            walks[-1].append(plan_tiles(again, model, to_mask(crop_mask(left, finer)), run))
        if several:
            left[one.part.box.slices][one.part.coverage > 0] = 0
    return walks


def _painted(
    photo: Photo,
    masks: Masks,
    work: Sequence[RegionPlan],
    walks: Sequence[Sequence[Walk]],
    edit: MaskedEdit,
) -> Photo:
    """The photo with one part after the other painted and put back.

    A part that is painted later is a hole to those before it: its content will go. A part that is
    done is a part of the photo to those after it.
    """
    left = masks.copy() if len(work) > 1 else masks
    for number, (one, some) in enumerate(zip(work, walks, strict=True)):
        part = replace(edit, seed=seed_for(edit.seed, "part", number))
        patch, box = _patch(part, photo, left, one, some)
        here, mine = one.part.box.slices, one.part.coverage > 0
        alpha = np.zeros(box.size, np.float32)
        alpha[one.part.box.seen_from(box).slices][mine] = left.composite[here][mine]
        photo = composite(photo, patch, box, alpha, seed=part.seed)
        if number + 1 < len(work):
            left.clear(here, mine)
    return photo


def _patch(
    edit: MaskedEdit, photo: Photo, masks: Masks, work: RegionPlan, walks: Sequence[Walk]
) -> tuple[NDArray[np.float32], Box]:
    """The generated patch at photo scale, and its box."""
    (first, *others), region = walks, work.region
    model, tracker = first.session.model, first.session.run.tracker
    seen, holes = _seen(photo, masks, region)
    tracker.enter("fill", region.box)
    method = strategy_of(edit).start_settings(model.settings)[0]
    canvas = make_canvas(seen, holes.denoise, method, holes.condition)
    tracker.enter("paint", region.box)
    with device_errors(model.device):
        values = to_values(model.decode(first.latents(canvas)))
    for finer, walk in zip(work.finer, others, strict=True):
        tracker.enter("detail", finer.box)
        start = _agreed(edit, values, seen, holes.composite > 0)
        start = crop(paste(start, region), replace(finer, box=finer.box.seen_from(region.box)))
        region = finer
        seen, holes = _seen(photo, masks, region)
        start = np.where(holes.denoise[..., None] > 0, start, seen)
        canvas = as_canvas(seen, holes.denoise, start, holes.condition)
        with device_errors(model.device):
            values = to_values(paint_tiles(walk, canvas))
    tracker.enter("blend", region.box)
    kept, hole = photo.rgb(region.box), masks.composite[region.box.slices] > 0
    return harmonize(paste(values, region), kept, hole, harmony_of(edit), edit.seed), region.box


def _agreed(
    edit: MaskedEdit, values: NDArray[np.float32], seen: Rgb, hole: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """What was painted, in the colors of what is around the hole, to go on from."""
    return poisson(values, seen.astype(np.float32), hole) if edit.match else values


def _report(
    edit: MaskedEdit,
    model: Model,
    before: Photo,
    after: Photo,
    masks: Masks,
    work: Sequence[RegionPlan],
) -> Report:
    """What was done and what it changed."""
    strategy, harmony = strategy_of(edit), harmony_of(edit)
    prefill, strength = strategy.start_settings(model.settings)
    mask = masks.composite
    notes = [*before.notes, *advice(mask), *prompt_notes(edit, model)]
    notes += weak(edit.steps or model.settings.steps, strength)
    if masks.soft and (edit.compat or not strategy.uses_constraint(model)):
        notes.append(
            "the mask's values between 0 and 1 were 1 to the sampler, as this edit holds the "
            "photo by what the model is told; blend_known=True makes them a strength for each pixel"
        )
    if edit.prefill not in (None, "none") and strength == 1:
        notes.append(
            f"at strength 1 the walk starts from noise, so the prefill {edit.prefill} was not "
            "used; a strength below 1 starts from it"
        )
    return {
        **describe(edit, model, solver_of(edit, model.settings)),
        "prefill": prefill,
        "strength": strength,
        "detail": detail_strength(edit, model.settings),
        "seam": harmony.blend,
        "feather": harmony.feather,
        "region": max(work, key=lambda one: one.region.box.size.area).told(),
        "worked_regions": [one.told() for one in work],
        **describe_changes(before, after, mask),
        "notes": notes,
    }


def harmony_of(edit: MaskedEdit) -> Harmonization:
    """What is done to what was painted, at the photo's own size."""
    blend, feather = resolve_seam(edit.seam, edit.feather)
    return Harmonization(
        color=edit.match,
        blend=blend,
        feather=feather,
        grain=0.0 if edit.compat else edit.grain,
        sharpen=edit.sharpen and not edit.compat,
    )


def _seen(photo: Photo, masks: Masks, region: Region) -> tuple[Rgb, Masks]:
    """What a model sees in a region, and the masks there."""
    denoise, condition, composite = (crop_mask(mask, region) for mask in masks)
    return crop_photo(photo, region), Masks(denoise, condition, composite)
