"""Arrays as samples: any order of bytes, any strides, the types that a photo can have."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from editkit.errors import ImageError

_KEPT = ("uint8", "uint16")


def plain(array: NDArray[Any]) -> NDArray[Any]:
    """The array without what a subclass adds to it.

    Raises:
        ImageError: a masked array of which values are masked: there is nothing to stand for them.
    """
    if np.ma.is_masked(array):
        raise ImageError("some values of the given array are masked; fill them first: .filled(0)")
    return np.asarray(array)


def stored(array: NDArray[Any]) -> tuple[NDArray[Any], str | None]:
    """The array as uint8 or uint16 of this machine, never sharing memory with it; and a note.

    Raises:
        ImageError: another type, or floating point beyond [0, 1].
    """
    # The name says nothing of the order of bytes, so all orders come in here.
    if array.dtype.name in _KEPT:
        return np.array(array, array.dtype.newbyteorder("="), order="C"), None
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageError(f"an array of {array.dtype} is not a photo; give uint8, uint16 or float")
    low, high = float(array.min()), float(array.max())
    # Written so that a NaN, which compares false, is refused too.
    if not (low >= 0.0 and high <= 1.0):
        raise ImageError(f"a float photo goes from 0 to 1, this one from {low:g} to {high:g}")
    # In 16 bits the product would be rounded once more, before it is rounded here.
    real = array.astype(np.float32) if array.dtype.itemsize < np.float32().itemsize else array
    rounded = np.rint(real * 255.0).astype(np.uint8, order="C")
    return rounded, "floating point was rounded to 8-bit"


def labels(array: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers of other types as bool where they are 0 and 1, else as uint8 where they fit.

    All other arrays come back as they are.
    """
    if array.dtype.kind not in "iu" or array.dtype.name in _KEPT or not array.size:
        return array
    low, high = int(array.min()), int(array.max())
    if low < 0 or not 1 <= high <= np.iinfo(np.uint8).max:
        return array
    return array.astype(np.bool_ if high == 1 else np.uint8)
