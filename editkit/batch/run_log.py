"""The log of a run: tasks that are out, and the manifest rows about them."""

import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from editkit.batch.inputs import OWN
from editkit.batch.manifest import Manifest
from editkit.batch.plan import Digests
from editkit.batch.run_events import task_name
from editkit.batch.tasks import Outcome, Task, printable
from editkit.errors import BatchError
from editkit.storage.stat import Stat
from editkit.storage.timeouts import NoAnswerError
from editkit.storage.url import Place, Url, is_there, place_of


class RunLog:
    """Tasks that are out, and the manifest that says so."""

    def __init__(self, manifest: Manifest, out: Place) -> None:
        self._manifest, self._root = manifest, out
        self._given = dict[tuple[str, int], tuple[Task, dict[str, Any]]]()

    def handed_out(self, tasks: Iterable[Task]) -> Iterator[Task]:
        """Yields the tasks, each written down as it is taken."""
        for task in tasks:
            row = first_row(task)
            self._manifest.write(row)
            self._given[task.key] = (task, row)
            yield task

    def claim(self, tasks: Iterable[Task]) -> None:
        """Writes down tasks that nobody has begun, so that their results are known as ours."""
        for task in tasks:
            self._manifest.write(first_row(task))

    def refused(self, tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Yields outcomes of tasks that cannot be done; no engine gets them."""
        for task in tasks:
            self._given[task.key] = (task, first_row(task))
            yield Outcome(*task.key, "failed", task.problem, row={"sha256": _digest(task)})

    def settled(self, outcome: Outcome) -> Task:
        """Writes down what came of a task; which one that was."""
        task, row = self._given.pop(outcome.key)
        if outcome.state == "failed" and task.problem is None:
            _put_away(task, self._root)
        if outcome.state == "done" and task.replaces:
            place_of(task.rejected).unlink(missing_ok=True)
        state = {"state": outcome.state, "error": outcome.error, "passing": outcome.passing}
        whole = {**row, **outcome.row, **state, "finished": time.time()}
        self._manifest.write(whole, outcome.steps)
        return task

    def check(self) -> None:
        """Finds tasks of which nothing came.

        Raises:
            BatchError: there are some.
        """
        if self._given:
            names = ", ".join(sorted(task_name(*key) for key in self._given))
            raise BatchError(f"the engine lost {len(self._given)} photos: {names}; run again")


def _digest(task: Task) -> str | None:
    try:
        return Digests({}).of(place_of(task.source))
    except NoAnswerError:
        return None


def first_row(task: Task) -> dict[str, Any]:
    """The row of a task that is being done."""
    source = place_of(task.source)
    stat = Stat.of(source)
    return {
        "photo": task.photo,
        "variant": task.variant,
        "source": printable(str(source.absolute())),
        "output": printable(task.output),
        "settings": task.settings,
        "state": "running",
        "size": None if stat is None else stat.size,
        "mtime": None if stat is None else stat.mtime,
        "started": time.time(),
    }


def _put_away(task: Task, out: Place) -> None:
    """Moves the result of an earlier run, which is not what was asked for now, out of the way."""
    target = place_of(task.output)
    if not task.replaces or not is_there(target):
        return
    aside = out / OWN / "stale"
    if isinstance(target, Url) and isinstance(out, Url) and isinstance(aside, Url):
        target.replace(aside / target.relative_to(out))
    elif isinstance(target, Path) and isinstance(out, Path) and isinstance(aside, Path):
        aside /= target.relative_to(out)
        aside.parent.mkdir(parents=True, exist_ok=True)
        target.replace(aside)
    if task.mask_output is not None and is_there(area := Path(task.mask_output)):
        name = f"{target.name}.mask.png"
        stale = aside.with_name(name) if isinstance(aside, Path) else area.with_suffix(".stale.png")
        shutil.move(area, stale)
