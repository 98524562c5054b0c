"""What an edit needs to be repeated, kept in the picture's own metadata."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from editkit.errors import InputError
from editkit.masks.read import is_file
from editkit.masks.value import Mask
from editkit.ops.catalog import BY_CLASS
from editkit.ops.record_schema import RECIPE, check_options
from editkit.ops.report import plain, versions
from editkit.options import restored, stored_options
from editkit.photo.io.files import Photo
from editkit.types import Coverage, Size

if TYPE_CHECKING:
    from editkit.models.base import Model

__all__ = ["RECIPE", "Record", "digest_of", "edit_of", "mask_told", "record_of", "with_paths_from"]

Record = Mapping[str, Any]
"""A table of plain values, as JSON holds it."""

FORMAT = 1

_FILES = ("original", "edited", "mask")


def record_of(
    edit: Any,  # noqa: ANN401 - a dataclass: an `Edit`, or a `Fill`
    model: "Model | None",
    photo: Photo | None = None,
    mask: Coverage | None = None,
) -> dict[str, Any]:
    """The edit as it was asked for, and what it was applied to, by fingerprints.

    Without a model, `model` and `weights` are None.
    """
    record: dict[str, Any] = {
        "format": FORMAT,
        "edit": type(edit).__name__,
        "options": plain(stored_options(edit)),
        "model": None if model is None else _name_of(model),
        "weights": None if model is None else model.weights,
        "versions": versions(),
    }
    if photo is not None:
        record["original"] = {"sha256": photo.digest or digest_of(photo.samples)}
        if photo.path is not None:
            record["original"]["path"] = str(photo.path)
    if mask is not None:
        record["mask"] = {"sha256": digest_of(mask)}
    return record


def _name_of(model: "Model") -> str:
    return model.name if not Path(model.name).is_dir() else Path(model.name).name


def mask_told(mask: object) -> dict[str, str]:
    """Where a mask can be had again: a path, or an expression; nothing of pictures and arrays."""
    if isinstance(mask, Mask):
        return {"expression": str(mask)}
    if not isinstance(mask, str | os.PathLike):
        return {}
    text = os.fspath(mask)
    return {"path": text} if is_file(text) else {"expression": text}


def digest_of(array: np.ndarray) -> str:
    """SHA-256 of an array's shape and values, in hexadecimal."""
    whole = hashlib.sha256(repr((array.shape, array.dtype.str)).encode())
    whole.update(np.ascontiguousarray(array).data)
    return whole.hexdigest()


def with_paths_from(record: Record, folder: Path | None) -> dict[str, Any]:
    """The record with its paths as seen from a folder; those that lead through the root, as names.

    So a file that is passed on tells no more of the machine that it was made on than it must.
    """
    out = dict(record)
    for part in _FILES:
        if "path" in out.get(part, {}):
            out[part] = {**out[part], "path": _seen_from(Path(out[part]["path"]), folder)}
    if "steps" in out:
        out["steps"] = [with_paths_from(step, folder) for step in out["steps"]]
    return out


def edit_of(record: Record) -> Any:  # noqa: ANN401 - each kind is called with inputs of its own
    """The edit that a record tells of.

    Raises:
        InputError: it tells of none that this version knows.
    """
    if record.get("format") != FORMAT or record.get("edit") not in BY_CLASS:
        raise InputError(f"the record {record.get('edit')!r} is of another version of editkit")
    kind = BY_CLASS[record["edit"]].kind
    check_options(kind, record["options"])
    options = restored(kind, record["options"])
    return kind(**{key: _restored(key, value) for key, value in options.items()})


def _restored(key: str, value: Any) -> Any:  # noqa: ANN401 - whatever JSON held
    if key == "guidance_interval":
        return tuple(float(number) for number in value)
    return Size(*value) if key == "size" and value is not None else value


def _seen_from(path: Path, folder: Path | None) -> str:
    if folder is None:
        return path.name
    here, there = folder.resolve(), path.resolve()
    common = Path(os.path.commonpath([here, there]))
    return path.name if common == Path(common.anchor) else os.path.relpath(there, here)
