"""Arrays as samples: any byte order, any strides, all supported types."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from editkit.errors import ImageError
from editkit.photo.io.errors import describe_error

_KEPT = ("uint8", "uint16")
_CHANNELS = (1, 3, 4)


@runtime_checkable
class TensorLike(Protocol):
    """A torch tensor, recognized by its methods so that torch need not be imported."""

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
        """True if the tensor is of a floating-point type."""
        ...

    def numpy(self) -> NDArray[Any]:
        """The tensor as an array."""
        ...


def tensor_to_array(tensor: TensorLike) -> NDArray[Any]:
    """The tensor as an array; types unknown to NumPy, such as bfloat16, become float32.

    Raises:
        ImageError: torch cannot convert it.
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
    """The array as (H, W) or (H, W, C), as far as its shape tells.

    A batch of one becomes that image. If both axis orders are possible, an array is channels-last
    and a tensor channels-first.

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
    """The array as a plain `ndarray`.

    Raises:
        ImageError: a masked array with masked values.
    """
    if np.ma.is_masked(array):
        raise ImageError("some values of the given array are masked; fill them first: .filled(0)")
    return np.asarray(array)


def to_samples(array: NDArray[Any]) -> tuple[NDArray[Any], str | None]:
    """The array as a new uint8 or uint16 array in native byte order, and a note.

    Raises:
        ImageError: another type, or floating point beyond [0, 1].
    """
    # The name does not contain the byte order, so all byte orders pass.
    if array.dtype.name in _KEPT:
        return np.array(array, array.dtype.newbyteorder("="), order="C"), None
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageError(f"an array of {array.dtype} is not a photo; give uint8, uint16 or float")
    low, high = float(array.min()), float(array.max())
    # Written so that a NaN, which compares false, is refused too.
    if not (low >= 0.0 and high <= 1.0):
        raise ImageError(f"a float photo goes from 0 to 1, this one from {low:g} to {high:g}")
    # A float16 product would be rounded twice.
    real = array.astype(np.float32) if array.dtype.itemsize < np.float32().itemsize else array
    rounded = np.rint(real * 255.0).astype(np.uint8, order="C")
    return rounded, "floating point was rounded to 8-bit"


def narrow_integers(array: NDArray[Any]) -> NDArray[Any]:
    """Integers of other types as bool if they are 0 and 1, else in 8 or 16 bits.

    Bool arrays with color channels become black and white. All other arrays are returned unchanged.
    """
    if array.dtype.kind in "iu" and array.dtype.name not in _KEPT and array.size:
        array = _narrowest(array)
    if array.dtype.kind == "b" and array.ndim == 3 and array.shape[2] in (3, 4):
        return array.astype(np.uint8) * np.uint8(255)
    return array


def _narrowest(array: NDArray[Any]) -> NDArray[Any]:
    """Integers as bool, uint8 or, if the maximum is 65535, uint16; others unchanged."""
    low, high = int(array.min()), int(array.max())
    if low < 0 or high < 1:
        return array
    if high <= np.iinfo(np.uint8).max:
        return array.astype(np.bool_ if high == 1 else np.uint8)
    return array.astype(np.uint16) if high == np.iinfo(np.uint16).max else array
