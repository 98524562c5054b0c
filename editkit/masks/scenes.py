"""Selections of scene content without a network: sky, faces, and salient objects.

All work at a reduced size; the edge is then refined at the photo's own size.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.masks import shapes
from editkit.masks.refine import grabcut, islands, upscale_mask
from editkit.masks.select import reduce, to_lab
from editkit.types import Coverage, Rgb, Size

_FaceBox = tuple[float, float, float, float]
"""A face: left, top, width, height."""


def saliency(rgb: Rgb) -> Coverage:
    """Objects that stand out from the photo's border, refined by GrabCut.

    Two measures are averaged: the distance of a color to all border colors, and the geodesic
    distance to the border (geodesic saliency, Wei et al. 2012, on superpixels). By the latter a
    fading sky is near its border, however much its color changes.
    """
    small, factor = reduce(rgb, 320)
    height, width = small.shape[:2]
    segments, steep = _geodesic_distance(small)
    way = _blur(steep[segments].astype(np.float32), 2)
    if np.quantile(way, 0.98) < 8:  # of one color or one texture: nothing stands out
        return np.zeros(rgb.shape[:2], np.float32)
    score = (_normalize(way) + _normalize(_border_distance(small))) / 2
    rows, columns = np.mgrid[:height, :width]
    off = ((rows / height - 0.5) ** 2 + (columns / width - 0.5) ** 2) / 0.5
    score = _blur((score * np.exp(-off)).astype(np.float32), 2)
    level = np.clip(score / np.quantile(score, 0.995) * 255, 0, 255).astype(np.uint8)
    split, _ = cv2.threshold(level, 0, 255, cv2.THRESH_OTSU)
    labels = np.where(level > 0.9 * split, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    labels[level > (split + 255) / 2] = cv2.GC_FGD
    labels[level < 0.35 * split] = cv2.GC_BGD
    found = islands(grabcut(small, labels.astype(np.uint8)), height * width / 300)
    return upscale_mask(found, rgb, factor)


def _blur(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)


def _normalize(score: NDArray[np.float32]) -> NDArray[np.float32]:
    most = max(float(np.quantile(score, 0.98)), 1e-6)
    return np.minimum(score / np.float32(most), 1).astype(np.float32)


def _border_distance(small: Rgb) -> NDArray[np.float32]:
    """The distance in CIELAB to the nearest of the border colors."""
    height, width = small.shape[:2]
    colors = _blur(to_lab(small), 2)
    rim = max(2, min(height, width) // 30)
    samples = colors[shapes.border(Size(height, width), rim, rim, rim, rim) > 0]
    nearest = np.full((height, width), np.inf, np.float32)
    for color in samples[:: max(1, len(samples) // 150)]:
        off = colors - color
        np.minimum(nearest, np.einsum("hwc,hwc->hw", off, off), out=nearest)
    return np.sqrt(nearest)


def _geodesic_distance(small: Rgb) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Superpixels, and the least sum of CIELAB steps on a path from each to the border."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import dijkstra
    from skimage.segmentation import slic

    labels = np.asarray(slic(small, n_segments=350, compactness=12, start_label=0), np.intp)
    flat, count = labels.ravel(), int(labels.max()) + 1
    areas = np.bincount(flat, minlength=count)
    channels = [np.bincount(flat, part, count) / areas for part in to_lab(small).reshape(-1, 3).T]
    colors = np.stack(channels, 1)
    pairs = _neighbors(labels)
    steps = np.linalg.norm(colors[pairs[:, 0]] - colors[pairs[:, 1]], axis=1)
    # A step to the most alike neighbor is noise; its mean is taken from every step.
    least = np.full(count, np.inf)
    for side in pairs.T:
        np.minimum.at(least, side, steps)
    usual = float(np.mean(least[np.isfinite(least)])) if len(pairs) else 0.0
    rim = np.unique(np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1])))
    # A weight of zero would mean no connection in a sparse graph.
    weights = np.concatenate((np.maximum(steps - usual, 0), _border_costs(colors[rim]))) + 1e-3
    ends = np.concatenate((pairs, np.stack((rim, np.full(len(rim), count)), 1)))
    graph = csr_matrix((weights, (ends[:, 0], ends[:, 1])), (count + 1, count + 1))
    return labels, np.asarray(dijkstra(graph, directed=False, indices=count))[:count]


def _neighbors(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Pairs of adjacent superpixels, (n, 2)."""
    beside = np.stack((labels[:, 1:].ravel(), labels[:, :-1].ravel()), 1)
    below = np.stack((labels[1:].ravel(), labels[:-1].ravel()), 1)
    both = np.concatenate((beside, below))
    return np.unique(np.sort(both[both[:, 0] != both[:, 1]], axis=1), axis=0)


