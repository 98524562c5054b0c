"""Outcomes of photos that failed, and errors in one line."""

import errno
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editkit.batch.result_rows import peak_memory, step_row
from editkit.batch.tasks import Outcome, Task, storable
from editkit.errors import (
    BatchError,
    EditkitError,
    InputError,
    PreservationError,
    is_out_of_memory,
    one_line,
)
from editkit.photo.io.files import Photo
from editkit.storage.timeouts import NoAnswerError, sha256_of
from editkit.storage.url import Place, Url, place_of

if TYPE_CHECKING:
    from editkit.ops.result import Result


def failed_outcome(
    task: Task, error: BaseException, *, photo: Photo | None = None, result: "Result | None" = None
) -> Outcome:
    """The outcome of a task that failed; an error of a device or a disk may pass the next time."""
    passing = not isinstance(error, InputError | PreservationError) or _of_system(error)
    row: dict[str, Any] = {"variables": dict(task.variables), "peak": peak_memory()}
    row |= {"sha256": photo.digest if photo is not None else _digest(place_of(task.source))}
    if result is not None:
        row["report"] = dict(result.report)
    steps = tuple(step_row(task, k, "failed", str(error)) for k in range(len(task.steps)))
    return Outcome(*task.key, "failed", error_line(error), passing=passing, row=row, steps=steps)


def _of_system(error: BaseException) -> bool:
    """Tells whether the system raised the cause: a full disk, a share that is gone."""
    cause = error.__cause__
    # What Pillow raises of a damaged file is an OSError, too, but without a number.
    return isinstance(cause, OSError) and cause.errno not in (None, errno.ENOENT)


def error_line(error: BaseException) -> str:
    """An error in one line; a bug with the line of code that raised it."""
    if isinstance(error, EditkitError):
        return storable(one_line(error))
    if is_out_of_memory(error):
        return "out of memory; give a smaller photo, or fewer workers"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"a bug, please report it: {type(error).__name__}: {one_line(error)}{where}"


def _digest(path: Place) -> str | None:
    if isinstance(path, Url):  # if it could be fetched, `Worker.done` knows
        return None
    try:
        return sha256_of(path)
    except NoAnswerError:
        return None


def batch_error(error: BaseException) -> BatchError:
    """The error that stops the whole batch."""
    return BatchError(error_line(error))
