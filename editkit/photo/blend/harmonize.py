"""Harmonization of a patch with its photo: color, sharpness, grain and seam."""

from dataclasses import dataclass

import numpy as np

from editkit.errors import InputError
from editkit.names import SEAMS
from editkit.photo.blend import seams
from editkit.photo.blend.color_match import match_color, ring_around
from editkit.photo.blend.grain import missing_grain
from editkit.photo.blend.laplace import Hole, Values
from editkit.photo.blend.sharpness import match_sharpness
from editkit.photo.geometry.boxes import bounding_box, grow
from editkit.types import Rgb, Size

_AROUND = 64


@dataclass(frozen=True, kw_only=True)
class Harmonization:
    """The steps that harmonize a patch with its photo; each can be used alone.

    Attributes:
        color: match the patch's colors around the hole, smoothly across it.
        blend: the seam, one of `editkit.names.SEAMS`.
        feather: the width of the seam in pixels, if `blend` is "feather".
        grain: the factor of the missing noise to add; 0 is none.
        sharpen: match the sharpness of the photo around the hole.
    """

    color: bool = True
    blend: str = "multiband"
    feather: float = 2.0
    grain: float = 1.0
    sharpen: bool = False

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            InputError: an unknown blend, or a number that is out of range.
        """
        if self.blend not in SEAMS:
            raise InputError(f"unknown blend {self.blend!r}; choose one of {', '.join(SEAMS)}")
        if not 0 <= self.feather <= 1000:
            raise InputError(f"feather is {self.feather!r}; give a number from 0 to 1000")
        if not 0 <= self.grain <= 4:
            raise InputError(f"grain is {self.grain!r}; give a number from 0 to 4")


def resolve_seam(seam: str | None, feather: float | None) -> tuple[str, float]:
    """The seam and its width in pixels, from options that may be None.

    A feather implies the seam "feather"; the default is "multiband".

    Raises:
        InputError: an unknown seam, or a feather with another seam.
    """
    if seam is not None and seam not in SEAMS:
        raise InputError(f"unknown seam {seam!r}; choose one of {', '.join(SEAMS)}")
    if feather is None:
        return seam or "multiband", 2.0
    if seam not in (None, "feather"):
        raise InputError(
            f"a feather of {feather} does not go with the seam {seam!r}; leave one out"
        )
    return "feather", feather


def harmonize(
    patch: Values, photo: Rgb | Values, hole: Hole, harmony: Harmonization, seed: int = 0
) -> Values:
    """The photo with the harmonized patch in its hole.

    The result does not depend on the photo's pixels in the hole, nor on pixels farther than 64
    pixels from it.

    Args:
        patch: float32 (H, W, 3) in [0, 255], the whole generated picture; it is compared with the
            photo around the hole.
        photo: (H, W, 3) in [0, 255], at the same position and size.
        hole: (H, W), true where the composite's alpha is above 0.
        harmony: the steps.
        seed: of the grain.

    Returns:
        float32 (H, W, 3) in [0, 255], not rounded; outside the hole the photo's values.

    Raises:
        InputError: the shapes differ.
    """
    if patch.shape != photo.shape or hole.shape != photo.shape[:2]:
        raise InputError(
            f"a patch of shape {patch.shape} and a hole of shape {hole.shape} do not fit a photo "
            f"of shape {photo.shape}"
        )
    out = photo.astype(np.float32)
    if not hole.any():
        return out
    box = grow(bounding_box(hole.astype(np.float32)), _AROUND, Size(*hole.shape))
    here, mine = out[box.slices], hole[box.slices]
    ring = ring_around(mine, _AROUND)
    fitted = _match_patch(patch[box.slices], here, mine, ring, harmony)
    done = _blend_patch(fitted, here, mine, harmony)
    if harmony.grain:
        noise = missing_grain(fitted, here, mine, ring, seed)
        if noise is not None:
            done = done + np.float32(harmony.grain) * noise
    here[mine] = np.clip(done[mine], 0, 255)
    return out


def _match_patch(
    patch: Values, photo: Values, hole: Hole, ring: Hole, harmony: Harmonization
) -> Values:
    if harmony.sharpen:
        patch = match_sharpness(patch, photo, hole, ring)
    if harmony.color:
        patch = match_color(patch, photo, hole)
    return patch


def _blend_patch(patch: Values, photo: Values, hole: Hole, harmony: Harmonization) -> Values:
    if harmony.blend == "feather":
        return seams.feather(patch, photo, hole, harmony.feather)
    if harmony.blend == "multiband":
        return seams.multiband(patch, photo, hole)
    return seams.poisson(patch, photo, hole) if harmony.blend == "poisson" else patch