def _border_costs(colors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cost of each border superpixel; it is high for objects that the border cuts."""
    alike = max(2, len(colors) // 3)
    between = np.linalg.norm(colors[:, None] - colors[None], axis=-1)
    usual = np.sort(between, axis=1)[:, 1:alike]
    mean = usual.mean(axis=1) if usual.size else np.zeros(len(colors))
    return np.maximum(mean - np.median(mean), 0) / 2


def sky(rgb: Rgb) -> Coverage:
    """The sky: smooth areas of a sky's colors that reach the upper border, and clouds between them.

    A sky is light blue to gray, near white, or a deep blue that does not darken downwards, as
    ground does. The area is refined by GrabCut.
    """
    small, factor = reduce(rgb, 384)
    colors = to_lab(small)
    gray = _blur(colors[..., 0], 1)
    rough = _blur(np.abs(np.asarray(cv2.Laplacian(gray, cv2.CV_32F), np.float32)), 3)
    likely = (rough < 1.2) & _has_sky_color(colors, gray)
    likely[int(len(likely) * 0.8) :] = False
    count, parts = cv2.connectedComponents(likely.astype(np.uint8), connectivity=4)
    top = np.unique(np.asarray(parts)[: max(1, len(likely) // 20)])
    seeds = np.isin(parts, top[top > 0]) if count > 1 else np.zeros(likely.shape, np.bool_)
    if seeds.mean() < 0.02:
        return np.zeros(rgb.shape[:2], np.float32)
    seeds |= _clouds(seeds, colors, rough)
    core = cv2.erode(seeds.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    near = cv2.dilate(seeds.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    labels = np.where(near, cv2.GC_PR_BGD, cv2.GC_BGD)
    labels = np.where(seeds, cv2.GC_PR_FGD, labels)
    labels = np.where(core, cv2.GC_FGD, labels).astype(np.uint8)
    return upscale_mask(islands(grabcut(small, labels), seeds.size / 500), rgb, factor)


def _has_sky_color(colors: NDArray[np.float32], gray: NDArray[np.float32]) -> NDArray[np.bool_]:
    light, green_red, blue_yellow = np.moveaxis(colors, -1, 0)
    bluish = (light > 35) & (blue_yellow < 4) & (green_red < 14)
    warm = (light > 75) & (np.abs(green_red) < 25)
    deep = (light > 6) & (blue_yellow < -9) & (green_red < -0.9 * blue_yellow)
    # Sky lightens towards the horizon; blue hills under it are darker than it.
    above = np.maximum.accumulate(np.where(deep, gray, 0), axis=0)
    deep &= gray > above - 12
    return bluish | warm | deep


def _clouds(
    seeds: NDArray[np.bool_], colors: NDArray[np.float32], rough: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Cloud-colored areas with sky above and below; small ones are dropped."""
    light, green_red, blue_yellow = np.moveaxis(colors, -1, 0)
    between = np.logical_or.accumulate(seeds, axis=0)
    between &= np.logical_or.accumulate(seeds[::-1], axis=0)[::-1]
    pale = (light > 28) & (green_red > -8) & (blue_yellow < 18)
    cloud = between & pale & (np.hypot(green_red, blue_yellow) < 30) & (rough < 5) & ~seeds
    opened = cv2.morphologyEx(cloud.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    return np.asarray(opened) > 0


def face(rgb: Rgb) -> Coverage:
    """Faces seen from the front, by scikit-image's cascade of local binary patterns.

    Trees sometimes pass the cascade. So a face must be found in at least two of the photo, its
    mirror image and a brightened copy, and contain skin colors, unless the photo has no colors.
    """
    small, factor = reduce(rgb, 640)
    least = max(24, min(small.shape[:2]) // 16)
    out = np.zeros(rgb.shape[:2], np.float32)
    if min(small.shape[:2]) <= least:
        return out
    views = [list(found) for found in _detect_faces(small, least)]
    for number, spots in enumerate(views):
        others = [spot for k, view in enumerate(views) if k > number for spot in view]
        for spot in spots:
            if any(_overlap(spot, other) for other in others) and _has_skin_color(small, spot):
                left, top, width, height = (value * factor for value in spot)
                # The cascade's square goes from brow to mouth; a head is taller than that.
                middle, radii = (left + width / 2, top + height / 2), (0.5 * width, 0.65 * height)
                oval = shapes.ellipse(Size(*rgb.shape[:2]), *middle, *radii)
                np.maximum(out, oval, out=out)
    return out


def _detect_faces(small: Rgb, least: int) -> Iterator[Iterator[_FaceBox]]:
    """Faces found in the photo, its mirror image and a brightened copy."""
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    cascade, width = Cascade(lbp_frontal_face_cascade_filename()), small.shape[1]
    bright = np.rint(255 * (small / np.float32(255)) ** 0.5).astype(np.uint8)

    def seen(view: Rgb) -> list[_FaceBox]:
        found = cascade.detect_multi_scale(
            img=view,
            scale_factor=1.2,
            step_ratio=1,
            min_size=(least, least),
            max_size=(min(small.shape[:2]),) * 2,
        )
        return [(one["c"], one["r"], one["width"], one["height"]) for one in found]

    mirrored = seen(np.ascontiguousarray(small[:, ::-1]))
    yield iter(seen(small))
    yield ((width - left - wide, top, wide, high) for left, top, wide, high in mirrored)
    yield iter(seen(bright))


def _overlap(one: _FaceBox, other: _FaceBox) -> bool:
    """True if the intersection of two squares is more than a third of their union."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    along = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(0.0, across) * max(0.0, along)
    return shared > (one[2] * one[3] + other[2] * other[3] - shared) / 3


def _has_skin_color(small: Rgb, spot: _FaceBox) -> bool:
    left, top, width, height = map(int, spot)
    _, green_red, blue_yellow = np.moveaxis(
        to_lab(small[top : top + height, left : left + width]), -1, 0
    )
    if max(np.abs(green_red).mean(), np.abs(blue_yellow).mean()) < 2:  # without color
        return True
    warm = (green_red > 3) & (green_red < 40) & (blue_yellow > 3) & (blue_yellow < 45)
    return float(warm.mean()) > 0.25
