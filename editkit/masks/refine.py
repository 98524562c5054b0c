"""Refinements of coverage. Distances are Euclidean, in pixels.

Pixels beyond the photo count as their nearest pixel, so that the photo's border is no edge. The
inside of a soft mask is the area of values from 0.5 on.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.types import Coverage, Rgb, Size, SmallCoverage

_SHARPEST_BLUR = 12.0
_CUT_AT = 384
_STEEP = 3
_COARSE = 32


def grow(coverage: Coverage, by: float) -> Coverage:
    """Dilation by a disc: each pixel takes the greatest value within a distance."""
    if by < 1 or not coverage.any():
        return coverage.copy()
    if _is_hard(coverage):
        return (_distance(coverage == 0) <= by).astype(np.float32)
    return _dilate(coverage, by)


def shrink(coverage: Coverage, by: float) -> Coverage:
    """Erosion by a disc: each pixel takes the least value within a distance."""
    return 1 - grow(1 - coverage, by)


def feather(coverage: Coverage, width: float) -> Coverage:
    """The coverage times `clip(d / (width + 1), 0, 1)`, with d the distance to the nearest 0."""
    if not width or coverage.all():
        return coverage.copy()
    ramp = _distance(coverage > 0)
    ramp /= np.float32(width + 1)
    np.minimum(ramp, 1, out=ramp)
    ramp *= coverage
    return ramp


def blur(coverage: Coverage, sigma: float) -> Coverage:
    """The coverage after a Gaussian blur; wide ones are computed at reduced size (within 0.01)."""
    if sigma <= 0:
        return coverage.copy()
    shape = Size(*coverage.shape)
    factor = max(1, int(sigma // _SHARPEST_BLUR))
    small = coverage
    if factor > 1:
        size = (max(1, shape.width // factor), max(1, shape.height // factor))
        small = cv2.resize(coverage, size, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / factor, borderType=cv2.BORDER_REPLICATE)
    out = cv2.resize(blurred, (shape.width, shape.height), interpolation=cv2.INTER_LINEAR)
    return np.clip(out, 0, 1, dtype=np.float32)


def holes(coverage: Coverage, most: float | None = None) -> Coverage:
    """The coverage with its holes filled: outside parts (4-connected) that do not touch the border.

    Args:
        coverage: (H, W) in [0, 1].
        most: the largest hole to fill, in pixels; all unless given.
    """
    outside = (coverage < 0.5).astype(np.uint8)
    _, labels, areas = _connected_components(outside, connectivity=4)
    fill = np.ones(len(areas), np.bool_)
    fill[0] = False
    rim = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    fill[np.unique(np.concatenate(rim))] = False
    if most is not None:
        fill &= areas <= most
    return np.where(fill[labels], np.float32(1), coverage)


def islands(coverage: Coverage, least: float) -> Coverage:
    """The coverage without 8-connected parts of fewer than `least` pixels, soft rims included."""
    _, labels, areas = _connected_components((coverage > 0).astype(np.uint8), connectivity=8)
    keep = areas >= least
    keep[0] = False
    return np.where(keep[labels], coverage, np.float32(0))


def hull(coverage: Coverage) -> Coverage:
    """The coverage with the convex hull of its inside filled."""
    hard = coverage >= 0.5
    rows = np.flatnonzero(hard.any(axis=1))
    if not rows.size:
        return coverage.copy()
    # A hull's corners are the first or the last of their rows.
    first = hard[rows].argmax(axis=1)
    last = hard.shape[1] - 1 - hard[rows, ::-1].argmax(axis=1)
    ends = np.concatenate((np.stack((first, rows), 1), np.stack((last, rows), 1)))
    points = ends.astype(np.int32)
    inside = hard.astype(np.uint8)
    cv2.fillConvexPoly(inside, np.asarray(cv2.convexHull(points), np.int32), 1)
    return np.maximum(coverage, inside.astype(np.float32))


def smooth(coverage: Coverage, by: float) -> Coverage:
    """A hard mask with corners and teeth of about `by` pixels rounded: blur, then threshold."""
    return threshold(blur(coverage, by / 2), 0.5)


def threshold(coverage: Coverage, value: float = 0.5) -> Coverage:
    """1 from `value` on, else 0; with `value` 0, 1 above 0."""
    return (coverage >= value if value > 0 else coverage > 0).astype(np.float32)


def invert(coverage: Coverage) -> Coverage:
    """The complement of the coverage."""
    return 1 - coverage


def snap(coverage: Coverage, rgb: Rgb, by: float, method: str = "guided") -> Coverage:
    """The mask with its edge moved onto edges of the photo, within `by` pixels of its own edge."""
    inside = coverage >= 0.5
    out = coverage.copy()
    if by < 1 or inside.all() or not inside.any():
        return out
    part = edge_window(inside, by)
    mask, view, side = coverage[part], np.ascontiguousarray(rgb[part]), inside[part]
    near = near_edge(side, by)
    found = (
        _grabcut_edge(mask, view, ~near)
        if method == "grabcut"
        else guided_filter(mask, view, by, steep=_STEEP)
    )
    np.copyto(out[part], found, where=near, casting="same_kind")
    return out


def near_edge(inside: NDArray[np.bool_], by: float) -> NDArray[np.bool_]:
    """True for pixels within `by` pixels of the other side.

    For large `by`, distances are measured between squares of 2x2 pixels: up to 5 pixels too few.
    """
    if by < _COARSE:
        near = _distance(inside) <= by
        near &= _distance(~inside) <= by  # the other side is at 0
        return near
    height, width = inside.shape
    odd = np.zeros((height + height % 2, width + width % 2), np.bool_)
    odd[: height - 1, :width] |= inside[1:] != inside[:-1]
    odd[:height, : width - 1] |= inside[:, 1:] != inside[:, :-1]
    squares = odd[::2, ::2] | odd[1::2, ::2] | odd[::2, 1::2] | odd[1::2, 1::2]
    near = (_distance(~squares) <= (by - 5) / 2).view(np.uint8)
    wide = cv2.resize(near, odd.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(wide)[:height, :width] > 0


def edge_window(inside: NDArray[np.bool_], by: float) -> tuple[slice, slice]:
    """The window that contains the edge, with a margin for context."""
    reach = int(2 * by) + 32

    def span(changes: NDArray[np.bool_], length: int) -> slice:
        where = np.flatnonzero(changes)
        return slice(max(0, int(where[0]) - reach), min(length, int(where[-1]) + reach + 2))

    across, along = inside[1:] != inside[:-1], inside[:, 1:] != inside[:, :-1]
    height, width = inside.shape
    rows = along.any(axis=1)
    rows[:-1] |= across.any(axis=1)
    columns = across.any(axis=0)
    columns[:-1] |= along.any(axis=0)
    return span(rows, height), span(columns, width)


def guided_filter(
    source: SmallCoverage, rgb: Rgb, radius: float, epsilon: float = 1e-3, *, steep: float = 1
) -> Coverage:
    """The guided filter with a gray guide (arXiv 1505.00996: coefficients at a reduced size).

    Args:
        source: coverage, which may be smaller than the picture; it is upsampled along its edges.
        rgb: (H, W, 3), the picture.
        radius: in pixels of the picture.
        epsilon: the regularization.
        steep: a factor that steepens the ramp about 0.5.
    """
    height, width = rgb.shape[:2]
    gray = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    factor = max(1.0, min(radius / 4, max(height, width) / 64))
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    guide = cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    small = cv2.resize(source, size, interpolation=cv2.INTER_AREA)
    side = 2 * max(1, round(radius / factor)) + 1

    def mean(values: NDArray[Any]) -> NDArray[np.float32]:
        blurred = cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE)
        return np.asarray(blurred, np.float32)

    of_guide, of_source = mean(guide), mean(np.asarray(small))
    slope = (mean(guide * small) - of_guide * of_source) / (
        mean(guide * guide) - of_guide**2 + epsilon
    )
    offset = of_source - slope * of_guide
    # Linear steps are done at the reduced size, where they are cheap.
    parts = (mean(slope) * np.float32(steep / 255), mean(offset) * steep - (steep - 1) / 2)
    wide = [np.asarray(cv2.resize(p.astype(np.float32), (width, height))) for p in parts]
    wide[0] *= gray
    wide[0] += wide[1]
    return np.clip(wide[0], 0, 1, out=wide[0])


def _grabcut_edge(coverage: Coverage, rgb: Rgb, sure: NDArray[np.bool_]) -> Coverage:
    """GrabCut at a reduced size; pixels far from the edge are known."""
    height, width = coverage.shape
    factor = max(1.0, max(height, width) / _CUT_AT)
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    small = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(coverage, size, interpolation=cv2.INTER_AREA) >= 0.5
    known = cv2.resize(sure.view(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    labels = np.where(inside, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    labels = np.where(known, np.where(inside, cv2.GC_FGD, cv2.GC_BGD), labels).astype(np.uint8)
    return upscale_mask(grabcut(np.asarray(small), labels, 2), rgb, factor)


def grabcut(rgb: Rgb, labels: NDArray[np.uint8], rounds: int = 3) -> Coverage:
    """The foreground by GrabCut (Rother et al. 2004), from labels of `cv2.GC_*`."""
    if not (labels % 2 == 1).any() or not (labels % 2 == 0).any():
        return (labels % 2 == 1).astype(np.float32)
    state = [np.zeros((1, 65), np.float64) for _ in range(2)]
    cv2.setRNGSeed(0)  # its clusters start from a draw
    found, *_ = cv2.grabCut(
        np.ascontiguousarray(rgb),
        labels.copy(),
        (0, 0, 1, 1),
        state[0],
        state[1],
        rounds,
        cv2.GC_INIT_WITH_MASK,
    )
    return (np.asarray(found) % 2 == 1).astype(np.float32)


def upscale_mask(small: SmallCoverage, rgb: Rgb, factor: float) -> Coverage:
    """A small mask at the picture's size, its edge along the picture's edges."""
    height, width = rgb.shape[:2]
    if small.shape == (height, width):
        return small
    wide = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))
    hard = small >= 0.5
    if hard.all() or not hard.any():
        return wide
    # Only values between differing pixels of the small mask are soft.
    scales = (height / small.shape[0], width / small.shape[1])
    around = edge_window(hard, 0)
    rows, columns = (
        slice(round(span.start * scale), round(span.stop * scale))
        for span, scale in zip(around, scales, strict=True)
    )
    soft = wide[rows, columns]
    edge = (soft > 0) & (soft < 1)
    found = guided_filter(small[around], rgb[rows, columns], 2 * factor, steep=_STEEP)
    np.copyto(soft, found, where=edge)
    return wide


def _is_hard(coverage: Coverage) -> bool:
    return bool(((coverage == 0) | (coverage == 1)).all())


def _distance(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The distance of each inside pixel to the nearest outside pixel; 0 outside."""
    bits = np.ascontiguousarray(inside).view(np.uint8)
    return np.asarray(cv2.distanceTransform(bits, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _dilate(coverage: Coverage, by: float) -> Coverage:
    """Dilation by a disc, as a running maximum over each row of the disc."""
    out = coverage.copy()
    height, width = coverage.shape
    reach = min(int(by), height - 1)
    for dy in range(-reach, reach + 1):
        half = min(int((by * by - dy * dy) ** 0.5), width)
        kernel = np.ones((1, 2 * half + 1), np.uint8)
        rows = slice(max(0, -dy), min(height, height - dy))
        from_rows = slice(max(0, dy), min(height, height + dy))
        spread = cv2.dilate(np.ascontiguousarray(coverage[from_rows]), kernel)
        np.maximum(out[rows], spread, out=out[rows])
    return out


def _connected_components(
    bits: NDArray[np.uint8], connectivity: int
) -> tuple[int, NDArray[np.int32], NDArray[np.int32]]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bits, connectivity=connectivity)
    return count, np.asarray(labels, np.int32), np.asarray(stats, np.int32)[:, cv2.CC_STAT_AREA]
