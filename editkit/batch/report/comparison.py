"""Two photos beside each other: an HTML page with a slider, and a picture."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from editkit.batch.report.page import data_url, render
from editkit.errors import InputError
from editkit.photo.geometry.boxes import grow
from editkit.photo.io.drawn import mark_picture
from editkit.photo.io.files import Photo
from editkit.photo.quality.verify import changed_pixels, verify
from editkit.sanitize import harmless
from editkit.types import Box, Report, Rgb

_LONGEST = 2000
_DETAILS = 8
_LEAST_MARGIN = 24
_GROUND, _INK = (24, 24, 24), (225, 225, 225)
_TINT = (255, 40, 40)
_GAP, _LINE = 12, 22
_NUMBERS = (
    ("samples_changed", "samples changed"),
    ("mode", "mode"),
    ("size", "size"),
    ("source_type", "source type"),
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two photos of one size, and the differences between them.

    Attributes:
        before: the first photo as 8-bit RGB.
        after: the second one.
        changed: (H, W), true where a pixel differs.
        report: what `verify` measures, with `pixels_changed` and `notes`.
    """

    before: Rgb = field(repr=False)
    after: Rgb = field(repr=False)
    changed: NDArray[np.bool_] = field(repr=False)
    report: Report

    @property
    def summary(self) -> str:
        """The extent of the differences, in a line."""
        count, regions = self.report["pixels_changed"], len(self.report["regions"])
        if not count:
            return "no pixel differs"
        parts = f"{regions} region{'s' * (regions > 1)}"
        # `verify` lists no more than a hundred.
        parts = f"at least {parts}" if regions >= 100 else parts
        return f"{count} of {self.changed.size} pixels differ ({self.share}), in {parts}"

    @property
    def share(self) -> str:
        """The share of the pixels that differ, in percent."""
        percent = 100 * self.report["pixels_changed"] / self.changed.size
        return f"{percent:.2g} %" if percent < 10 else f"{percent:.0f} %"


def compare(before: Photo, after: Photo, names: tuple[str, str]) -> Comparison:
    """The differences of two photos.

    Photos of one mode are compared by their stored samples, others as 8-bit RGB.

    Args:
        before: the first photo.
        after: the second one.
        names: of the two, for messages.

    Raises:
        InputError: their sizes differ.
    """
    if before.size != after.size:
        raise InputError(
            f"{names[0]} is {before.size}, {names[1]} is {after.size}; give two photos of one size "
            "(`editkit composite` pastes an edit of another size)"
        )
    shown = before.rgb(), after.rgb()
    notes = list[str]()
    if before.mode != after.mode:
        notes.append(f"the modes differ ({before.mode}, {after.mode}); compared as 8-bit RGB")
        before, after = (
            replace(photo, samples=rgb, mode="RGB", profile=None)
            for photo, rgb in zip((before, after), shown, strict=True)
        )
    report, changed = verify(before, after), changed_pixels(before, after)
    count = int(np.count_nonzero(changed))
    return Comparison(*shown, changed, {**report, "pixels_changed": count, "notes": notes})


def comparison_page(made: Comparison, names: tuple[str, str]) -> str:
    """The page: the whole photo and its largest changed regions, each with a slider."""
    report = made.report
    whole = Box(0, 0, *made.changed.shape)
    same = [name for name, is_same in report["same"].items() if is_same]
    numbers = [(label, report[key]) for key, label in _NUMBERS if report.get(key) is not None]
    numbers += [(name, f"{v:.2f}") for name, v in (report["scores"] or {}).items() if v is not None]
    return render(
        "comparison.html",
        names=tuple(map(harmless, names)),
        summary=made.summary,
        whole=_views(made, whole),
        ratio=f"{whole.size.width} / {whole.size.height}",
        details=[
            {**_views(made, box), "number": number, "region": region}
            for number, (region, box) in enumerate(_details(made), 1)
        ],
        numbers=numbers,
        same=", ".join(same),
        notes=report["notes"],
    )


def _details(made: Comparison) -> Iterator[tuple[Mapping[str, int], Box]]:
    """The largest regions, with the box to show; without those that another one shows."""
    shown = list[Box]()
    for region in made.report["regions"]:
        box = Box(region["top"], region["left"], region["bottom"], region["right"])
        if len(shown) >= _DETAILS:
            return
        if any(_holds(other, box) for other in shown):
            continue
        size = box.size
        seen = grow(box, max(_LEAST_MARGIN, *(side // 4 for side in size)), _size(made))
        shown.append(seen)
        yield region, seen


def _size(made: Comparison) -> Any:  # noqa: ANN401 - Size
    return Box(0, 0, *made.changed.shape).size


def _holds(outer: Box, inner: Box) -> bool:
    return (
        outer.top <= inner.top
        and outer.left <= inner.left
        and outer.bottom >= inner.bottom
        and outer.right >= inner.right
    )


def _views(made: Comparison, box: Box) -> dict[str, str | None]:
    """A part of the photo before, after, and a layer that marks the changes."""
    layer = np.zeros((*box.size, 4), np.uint8)
    layer[made.changed[box.slices]] = (*_TINT, 150)
    pair = {"before": made.before, "after": made.after}
    views = {name: data_url(_png(rgb[box.slices]), "png") for name, rgb in pair.items()}
    return {**views, "overlay": data_url(_png(layer), "png")}


def _png(samples: NDArray[np.uint8]) -> bytes:
    """PNG of a part at no more than the largest size of a page."""
    stream = BytesIO()
    Image.fromarray(_fitted(samples, _LONGEST)).save(stream, "PNG")
    return stream.getvalue()


def _fitted(samples: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    factor = longest / max(samples.shape[:2])
    if factor >= 1:
        return np.ascontiguousarray(samples)
    size = [max(1, round(side * factor)) for side in samples.shape[1::-1]]
    made = cv2.resize(np.ascontiguousarray(samples), size, interpolation=cv2.INTER_AREA)
    return np.asarray(made, np.uint8)


def comparison_picture(made: Comparison, names: tuple[str, str]) -> Photo:
    """The photos side by side, and the second one in gray with the changes in red.

    It is marked as no photo, so that a batch leaves it out.
    """
    gray = made.after.mean(axis=2, keepdims=True).astype(np.uint8) // 2 + 96
    marked = np.where(made.changed[..., None], np.array(_TINT, np.uint8), gray.astype(np.uint8))
    panels = [_fitted(panel, _LONGEST) for panel in (made.before, made.after, marked)]
    high, wide = panels[0].shape[:2]
    width = 3 * wide + 4 * _GAP
    sheet = Image.new("RGB", (width, high + 2 * _GAP + 2 * _LINE), _GROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for place, (panel, label) in enumerate(zip(panels, (*names, "changed"), strict=True)):
        left = _GAP + place * (wide + _GAP)
        sheet.paste(Image.fromarray(panel), (left, _GAP + _LINE))
        draw.text((left, _GAP - 2), _ascii(label), _INK, font)
    draw.text((_GAP, high + _GAP + _LINE + 4), made.summary, _INK, font)
    return mark_picture(Photo(np.array(sheet), "RGB"), "comparison")


def _ascii(text: str) -> str:
    """The text in letters that the font has."""
    return harmless(text).encode("ascii", "replace").decode()
