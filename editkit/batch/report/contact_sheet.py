"""A contact sheet: many photos before and after, in one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from editkit.batch.report.rows import checked
from editkit.batch.tasks import Outcome
from editkit.photo.io.drawn import mark_picture
from editkit.photo.io.errors import PILLOW_ERRORS
from editkit.photo.io.files import Photo
from editkit.sanitize import harmless

_CELL, _GAP, _LINE, _COLUMNS = 200, 8, 16, 3
_GROUND, _INK, _FAULT = (24, 24, 24), (225, 225, 225), (255, 120, 120)


@dataclass(frozen=True)
class Frame:
    """One photo on a sheet: its name, its previews (JPEG), and what is to be said of it."""

    name: str
    before: bytes | None
    after: bytes | None
    said: str
    failed: bool = False


def contact_sheet(frames: Sequence[Frame]) -> Photo:
    """The photos before and after, side by side, named, three pairs in a row."""
    columns = max(1, min(_COLUMNS, len(frames)))
    rows = -(-len(frames) // columns)
    wide, high = 2 * _CELL + 2 * _GAP, _CELL + 2 * _LINE + 2 * _GAP
    sheet = Image.new("RGB", (columns * wide + _GAP, max(1, rows) * high + _GAP), _GROUND)
    for number, frame in enumerate(frames):
        corner = (_GAP + number % columns * wide, _GAP + number // columns * high)
        _draw(sheet, frame, corner)
    return mark_picture(Photo(np.array(sheet), "RGB"), "contact sheet")


def _draw(sheet: Image.Image, frame: Frame, corner: tuple[int, int]) -> None:
    left, top = corner
    for place, data in enumerate((frame.before, frame.after)):
        small = None if data is None else _small(data)
        if small is None:
            continue
        shift = ((_CELL - small.width) // 2, (_CELL - small.height) // 2)
        sheet.paste(small, (left + place * (_CELL + 2) + shift[0], top + shift[1]))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    width = 2 * _CELL
    for line, (text, ink) in enumerate(
        ((frame.name, _INK), (frame.said, _FAULT if frame.failed else _INK))
    ):
        place = (left, top + _CELL + 2 + line * _LINE)
        draw.text(place, _fitting(text, draw, font, width), ink, font)


def _small(data: bytes) -> Image.Image | None:
    """A preview that fits a cell; None where it is no picture."""
    try:
        with Image.open(BytesIO(data), formats=("JPEG",)) as image:
            small = image.convert("RGB")
    except PILLOW_ERRORS:
        return None
    small.thumbnail((_CELL, _CELL))
    return small


def _fitting(
    text: str,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    width: int,
) -> str:
    """As much of a text as fits, in characters that the font has."""
    text = harmless(" ".join(text.split())).encode("ascii", "replace").decode()
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(f"{text}...", font) > width:
        text = text[:-1]
    return f"{text}..."


def frame_of(outcome: Outcome) -> Frame:
    """The frame of what came of a task."""
    row = {**outcome.row, "report": outcome.report, "error": outcome.error}
    return _frame(outcome.photo, row, failed=outcome.state == "failed")


def frame_of_row(row: Mapping[str, Any]) -> Frame:
    """The frame of a row of the manifest.

    Raises:
        BatchError: it holds what no batch writes.
    """
    row = checked(row)
    return _frame(row["photo"], row, failed=row["state"] != "done")


def _frame(name: str, row: Mapping[str, Any], *, failed: bool) -> Frame:
    scores = row["report"].get("scores") or {}
    said = "  ".join(f"{key} {value:.2f}" for key, value in scores.items() if value is not None)
    told = (row["error"] or "failed") if failed else said
    return Frame(name, row.get("before"), row.get("after"), told, failed)
