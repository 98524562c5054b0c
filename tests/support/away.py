"""Edits made elsewhere: a photo with a known edit, then a known warp, resize, cast and JPEG."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates

Array = NDArray[np.uint8]
Matrix = NDArray[np.float64]
Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Journey:
    """What happens to a photo elsewhere.

    Attributes:
        scale: size of what comes back over that of the photo.
        shift: in pixels of the photo.
        turn: degrees about the middle.
        tilt: how much nearer the right edge is than the left, as a share.
        zoom: of the content, without changing the frame (a crop, or a padding below 1).
        cast: factors of red, green and blue.
        gamma: of the tone curve.
        quality: of the JPEG; None for none.
    """

    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    turn: float = 0.0
    tilt: float = 0.0
    zoom: float = 1.0
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    quality: int | None = None

    def size(self, photo: Array) -> tuple[int, int]:
        """Height and width of what comes back."""
        return round(photo.shape[0] * self.scale), round(photo.shape[1] * self.scale)

    def matrix(self, photo: Array) -> Matrix:
        """Places in the photo to places in what comes back, pixel centers at whole numbers."""
        height, width = photo.shape[:2]
        out_height, out_width = self.size(photo)
        middle = _moved(-(width - 1) / 2, -(height - 1) / 2)
        angle = np.deg2rad(self.turn)
        turned = np.array(
            [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
        )
        tilted = np.eye(3)
        tilted[2, 0] = self.tilt / width
        zoomed = np.diag([self.zoom, self.zoom, 1.0])
        back = _moved((width - 1) / 2 + self.shift[0], (height - 1) / 2 + self.shift[1])
        across, down = out_width / width, out_height / height
        resized = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1.0]])
        whole = resized @ back @ zoomed @ tilted @ turned @ middle
        return whole / whole[2, 2]

    def file(self, photo: Array) -> bytes | Array:
        """What comes back of an edited photo: a JPEG, or samples where there was none."""
        out = self._moved(photo)
        if self.quality is None:
            return out
        held = BytesIO()
        Image.fromarray(out).save(held, "JPEG", quality=self.quality)
        return held.getvalue()

    def of(self, photo: Array) -> Array:
        """The samples of it, without its file."""
        came = self.file(photo)
        return np.asarray(Image.open(BytesIO(came))) if isinstance(came, bytes) else came

    def _moved(self, photo: Array) -> Array:
        height, width = self.size(photo)
        matrix = self.matrix(photo)
        values: Any = photo
        if not np.allclose(matrix, np.eye(3)):
            # Several samples a side of each pixel, then their mean: no aliasing, no phase of its
            # own. Splines, as OpenCV's interpolation moves what it interpolates.
            over = 1 if self.scale >= 1 else round(2 / self.scale)
            fine = np.array([[over, 0, (over - 1) / 2], [0, over, (over - 1) / 2], [0, 0, 1.0]])
            rows, columns = np.mgrid[: height * over, : width * over]
            back = np.asarray(np.linalg.inv(fine @ matrix), np.float64)
            places = _mapped(back, np.c_[columns.ravel(), rows.ravel()])
            large = [
                map_coordinates(channel.astype(np.float32), places.T[::-1], order=3, mode="nearest")
                for channel in np.moveaxis(photo, 2, 0)
            ]
            blocks = np.stack(large, axis=-1).reshape(height, over, width, over, 3)
            values = blocks.mean(axis=(1, 3))
        toned = 255 * (np.clip(values, 0, 255) / 255.0) ** self.gamma * np.array(self.cast)
        return np.rint(np.clip(toned, 0, 255)).astype(np.uint8)

    def error(self, photo: Array, found: Matrix) -> tuple[float, float]:
        """Mean and largest error of a found matrix over the frame, in pixels of the photo."""
        height, width = photo.shape[:2]
        rows, columns = np.mgrid[0:height:24j, 0:width:24j]
        places = np.c_[columns.ravel() - 0.5, rows.ravel() - 0.5]
        off = (
            _mapped(
                np.asarray(np.linalg.inv(self.matrix(photo)), np.float64), _mapped(found, places)
            )
            - places
        )
        far = np.hypot(*off.T)
        return float(far.mean()), float(far.max())


def _moved(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def _mapped(matrix: Matrix, places: Matrix) -> Matrix:
    away = np.c_[places, np.ones(len(places))] @ matrix.T
    return away[:, :2] / away[:, 2:]


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((one & other).sum() / max((one | other).sum(), 1))


def differing(photo: Array, after: Array, where: Bits) -> Bits:
    """Where two pictures differ visibly (by 3 in CIELAB), with gaps up to 8 pixels closed.

    What was painted to look as what was there before is no change that anybody could find.
    """
    one, other = (
        np.asarray(cv2.cvtColor(v.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB))
        for v in (photo, after)
    )
    apart = (np.sqrt(((one - other) ** 2).sum(axis=2)) > 3).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    return (np.asarray(cv2.morphologyEx(apart, cv2.MORPH_CLOSE, disc)) > 0) & where
