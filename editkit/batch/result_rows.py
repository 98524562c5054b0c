"""Rows of the manifest about a result: its file, inputs, model, time and memory."""

import hashlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from editkit.batch.tasks import Task
from editkit.ops.record import RECIPE
from editkit.options import stored_options
from editkit.storage.stat import Stat
from editkit.storage.url import Place

if TYPE_CHECKING:
    from editkit.ops.result import Result


def result_columns(
    task: Task, result: "Result", report: Mapping[str, Any], times: Mapping[str, float]
) -> dict[str, Any]:
    """Columns about a result; `times` are seconds by phase."""
    record, original = result.record or {}, result.original
    return {
        "sha256": None if original is None else original.digest,
        "variables": dict(task.variables),
        "seed": str(task.seeds[int(report.get("chosen", 0))][0]),
        "model": record.get("model"),
        "weights": record.get("weights"),
        "versions": record.get("versions"),
        "mask_sha256": (record.get("mask") or {}).get("sha256"),
        "seconds": round(sum(times.values()), 3),
        "timings": {name: round(value, 3) for name, value in times.items()},
        "peak": peak_memory(),
        "report": dict(report),
    }


def output_columns(target: Place, data: bytes, *, written: bool) -> dict[str, Any]:
    """Columns about the file of a result, if it was written."""
    stat = Stat.of(target) if written else None
    if stat is None:
        return {}
    sha = hashlib.sha256(data).hexdigest()
    return {"output_sha256": sha, "output_size": stat.size, "output_mtime": stat.mtime}


def step_rows(
    task: Task, result: "Result", report: Mapping[str, Any], state: str
) -> tuple[Mapping[str, Any], ...]:
    """A row for each step of a task that has a result."""
    parts = report["steps"] if result.report.get("edit") == RECIPE else [report]
    return tuple(
        {**step_row(task, k, state, None), "seconds": part.get("seconds"), "report": dict(part)}
        for k, part in enumerate(parts)
    )


def step_row(task: Task, place: int, state: str, error: str | None) -> dict[str, Any]:
    """The row of a step by its place in the task."""
    from editkit.ops.report import plain

    bound = task.steps[place]
    options = plain(stored_options(bound.edit))
    return {
        "step": place,
        "operation": bound.name,
        "mask": task.masks[place] if task.masks else bound.mask,
        "settings": options,
        "seed": str(task.seeds[0][place]),
        "state": state,
        "error": error,
    }


def peak_memory() -> int:
    """Peak memory of this process in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
