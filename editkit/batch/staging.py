"""Files that lie in a store, on this machine for as long as their photo is in work."""

import dataclasses
import shutil
import tempfile
import weakref
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from editkit.batch.recipes.recipe import Bound
from editkit.batch.tasks import Outcome, Task
from editkit.errors import EditkitError
from editkit.storage.timeouts import sha256_of
from editkit.storage.url import Place, Url, is_url, place_of


@dataclass
class _Stage:
    """The folder of one task, laid out as the stores are.

    So files lie to each other as the objects do, and what a result tells of where its original
    lies is the same as from a disk.
    """

    folder: Path
    names: dict[str, str] = field(default_factory=dict[str, str])

    def file(self, url: Url) -> Path:
        parts = [part for part in url.key.split("/") if part not in ("", ".", "..")]
        return self.folder.joinpath(url.protocol, *parts)

    def fetched(self, text: str) -> str:
        """The file of a URL; any other text as it is."""
        found = place_of(text) if is_url(text) else None
        if found is None or isinstance(found, Path):
            return text if found is None else str(found)
        file = self.file(found)
        self.names[str(file)] = str(found)
        if not file.exists():
            found.fetch(file)
        return str(file)


class Staging:
    """Files fetched for the tasks in work, in a private folder for each.

    A task's files are deleted when it is done, and with this object at the latest. A process that
    is killed leaves those of the few photos that were in work, in the system's folder for such.
    """

    def __init__(self) -> None:
        self._stages = dict[tuple[str, int], _Stage]()
        weakref.finalize(self, _clear, self._stages)

    def task(self, task: Task) -> Task:
        """The task with its files on this machine; itself, where they are.

        Raises:
            ImageError: there is no such object.
            BatchError: it cannot be read.
        """
        if not any(is_url(text) for text in _files_of(task)):
            return task
        stage = self._stages.get(task.key) or _Stage(Path(tempfile.mkdtemp(prefix="editkit-")))
        self._stages[task.key] = stage
        return dataclasses.replace(
            task,
            source=stage.fetched(task.source),
            masks=tuple(None if m is None else stage.fetched(m) for m in task.masks),
            steps=tuple(_with_files(step, stage) for step in task.steps),
        )

    @contextmanager
    def telling(self) -> Generator[None]:
        """Puts URLs for the names of what was fetched, in errors."""
        try:
            yield
        except EditkitError as error:
            names = {f: url for stage in self._stages.values() for f, url in stage.names.items()}
            said = _renamed(str(error), names)
            if said == str(error):
                raise
            raise type(error)(said) from error

    def folder(self, task: Task, target: Place) -> Path | None:
        """The folder that a result lies in as its original's file sees it; None if it does not."""
        files = [place_of(text) for text in _files_of(task)]
        if isinstance(target, Path):
            return target.parent if all(isinstance(f, Path) for f in files) else None
        stage = self._stages.get(task.key)
        one = all(isinstance(file, Url) and file.root == target.root for file in files)
        return stage.file(target.parent) if stage is not None and one else None

    def done(self, outcome: Outcome) -> Outcome:
        """Deletes what was fetched for a task; its outcome, which names URLs and no files."""
        stage = self._stages.pop(outcome.key, None)
        if stage is None:
            return outcome
        row = dict(outcome.row)
        if row.get("sha256") is None:
            row["sha256"] = next((sha256_of(Path(file)) for file in stage.names), None)
        shutil.rmtree(stage.folder, ignore_errors=True)
        steps = tuple({**step, **_named(step, stage.names)} for step in outcome.steps)
        error = _renamed(outcome.error, stage.names)
        return dataclasses.replace(outcome, error=error, row=row, steps=steps)


def _clear(stages: Mapping[tuple[str, int], _Stage]) -> None:
    for stage in stages.values():
        shutil.rmtree(stage.folder, ignore_errors=True)


def _files_of(task: Task) -> Iterator[str]:
    """All that may be a file or URL: the photo first, whatever it is."""
    yield task.source
    yield from (mask for mask in task.masks if mask is not None and _is_file(mask))
    for step in task.steps:
        yield from step.files.values()


def _is_file(mask: str) -> bool:
    from editkit.masks.read import is_file

    return is_url(mask) or is_file(mask)


def _with_files(step: Bound, stage: _Stage) -> Bound:
    files = {name: stage.fetched(text) for name, text in step.files.items()}
    return dataclasses.replace(step, files=files)


def _named(step: Mapping[str, object], names: Mapping[str, str]) -> dict[str, object]:
    error = step.get("error")
    return {"error": _renamed(error if isinstance(error, str) else None, names)}


def _renamed(text: str | None, names: Mapping[str, str]) -> str | None:
    for file, url in names.items() if text else ():
        text = text.replace(file, url) if text else text
    return text
