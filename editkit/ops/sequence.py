"""Edits in a row: what each works on, and all of them as one edit."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from editkit.masks.language import files_in
from editkit.masks.read import Reading, is_file, read_part
from editkit.masks.value import Mask, resolve_mask
from editkit.ops.record import RECIPE, mask_told
from editkit.ops.report import describe_changes
from editkit.ops.result import Result
from editkit.photo.geometry.frame import PhotoFrame, extend_photo
from editkit.photo.io.files import Photo, read_photo
from editkit.photo.metadata import xmp
from editkit.types import Box, Coverage

_STEP = ("edit", "options", "mask", "edited", "own")
"""What a record keeps of each step."""


def frame_after(photo: Photo, results: Sequence[Result]) -> PhotoFrame | None:
    """Where in the last of some results the first photo lies; None where no step put it there."""
    frame = None
    for result in results:
        if "photo_at" in result.report:
            at = Box(**result.report["photo_at"])
            inner = Box(0, 0, *photo.size) if frame is None else frame.box
            moved = Box(
                inner.top + at.top,
                inner.left + at.left,
                inner.bottom + at.top,
                inner.right + at.left,
            )
            frame = PhotoFrame(result.photo.size, moved)
    return frame


def mask_in(
    mask: str | Path | Mask,
    photo: Photo,
    frame: PhotoFrame | None = None,
    *,
    device: str = "auto",
    original: Photo | None = None,
) -> Reading:
    """A step's mask; where the photo lies in a frame, a file of its own size lies there with it.

    Args:
        mask: a file, or an expression (as text, or read already), which may name files.
        photo: what the step works on.
        frame: where in it the first photo lies; None if it is of that size.
        device: where models run that an expression asks for.
        original: the first photo, which a painted copy is a copy of.

    Raises:
        MaskError: as `resolve_mask`.
    """
    if frame is None:
        return resolve_mask(mask, photo, device=device, original=original)
    tree = mask if isinstance(mask, Mask) else _tree(str(mask))
    names = dict.fromkeys(files_in(tree.node))
    moved = [(name, found) for name in names for found in _moved(name, frame, original)]
    if not moved:
        return resolve_mask(mask, photo, device=device, original=original)
    given = tuple((name, found.coverage) for name, found in moved)
    read = resolve_mask(Mask(tree.node, given), photo, device=device)
    notes = (*(note for _, found in moved for note in found.notes), *read.notes)
    return Reading(read.coverage, tuple(dict.fromkeys(notes)))


def _tree(text: str) -> Mask:
    return Mask.of(text) if is_file(text) else Mask.parse(text)


def _moved(name: str, frame: PhotoFrame, original: Photo | None) -> Iterator[Reading]:
    """A mask file in the frame, if it is of the size of what lies there."""
    if is_file(name) and read_photo(name).size == frame.box.size:
        read = read_part(name, frame.box.size, photo=original)
        yield Reading(_placed(read.coverage, frame), read.notes)


def with_mask_told(result: Result, mask: str | Path | None) -> Result:
    """The result with its record saying what its mask was given as."""
    if mask is None or result.record is None or "mask" not in result.record:
        return result
    said = result.record["mask"] | mask_told(mask)
    return replace(result, record={**result.record, "mask": said})


def chained(photo: Photo, results: Sequence[Result]) -> Result:
    """Edits in a row as one: the last photo, compared with the first over all their masks.

    Where a step put the photo into a larger frame, the first photo is compared in that frame.
    """
    if len(results) == 1:
        return results[0]
    last = results[-1]
    photo, union = _in_last_frame(photo, results)
    parts = [dict(result.report) for result in results]
    report: dict[str, Any] = {
        "edit": RECIPE,
        "steps": parts,
        "seed": parts[0].get("seed"),
        "model": next((part["model"] for part in parts if part.get("model")), None),
        "unread": "; ".join(part["unread"] for part in parts if part.get("unread")),
        "notes": list(dict.fromkeys(note for part in parts for note in part["notes"])),
        "seconds": round(sum(part["seconds"] for part in parts), 2),
        **({} if union is None else describe_changes(photo, last.photo, union)),
    }
    return Result(last.photo, report, photo, union, _record(results), _source(results))


def _record(results: Sequence[Result]) -> dict[str, Any]:
    """What is needed to repeat them all from the first photo."""
    records = [dict(result.record or {}) for result in results]
    by_models = [r for r in records if r.get("model") is not None]
    maker = (by_models or [r for r in records if "model" in r] or [{}])[0]
    shared = {k: records[0][k] for k in ("format", "versions", "original")}
    shared |= {k: maker[k] for k in ("model", "weights") if k in maker}
    steps = [{k: r[k] for k in _STEP if k in r} for r in records]
    return {**shared, "edit": RECIPE, "steps": steps}


def _source(results: Sequence[Result]) -> str:
    """Who made it: a model, if one made a part; what all say, if they say the same."""
    said = {result.source_type for result in results}
    if xmp.COMPOSITE in said:
        return xmp.COMPOSITE
    return said.pop() if len(said) == 1 else "composite"


def _in_last_frame(photo: Photo, results: Sequence[Result]) -> tuple[Photo, Any]:
    """The first photo in the frame of the last, and all masks in it as one.

    The latter is None where a step edited the whole photo.
    """
    union: Any = np.zeros(photo.size, np.float32)
    for result in results:
        if "photo_at" in result.report:
            frame = PhotoFrame(result.photo.size, Box(**result.report["photo_at"]))
            photo = extend_photo(photo, frame)
            union = None if union is None else _placed(union, frame)
        if union is None or result.mask is None or result.mask.shape != union.shape:
            union = None
        else:
            union = np.maximum(union, result.mask)
    return photo, union


def _placed(mask: Coverage, frame: PhotoFrame) -> Coverage:
    whole = np.zeros(frame.size, np.float32)
    whole[frame.box.slices] = mask
    return whole
