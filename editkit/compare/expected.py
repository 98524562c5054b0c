"""The expected copy: the copy as it would be without an edit.

The photo is processed as its copy was: resampled onto the copy's grid, given its tones and, if the
copy is a JPEG, encoded with the copy's own tables. An encoder rounds each block separately, so
unedited blocks come out as in the copy, or nearly so. The remaining difference is the edit's, in
the blocks that it touched.
"""

from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editkit.compare.borders import InnerArea
from editkit.compare.color_drift import ColorDrift
from editkit.compare.color_grade import ColorGrade
from editkit.photo import color
from editkit.photo.geometry.warp import Matrix, sample_box, sample_values, source_box
from editkit.photo.io.files import Photo
from editkit.types import Box, Size

Values = NDArray[np.float32]
Bits = NDArray[np.bool_]

_BLOCKS = 16
"""Pixels that the encoder may take together: 8x8, or twice that where color is coarser."""

_MIXED = 5
"""Across the photo's frame, a copy's pixels are mixed of what is on both sides; so are blocks."""

_CHANNELS = ("L", "RGB")


@dataclass(frozen=True, eq=False)
class ExpectedCopy:
    """A copy without its edit.

    Attributes:
        photo: the photo.
        copy: its copy, for its size, encoding and borders.
        matrix: from the photo to the copy.
        tone: the color change from the photo to the copy.
        inner: the part of the copy within bars of one color, if it has any.

    Pixels beyond the photo's frame, or in such bars, are those of the copy.
    """

    photo: Photo
    copy: Photo
    matrix: Matrix
    tone: ColorDrift | ColorGrade
    inner: InnerArea | None = None

    @property
    def is_encoded(self) -> bool:
        """True if the copy's encoding is known, so that it can be repeated."""
        known = "qtables" in self.copy.carried and self.copy.orientation == 1
        return known and self.copy.mode in _CHANNELS

    def sample(self, grid: Matrix, box: Box) -> Values:
        """A box of a grid, as `warp.sample_box` samples it from the copy.

        Args:
            grid: from the grid to the copy.
            box: the part of the grid.

        Returns:
            float32 (H, W, 3), RGB in [0, 255].
        """
        source = source_box(grid, box, self.copy.size)
        if source is None:
            return np.zeros((*box.size, 3), np.float32)
        blocks = _align_to_blocks(source, self.copy.size)
        values = self._of(blocks)[source.seen_from(blocks).slices]
        return sample_values(values, source, grid, box)[0]

    def _of(self, box: Box) -> Values:
        """A block-aligned box of the copy."""
        back = np.asarray(np.linalg.inv(self.matrix), np.float64)
        values, shown = sample_box(self.photo, back, box)
        rgb = np.rint(np.clip(self.tone.apply(values), 0, 255)).astype(np.uint8)
        if self.inner is not None:
            shown &= self.inner.shows(np.eye(3), box)
        if not shown.all():
            rgb = np.where(self._mixed(~shown)[..., None], self._own(box), rgb)
        return (self._through_jpeg(rgb) if self.is_encoded else rgb).astype(np.float32)

    def _mixed(self, beyond: Bits) -> Bits:
        """The pixels of a block-aligned box that mix with the area beyond the photo."""
        near = np.asarray(cv2.dilate(beyond.astype(np.uint8), np.ones((_MIXED,) * 2, np.uint8)))
        if not self.is_encoded:
            return near > 0
        height, width = near.shape
        rows, columns = (-(-side // _BLOCKS) for side in near.shape)
        held = np.zeros((rows * _BLOCKS, columns * _BLOCKS), np.uint8)
        held[:height, :width] = near
        touched = held.reshape(rows, _BLOCKS, columns, _BLOCKS).any(axis=(1, 3))
        return touched.repeat(_BLOCKS, axis=0).repeat(_BLOCKS, axis=1)[:height, :width]

    def _own(self, box: Box) -> NDArray[np.uint8]:
        own = self.copy.rgb(box).astype(np.float32)
        own = color.to_gray(own) if color.is_gray(self.photo.mode) else own
        return np.rint(own).astype(np.uint8)

    def _through_jpeg(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        held, mode = BytesIO(), self.copy.mode
        carried = self.copy.carried
        Image.fromarray(rgb).convert(mode).save(
            held, "JPEG", qtables=carried["qtables"], subsampling=carried["subsampling"]
        )
        with Image.open(held) as image:
            return np.asarray(image.convert("RGB"))


def _align_to_blocks(box: Box, size: Size) -> Box:
    """The box with one more block on each side, as decoders smooth colors across blocks."""
    top, left = (max(0, (at // _BLOCKS - 1) * _BLOCKS) for at in (box.top, box.left))
    bottom = min(size.height, (-(-box.bottom // _BLOCKS) + 1) * _BLOCKS)
    right = min(size.width, (-(-box.right // _BLOCKS) + 1) * _BLOCKS)
    return Box(top, left, bottom, right)
