"""Previews of masks: as photos, over their photo, and as a tree with areas."""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from editkit.masks.evaluate import View, evaluate
from editkit.masks.language import Base, Join, Node, Not, Refine, children
from editkit.photo.io.drawn import mark_picture
from editkit.photo.io.files import Photo
from editkit.types import Coverage, Rgb

_TINT = np.array([255, 40, 40], np.float32)
_LONGEST = 1600


def mask_photo(coverage: Coverage) -> Photo:
    """The mask as a gray photo, uint8: white is selected."""
    return mark_picture(Photo(np.rint(coverage * 255).astype(np.uint8), "L"), "mask")


def overlay(rgb: Rgb, coverage: Coverage) -> Photo:
    """The photo, at most 1600 px long, with the selection in red and outlined, and its share."""
    share = float(np.mean(coverage, dtype=np.float64))
    factor = max(1.0, max(rgb.shape[:2]) / _LONGEST)
    size = [max(1, round(side / factor)) for side in rgb.shape[1::-1]]
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    mask = np.asarray(cv2.resize(coverage, size, interpolation=cv2.INTER_AREA))
    alpha = (0.5 * mask)[..., None]
    out = np.ascontiguousarray(np.rint(small * (1 - alpha) + _TINT * alpha).astype(np.uint8))
    inside = (mask >= 0.5).astype(np.uint8)
    outlines, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    for color, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.drawContours(out, outlines, -1, color, width)
    image = Image.fromarray(out)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(max(10, min(size) // 24))
    draw.text((6, 4), f"{share:.1%}", (255, 255, 255), font, stroke_width=2, stroke_fill=(0, 0, 0))
    return mark_picture(Photo(np.array(image), "RGB"), "preview of a mask")


def explain(node: Node, view: View) -> dict[str, Any]:
    """The tree of an expression, with the share of the photo that each part selects."""
    name = str(node)
    if isinstance(node, Join):
        name = {"|": "union", "&": "intersection", "-": "difference"}[node.op]
    elif isinstance(node, Not):
        name = "complement"
    elif isinstance(node, Refine):
        name = str(Refine(node.name, Base(), node.args))
    share = float(np.mean(evaluate(node, view), dtype=np.float64))
    parts = [explain(child, view) for child in children(node)]
    return {"part": name, "share": round(share, 6), "of": parts}


def tree_lines(tree: dict[str, Any], before: str = "", below: str = "") -> Iterator[str]:
    """The lines of an explained tree as text, one for each part."""
    yield f"{tree['share']:7.2%}  {before}{tree['part']}"
    for place, part in enumerate(tree["of"]):
        last = place == len(tree["of"]) - 1
        yield from tree_lines(
            part, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")
        )
