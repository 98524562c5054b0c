"""Masks painted by hand: over a copy of the photo, or as transparent holes in it.

A picture is compared with the photo in blocks of 8x8 pixels. If textured blocks match the photo,
the picture is a copy, and the differing area is the mask. A picture that is no copy and still looks
like a photo is refused.
"""

from dataclasses import dataclass, replace
from math import isqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.errors import MaskError
from editkit.photo.color import to_gray, to_rgb
from editkit.photo.io.files import Photo
from editkit.types import Coverage, Rgb

Bits = NDArray[np.bool_]

_BLOCK = 8
_MOST_BLOCKS = 20_000
_RICH = 2.0
_ALIKE = 0.6
_EVEN = 3.0
_CORRELATED = 0.8
_FEWEST, _LEAST = 6, 0.05
_OF_LIKE, _BY_LIGHT = 0.3, 0.15
_OF_SAME, _IN_GRAY, _ROUNDING = 0.5, 0.3, 2
_COLORLESS = 6
_EXTREME = 16
_TEXTURE = 2.0
_FEW, _IN_FEW = 16, 0.8
_LOOKED_AT = 4_000_000
_PALETTE = 256


@dataclass(frozen=True)
class Resemblance:
    """The share of a picture that equals the photo, over all textured blocks of the photo.

    Attributes:
        squares: the number of textured blocks.
        same: the share of blocks that match but for encoding.
        like: the share of blocks whose lightness correlates with the photo's, positively or
            negatively.
        equal: the share of blocks whose samples are equal.
    """

    squares: int
    same: float
    like: float
    equal: float

    @property
    def is_copy(self) -> bool:
        """True if enough blocks match the photo."""
        return self.squares * self.same >= min(_FEWEST, self.squares) > 0 and self.same >= _LEAST


def read_painted(mask: Photo, photo: Photo, name: str) -> tuple[Coverage | None, str] | None:
    """The painted or cut-out area of a copy of the photo, and a note.

    A gray copy with nothing painted on it is a mask by its brightness: the coverage is None and
    there is a note.

    Args:
        mask: the picture given as a mask, of the photo's size.
        photo: the photo.
        name: the mask's name in messages.

    Returns:
        None where the picture is a mask by its values.

    Raises:
        MaskError: a copy with nothing painted on it, or another photo.
    """
    if _is_black_and_white(mask):
        return None
    mask = _drop_idle_alpha(mask, photo)
    if mask.mode in ("LA", "RGBA"):
        return _read_holes(mask, photo, name)
    rgb, ours = mask.rgb(), _gray_where_mostly_gray(mask.rgb(), _closest_rendering(mask, photo))
    found = resemblance(rgb, ours)
    gray = _is_gray(rgb)
    both = gray and _is_gray(ours)
    if found.is_copy and (not gray or (both and found.same >= _OF_LIKE * found.like)):
        return _changed_area(mask, rgb, ours, found, name), (
            "the mask is a copy of the photo that was painted on: where the two differ is edited"
        )
    if gray and not _is_gray(ours) and found.like >= _BY_LIGHT:
        return _read_gray_copy(mask, rgb, ours, name)
    if gray and found.like >= _BY_LIGHT:
        return None
    if _looks_like_a_photo(rgb):
        raise MaskError(_not_a_mask(name))
    return None


