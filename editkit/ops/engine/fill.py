"""Erasing by a classical method: on the photo's own samples, at its own resolution."""

import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from editkit.masks.evaluate import advice
from editkit.masks.roles import MaskLike, composite_reading, derive
from editkit.ops.engine.tracker import Tracker
from editkit.ops.fill import Fill
from editkit.ops.record import mask_told, record_of
from editkit.ops.report import describe_changes, plain, versions
from editkit.ops.result import Result
from editkit.photo import color
from editkit.photo.blend.composite import blend_into
from editkit.photo.fill.classic import fill
from editkit.photo.geometry.boxes import grow
from editkit.photo.geometry.components import MaskComponent, split_components
from editkit.photo.io.files import Photo, PhotoLike, read_photo
from editkit.photo.metadata import xmp
from editkit.types import Box, Coverage, Report, Size

_REACH = 256
_LEAST_MARGIN, _MOST_MARGIN = 64, 1024
_NARROW_MARGIN = 16


def fill_holes(edit: Fill, photo: PhotoLike | Photo, mask: MaskLike, tracker: Tracker) -> Result:
    """The photo with what the mask covers replaced, with a report: see `Fill.__call__`."""
    started = time.perf_counter()
    photo = read_photo(photo)
    given = composite_reading(mask, photo)
    masks = derive(given, photo, composite=edit.composite_mask)
    coverage = masks.composite
    parts = split_components(coverage, edit.regions, _REACH)
    boxes = [_seen(edit, part.box, photo.size) for part in parts]
    edited = _filled(edit, photo, coverage, parts, boxes, tracker)
    report = _report(edit, photo, edited, coverage, boxes)
    report["notes"] = [*given.notes, *masks.notes, *report["notes"]]
    report["seconds"] = round(time.perf_counter() - started, 2)
    record: dict[str, Any] = {**record_of(edit, None, photo, given.coverage), "edit": "Erase"}
    record["mask"] |= mask_told(mask)
    return Result(edited, report, photo, coverage, record, xmp.HUMAN_EDITS)


def _seen(edit: Fill, box: Box, size: Size) -> Box:
    """The part of the photo that a fill of the box looks at."""
    margin = _NARROW_MARGIN
    if edit.method == "patchmatch":
        margin = min(max(_LEAST_MARGIN, *box.size), _MOST_MARGIN)
    return grow(box, margin, size)


def _filled(
    edit: Fill,
    photo: Photo,
    coverage: Coverage,
    parts: Sequence[MaskComponent],
    boxes: Sequence[Box],
    tracker: Tracker,
) -> Photo:
    """The photo with one part after the other filled; those to come are holes to the others."""
    samples, left = photo.samples.copy(), coverage > 0
    tracker.start(len(parts))
    for part, seen in zip(parts, boxes, strict=True):
        tracker.enter("fill", seen)
        here = samples[seen.slices]
        new = _painted(edit, photo, here, left[seen.slices])
        alpha, mine = np.zeros(photo.size, np.float32), part.coverage > 0
        alpha[part.box.slices][mine] = part.coverage[mine]
        blend_into(here, new.astype(np.float32), alpha[seen.slices])
        left[part.box.slices][mine] = False
        tracker.count()
    return photo.with_samples(samples)


def _painted(edit: Fill, photo: Photo, samples: color.Samples, hole: Any) -> color.Samples:  # noqa: ANN401
    """The colors of a part of the photo, (H, W, colors), with all holes in it filled."""
    colors = color.color_channels(samples, photo.mode)
    guide = color.to_rgb(samples, photo.mode, photo.profile)
    made = fill(colors, hole, edit.method, seed=edit.seed, guide=guide)
    return made.reshape(*hole.shape, -1)


def _report(
    edit: Fill, before: Photo, after: Photo, mask: Coverage, boxes: Sequence[Box]
) -> Report:
    told = [{**box._asdict(), "worked_at": str(box.size)} for box in boxes]
    return {
        **{f.name: plain(getattr(edit, f.name)) for f in fields(edit)},
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
        **describe_changes(before, after, mask),
        "notes": [*before.notes, *advice(mask)],
    }
