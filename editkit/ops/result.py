"""What an edit gives back: the photo, and a report of what was done."""

import importlib.metadata
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from PIL import Image

from editkit._version import __version__
from editkit.models.base import Model
from editkit.ops.edit import Edit
from editkit.photo.files import Photo, write_photo

Report = dict[str, Any]
"""A table of what was done, of plain values: JSON writes it as it is."""


@dataclass(frozen=True, eq=False)
class Result:
    """An edited photo.

    Attributes:
        photo: the photo, with what it carries beside its samples.
        report: what was done, with what settings, and what it changed.
    """

    photo: Photo
    report: Mapping[str, Any]

    @property
    def image(self) -> Image.Image:
        """The photo as a Pillow image, in the mode of the original."""
        return self.photo.image

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Where the photo was written; the suffix chooses the format.

        Raises:
            ImageError: the file exists and `force` is not given, or cannot be written.
        """
        target = Path(path)
        write_photo(self.photo, target, force=force)
        return target


def describe(edit: Edit, model: Model) -> Report:
    """What an edit was asked to do, with the model's recommendation for what was left open."""
    settings = model.settings
    return {
        **{f.name: _plain(getattr(edit, f.name)) for f in fields(edit)},
        "edit": type(edit).__name__.lower(),
        "prompt": edit.prompt,
        "negative": edit.negative,
        "unread": model.unread(edit.prompt),
        "model": model.name,
        "solver": edit.solver or edit.recommended_solver(settings),
        "steps": int(edit.steps or settings.steps),
        "guidance": float(settings.guidance if edit.guidance is None else edit.guidance),
        "seed": int(edit.seed),
        "device": str(model.device),
        "versions": {"editkit": __version__}
        | {name: importlib.metadata.version(name) for name in ("torch", "diffusers")},
    }


def _plain(value: object) -> object:
    """An option as JSON can hold it: numbers of numpy's as Python's, infinity as text."""
    if isinstance(value, bool):  # an integral number, to Python
        return value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else str(float(value))
    return value
