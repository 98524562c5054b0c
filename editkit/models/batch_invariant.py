"""What a network computes for each of several requests by itself, though they share a call."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _SplitMatmuls(TorchFunctionMode):
    """Matrix products are made for so many rows at a time."""

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
        """The call itself, or those it comes apart into."""
        more = kwargs or {}
        if _is_product(func, args) and len(args[0]) == self._rows:
            parts = args[0].split(self._counts)
            return torch.cat([func(part, *args[1:], **more) for part in parts])
        return func(*args, **more)


def _is_product(func: Callable[..., Any], args: Sequence[Any]) -> bool:
    """Whether it is a linear layer, or a convolution of single pixels, which is one, too."""
    if func is torch.nn.functional.linear:
        return True
    return func is torch.nn.functional.conv2d and args[1].shape[-2:] == (1, 1)


def split_matmuls(counts: Sequence[int]) -> AbstractContextManager[Any]:
    """Linear layers of requests with so many rows each, as if each were asked alone.

    On a CPU the product of a matrix of few rows, or on several threads of many columns, is summed
    in an order that depends on how many rows there are; a product of many rows is no faster for
    more of them. Convolutions, attention and norms go through a picture at a time as it is.
    """
    return _SplitMatmuls(counts) if len(counts) > 1 else nullcontext()
