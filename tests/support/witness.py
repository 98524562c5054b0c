"""An edit that tells in which process it ran, and waits until so many processes are at work."""

import dataclasses
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from editkit.batch.engines.processes import Engine
from editkit.batch.tasks import Outcome, Setup, Task
from editkit.ops.inpaint import Inpaint

AHEAD = "WITNESS_AHEAD"
"""Variable of the environment: photos that must be there when a process edits its second."""


def _has_files(folder: Path) -> bool:
    with suppress(FileNotFoundError):  # it is deleted when its photo is done
        return any(folder.rglob("*.*"))
    return False


@dataclass(frozen=True)
class Witness(Inpaint):
    """Leaves a file for its process, and one for each photo it begins, in `folder`.

    An edit that has begun goes on after a pause, and not before the file `until` is there.
    """

    folder: str = ""
    meet: int = 1
    pause: float = 0.0
    until: str = ""

    def __call__(self, model: Any, photo: Any, mask: Any, **more: Any) -> Any:
        folder = Path(self.folder)
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        (folder / f"{os.getpid()}.process").write_text(gpu)
        deadline = time.monotonic() + 120
        while len(list(folder.glob("*.process"))) < self.meet:
            if time.monotonic() > deadline:
                raise TimeoutError(f"fewer than {self.meet} processes came")
            time.sleep(0.02)
        if AHEAD in os.environ and len(list(folder.glob(f"*.{os.getpid()}.*.begun"))) == 1:
            self._wait_for_reading(int(os.environ[AHEAD]))
        (folder / f"{Path(photo.path).stem}.{os.getpid()}.{time.monotonic_ns()}.begun").touch()
        time.sleep(self.pause)
        while self.until and not Path(self.until).exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"there was no {self.until}")
            time.sleep(0.02)
        return Inpaint.__call__(self, model, photo, mask, **more)

    def _wait_for_reading(self, count: int) -> None:
        """Waits until so many photos were fetched, this one among them."""
        here = Path(tempfile.gettempdir())
        deadline = time.monotonic() + 20
        while sum(_has_files(folder) for folder in here.glob("editkit-*")) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"fewer than {count} photos were fetched")
            time.sleep(0.02)


@dataclass(frozen=True)
class Witnessed:
    """An engine whose edits are such."""

    engine: Engine
    folder: Path
    meet: int = 1
    pause: float = 0.0
    until: Path | None = None

    def __call__(self, setup: Setup, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """Edits, and leaves files."""
        self.folder.mkdir(exist_ok=True)
        return self.engine(setup, map(self._seen, tasks))

    def _seen(self, task: Task) -> Task:
        (step,) = task.steps
        fields = {f.name: getattr(step.edit, f.name) for f in dataclasses.fields(step.edit)}
        own: dict[str, Any] = {"folder": str(self.folder), "meet": self.meet, "pause": self.pause}
        own["until"] = "" if self.until is None else str(self.until)
        step = dataclasses.replace(step, edit=Witness(**fields, **own))
        return dataclasses.replace(task, steps=(step,))

    @property
    def processes(self) -> dict[str, str]:
        """The GPUs that each process saw."""
        return {file.stem: file.read_text() for file in self.folder.glob("*.process")}

    @property
    def begun(self) -> list[str]:
        """The photo of each edit that was begun."""
        return sorted(file.name.split(".")[0] for file in self.folder.glob("*.begun"))

    def at_work(self) -> set[int]:
        """The processes that have begun an edit and are still there."""
        begun = {int(file.name.split(".")[1]) for file in self.folder.glob("*.begun")}
        return {number for number in begun if _lives(number)}


def _lives(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
