"""Facts that reports and records share: what an edit was asked to do, in plain values."""

import importlib.metadata
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, cast

import numpy as np

from editkit._version import __version__
from editkit.options import python_value
from editkit.photo.blend.composite import compare_samples
from editkit.photo.geometry.boxes import bounding_box
from editkit.photo.io.files import Photo
from editkit.photo.quality.scores import scored_box, scores
from editkit.types import Coverage, Report

if TYPE_CHECKING:
    from editkit.models.base import Model
    from editkit.ops.edit import Edit

_WORDS = 10


def describe_changes(before: Photo, after: Photo, mask: Coverage) -> Report:
    """Counts of pixels and stored samples inside and outside the mask, and scores of its edge."""
    count = compare_samples(before, after, mask)
    near = scored_box(bounding_box(mask), before.size)
    return {
        "pixels": mask.size,
        "pixels_kept": int(np.count_nonzero(mask == 0)),
        "samples_kept": count.kept,
        "samples_changed": count.edited_changed,
        "samples_changed_outside": count.kept_changed,
        "scores": scores(after.rgb(near), mask[near.slices]),
    }


def describe(edit: "Edit", model: "Model", solver: str) -> Report:
    """The settings of an edit by name, with the model's recommendation for those left open."""
    settings = model.settings
    return {
        **{f.name: plain(getattr(edit, f.name)) for f in fields(edit)},
        "edit": type(edit).__name__.lower(),
        "prompt": edit.prompt,
        "negative": edit.negative,
        "unread": model.truncated_prompt(edit.prompt),
        "model": model.name,
        "weights": model.weights,
        "solver": solver,
        "steps": int(edit.steps or settings.steps),
        "guidance": float(settings.guidance if edit.guidance is None else edit.guidance),
        "seed": int(edit.seed),
        "device": str(model.device),
        "versions": versions(),
    }


def prompt_notes(edit: "Edit", model: "Model") -> list[str]:
    """What the model does not read of an edit's prompts, a line each."""
    notes = list[str]()
    for name, prompt in (("prompt", edit.prompt), ("negative prompt", edit.negative)):
        rest, unknown = model.truncated_prompt(prompt), model.unknown_words(prompt)
        if rest:
            notes.append(f"the {name} is too long for the model; not read: {rest!r}")
        if unknown:
            words = ", ".join(map(repr, unknown[:_WORDS]))
            more = f" and {len(unknown) - _WORDS} more" if len(unknown) > _WORDS else ""
            notes.append(
                f"the model does not know these words of the {name}, in whole or in part, and "
                f"paints without them: {words}{more}"
            )
    return notes


def versions() -> dict[str, str]:
    """Versions of what a picture depends on."""
    return dict(_versions())


@cache
def _versions() -> Mapping[str, str]:
    # Read from each package's files, which do not change while they are used.
    names = ("torch", "diffusers", "pillow", "imagecodecs", "tifffile", "jpeglib")
    return {"editkit": __version__} | {name: importlib.metadata.version(name) for name in names}


def plain(value: object) -> object:
    """An option as JSON can hold it: numbers of NumPy's as Python's, infinity as text."""
    value = python_value(value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in cast("Sequence[object]", value)]
    if isinstance(value, Mapping):
        table = cast("Mapping[object, object]", value)
        return {str(key): plain(item) for key, item in table.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | None) else str(value)
