"""Results of a shared call that do not depend on the other requests in it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _SplitMatmuls(TorchFunctionMode):
    """Computes matrix products for the rows of one request at a time."""

    def __init__(self, counts: Sequence[int]) -> None:
        super().__init__()
        self._counts, self._rows = list(counts), sum(counts)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """The result of a call, made in parts if it is a matrix product."""
        more = kwargs or {}
        if _is_product(func, args) and len(args[0]) == self._rows:
            parts = args[0].split(self._counts)
            return torch.cat([func(part, *args[1:], **more) for part in parts])
        return func(*args, **more)


def _is_product(func: Callable[..., Any], args: Sequence[Any]) -> bool:
    """True for a linear layer, and for a 1x1 convolution, which is one, too."""
    if func is torch.nn.functional.linear:
        return True
    return func is torch.nn.functional.conv2d and args[1].shape[-2:] == (1, 1)


def split_matmuls(counts: Sequence[int]) -> AbstractContextManager[Any]:
    """A context in which linear layers give each request the same bits as a call of its own.

    On a CPU the order of the sums in a matrix product depends on the number of rows, and a product
    of many rows is no faster for more of them. Convolutions, attention and norms compute each
    picture by itself anyway.

    Args:
        counts: rows of each request, in order.
    """
    return _SplitMatmuls(counts) if len(counts) > 1 else nullcontext()
