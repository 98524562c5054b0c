"""Outpainting: an edit inside a mask, in a larger frame."""

from dataclasses import replace

from editkit.models.base import Model, check_model
from editkit.ops.engine.masked import edit_masked
from editkit.ops.hooks import Hooks
from editkit.ops.outpaint import Outpaint
from editkit.ops.result import Result
from editkit.photo.geometry.frame import border_coverage, extend_photo
from editkit.photo.io.files import Photo, PhotoLike, read_photo


def paint_around(edit: Outpaint, model: Model, photo: PhotoLike | Photo, hooks: Hooks) -> Result:
    """The photo in its frame, with a report: see `Outpaint.__call__`."""
    check_model(model)
    photo = read_photo(photo)
    frame = edit.frame(photo.size)
    result = edit_masked(edit, model, extend_photo(photo, frame), border_coverage(frame), hooks)
    report = {
        **result.report,
        "prefill": edit.prefill or "mirror",
        "pixels_before": photo.size.area,
        "photo_at": frame.box._asdict(),
        "frame": str(frame.size),
    }
    record = {key: told for key, told in (result.record or {}).items() if key != "mask"}
    return replace(result, report=report, record=record)
