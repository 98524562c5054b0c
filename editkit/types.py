"""The shapes of arrays; those of tensors are in `tensors.py`.

Shapes are checked at run time by the tests only; in production the aliases cost nothing. Nothing
here imports torch, so that a wrong file name is told at once.
"""

from io import BufferedReader, BytesIO
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from editkit.boxes import Box, Size

__all__ = ["Box", "Coverage", "Report", "Rgb", "Size", "SmallCoverage", "SmallRgb", "Stream"]

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
