"""EXIF orientations applied to samples, and undone."""

import numpy as np

from editkit.photo.color import Samples


def apply_orientation(samples: Samples, orientation: int) -> Samples:
    """The samples (H, W) or (H, W, C) with an EXIF orientation (1 to 8) applied, contiguous."""
    return np.ascontiguousarray(_orient(samples, orientation))


def undo_orientation(samples: Samples, orientation: int) -> Samples:
    """The inverse of `apply_orientation`."""
    return np.ascontiguousarray(undo_orientation_view(samples, orientation))


def undo_orientation_view(samples: Samples, orientation: int) -> Samples:
    """`undo_orientation`, as a view of the same memory."""
    # Quarter turns undo each other; every other orientation is its own inverse.
    return _orient(samples, {6: 8, 8: 6}.get(orientation, orientation))


def _orient(samples: Samples, orientation: int) -> Samples:
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples
