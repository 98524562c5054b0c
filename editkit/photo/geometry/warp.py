"""Sampling a photo on another pixel grid: translated, rotated, scaled, or in perspective.

A matrix (3, 3) maps positions on a grid to positions in a photo, `[x, y, 1]`. Integers are the
centers of pixels, so the left edge of a photo is at -0.5.
"""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from editkit.photo import color
from editkit.photo.io.files import Photo
from editkit.types import Box, Rgb, Size

Matrix = NDArray[np.float64]
"""(3, 3), from grid positions to photo positions."""

Points = NDArray[np.float64]
"""(N, 2), as x and y."""

_MARGIN = 6
_STRIP = 1 << 22
_ENLARGING = 1.05
_UPRIGHT = 1e-3


def fit_matrix(grid: Size, photo: Size) -> Matrix:
    """The matrix that fits the grid's frame to the photo's frame."""
    return scale_matrix(photo.width / grid.width, photo.height / grid.height)


def scale_matrix(across: float, down: float) -> Matrix:
    """The matrix for which a grid pixel is `across` by `down` pixels of the photo."""
    shift = [(across - 1) / 2, (down - 1) / 2]
    return np.array([[across, 0, shift[0]], [0, down, shift[1]], [0, 0, 1]], np.float64)


def transform_points(matrix: Matrix, points: Points) -> Points:
    """The points (N, 2) mapped by a matrix."""
    away = np.c_[points, np.ones(len(points))] @ matrix.T
    return np.asarray(away[:, :2] / away[:, 2:], np.float64)


def corners(size: Size) -> Points:
    """The outer corners of a picture's frame, (4, 2)."""
    right, bottom = size.width - 0.5, size.height - 0.5
    return np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]])


def local_scale(matrix: Matrix, size: Size) -> tuple[float, float]:
    """The pixels of the photo per grid pixel, across and down, in the middle of the grid."""
    x, y = (size.width - 1) / 2, (size.height - 1) / 2
    at = transform_points(matrix, np.array([[x, y], [x + 1, y], [x, y + 1]]))
    return float(np.hypot(*(at[1] - at[0]))), float(np.hypot(*(at[2] - at[0])))


