"""Which marks of a mask are worked on together, and which apart."""

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
    """Some marks of a mask.

    Attributes:
        box: around them, in the photo.
        coverage: of the box's size; other parts' marks in the box are 0.
    """

    box: Box
    coverage: Coverage


def split_components(coverage: Coverage, how: str, reach: float) -> list[MaskComponent]:
    """The mask in parts, from the top down; together they are the mask.

    A mark is a connected component of what is above 0, corners counting as connected. `each` makes
    it a part, `together` makes one of all. `auto` joins marks that fit into a square of `reach`
    pixels together, and those that lie beside a larger one without making its box more than a tenth
    longer: a model that sees them at once sees them no smaller.

    Where the mask's box has more than 32 megapixels, marks that are nearer to each other than that
    box is larger (two pixels up to 128 megapixels) count as connected.

    Args:
        coverage: (H, W), somewhere above 0.
        how: one of `editkit.names.REGIONS`.
        reach: side in pixels of a square.

    Raises:
        InputError: an unknown way.
        MaskError: nothing is above 0.
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
    """Each cell's component, from 1 on, and the components' boxes in pixels."""
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
    """Numbers of the marks that go together: each joins the group that grows least by it."""
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
    """Single marks; those of one square at once where there are thousands of them."""
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
    """The part of a number; `inner` is its box in the mask's box, be it some pixels too large."""
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
