"""Arrays as samples: any order of bytes, any strides, the types that a photo can have."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from editkit.errors import ImageError
from editkit.photo.io.errors import describe_error

_KEPT = ("uint8", "uint16")
_CHANNELS = (1, 3, 4)


@runtime_checkable
class TensorLike(Protocol):
    """A tensor of torch, known by its methods so that torch need not be imported here."""

    def detach(self) -> "TensorLike":
        """The tensor without its gradient."""
        ...

    def cpu(self) -> "TensorLike":
        """The tensor in main memory."""
        ...

    def float(self) -> "TensorLike":
        """The tensor in single precision."""
        ...

    def is_floating_point(self) -> bool:
        """True if it holds any floating point."""
        ...

    def numpy(self) -> NDArray[Any]:
        """The tensor as an array."""
        ...


def tensor_to_array(tensor: TensorLike) -> NDArray[Any]:
    """The tensor as an array; what NumPy has no type for, such as bfloat16, in single precision.

    Raises:
        ImageError: torch cannot hand it over.
    """
    try:
        here = tensor.detach().cpu()
        try:
            return np.asarray(here.numpy())
        except TypeError:
            if not here.is_floating_point():
                raise
            return np.asarray(here.float().numpy())
    except (TypeError, RuntimeError) as error:
        raise ImageError(f"the given tensor cannot be read: {describe_error(error)}") from error


def channels_last(array: NDArray[Any], *, tensor: bool) -> NDArray[Any]:
    """The array as (H, W) or with its channels last, as far as its shape tells.

    A batch of one is that one. Where both orders of the axes may be meant, an array has its
    channels last and a tensor first.

    Raises:
        ImageError: a batch of several.
    """
    if array.ndim == 4:
        if array.shape[0] != 1:
            raise ImageError(
                f"a batch of shape {array.shape} is not one photo; give one picture of it"
            )
        array = array[0]
    if array.ndim != 3:
        return array
    first, last = array.shape[0] in _CHANNELS, array.shape[2] in _CHANNELS
    return np.moveaxis(array, 0, -1) if first and (tensor or not last) else array


def drop_subclass(array: NDArray[Any]) -> NDArray[Any]:
    """The array without what a subclass adds to it.

    Raises:
        ImageError: a masked array of which values are masked: there is nothing to stand for them.
    """
    if np.ma.is_masked(array):
        raise ImageError("some values of the given array are masked; fill them first: .filled(0)")
    return np.asarray(array)


def to_samples(array: NDArray[Any]) -> tuple[NDArray[Any], str | None]:
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


def narrow_integers(array: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers of other types as bool where they are 0 and 1, else in 8 or 16 bits.

    What is bool and has colors is black and white. All other arrays come back as they are.
    """
    if array.dtype.kind in "iu" and array.dtype.name not in _KEPT and array.size:
        array = _narrowest(array)
    if array.dtype.kind == "b" and array.ndim == 3 and array.shape[2] in (3, 4):
        return array.astype(np.uint8) * np.uint8(255)
    return array


def _narrowest(array: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers as bool, in 8 bits or, where white is that of 16 bits, in 16; or unchanged."""
    low, high = int(array.min()), int(array.max())
    if low < 0 or high < 1:
        return array
    if high <= np.iinfo(np.uint8).max:
        return array.astype(np.bool_ if high == 1 else np.uint8)
    return array.astype(np.uint16) if high == np.iinfo(np.uint16).max else array
