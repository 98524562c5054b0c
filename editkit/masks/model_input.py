"""Preprocessing for segmentation models, and the way back from a map of logits to the photo.

The image processors of transformers differ between its versions, and some need torchvision. Their
work for these models is small: resize, pad, normalize. The numbers come from the checkpoint.
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
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
_SIDE = {"clipseg": 352, "sam": 1024, "sam2": 1024, "eomt": 640, "owlv2": 960}
_ALPHA_SIZE = Size(1024, 768)
_MATTED_AT = 1024


@dataclass(frozen=True)
class ModelFrame:
    """The placement of a photo in a model's input: at the upper left, at its own size.

    Attributes:
        photo: the photo's size.
        inner: the photo's size in the input.
        outer: the size of the input; the rest is padding.
    """

    photo: Size
    inner: Size
    outer: Size

    @property
    def scale(self) -> NDArray[np.float64]:
        """The factors (x, y) from the photo to the input."""
        return np.array(
            (self.inner.width / self.photo.width, self.inner.height / self.photo.height)
        )


def model_frame(photo: Size, family: str, table: Mapping[str, Any]) -> ModelFrame:
    """The frame that the checkpoint's own image processor would use.

    Args:
        photo: the photo's size.
        family: one of `checkpoints.FAMILIES`.
        table: the settings of the checkpoint's image processor.
    """
    given = table.get("size")
    if family == "sam":
        longest = _side(given, "longest_edge", _SIDE["sam"])
        pad = table.get("pad_size")
        return ModelFrame(photo, _longest(photo, longest), _square(pad, longest))
    if family in ("clipseg", "sam2", "sapiens2"):
        size = _ALPHA_SIZE if family == "sapiens2" and given is None else None
        size = size or _square(given, _SIDE.get(family, 0))
        return ModelFrame(photo, size, size)
    if family == "owlv2":
        outer = _square(given, _SIDE[family])
        return ModelFrame(photo, _longest(photo, max(outer)), outer)
    if family == "vitmatte":
        return _matting_frame(photo, table)
    if family == "eomt":
        shortest = _side(given, "shortest_edge", _SIDE["eomt"])
        longest = _side(given, "longest_edge", shortest)
        inner = _shortest(photo, shortest, longest)
        outer = Size(max(shortest, inner.height), max(longest, inner.width))
        return ModelFrame(photo, inner, outer if table.get("do_pad", False) else inner)
    shortest = _side(given, "shortest_edge", 800)
    longest = _side(given, "longest_edge", int(table.get("max_size") or 1333))
    inner = _shortest(photo, shortest, longest)
    if family == "mask2former":
        step = int(table.get("size_divisor") or table.get("size_divisibility") or 32)
        inner = Size(math.ceil(inner.height / step) * step, math.ceil(inner.width / step) * step)
    return ModelFrame(photo, inner, inner)


def to_pixels(rgb: Rgb, frame: ModelFrame, family: str, table: Mapping[str, Any]) -> "torch.Tensor":
    """The model's input: float32 (1, 3, H, W), normalized and padded."""
    if family == "owlv2":
        return _pad_square(rgb, frame, table)
    size = (frame.inner.width, frame.inner.height)
    resample = Image.Resampling(int(table.get("resample") or Image.Resampling.BILINEAR))
    small = np.asarray(Image.fromarray(rgb).resize(size, resample), np.float32)
    pad = (frame.outer.height - frame.inner.height, frame.outer.width - frame.inner.width)
    # EoMT pads with black; the others pad with the mean color.
    if family == "eomt":
        small = np.pad(small, ((0, pad[0]), (0, pad[1]), (0, 0)))
    usual = ((0.5,) * 3, (0.5,) * 3) if family == "vitmatte" else (_MEAN, _DEVIATION)
    normal = _normalize(small * np.float32(table.get("rescale_factor") or 1 / 255), table, usual)
    if family != "eomt":
        normal = np.pad(normal, ((0, pad[0]), (0, pad[1]), (0, 0)))
    return to_batch(normal)


def to_batch(values: NDArray[np.float32]) -> "torch.Tensor":
    """An array (H, W, C) as a tensor (1, C, H, W)."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]


def _normalize(
    scaled: NDArray[np.float32],
    table: Mapping[str, Any],
    usual: tuple[tuple[float, ...], tuple[float, ...]],
) -> NDArray[np.float32]:
    mean = np.asarray(table.get("image_mean") or usual[0], np.float32)
    return (scaled - mean) / np.asarray(table.get("image_std") or usual[1], np.float32)


def _pad_square(rgb: Rgb, frame: ModelFrame, table: Mapping[str, Any]) -> "torch.Tensor":
    """OWLv2's input: padded with black to a square, then resized.

    It is resized with anti-aliasing in floating point, as scikit-image does; a photo much larger
    than the frame is first reduced by averaging.
    """
    from skimage.transform import resize

    step = max(frame.photo) // (2 * max(frame.outer))
    if step > 1:
        image = Image.fromarray(rgb).reduce(step)
        rgb = np.asarray(image)
    side = max(rgb.shape[:2])
    square = np.zeros((side, side, 3), np.float32)
    scale = np.float32(table.get("rescale_factor") or 1 / 255)
    square[: rgb.shape[0], : rgb.shape[1]] = rgb * scale
    small = resize(square, tuple(frame.outer), order=1, anti_aliasing=True)
    usual = (_CLIP_MEAN, _CLIP_DEVIATION)
    return to_batch(_normalize(np.asarray(small, np.float32), table, usual))


def _matting_frame(photo: Size, table: Mapping[str, Any]) -> ModelFrame:
    """A frame of whole patches, at the photo's own size unless attention would cost too much."""
    step = int(table.get("size_divisor") or table.get("size_divisibility") or 32)
    inner = photo if max(photo) <= _MATTED_AT else _longest(photo, _MATTED_AT)
    return ModelFrame(photo, inner, Size(*(math.ceil(side / step) * step for side in inner)))


def crop_padding(logits: "torch.Tensor", frame: ModelFrame) -> "torch.Tensor":
    """Maps (n, h, w) of the whole input, at any size, as maps of its inner part."""
    wide = _resize(logits, frame.outer)
    return wide[..., : frame.inner.height, : frame.inner.width]


def restore(logits: "torch.Tensor", frame: ModelFrame) -> NDArray[np.float32]:
    """Maps (n, h, w) of the input at the photo's size, float32 (n, H, W)."""
    padded = frame.inner != frame.outer
    inner = crop_padding(logits, frame) if padded else logits
    return _resize(inner, frame.photo).float().cpu().numpy()


def _resize(maps: "torch.Tensor", size: Size) -> "torch.Tensor":
    import torch

    return torch.nn.functional.interpolate(
        maps[None].float(), tuple(size), mode="bilinear", align_corners=False
    )[0]


def _side(given: object, key: str, otherwise: int) -> int:
    """A side length from the table, or the single number of older checkpoints."""
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
    """The size whose short side is `shortest`, or less to keep the long side within `longest`."""
    short, long = min(photo), max(photo)
    exact = float(shortest)
    if long / short * shortest > longest:
        exact = longest * short / long
    side = max(1, round(exact))
    if side == short:
        return photo
    other = max(1, int(exact * long / short))
    return Size(side, other) if photo.height <= photo.width else Size(other, side)
