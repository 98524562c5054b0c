"""`Photo`, a photo as it is stored, and `PhotoLike`, everything that can hold one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import IOBase
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from numpy.typing import NDArray
from PIL import Image

from editkit.errors import ImageError
from editkit.photo import color
from editkit.photo.color import Samples
from editkit.photo.io import arrays
from editkit.types import Box, Rgb, Size

PhotoLike = (
    str
    | os.PathLike[str]
    | bytes
    | BinaryIO
    | IOBase  # what open files are while running; BinaryIO is known to type checkers only
    | Image.Image
    | NDArray[Any]
    | arrays.TensorLike
)
"""A path, the bytes of a file, an open file, a Pillow image, or samples.

Arrays are (H, W) or (H, W, C) with C of 1, 3 or 4, of uint8, uint16 or floating point in [0, 1], in
any order of bytes; tensors are (H, W) or (C, H, W). The other order of the axes is read where only
that one has channels, and so is a batch of one.
"""


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as it is stored, upright."""

    samples: Samples
    """(H, W) or (H, W, C) of uint8, or uint16; not writable when read by `read_photo`."""

    mode: str
    """One of `color.CHANNELS`: L, LA, RGB, RGBA, CMYK, or those with 16 bits a sample."""

    format: str | None = None
    """Pillow's name of the source format; None without a file."""

    path: Path | None = None
    """The source file, which is never written to."""

    carried: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Metadata that are written back with the samples: see `bundle.py`."""

    notes: tuple[str, ...] = ()
    """One line for each property that could not be kept."""

    profile: color.Profile | None = None
    """The color profile of the samples; None where they are taken as sRGB (or plain CMYK)."""

    digest: str | None = None
    """SHA-256 of the file, in hexadecimal; None where there was none."""

    orientation: int = 1
    """The EXIF orientation of the file, which has been applied to the samples."""

    frame: int = 0
    """The number of the picture in the file."""

    data: bytes | None = field(default=None, repr=False)
    """The file itself, where it was given as bytes."""

    def __getstate__(self) -> dict[str, Any]:
        """The state for pickling and copying; a read-only mapping supports neither."""
        return {**self.__dict__, "carried": dict(self.carried)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__["carried"] = MappingProxyType(state["carried"])
        self.samples.flags.writeable = False

    @property
    def size(self) -> Size:
        """Height and width of the upright photo."""
        return Size(*self.samples.shape[:2])

    @property
    def image(self) -> Image.Image:
        """The whole photo as a new Pillow image, with its profile and resolution.

        The image has the photo's mode; colors of 16 bits are rounded to 8, as Pillow has no such
        modes.
        """
        image = color.to_image(self.samples, self.mode)
        known = ("icc_profile", "dpi")
        image.info.update({key: self.carried[key] for key in known if key in self.carried})
        return image

    def rgb(self, box: Box | None = None) -> Rgb:
        """The photo, or a box of it, as uint8 sRGB (H, W, 3): a new array without alpha."""
        samples = self.samples if box is None else self.samples[box.slices]
        return color.to_rgb(samples, self.mode, self.profile)

    def with_samples(self, samples: Samples) -> "Photo":
        """The photo with other samples of the same type and channels; the size may differ.

        Raises:
            ImageError: another type, or another number of channels.
        """
        if samples.dtype != self.samples.dtype or samples.shape[2:] != self.samples.shape[2:]:
            raise ImageError(
                f"samples of {samples.dtype} {samples.shape} cannot stand in a photo of mode "
                f"{self.mode}; give {self.samples.dtype} with the same channels"
            )
        return replace(self, samples=samples)
