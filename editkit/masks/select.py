"""Selections without weights: from the photo's colours, lightness and layout alone."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.masks import shapes
from editkit.masks.refine import enlarged, grabcut, islands
from editkit.types import Coverage, Rgb, Size

_STRIP = 1 << 20
_WORKED_AT = 512

Measure = Callable[[NDArray[np.float32]], NDArray[Any]]
"""From CIELAB (h, w, 3) to coverage (h, w)."""


def lab(rgb: Rgb) -> NDArray[np.float32]:
    """CIELAB (D65) of sRGB: L in [0, 100], a and b around 0."""
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def color(
    rgb: Rgb, first: tuple[int, ...], last: tuple[int, ...], tolerance: float, soft: float = 0
) -> Coverage:
    """Pixels whose CIELAB distance to the line between two colours is at most `tolerance`.

    Beyond it they fade to 0 over `soft`. The distance is Euclidean (CIE 1976).
    """
    ends = lab(np.array([[first[:3], last[:3]]], np.uint8))[0]
    along = ends[1] - ends[0]
    square = float(along @ along)

    def distance(strip: NDArray[np.float32]) -> NDArray[Any]:
        from_first = strip - ends[0]
        if square:
            share = np.clip(from_first @ along / square, 0, 1)
            from_first = from_first - share[..., None] * along
        return np.sqrt(np.einsum("hwc,hwc->hw", from_first, from_first))

    return _by_strips(rgb, lambda strip: _within(distance(strip), tolerance, soft))


def luma(rgb: Rgb, low: float, high: float, soft: float = 0) -> Coverage:
    """Pixels whose lightness (CIELAB L, 0 to 100) lies in a range, fading over `soft` outside."""

    def beyond(strip: NDArray[np.float32]) -> NDArray[Any]:
        return np.maximum(np.maximum(low - strip[..., 0], strip[..., 0] - high), 0)

    return _by_strips(rgb, lambda strip: _within(beyond(strip), 0, soft))


def lightness(rgb: Rgb) -> Coverage:
    """CIELAB L as a soft mask: white is 1."""
    return _by_strips(rgb, lambda strip: np.clip(strip[..., 0] / np.float32(100), 0, 1))


def point(rgb: Rgb, row: int, column: int, tolerance: float) -> Coverage:
    """What is connected (8 neighbours) to a pixel and within a CIELAB distance of its colour."""
    seed = tuple(int(value) for value in rgb[row, column])
    near = color(rgb, seed, seed, tolerance).astype(np.uint8)
    near[row, column] = 1
    labels = np.asarray(cv2.connectedComponents(near, connectivity=8)[1])
    return (labels == labels[row, column]).astype(np.float32)


def edges(rgb: Rgb, share: float) -> Coverage:
    """Outlines by Canny; its upper threshold is passed by that share of all gradients."""
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    grey = cv2.GaussianBlur(grey, (0, 0), 1.0)
    dx, dy = (cv2.Sobel(grey, cv2.CV_16S, *order) for order in ((1, 0), (0, 1)))
    sample = np.abs(dx[::3, ::3].astype(np.float32)) + np.abs(dy[::3, ::3])
    high = max(1.0, float(np.quantile(sample, 1 - share)))
    return (np.asarray(cv2.Canny(dx, dy, high / 2, high)) > 0).astype(np.float32)


def cut_from_box(rgb: Rgb, inside: Coverage) -> Coverage:
    """The object in a box by GrabCut: what is outside the box is known not to be it."""
    small, factor = _reduced(rgb)
    here = np.asarray(cv2.resize(inside, small.shape[1::-1], interpolation=cv2.INTER_AREA)) >= 0.5
    labels = np.where(here, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    return enlarged(grabcut(small, labels), rgb, factor) * inside


def superpixels(rgb: Rgb, strokes: Coverage, side: float) -> Coverage:
    """All superpixels (SLIC, Achanta et al. 2012) that a stroke touches."""
    from skimage.segmentation import slic

    small, factor = _reduced(rgb)
    count = max(2, round(small.shape[0] * small.shape[1] * (factor / max(side, factor)) ** 2))
    labels = np.asarray(slic(small, n_segments=count, compactness=10, start_label=1))
    touched = cv2.resize(strokes, small.shape[1::-1], interpolation=cv2.INTER_AREA) > 0
    chosen = np.isin(labels, np.unique(labels[touched])).astype(np.float32)
    return enlarged(chosen, rgb, factor)


def saliency(rgb: Rgb) -> Coverage:
    """What stands out: distance in CIELAB from the colours along the border, refined by GrabCut.

    The border's colours are taken as the background (boundary prior); what differs from all of
    them, weighed towards the middle, seeds GrabCut.
    """
    small, factor = _reduced(rgb, 320)
    height, width = small.shape[:2]
    colours = cv2.GaussianBlur(lab(small), (0, 0), 2)
    rim = max(2, min(height, width) // 30)
    frame = shapes.border(Size(height, width), rim, rim, rim, rim) > 0
    samples = colours[frame]
    samples = samples[:: max(1, len(samples) // 200)]
    apart = np.min(
        np.stack([np.linalg.norm(colours - colour, axis=-1) for colour in samples]), axis=0
    )
    rows, columns = np.mgrid[:height, :width]
    off = ((rows / height - 0.5) ** 2 + (columns / width - 0.5) ** 2) / 0.18
    score = cv2.GaussianBlur((apart * np.exp(-off)).astype(np.float32), (0, 0), 3)
    ranks = np.quantile(score, (0.5, 0.8, 0.95))
    labels = np.full(score.shape, cv2.GC_PR_BGD, np.uint8)
    labels[score > ranks[1]] = cv2.GC_PR_FGD
    labels[score > ranks[2]] = cv2.GC_FGD
    labels[(score < ranks[0]) & frame] = cv2.GC_BGD
    if ranks[2] <= 1:  # one colour: nothing stands out
        return np.zeros(rgb.shape[:2], np.float32)
    found = islands(grabcut(small, labels), height * width / 300)
    return enlarged(found, rgb, factor)


def sky(rgb: Rgb) -> Coverage:
    """Smooth, light, blue-to-grey areas that reach the upper border, refined by GrabCut."""
    small, factor = _reduced(rgb, 384)
    height = small.shape[0]
    colours = lab(small)
    grey = cv2.GaussianBlur(colours[..., 0], (0, 0), 1)
    rough = cv2.GaussianBlur(np.abs(cv2.Laplacian(grey, cv2.CV_32F)), (0, 0), 3)
    bluish = (colours[..., 2] < 4) & (colours[..., 1] < 14)
    warm = (colours[..., 0] > 75) & (np.abs(colours[..., 1]) < 25)
    likely = (rough < 1.2) & (colours[..., 0] > 35) & (bluish | warm)
    likely[int(height * 0.8) :] = False
    count, parts = cv2.connectedComponents(likely.astype(np.uint8), connectivity=4)
    top = np.unique(np.asarray(parts)[: max(1, height // 20)])
    seeds = np.isin(parts, top[top > 0]) if count > 1 else np.zeros(likely.shape, np.bool_)
    if seeds.mean() < 0.01:
        return np.zeros(rgb.shape[:2], np.float32)
    core = cv2.erode(seeds.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    near = cv2.dilate(seeds.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    labels = np.where(near, cv2.GC_PR_BGD, cv2.GC_BGD)
    labels = np.where(seeds, cv2.GC_PR_FGD, labels)
    labels = np.where(core, cv2.GC_FGD, labels).astype(np.uint8)
    return enlarged(islands(grabcut(small, labels), seeds.size / 500), rgb, factor)


def face(rgb: Rgb) -> Coverage:
    """Faces seen from the front, by scikit-image's cascade of local binary patterns."""
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    small, factor = _reduced(rgb, 640)
    least = max(24, min(small.shape[:2]) // 16)
    if min(small.shape[:2]) <= least:
        return np.zeros(rgb.shape[:2], np.float32)
    found = Cascade(lbp_frontal_face_cascade_filename()).detect_multi_scale(
        img=small,
        scale_factor=1.2,
        step_ratio=1,
        min_size=(least, least),
        max_size=(min(small.shape[:2]),) * 2,
    )
    out = np.zeros(rgb.shape[:2], np.float32)
    for one in found:
        middle = (one["c"] + one["width"] / 2, one["r"] + one["height"] / 2)
        # The cascade's square goes from brow to mouth; a head is taller than that.
        radii = (0.5 * one["width"], 0.65 * one["height"])
        x, y, rx, ry = (value * factor for value in (*middle, *radii))
        np.maximum(out, shapes.ellipse(Size(*rgb.shape[:2]), x, y, rx, ry), out=out)
    return out


def _reduced(rgb: Rgb, longest: int = _WORKED_AT) -> tuple[Rgb, float]:
    factor = max(1.0, max(rgb.shape[:2]) / longest)
    if factor == 1.0:
        return rgb, factor
    size = tuple(max(1, round(side / factor)) for side in rgb.shape[1::-1])
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)), factor


def _by_strips(rgb: Rgb, measure: Measure) -> Coverage:
    """A measure of every pixel's CIELAB colour, in portions that keep temporary arrays small."""
    out = np.empty(rgb.shape[:2], np.float32)
    portion = max(1, _STRIP // rgb.shape[1])
    for start in range(0, len(rgb), portion):
        out[start : start + portion] = measure(lab(rgb[start : start + portion]))
    return out


def _within(distance: NDArray[Any], tolerance: float, soft: float) -> NDArray[np.float32]:
    # A hair more, so that a colour is within tolerance 0 of itself after conversion.
    over = distance - np.float32(tolerance + 1e-3)
    if not soft:
        return (over <= 0).astype(np.float32)
    return np.clip(1 - over / np.float32(soft), 0, 1).astype(np.float32)
