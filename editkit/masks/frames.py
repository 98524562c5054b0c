"""How a photo goes into a segmentation model, and a map of logits comes back.

transformers' own image processors differ between its versions, and some want torchvision. What they
do for these models is little: fit, pad, normalise; the numbers come from the checkpoint.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editkit.types import Rgb, Size

if TYPE_CHECKING:
    import torch

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
_SIDE = {"clipseg": 352, "sam": 1024, "sam2": 1024, "eomt": 640}


@dataclass(frozen=True)
class Frame:
    """Where a photo lies in what a model sees: at the upper left, at a size of its own.

    Attributes:
        photo: the photo's size.
        inner: its size within the frame.
        outer: the size of the frame; what is not photo is padding.
    """

    photo: Size
    inner: Size
    outer: Size

    @property
    def scale(self) -> NDArray[np.float64]:
        """Factors of x and y, from the photo to the frame."""
        return np.array(
            (self.inner.width / self.photo.width, self.inner.height / self.photo.height)
        )


def frame_of(photo: Size, family: str, table: Mapping[str, Any]) -> Frame:
    """The frame that a checkpoint's image processor would use.

    Args:
        photo: the photo's size.
        family: one of `checkpoints.FAMILIES`.
        table: the settings of the checkpoint's image processor.
    """
    given = table.get("size")
    if family == "sam":
        longest = _side(given, "longest_edge", _SIDE["sam"])
        pad = table.get("pad_size")
        return Frame(photo, _longest(photo, longest), _square(pad, longest))
    if family in ("clipseg", "sam2"):
        size = _square(given, _SIDE[family])
        return Frame(photo, size, size)
    if family == "eomt":
        shortest = _side(given, "shortest_edge", _SIDE["eomt"])
        longest = _side(given, "longest_edge", shortest)
        inner = _shortest(photo, shortest, longest)
        outer = Size(max(shortest, inner.height), max(longest, inner.width))
        return Frame(photo, inner, outer if table.get("do_pad", False) else inner)
    shortest = _side(given, "shortest_edge", 800)
    longest = _side(given, "longest_edge", int(table.get("max_size") or 1333))
    inner = _shortest(photo, shortest, longest)
    if family == "mask2former":
        step = int(table.get("size_divisor") or table.get("size_divisibility") or 32)
        inner = Size(math.ceil(inner.height / step) * step, math.ceil(inner.width / step) * step)
    return Frame(photo, inner, inner)


def pixels(rgb: Rgb, frame: Frame, family: str, table: Mapping[str, Any]) -> "torch.Tensor":
    """The photo as the model sees it: float32 (1, 3, H, W) of the frame, normalised."""
    import torch

    size = (frame.inner.width, frame.inner.height)
    resample = Image.Resampling(int(table.get("resample") or Image.Resampling.BILINEAR))
    small = np.asarray(Image.fromarray(rgb).resize(size, resample), np.float32)
    pad = (frame.outer.height - frame.inner.height, frame.outer.width - frame.inner.width)
    # EoMT's padding is black; that of the others is the mean colour.
    if family == "eomt":
        small = np.pad(small, ((0, pad[0]), (0, pad[1]), (0, 0)))
    scaled = small * np.float32(table.get("rescale_factor") or 1 / 255)
    mean = np.asarray(table.get("image_mean") or _MEAN, np.float32)
    deviation = np.asarray(table.get("image_std") or _DEVIATION, np.float32)
    normal = (scaled - mean) / deviation
    if family != "eomt":
        normal = np.pad(normal, ((0, pad[0]), (0, pad[1]), (0, 0)))
    return torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1)))[None]


def in_frame(logits: "torch.Tensor", frame: Frame) -> "torch.Tensor":
    """Maps (n, h, w) of the frame, whatever their size, as maps of its inner part."""
    wide = _resized(logits, frame.outer)
    return wide[..., : frame.inner.height, : frame.inner.width]


def restored(logits: "torch.Tensor", frame: Frame) -> NDArray[np.float32]:
    """Maps (n, h, w) of the frame at the photo's size, float32 (n, H, W)."""
    padded = frame.inner != frame.outer
    inner = in_frame(logits, frame) if padded else logits
    return _resized(inner, frame.photo).float().cpu().numpy()


def _resized(maps: "torch.Tensor", size: Size) -> "torch.Tensor":
    import torch

    return torch.nn.functional.interpolate(
        maps[None].float(), tuple(size), mode="bilinear", align_corners=False
    )[0]


def _side(given: object, key: str, otherwise: int) -> int:
    """A side from a table, or from the one number that older checkpoints give."""
    if isinstance(given, Mapping):
        return int(given.get(key) or otherwise)
    if isinstance(given, int) and key == "shortest_edge":
        return given
    return otherwise


def _square(given: object, otherwise: int) -> Size:
    if isinstance(given, Mapping):
        return Size(int(given.get("height") or otherwise), int(given.get("width") or otherwise))
    side = given if isinstance(given, int) else otherwise
    return Size(side, side)


def _longest(photo: Size, longest: int) -> Size:
    scale = longest / max(photo)
    return Size(*(max(1, int(side * scale + 0.5)) for side in photo))


def _shortest(photo: Size, shortest: int, longest: int) -> Size:
    """The short side brought to `shortest`, or less, so that the long one stays in `longest`."""
    short, long = min(photo), max(photo)
    exact = float(shortest)
    if long / short * shortest > longest:
        exact = longest * short / long
    side = max(1, round(exact))
    if side == short:
        return photo
    other = max(1, int(exact * long / short))
    return Size(side, other) if photo.height <= photo.width else Size(other, side)
