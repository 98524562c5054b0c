"""Boxes around what is selected, and boxes grown within a photo."""

import numpy as np

from editkit.errors import MaskError
from editkit.types import Box, Coverage, Size


def bounding_box(coverage: Coverage) -> Box:
    """The smallest box around all values above 0.

    Raises:
        MaskError: there is none.
    """
    rows = np.flatnonzero(coverage.any(axis=1))
    if not rows.size:
        raise MaskError("the mask selects nothing; white marks where to edit")
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(coverage[top:bottom].any(axis=0))
    return Box(top, int(columns[0]), bottom, int(columns[-1]) + 1)


def grow(box: Box, margin: int, size: Size) -> Box:
    """The box with a margin of that many pixels on each side, as far as the photo reaches."""
    return Box(
        max(box.top - margin, 0),
        max(box.left - margin, 0),
        min(box.bottom + margin, size.height),
        min(box.right + margin, size.width),
    )
