"""Small geometric values, and the shapes of arrays; those of tensors are in `tensors.py`.

Shapes are checked at run time by the tests only; in production the aliases cost nothing. Nothing
here imports torch, so that a wrong file name is told at once.
"""

from io import BufferedReader, BytesIO
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

Rgb = UInt8[np.ndarray, "h w 3"]
"""RGB in [0, 255], sRGB, as the model sees a photo."""

Coverage = Float[np.ndarray, "h w"]
"""A mask at photo resolution, float32 in [0, 1]: 1 may change, 0 stays."""

SmallRgb = UInt8[np.ndarray, "small_h small_w 3"]
"""A photo brought down to a size to be worked at."""

SmallCoverage = Float[np.ndarray, "small_h small_w"]
"""A mask of such a photo."""

Report = dict[str, Any]
"""A table of what was done or found, of plain values: JSON writes it as it is."""

Stream = BytesIO | BufferedReader
"""A file to read from, in memory or on disk."""


class Size(NamedTuple):
    """Height and width, in pixels unless said otherwise."""

    height: int
    width: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.height * self.width

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Box(NamedTuple):
    """A rectangle of pixels: rows `top:bottom`, columns `left:right`, ends not included."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> Size:
        """Height and width of the rectangle."""
        return Size(self.bottom - self.top, self.right - self.left)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices that cut the rectangle out of an array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def seen_from(self, other: "Box") -> "Box":
        """The same rectangle, counted from the corner of another."""
        top, left = other.top, other.left
        return Box(self.top - top, self.left - left, self.bottom - top, self.right - left)
