"""Rows of manifests as pages and sheets show them; whoever sends a folder may have written them."""

import json
import math
from collections.abc import Mapping
from types import MappingProxyType, NoneType
from typing import Any

from editkit.errors import BatchError
from editkit.names import SCORES
from editkit.sanitize import harmless

_STATES = ("done", "failed", "running")
_NUMBER = (int, float, NoneType)
_COLUMNS: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "photo": (str,),
        "variant": (int,),
        "state": (str,),
        "error": (str, NoneType),
        "seconds": _NUMBER,
        "seed": (str, int, NoneType),
        "before": (bytes, NoneType),
        "after": (bytes, NoneType),
        "overlay": (bytes, NoneType),
        "report": (str, NoneType),
    }
)
_REPORT: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "prompt": (str, NoneType),
        "samples_changed_outside": (int, NoneType),
        "notes": (list, NoneType),
        "scores": (dict, NoneType),
    }
)


def checked(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its report as a table, and all its texts harmless to show.

    Raises:
        BatchError: a value is of another kind than what a batch writes.
    """
    for name, kinds in _COLUMNS.items():
        _check(row, name, row.get(name), kinds)
    if row["state"] not in _STATES:
        raise _damaged(row, "state")
    report = _report(row)
    for name, kinds in _REPORT.items():
        _check(row, f"report's {name}", report.get(name), kinds)
    scores = report.get("scores") or {}
    for name in SCORES:
        _check(row, f"report's score {name}", scores.get(name), _NUMBER)
    for note in report.get("notes") or ():
        _check(row, "report's notes", note, (str,))
    texts = {name: harmless(v) for name, v in row.items() if isinstance(v, str)}
    return {**row, **texts, "report": _shown(report)}


def _shown(report: Mapping[str, Any]) -> dict[str, Any]:
    scores = report.get("scores") or {}
    return {
        "scores": {name: scores.get(name) for name in SCORES},
        "prompt": harmless(report.get("prompt") or ""),
        "samples_changed_outside": report.get("samples_changed_outside"),
        "notes": [harmless(note) for note in report.get("notes") or ()],
    }


def _report(row: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(row["report"]) if row["report"] else {}
    except (ValueError, RecursionError) as error:
        raise _damaged(row, "report") from error
    if not isinstance(found, dict):
        raise _damaged(row, "report")
    return found


def _check(row: Mapping[str, Any], name: str, value: object, kinds: tuple[type, ...]) -> None:
    odd = isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value))
    if odd or not isinstance(value, kinds):
        raise _damaged(row, name)


def _damaged(row: Mapping[str, Any], name: str) -> BatchError:
    photo = str(row.get("photo"))[:200]
    return BatchError(
        f"the manifest is damaged: the {name} of {photo!r} is nothing that a batch writes; "
        "run the batch again with --force, into a new folder"
    )
