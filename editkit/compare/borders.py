"""Bars and frames of one color around a copy: letterboxes, padding, empty corners of a rotation.

They show nothing of the photo and are no edit of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editkit.photo.geometry.warp import Matrix, fit_matrix, sample_box
from editkit.photo.io.files import Photo
from editkit.types import Box, Size

Values = NDArray[np.float32]
Bits = NDArray[np.bool_]
Tone = Callable[[Values], Values]

_LINES = 64
_EVEN = 4.0
_RINGING = 16.0
_NEARLY = 24.0
_BLOCK = 16
"""Lines of a JPEG that an encoder may take together, where a bar ends within them."""

_BEYOND = 12
_LEFT = 0.5
_MOST = 0.75
_MIXED = 2
_ALIKE = 16.0
_SEEN = 256
_LOSSY = ("JPEG", "MPO", "WEBP", "AVIF", "HEIF")


@dataclass(frozen=True, eq=False)
class InnerArea:
    """The part of a copy that shows a photo.

    Attributes:
        copy: the size of the copy.
        box: of the copy, without bars at its border.
    """

    copy: Size
    box: Box

    @property
    def whole(self) -> bool:
        """True if there are no bars."""
        return self.box == Box(0, 0, *self.copy)

    def bars(self) -> list[Box]:
        """The bars at the border; corners belong to the top and the bottom."""
        top, left, bottom, right = self.box
        height, width = self.copy
        found = [
            Box(0, 0, top, width),
            Box(bottom, 0, height, width),
            Box(top, 0, bottom, left),
            Box(top, right, bottom, width),
        ]
        return [bar for bar in found if bar.size.area]

    def without(self, bar: Box) -> "InnerArea":
        """The inner area with one of the bars counted as part of the picture."""
        top, left, bottom, right = self.box
        height, width = self.copy
        if bar.size.width == width:
            box = Box(0, left, bottom, right) if bar.top == 0 else Box(top, left, height, right)
        else:
            box = Box(top, 0, bottom, right) if bar.left == 0 else Box(top, left, bottom, width)
        return InnerArea(self.copy, box)

    def shows(self, grid: Matrix, box: Box) -> Bits:
        """(H, W): pixels of a box of a grid that show no bar, not even mixed.

        Args:
            grid: from the grid to the copy.
            box: the part of the grid.
        """
        top, left, bottom, right = self.box
        height, width = self.copy
        far = float("inf")
        x, y = _grid_positions(grid, box)
        low, high = left + _MIXED if left else -far, right - _MIXED if right < width else far
        shown = (x >= low - 0.5) & (x <= high - 0.5)
        low, high = top + _MIXED if top else -far, bottom - _MIXED if bottom < height else far
        return shown & (y >= low - 0.5) & (y <= high - 0.5)

    def hides(self, grid: Matrix, box: Box) -> Bits:
        """(H, W): pixels of a box of a grid that lie under a bar."""
        x, y = _grid_positions(grid, box)
        whole, inner = (
            (x >= left - 0.5) & (x <= right - 0.5) & (y >= top - 0.5) & (y <= bottom - 0.5)
            for top, left, bottom, right in (Box(0, 0, *self.copy), self.box)
        )
        return whole & ~inner


def _grid_positions(grid: Matrix, box: Box) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions of the pixels of a box of a grid: x and y, (H, W) each."""
    across, down = np.arange(box.left, box.right), np.arange(box.top, box.bottom)[:, None]
    x, y, depth = (row[0] * across + row[1] * down + row[2] for row in grid)
    return x / depth, y / depth


def find_inner_area(copy: Photo) -> InnerArea:
    """The part of a copy within bars of one color along whole sides of it."""
    height, width = copy.size
    top = _bar_depth(copy, Box(0, 0, height, width), 0)
    bottom = height - _bar_depth(copy, Box(0, 0, height, width), 2)
    if top >= bottom:
        return InnerArea(copy.size, Box(0, 0, height, width))
    rows = Box(top, 0, bottom, width)
    box = Box(top, _bar_depth(copy, rows, 1), bottom, width - _bar_depth(copy, rows, 3))
    if box.left >= box.right or box.size.area < (1 - _MOST) * copy.size.area:
        box = Box(0, 0, height, width)
    return InnerArea(copy.size, box)


def _bar_depth(copy: Photo, box: Box, side: int) -> int:
    """The number of lines at a side of a box that form a bar of one color, or 0."""
    first = _lines(copy, box, side, 0, 1)
    color = np.asarray(np.median(first, axis=(0, 1)), np.float32)
    lossy = copy.format in _LOSSY
    most = _RINGING if lossy else _EVEN
    if not _is_even(first, color, most, 0.98).all():
        return 0
    depth = _count_lines(copy, box, side, color, most)
    if lossy:
        behind = _lines(copy, box, side, depth, _BLOCK - 1)
        depth += _count_leading(_is_even(behind, color, _NEARLY, 0.9))
    behind = _lines(copy, box, side, depth + _MIXED, _BEYOND)
    same = np.abs(behind - color).max(axis=2) < 2 * _EVEN
    return 0 if behind.size and same.mean() > _LEFT else depth


def _count_lines(copy: Photo, box: Box, side: int, color: Values, most: float) -> int:
    """The number of lines from a side on that have a color, within `most` levels."""
    count, last = 0, box.size[side % 2]
    while count < last:
        even = _is_even(_lines(copy, box, side, count, _LINES), color, most, 0.98)
        count += _count_leading(even)
        if not even.all():
            break
    return count


def _count_leading(bits: Bits) -> int:
    return len(bits) if bits.all() else int(np.argmin(bits))


def _is_even(lines: Values, color: Values, most: float, share: float) -> Bits:
    """For each line, whether most of it has a color."""
    return (np.abs(lines - color).max(axis=2) <= most).mean(axis=1) >= share


def _lines(copy: Photo, box: Box, side: int, start: int, count: int) -> Values:
    """(lines, N, 3): lines of a box, counted from a side: top, left, bottom, right."""
    top, left, bottom, right = box
    start = min(start, box.size[side % 2])
    count = min(count, box.size[side % 2] - start)
    part = (
        Box(top + start, left, top + start + count, right),
        Box(top, left + start, bottom, left + start + count),
        Box(bottom - start - count, left, bottom - start, right),
        Box(top, right - start - count, bottom, right - start),
    )[side]
    if not count:
        return np.zeros((0, 1, 3), np.float32)
    lines = copy.rgb(part).astype(np.float32)
    lines = lines.swapaxes(0, 1) if side % 2 else lines
    return lines[::-1] if side > 1 else lines


def keep_foreign_bars(
    inner: InnerArea, photo: Photo, copy: Photo, matrix: Matrix, tone: Tone
) -> InnerArea:
    """The inner area without the bars that are an even background of the photo itself.

    Args:
        inner: the part of the copy within its bars.
        photo: the photo.
        copy: its copy.
        matrix: from the photo to the copy.
        tone: the color change from the photo to the copy.
    """
    back = np.asarray(np.linalg.inv(matrix), np.float64)
    for bar in inner.bars():
        small = Size(*(min(side, _SEEN) for side in bar.size))
        grid = fit_matrix(small, bar.size)
        grid[:2, 2] += (bar.left, bar.top)
        whole = Box(0, 0, *small)
        ours, seen = sample_box(photo, back @ grid, whole)
        theirs, _ = sample_box(copy, grid, whole)
        alike = np.abs(np.clip(tone(ours), 0, 255) - theirs).max(axis=2) < _ALIKE
        if seen.any() and alike[seen].mean() > _LEFT:
            inner = inner.without(bar)
    return inner
