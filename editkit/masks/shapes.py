"""Shapes as coverage: a pixel belongs to a shape if its center does."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from editkit.types import Coverage, Size

Points = NDArray[np.float64]
"""(n, 2) of x, y in pixels; the center of the first pixel is at 0.5, 0.5."""


def box(size: Size, left: float, top: float, right: float, bottom: float) -> Coverage:
    """A rectangle: pixels whose centers lie in [left, right) x [top, bottom)."""
    out = np.zeros(size, np.float32)
    rows, columns = _span(top, bottom, size.height), _span(left, right, size.width)
    out[rows, columns] = 1
    return out


def ellipse(size: Size, x: float, y: float, rx: float, ry: float) -> Coverage:
    """An ellipse by its center and radii."""
    out = np.zeros(size, np.float32)
    if rx <= 0 or ry <= 0:
        return out
    rows, columns = _span(y - ry, y + ry, size.height), _span(x - rx, x + rx, size.width)
    dy = (np.arange(rows.start, rows.stop) + 0.5 - y) / ry
    dx = (np.arange(columns.start, columns.stop) + 0.5 - x) / rx
    out[rows, columns] = dy[:, None] ** 2 + dx[None] ** 2 <= 1
    return out


def polygon(size: Size, points: Points) -> Coverage:
    """A polygon by the even-odd rule."""
    toggles = np.zeros((size.height, size.width + 1), np.bool_)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        rows = np.arange(*_span(min(y0, y1), max(y0, y1), size.height).indices(size.height))
        crossing = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
        columns = np.clip(np.ceil(crossing - 0.5), 0, size.width).astype(np.intp)
        np.logical_xor.at(toggles, (rows, columns), True)  # noqa: FBT003 - a ufunc's operand
    return np.logical_xor.accumulate(toggles, axis=1)[:, :-1].astype(np.float32)


def stroke(size: Size, points: Points, width: float) -> Coverage:
    """A line of a given width, with round ends and joints."""
    out = np.zeros(size, np.float32)
    radius = width / 2
    for x, y in points:
        np.maximum(out, ellipse(size, x, y, radius, radius), out=out)
    for start, end in pairwise(points):
        along = end - start
        length = float(np.hypot(*along))
        if length:
            across = np.array([-along[1], along[0]]) * (radius / length)
            corners = np.array([start + across, end + across, end - across, start - across])
            np.maximum(out, polygon(size, corners), out=out)
    return out


def border(size: Size, top: float, right: float, bottom: float, left: float) -> Coverage:
    """A frame of four widths along the photo's edges."""
    return 1 - box(size, left, top, size.width - right, size.height - bottom)


def _span(low: float, high: float, limit: int) -> slice:
    """Indices whose centers lie in [low, high), inside 0..limit."""
    first, last = np.ceil(np.array([low, high]) - 0.5)
    start = int(min(max(first, 0), limit))
    return slice(start, int(min(max(last, start), limit)))