def sample_box(
    photo: Photo, matrix: Matrix, box: Box, *, precise: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A box of the grid, and the pixels that the photo covers.

    Grid pixels larger than the photo's are means of areas; otherwise interpolation is Lanczos. A
    translation by whole pixels copies.

    Args:
        photo: the photo.
        matrix: from the grid to the photo.
        box: the part of the grid.
        precise: keep the full depth and colors outside sRGB.

    Returns:
        float32 (H, W, 3) sRGB in [0, 255], beyond it if `precise`, and bool (H, W).
    """
    source = source_box(matrix, box, photo.size)
    if source is None:
        return np.zeros((*box.size, 3), np.float32), np.zeros(box.size, np.bool_)
    return sample_values(_photo_values(photo, source, precise=precise), source, matrix, box)


def sample_values(
    values: NDArray[np.float32], source: Box, matrix: Matrix, box: Box
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """`sample_box` for values of the photo's part `source`.

    Args:
        values: (h, w, 3), of the source.
        source: at least the box that `source_box` returns.
        matrix: from the grid to the photo.
        box: the part of the grid.

    Returns:
        (H, W, 3) and (H, W).
    """
    here = _translation(-source.left, -source.top) @ matrix @ _translation(box.left, box.top)
    across, down = (max(1.0, k) for k in local_scale(here, box.size))
    if max(across, down) > _ENLARGING:
        if _is_upright(here, box.size):
            return _average_areas(values, here, box.size)
        small = Size(max(1, round(values.shape[0] / down)), max(1, round(values.shape[1] / across)))
        here = fit_matrix(source.size, small) @ here
        shown: Any = cv2.resize(values, small[::-1], interpolation=cv2.INTER_AREA)
        values = shown.reshape(*small, 3)
    return _warp(values, here, box.size)


def source_box(matrix: Matrix, box: Box, photo: Size) -> Box | None:
    """The part of the photo that a box of the grid needs; None if it shows none of it."""
    matrix = matrix @ _translation(box.left, box.top)
    around = transform_points(matrix, corners(box.size))
    margin = _MARGIN * max(1.0, *local_scale(matrix, box.size))
    low = np.floor(around.min(axis=0) + 0.5 - margin)
    high = np.ceil(around.max(axis=0) + 0.5 + margin)
    left, top = (int(max(value, 0)) for value in low)
    right, bottom = (int(min(v, n)) for v, n in zip(high, (photo.width, photo.height), strict=True))
    return Box(top, left, bottom, right) if left < right and top < bottom else None


def render_grid(photo: Photo, matrix: Matrix, size: Size) -> tuple[Rgb, NDArray[np.bool_]]:
    """The whole grid as uint8, and the covered pixels, computed by strips."""
    rgb, covered = np.empty((*size, 3), np.uint8), np.empty(size, np.bool_)
    for box in grid_strips(matrix, size):
        values, inside = sample_box(photo, matrix, box)
        rgb[box.slices] = np.rint(np.clip(values, 0, 255))
        covered[box.slices] = inside
    return rgb, covered


def resize_photo(photo: Photo, size: Size) -> Rgb:
    """The whole photo, uint8 (H, W, 3), at a size of at most its own.

    Its grid is that of `fit_matrix(size, photo.size)`.
    """
    rgb = photo.rgb()
    if size == photo.size:
        return rgb
    return np.asarray(cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def grid_strips(matrix: Matrix, size: Size, pixels: int = _STRIP) -> Iterator[Box]:
    """Strips of a grid of at most `pixels` pixels each, of the photo and of the grid."""
    across, down = local_scale(matrix, size)
    rows = max(16, int(pixels / (max(1.0, across * down) * size.width)))
    for top in range(0, size.height, rows):
        yield Box(top, 0, min(top + rows, size.height), size.width)


def _translation(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def _photo_values(photo: Photo, box: Box, *, precise: bool) -> NDArray[np.float32]:
    if precise:
        return color.to_float_rgb(photo.samples[box.slices], photo.mode, photo.profile)
    return photo.rgb(box).astype(np.float32)


def _is_upright(matrix: Matrix, size: Size) -> bool:
    """True if the grid is neither rotated nor in perspective, nor finer than the photo."""
    scales = matrix[0, 0] / matrix[2, 2], matrix[1, 1] / matrix[2, 2]
    apart = transform_points(matrix, corners(size)) - transform_points(
        np.diag([*scales, 1]), corners(size)
    )
    return bool(min(scales) >= 1 and np.ptp(apart, axis=0).max() < _UPRIGHT)


def _average_areas(
    values: NDArray[np.float32], matrix: Matrix, size: Size
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Each pixel of an upright grid as the exact mean of its area."""
    matrix = matrix / matrix[2, 2]
    down, rows = _overlap_weights(values.shape[0], matrix[1, 1], matrix[1, 2], size.height)
    across, columns = _overlap_weights(values.shape[1], matrix[0, 0], matrix[0, 2], size.width)
    lower = (down @ values.reshape(values.shape[0], -1)).reshape(size.height, -1, 3)
    sideways = np.ascontiguousarray(lower.swapaxes(0, 1)).reshape(values.shape[1], -1)
    shown = (across @ sideways).reshape(size.width, size.height, 3).swapaxes(0, 1)
    return np.ascontiguousarray(shown), rows[:, None] & columns


def _overlap_weights(
    count: int, scale: float, shift: float, size: int
) -> tuple[Any, NDArray[np.bool_]]:
    """The share of each of `count` pixels in each of `size`, and the cells whose middle is inside.

    Beyond the ends the first and the last pixel are repeated.
    """
    low = scale * (np.arange(size) - 0.5) + shift + 0.5
    number = np.floor(low)[:, None] + np.arange(int(np.ceil(scale)) + 1)
    share = np.minimum(low[:, None] + scale, number + 1) - np.maximum(low[:, None], number)
    share = np.maximum(share, 0) / scale
    place = np.clip(number, 0, count - 1).astype(np.int32)
    row = np.broadcast_to(np.arange(size)[:, None], place.shape)
    entries = (share.ravel().astype(np.float32), (row.ravel(), place.ravel()))
    middle = low + scale / 2
    return csr_matrix(entries, (size, count)), (middle >= 0) & (middle < count)


def _warp(
    values: NDArray[np.float32], matrix: Matrix, size: Size
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    whole = np.round(matrix)
    if np.array_equal(whole, matrix) and np.array_equal(whole[:2, :2], np.eye(2)):
        copied = _copy_shifted(values, int(matrix[0, 2]), int(matrix[1, 2]), size)
        if copied is not None:
            return copied
    flags = cv2.WARP_INVERSE_MAP
    # Not INTER_CUBIC: with OpenCV's coefficient of -0.75 even a ramp moves by half as much again.
    shown = cv2.warpPerspective(
        values,
        matrix,
        size[::-1],
        flags=flags | cv2.INTER_LANCZOS4,
        borderMode=cv2.BORDER_REPLICATE,
    )
    ones = np.ones(values.shape[:2], np.uint8)
    covered = cv2.warpPerspective(ones, matrix, size[::-1], flags=flags | cv2.INTER_NEAREST)
    return np.asarray(shown, np.float32).reshape(*size, 3), np.asarray(covered) > 0


def _copy_shifted(
    values: NDArray[np.float32], left: int, top: int, size: Size
) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
    out, covered = np.zeros((*size, 3), np.float32), np.zeros(size, np.bool_)
    rows = slice(max(0, -top), min(size.height, values.shape[0] - top))
    columns = slice(max(0, -left), min(size.width, values.shape[1] - left))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    moved_rows = slice(rows.start + top, rows.stop + top)
    out[rows, columns] = values[moved_rows, columns.start + left : columns.stop + left]
    covered[rows, columns] = True
    return out, covered