def resemblance(rgb: Rgb, photo: Rgb, usable: Bits | None = None, *, slack: int = 0) -> Resemblance:
    """The resemblance of a picture to the photo.

    Args:
        rgb: (H, W, 3), the picture.
        photo: (H, W, 3), the photo.
        usable: (H, W), the pixels to compare; all unless given.
        slack: the largest difference of equal samples.
    """
    height, width = (side // _BLOCK for side in photo.shape[:2])
    count = height * width
    if not count:
        return Resemblance(0, 0.0, 0.0, 0.0)
    chosen = np.arange(0, count, max(1, -(-count // _MOST_BLOCKS)))
    one, other = (_blocks(picture, chosen) for picture in (photo, rgb))
    light = [squares.mean(axis=2) for squares in (one, other)]
    rich = light[0].std(axis=1) > _RICH
    if usable is not None:
        rich &= _blocks(usable[..., None], chosen).all(axis=(1, 2))
    squares = int(np.count_nonzero(rich))
    if not squares:
        return Resemblance(0, 0.0, 0.0, 0.0)
    ours, theirs = (values[rich] - values[rich].mean(axis=1, keepdims=True) for values in light)
    spread, off = ours.std(axis=1), np.sqrt(((ours - theirs) ** 2).mean(axis=1))
    even = np.abs(one[rich].mean(axis=1) - other[rich].mean(axis=1)).max(axis=1) <= _EVEN
    lengths = np.sqrt((ours**2).sum(axis=1) * (theirs**2).sum(axis=1))
    like = np.abs((ours * theirs).sum(axis=1)) > _CORRELATED * np.maximum(lengths, 1e-6)
    equal = (np.abs(one[rich] - other[rich]) <= slack).all(axis=(1, 2))
    same = (off <= _ALIKE * spread) & even
    return Resemblance(squares, *(float(np.mean(which)) for which in (same, like, equal)))


def _blocks(values: NDArray[np.generic], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """(N, 64, C): the blocks of a picture with the given numbers."""
    height, width = (side // _BLOCK for side in values.shape[:2])
    tiles = values[: height * _BLOCK, : width * _BLOCK].reshape(height, _BLOCK, width, _BLOCK, -1)
    rows, columns = np.divmod(chosen, width)
    return tiles[rows, :, columns].reshape(len(chosen), _BLOCK**2, -1).astype(np.float32)


def _is_black_and_white(mask: Photo) -> bool:
    """True if almost all pixels are opaque and black or white, as in an ordinary mask."""
    if mask.mode in ("LA", "RGBA") and mask.samples[..., -1].min() < 255:
        return False
    step = isqrt(max(1, mask.size.area // _LOOKED_AT))
    rgb = replace(mask, samples=mask.samples[::step, ::step]).rgb()
    extreme = (rgb.max(axis=2) <= _EXTREME) | (rgb.min(axis=2) >= 255 - _EXTREME)
    return float(np.mean(extreme)) > 0.98 and _is_gray(rgb)


def _is_gray(rgb: Rgb) -> bool:
    return float(np.mean(_is_colorless(rgb))) > 0.995


def _is_colorless(rgb: Rgb) -> Bits:
    return rgb.max(axis=2) - rgb.min(axis=2) <= _COLORLESS


def _closest_rendering(mask: Photo, photo: Photo) -> Rgb:
    """The photo as the mask's program saw it: with its profile, or without color management."""
    ours = photo.rgb()
    if photo.profile is None or mask.profile is not None:
        return ours
    plain = to_rgb(photo.samples, photo.mode)
    theirs = mask.rgb()
    return max(ours, plain, key=lambda seen: resemblance(theirs, seen).same)


def _read_gray_copy(
    mask: Photo, rgb: Rgb, ours: Rgb, name: str
) -> tuple[Coverage | None, str] | None:
    """The painted area of a gray copy of a color photo; None if the picture is no such copy."""
    real = ours.astype(np.float32)
    kinds = (to_gray(real), np.repeat(real.mean(axis=2, keepdims=True), 3, axis=2))
    grays = [np.rint(kind).astype(np.uint8) for kind in kinds]
    pairs = [(resemblance(rgb, gray, slack=_ROUNDING), gray) for gray in grays]
    found, gray = max(pairs, key=lambda pair: pair[0].same)
    if not found.is_copy or found.same < _OF_LIKE * found.like or found.same < _IN_GRAY:
        return None
    by_light = "to go by its brightness write 'file:NAME,luma'"
    try:
        area = _changed_area(mask, rgb, gray, found, name, slack=_ROUNDING)
    except MaskError:
        return None, "the mask is the photo in gray, with nothing painted on it: bright is edited"
    return area, (
        "the mask is a gray copy of the photo that was painted on: where the two differ is edited; "
        f"{by_light}"
    )


def _gray_where_mostly_gray(rgb: Rgb, ours: Rgb) -> Rgb:
    """The photo, in gray if most of the picture is gray."""
    if float(np.mean(_is_colorless(rgb))) < 0.5 or _is_gray(rgb) or _is_gray(ours):
        return ours
    gray = np.rint(to_gray(ours.astype(np.float32))).astype(np.uint8)
    plain = resemblance(rgb, ours).same
    return gray if resemblance(rgb, gray).same > plain else ours


def _drop_idle_alpha(mask: Photo, photo: Photo) -> Photo:
    """The mask without an alpha channel that is constant or the photo's own."""
    if mask.mode not in ("LA", "RGBA"):
        return mask
    alpha = mask.samples[..., -1]
    own = photo.samples[..., -1] if photo.mode == mask.mode else None
    if alpha.min() != alpha.max() and (own is None or not np.array_equal(own, alpha)):
        return mask
    samples = mask.samples[..., :-1]
    gray = mask.mode == "LA"
    return replace(mask, samples=samples[..., 0] if gray else samples, mode="L" if gray else "RGB")


def _read_holes(mask: Photo, photo: Photo, name: str) -> tuple[Coverage, str] | None:
    """The transparent part of a copy; None for paint on a transparent layer."""
    alpha = mask.samples[..., -1]
    rgb, opaque = mask.rgb(), alpha == 255
    found = resemblance(rgb, _closest_rendering(mask, photo), opaque)
    if (found.is_copy and not _is_gray(rgb[opaque][None])) or found.same > 0.5:
        whole = np.float32(255)
        if photo.mode in ("LA", "RGBA"):  # what was transparent before is no hole
            whole = np.maximum(photo.samples[..., -1].astype(np.float32), alpha)
        coverage = (1 - alpha / np.maximum(whole, 1)).astype(np.float32)
        return coverage, (
            "the mask is the photo with transparent holes: transparent pixels are edited"
        )
    if opaque.any() and _looks_like_a_photo(np.where(opaque[..., None], rgb, 0)):
        raise MaskError(_not_a_mask(name))
    return None


def _changed_area(
    mask: Photo, rgb: Rgb, ours: Rgb, found: Resemblance, name: str, *, slack: int = 0
) -> Coverage:
    """The area in which a painted copy differs from the photo.

    Raises:
        MaskError: the copy differs nowhere.
    """
    if found.equal >= max(_LEAST, _OF_SAME * found.same):
        # The copy is exact: what differs was painted. Some pixels may have had the brush's color.
        apart = np.maximum(rgb, ours) - np.minimum(rgb, ours)
        bits = np.asarray(apart.max(axis=2) > slack).astype(np.uint8)
        area = np.asarray(cv2.morphologyEx(bits, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))) > 0
    else:
        area = _changed_by_palette(rgb, ours)
        if area is None:
            area = _changed_by_network(replace(mask, samples=rgb, mode="RGB", profile=None), ours)
    if not area.any():
        raise MaskError(
            f"{name} is the photo itself, with nothing painted on it; paint over what is to "
            "change, or make it white on black"
        )
    return area.astype(np.float32)


def _changed_by_palette(rgb: Rgb, ours: Rgb) -> Bits | None:
    """Pixels of a copy in few colors that are farther from the photo than the nearest color.

    None if the copy has many colors or is dithered; the network handles those.
    """
    packed = rgb.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    seen = np.zeros(1 << 24, np.bool_)
    seen[packed] = True
    found = np.flatnonzero(seen)
    if len(found) > _PALETTE or float(np.mean(_is_colorless(rgb))) > 0.9:
        return None
    colors = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.float32)
    # Distances to the nearest palette color, for a grid of 32,768 colors.
    coarse = np.stack(np.unravel_index(np.arange(1 << 15), (32, 32, 32)), axis=1) * 8 + 4
    nearest = np.full(1 << 15, np.inf, np.float32)
    for color in colors:
        nearest = np.minimum(nearest, ((coarse - color) ** 2).sum(axis=1))
    usual = 1.5 * np.sqrt(nearest)[(ours.astype(np.int64) >> 3) @ np.array([1 << 10, 1 << 5, 1])]
    apart = np.sqrt(((rgb.astype(np.float32) - ours) ** 2).sum(axis=2))
    bits = cv2.medianBlur((apart > usual + 24).astype(np.uint8), 5)
    area = np.asarray(cv2.morphologyEx(bits, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))) > 0
    rest = (apart <= usual + 10)[~area]
    return area if rest.size and float(np.mean(rest)) > 0.95 else None


def _changed_by_network(copy: Photo, ours: Rgb) -> Bits:
    """The edited area of an encoded copy, as `composite` detects it; empty if there is none.

    Encoding artifacts around the area are excluded.
    """
    from editkit.compare.aligned import overlay_copy
    from editkit.compare.detect import find_changes
    from editkit.photo.geometry.warp import fit_matrix

    frame = fit_matrix(copy.size, copy.size)
    over = overlay_copy(Photo(ours, "RGB"), copy, frame, drift=True)
    try:
        return find_changes(over, grow=0).area
    except MaskError:
        return np.zeros(copy.size, np.bool_)


def _looks_like_a_photo(rgb: Rgb) -> bool:
    """True if a picture has the many midtones and the texture of a photo.

    Masks are mostly black and white, or smooth, or have few colors in even areas.
    """
    light = rgb.astype(np.float32).mean(axis=2)
    middle = (light > _EXTREME) & (light < 255 - _EXTREME)
    few = np.sort(np.bincount(np.rint(light).astype(np.int64).ravel(), minlength=256))[-_FEW:]
    if float(np.mean(middle)) < 0.4 or few.sum() > _IN_FEW * light.size:
        return False
    # The difference to the local mean: neither even areas nor gradients have any.
    rough = np.abs(light - cv2.blur(light, (5, 5)))
    textured = cv2.blur((rough > _TEXTURE).astype(np.float32), (9, 9)) > 0.3
    return float(np.mean(textured & middle)) > 0.15


def _not_a_mask(name: str) -> str:
    return (
        f"{name} is neither black and white nor a painted copy of this photo; paint white on "
        "black, or over a copy of the photo; to go by its brightness write "
        "'file:NAME,luma'"
    )
