"""Selections without a network: from the photo's colors, lightness and layout alone."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.masks.refine import grabcut, upscale_mask
from editkit.types import Coverage, Rgb, SmallRgb

_STRIP = 1 << 20
_WORKED_AT = 512
_CUT_AT = 400

Measure = Callable[[NDArray[np.float32]], NDArray[Any]]
"""Maps CIELAB (h, w, 3) to coverage (h, w)."""


def to_lab(rgb: Rgb) -> NDArray[np.float32]:
    """CIELAB (D65) of sRGB: L in [0, 100], a and b around 0."""
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def color(
    rgb: Rgb, first: tuple[int, ...], last: tuple[int, ...], tolerance: float, soft: float = 0
) -> Coverage:
    """Pixels whose CIELAB distance to the line between two colors is at most `tolerance`.

    Beyond it the coverage fades to 0 over `soft`. The distance is Euclidean (CIE 1976).
    """
    ends = to_lab(np.array([[first[:3], last[:3]]], np.uint8))[0]
    along = ends[1] - ends[0]
    square = float(along @ along)

    def distance(strip: NDArray[np.float32]) -> NDArray[Any]:
        from_first = strip - ends[0]
        if square:
            share = np.clip(from_first @ along / square, 0, 1)
            from_first = from_first - share[..., None] * along
        return np.sqrt(np.einsum("hwc,hwc->hw", from_first, from_first))

    return _map_strips(rgb, lambda strip: _falloff(distance(strip), tolerance, soft))


def luma(rgb: Rgb, low: float, high: float, soft: float = 0) -> Coverage:
    """Pixels whose lightness (CIELAB L, 0 to 100) lies in a range; it fades over `soft` outside."""

    def beyond(strip: NDArray[np.float32]) -> NDArray[Any]:
        return np.maximum(np.maximum(low - strip[..., 0], strip[..., 0] - high), 0)

    return _map_strips(rgb, lambda strip: _falloff(beyond(strip), 0, soft))


def lightness(rgb: Rgb) -> Coverage:
    """CIELAB L as a soft mask: white is 1."""
    return _map_strips(rgb, lambda strip: np.clip(strip[..., 0] / np.float32(100), 0, 1))


def point(rgb: Rgb, row: int, column: int, tolerance: float) -> Coverage:
    """The 8-connected area around a pixel, within a CIELAB distance of its color."""
    seed = tuple(int(value) for value in rgb[row, column])
    near = color(rgb, seed, seed, tolerance).astype(np.uint8)
    near[row, column] = 1
    labels = np.asarray(cv2.connectedComponents(near, connectivity=8)[1])
    return (labels == labels[row, column]).astype(np.float32)


def edges(rgb: Rgb, share: float) -> Coverage:
    """Edges by Canny; the upper threshold is exceeded by the given share of all gradients."""
    gray = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    gray = cv2.GaussianBlur(gray, (0, 0), 1.0)
    dx, dy = (cv2.Sobel(gray, cv2.CV_16S, *order) for order in ((1, 0), (0, 1)))
    sample = np.abs(dx[::3, ::3].astype(np.float32)) + np.abs(dy[::3, ::3])
    high = max(1.0, float(np.quantile(sample, 1 - share)))
    return (np.asarray(cv2.Canny(dx, dy, high / 2, high)) > 0).astype(np.float32)


def grabcut_box(rgb: Rgb, inside: Coverage) -> Coverage:
    """The object in a box by GrabCut; pixels outside the box are background.

    Only the box with half of its size around it is processed, so that a small box in a large photo
    is segmented as sharply as a large one.
    """
    out = np.zeros(rgb.shape[:2], np.float32)
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return out
    part = tuple(
        slice(max(0, int(first) - margin), int(last) + 1 + margin)
        for first, last, margin in (
            (side[0], side[-1], max(8, side.size // 2)) for side in (rows, columns)
        )
    )
    view, box = rgb[part], inside[part]
    small, factor = reduce(view, _CUT_AT)
    here = np.asarray(cv2.resize(box, small.shape[1::-1], interpolation=cv2.INTER_AREA)) >= 0.5
    labels = np.where(here, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    np.multiply(upscale_mask(grabcut(small, labels), view, factor), box, out=out[part])
    return out


def superpixels(rgb: Rgb, strokes: Coverage, side: float) -> Coverage:
    """All superpixels (SLIC, Achanta et al. 2012) that a stroke touches."""
    from skimage.segmentation import slic

    small, factor = reduce(rgb)
    count = max(2, round(small.shape[0] * small.shape[1] * (factor / max(side, factor)) ** 2))
    labels = np.asarray(slic(small, n_segments=count, compactness=10, start_label=1))
    touched = cv2.resize(strokes, small.shape[1::-1], interpolation=cv2.INTER_AREA) > 0
    chosen = np.isin(labels, np.unique(labels[touched])).astype(np.float32)
    return upscale_mask(chosen, rgb, factor)


def reduce(rgb: Rgb, longest: int = _WORKED_AT) -> tuple[SmallRgb, float]:
    """The photo reduced to a longer side of at most `longest`, and the factor."""
    factor = max(1.0, max(rgb.shape[:2]) / longest)
    if factor == 1.0:
        return rgb, factor
    size = tuple(max(1, round(side / factor)) for side in rgb.shape[1::-1])
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)), factor


def _map_strips(rgb: Rgb, measure: Measure) -> Coverage:
    """A measure of each pixel's CIELAB color, in strips that keep temporary arrays small."""
    out = np.empty(rgb.shape[:2], np.float32)
    portion = max(1, _STRIP // rgb.shape[1])
    for start in range(0, len(rgb), portion):
        out[start : start + portion] = measure(to_lab(rgb[start : start + portion]))
    return out


def _falloff(distance: NDArray[Any], tolerance: float, soft: float) -> NDArray[np.float32]:
    # Slightly more, so that a color is within tolerance 0 of itself after conversion.
    over = distance - np.float32(tolerance + 1e-3)
    if not soft:
        return (over <= 0).astype(np.float32)
    return np.clip(1 - over / np.float32(soft), 0, 1).astype(np.float32)
