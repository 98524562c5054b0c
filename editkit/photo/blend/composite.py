"""Pasting a patch into a photo in the photo's own samples, and counting changed samples."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editkit.errors import InputError
from editkit.photo import color
from editkit.photo.io.files import Photo
from editkit.types import Box, Coverage

_STRIP = 1 << 20


@dataclass(frozen=True)
class SampleCounts:
    """Counts of stored samples of two photos, alpha channels included.

    Attributes:
        kept: samples where the mask is 0.
        kept_changed: the differing ones of these.
        edited: samples where the mask is above 0.
        edited_changed: the differing ones of these.
        largest: the largest difference of a kept sample, in units of the samples.
    """

    kept: int
    kept_changed: int
    edited: int
    edited_changed: int
    largest: int


def composite(
    photo: Photo,
    patch: color.Patch,
    box: Box,
    alpha: Coverage,
    *,
    seed: int = 0,
    dither: bool = True,
) -> Photo:
    """The photo with the patch blended in: `round(old + alpha * (new - old))` in its own samples.

    Samples where alpha is 0, and outside the box, are copies. The photo's alpha channel stays: an
    edit changes the visible picture, not its transparency. The patch is converted to the photo's
    color profile. In 16-bit photos it is dithered by noise of one 8-bit step, the precision of
    models, so that even areas show no banding.

    Args:
        photo: the photo.
        patch: (H, W, 3) of the box's size in [0, 255], sRGB, uint8 or float32.
        box: the position of the patch.
        alpha: the composite alpha, of the photo's or the box's size, in [0, 1].
        seed: of the dither.
        dither: whether to dither.

    Raises:
        InputError: a patch or an alpha of the wrong size.
    """
    if patch.shape != (*box.size, 3) or alpha.shape not in (photo.size, box.size):
        raise InputError(
            f"a patch of shape {patch.shape} and an alpha of shape {alpha.shape} do not fit "
            f"a box of {box.size} in a photo of {photo.size}"
        )
    if alpha.shape == photo.size:
        alpha = alpha[box.slices]
    samples = photo.samples.copy()
    noise = np.random.Generator(np.random.Philox(seed))
    for rows in _row_strips(box):
        here = (slice(box.top + rows.start, box.top + rows.stop), slice(box.left, box.right))
        new = color.from_rgb(patch[rows], photo.mode, photo.profile)
        if dither and samples.dtype == np.uint16:
            new += (noise.random(new.shape, np.float32) - np.float32(0.5)) * 257
        blend_into(samples[here], new, alpha[rows])
    return photo.with_samples(samples)


def count_changed_outside(before: Photo, after: Photo, alpha: Coverage) -> int:
    """The number of differing samples where alpha is 0.

    Raises:
        InputError: photos of different size or mode.
    """
    return compare_samples(before, after, alpha).kept_changed


def compare_samples(before: Photo, after: Photo, alpha: Coverage) -> SampleCounts:
    """Counts of differing samples where alpha is 0, and where it is not.

    Raises:
        InputError: photos of different size or mode.
    """
    if before.samples.shape != after.samples.shape or before.mode != after.mode:
        raise InputError(
            f"photos of {before.size} {before.mode} and {after.size} {after.mode} "
            "cannot be compared"
        )
    kept = kept_changed = edited_changed = largest = 0
    channels = color.CHANNELS[before.mode]
    for rows in _row_strips(Box(0, 0, *before.size)):
        inside = alpha[rows] > 0
        kept += (inside.size - int(np.count_nonzero(inside))) * channels
        old, new = before.samples[rows], after.samples[rows]
        differs = old != new
        if not differs.any():
            continue
        wrong = differs[~inside]
        kept_changed += int(np.count_nonzero(wrong))
        edited_changed += int(np.count_nonzero(differs)) - int(np.count_nonzero(wrong))
        if wrong.any():
            gap = np.abs(old[~inside].astype(np.int32) - new[~inside].astype(np.int32))
            largest = max(largest, int(gap.max()))
    return SampleCounts(kept, kept_changed, before.samples.size - kept, edited_changed, largest)


def blend_into(old: color.Samples, new: NDArray[np.float32], alpha: Coverage) -> None:
    """Writes `round(old + alpha * (new - old))` into `old`; samples at alpha 0 are not written.

    Args:
        old: (H, W) or (H, W, C), the photo's own samples.
        new: (H, W, colors), in the same units; an alpha channel of `old` stays.
        alpha: (H, W) in [0, 1].
    """
    colors = new.shape[2]
    target = old.reshape(*old.shape[:2], -1)
    edited = alpha > 0
    # float32 holds every integer up to 2**24, so 16-bit samples come through exactly.
    was = target[edited][:, :colors].astype(np.float32)
    step = alpha[edited].astype(np.float32)[:, None] * (new[edited] - was)
    result = target[edited]
    limit = np.iinfo(old.dtype).max
    result[:, :colors] = np.clip(np.rint(was + step), 0, limit).astype(old.dtype)
    target[edited] = result


def _row_strips(box: Box) -> Iterator[slice]:
    """The rows of the box, from 0, in strips that keep temporary arrays small."""
    portion = max(1, _STRIP // box.size.width)
    for start in range(0, box.size.height, portion):
        yield slice(start, min(start + portion, box.size.height))
