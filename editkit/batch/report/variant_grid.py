"""All variants of an edit in one picture, each with its seed."""

from collections.abc import Sequence
from math import ceil, sqrt

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from editkit.photo.io.drawn import mark_picture
from editkit.photo.io.files import Photo
from editkit.types import Rgb, Size

_CELL, _GAP, _LINE = 512, 8, 22
_GROUND, _INK = (24, 24, 24), (225, 225, 225)

Cell = tuple[str, Rgb]
"""A label, and its picture."""


def variant_grid(cells: Sequence[Cell]) -> Photo:
    """The pictures in rows, as near to a square as they fit, each under its label.

    Pictures larger than 512 pixels are made smaller. The result is marked as no photo.
    """
    small = [(label, fit_cell(rgb)) for label, rgb in cells]
    size = Size(*(max(rgb.shape[axis] for _, rgb in small) for axis in (0, 1)))
    columns = ceil(sqrt(len(small)))
    rows = ceil(len(small) / columns)
    step = Size(size.height + _LINE + _GAP, size.width + _GAP)
    shape = (columns * step.width + _GAP, rows * step.height + _GAP)
    sheet = Image.new("RGB", shape, _GROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for place, (label, rgb) in enumerate(small):
        row, column = divmod(place, columns)
        left, top = _GAP + column * step.width, _GAP + row * step.height
        draw.text((left, top), label, _INK, font)
        sheet.paste(Image.fromarray(rgb), (left, top + _LINE))
    return mark_picture(Photo(np.array(sheet), "RGB"), "grid of variants")


def fit_cell(rgb: Rgb) -> Rgb:
    """The picture at no more than the size of a cell."""
    factor = _CELL / max(rgb.shape[:2])
    if factor >= 1:
        return np.ascontiguousarray(rgb)
    size = [max(1, round(side * factor)) for side in rgb.shape[1::-1]]
    made = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=cv2.INTER_AREA)
    return np.asarray(made, np.uint8)
