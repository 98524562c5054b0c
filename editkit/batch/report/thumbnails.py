"""Small pictures of what was done, for the report and the contact sheet."""

from io import BytesIO
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image

from editkit.photo import color
from editkit.photo.geometry.boxes import bounding_box, grow
from editkit.photo.io.files import Photo
from editkit.types import Box, Coverage, Size

if TYPE_CHECKING:
    from editkit.ops.result import Result

LONGEST = 400
"""Pixels of a preview's longer side."""

_TINT = (255, 40, 40)


def previews(result: "Result") -> dict[str, bytes]:
    """`before` and `after` as JPEG, `overlay` as PNG: red where the mask is.

    A small mask in a large photo is shown with what surrounds it, not with all of the photo.
    """
    original, mask = result.original, result.mask
    if original is None:
        return {}
    if "photo_at" in result.report:  # it is in a frame, and mirrored around
        at = Box(**result.report["photo_at"])
        original = original.with_samples(np.ascontiguousarray(original.samples[at.slices]))
    same = original.samples.shape[:2] == result.photo.samples.shape[:2]
    box = _shown(mask, original.size) if mask is not None and same else None
    out = {"before": _jpeg(original, box), "after": _jpeg(result.photo, box)}
    if mask is not None and same:
        out["overlay"] = _overlay(mask, box)
    return out


def _shown(mask: Coverage, size: Size) -> Box | None:
    """The part of the photo to show: the mask with as much around it; None for all."""
    if not mask.any():
        return None
    box = bounding_box(mask)
    margin = max(box.size.height, box.size.width, 32)
    shown = grow(box, margin, size)
    return shown if shown.size.area < size.area / 2 else None


def _jpeg(photo: Photo, box: Box | None) -> bytes:
    samples = photo.samples if box is None else photo.samples[box.slices]
    small = np.asarray(_reduced(np.ascontiguousarray(samples)))
    image = Image.fromarray(color.to_rgb(small, photo.mode, photo.profile))
    return _encoded(image, "JPEG", quality=82)


def _overlay(mask: Coverage, box: Box | None) -> bytes:
    shown = mask if box is None else mask[box.slices]
    small = np.asarray(_reduced(np.ascontiguousarray(shown)))
    alpha = np.rint(small * 150).astype(np.uint8)
    tint = np.broadcast_to(np.array(_TINT, np.uint8), (*alpha.shape, 3))
    return _encoded(Image.fromarray(np.dstack([tint, alpha])), "PNG", optimize=True)


def _reduced(samples: Any) -> Any:  # noqa: ANN401 - samples of any kind
    factor = LONGEST / max(samples.shape[:2])
    if factor >= 1:
        return samples
    size = [max(1, round(side * factor)) for side in samples.shape[1::-1]]
    return cv2.resize(samples, size, interpolation=cv2.INTER_AREA)


def _encoded(image: Image.Image, format_: str, **options: Any) -> bytes:  # noqa: ANN401
    stream = BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()
