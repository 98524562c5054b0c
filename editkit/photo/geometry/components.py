"""Connected components of a mask, and the groups that are edited together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.errors import InputError
from editkit.names import REGIONS
from editkit.photo.geometry.boxes import bounding_box
from editkit.types import Box, Coverage

_LARGEST = 1 << 25
_GROWTH = 1.1
_MANY = 2000


@dataclass(frozen=True, eq=False)
class MaskComponent:
    """A group of marks of a mask.

    Attributes:
        box: their bounding box in the photo.
        coverage: float32 of the box's size; marks of other groups are 0.
    """

    box: Box
    coverage: Coverage


def split_components(coverage: Coverage, how: str, reach: float) -> list[MaskComponent]:
    """The components of the mask, from the top down; together they are the mask.

    A mark is an 8-connected component of the values above 0. With `each`, each mark is a component
    of its own; with `together`, all marks are one. With `auto`, marks are joined that fit into a
    square of `reach` pixels together, or that lie beside a larger one and lengthen its box by at
    most a tenth: a model that sees them at once sees them no smaller.

    If the mask's box has more than 32 megapixels, marks closer to each other than the corresponding
    factor (two pixels up to 128 megapixels) count as connected.

    Args:
        coverage: (H, W), with values above 0.
        how: one of `editkit.names.REGIONS`.
        reach: the side of a square, in pixels.

    Raises:
        InputError: an unknown value of `how`.
        MaskError: no value is above 0.
    """
    if how not in REGIONS:
        raise InputError(f"regions is {how!r}; choose one of {', '.join(REGIONS)}")
    box = bounding_box(coverage)
    if how == "together":
        return [MaskComponent(box, coverage[box.slices])]
    cell = ceil(sqrt(max(1, box.size.area / _LARGEST)))
    labels, marks = _label_marks(coverage[box.slices] > 0, cell)
    groups = [[k] for k in range(len(marks))] if how == "each" else _group_marks(marks, reach)
    owner = np.zeros(len(marks) + 1, np.int32)
    for number, group in enumerate(groups):
        owner[[k + 1 for k in group]] = number
    found = (_enclosing_box(marks[k] for k in group) for group in groups)
    return [
        _component(coverage, box, owner[labels], cell, n, inner) for n, inner in enumerate(found)
    ]


def _label_marks(masked: NDArray[np.bool_], cell: int) -> tuple[NDArray[np.int32], list[Box]]:
    """The component of each cell, from 1 on, and the bounding boxes of the components in pixels."""
    if cell > 1:
        for axis in (0, 1):
            starts = np.arange(0, masked.shape[axis], cell)
            masked = np.logical_or.reduceat(masked, starts, axis=axis)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(masked.astype(np.uint8), connectivity=8)
    boxes = [
        Box(top * cell, left * cell, (top + height) * cell, (left + width) * cell)
        for left, top, width, height, _ in np.asarray(stats)[1:].tolist()
    ]
    return np.asarray(labels, np.int32), boxes


def _group_marks(marks: Sequence[Box], reach: float) -> list[list[int]]:
    """Groups of mark numbers; each mark joins the group that grows least."""
    groups, boxes = list[list[int]](), list[Box]()
    for bundle in _bundle_marks(marks, reach):
        box = _enclosing_box(marks[k] for k in bundle)
        unions = [(_longest_side(_enclosing_box((box, other))), n) for n, other in enumerate(boxes)]
        fitting = [
            (length - _longest_side(boxes[n]), n)
            for length, n in unions
            if length <= max(reach, _GROWTH * max(_longest_side(box), _longest_side(boxes[n])))
        ]
        if not fitting:
            groups.append(list(bundle))
            boxes.append(box)
            continue
        _, n = min(fitting)
        groups[n].extend(bundle)
        boxes[n] = _enclosing_box((boxes[n], box))
    return groups


def _bundle_marks(marks: Sequence[Box], reach: float) -> list[list[int]]:
    """Single marks; if there are thousands, the marks of each square at once."""
    if len(marks) <= _MANY:
        return [[k] for k in range(len(marks))]
    bundles = dict[tuple[int, int, bool], list[int]]()
    for k, box in enumerate(marks):
        large = _longest_side(box) > reach / 2
        place = (int(box.top // reach), int(box.left // reach), large)
        bundles.setdefault(place, []).append(k)
    return list(bundles.values())


def _longest_side(box: Box) -> int:
    return max(box.size)


def _enclosing_box(boxes: Iterable[Box]) -> Box:
    tops, lefts, bottoms, rights = zip(*boxes, strict=True)
    return Box(min(tops), min(lefts), max(bottoms), max(rights))


def _component(
    coverage: Coverage,
    whole: Box,
    owners: NDArray[np.int32],
    cell: int,
    number: int,
    inner: Box,
) -> MaskComponent:
    """The component of a number; `inner` is its box in the mask's box, or a little larger."""
    ends = (-(-inner.bottom // cell), -(-inner.right // cell))
    cells = Box(inner.top // cell, inner.left // cell, *ends)
    own = owners[cells.slices] == number
    if cell > 1:
        own = own.repeat(cell, axis=0).repeat(cell, axis=1)
    box = Box(
        whole.top + inner.top,
        whole.left + inner.left,
        min(whole.top + inner.bottom, whole.bottom),
        min(whole.left + inner.right, whole.right),
    )
    kept = own[: box.size.height, : box.size.width]
    return MaskComponent(box, np.where(kept, coverage[box.slices], np.float32(0)))
