"""Tasks for workers that may crash: how many each holds, and which are tried again.

Workers are processes here or actors of a cluster; a `WorkerPool` starts them and carries messages.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from editkit.batch.tasks import Outcome, Task
from editkit.errors import BatchError

_COUNTS = {1: "once", 2: "twice"}


@dataclass(eq=False)
class WorkerHandle:
    """A worker as its scheduler knows it.

    Attributes:
        held: the tasks that it was given, until their outcomes come.
        ready: True once it has loaded the model.
    """

    held: dict[tuple[str, int], Task] = field(
        default_factory=dict[tuple[str, int], Task], init=False
    )
    ready: bool = field(default=False, init=False)


@dataclass(frozen=True)
class Ready:
    """Message of a worker that has loaded the model."""


@dataclass(frozen=True)
class Lost:
    """Message about a worker that is gone: how it ended, as `died by SIGKILL`."""

    how: str


@dataclass(frozen=True)
class Limits:
    """Limits of a run: tasks that a worker holds, and tries after crashes.

    Attributes:
        window: tasks that a worker holds.
        before_ready: tasks that it holds while it loads the model.
        losses: workers that a task may take with it before it has failed.
        loads: workers in a row that may end while they load the model.
    """

    window: int
    before_ready: int
    losses: int
    loads: int = 1


H = TypeVar("H", bound=WorkerHandle)


class WorkerPool(Protocol[H]):
    """Workers of one kind, and the way to them."""

    def start(self) -> list[H]:
        """All workers, started."""
        ...

    def replace(self, worker: H) -> H:
        """Another worker, started in place of one that is gone."""
        ...

    def send(self, worker: H, task: Task) -> None:
        """Gives a task to a worker; one that is gone is found by `wait`."""
        ...

    def wait(self, workers: list[H]) -> Iterable[tuple[H, Outcome | Ready | Lost]]:
        """Messages, as soon as there are some.

        Raises:
            EditkitError: no worker can do the work.
        """
        ...

    def stop(self, workers: list[H]) -> None:
        """Ends all workers."""
        ...


def run_scheduled(pool: WorkerPool[H], tasks: Iterator[Task], limits: Limits) -> Iterator[Outcome]:
    """Yields the outcomes of tasks as workers send them, whatever becomes of workers.

    Raises:
        BatchError: no worker can be started, or the model cannot be loaded.
    """
    scheduler = _Scheduler(pool, tasks, limits)
    try:
        yield from scheduler.run()
    finally:
        scheduler.stop()


class _Scheduler(Generic[H]):
    """One run.

    A worker that is lost takes all that it held with it. Those tasks are suspects: they are done
    one at a time, and beside nothing else, so that the one that kills workers is found.
    """

    def __init__(self, pool: WorkerPool[H], tasks: Iterator[Task], limits: Limits) -> None:
        self._pool, self._limits = pool, limits
        self._tasks, self._exhausted = tasks, False
        self._workers = list[H]()
        self._suspects = deque[Task]()
        self._losses = Counter[tuple[str, int]]()
        self._failed_loads = 0

    def run(self) -> Iterator[Outcome]:
        """Yields outcomes until there are no more tasks."""
        self._workers = self._pool.start()
        while True:
            self._hand_out()
            if not (any(worker.held for worker in self._workers) or self._is_work_left):
                return
            for worker, message in self._pool.wait(self._workers):
                yield from self._receive(worker, message)

    def stop(self) -> None:
        self._pool.stop(self._workers)

    @property
    def _is_work_left(self) -> bool:
        return bool(self._suspects) or not self._exhausted

    def _hand_out(self) -> None:
        """Gives each worker as many tasks as it may hold, those with the most room first."""
        while self._is_work_left:
            worker = max(self._workers, key=self._room)
            task = self._next() if self._room(worker) > 0 else None
            if task is None:
                return
            worker.held[task.key] = task
            self._pool.send(worker, task)

    def _room(self, worker: H) -> int:
        """How many more tasks a worker may hold: none beside a suspect."""
        if any(key in self._losses for key in worker.held):
            return 0
        window = self._limits.window if worker.ready else self._limits.before_ready
        return (min(window, 1) if self._suspects else window) - len(worker.held)

    def _next(self) -> Task | None:
        if self._suspects:
            return self._suspects.popleft()
        task = next(self._tasks, None)
        self._exhausted = task is None
        return task

    def _receive(self, worker: H, message: Outcome | Ready | Lost) -> Iterator[Outcome]:
        match message:
            case Ready():
                worker.ready, self._failed_loads = True, 0
            case Lost(how):
                yield from self._replace(worker, how)
            case outcome:
                worker.held.pop(outcome.key, None)
                yield outcome

    def _replace(self, worker: H, how: str) -> Iterator[Outcome]:
        """Starts another worker; yields the task that has taken too many with it."""
        if not worker.ready:
            self._check_loads(how)
        self._workers[self._workers.index(worker)] = self._pool.replace(worker)
        self._losses.update(worker.held.keys())
        for task in worker.held.values():
            losses = self._losses[task.key]
            if len(worker.held) == 1 and losses >= self._limits.losses:
                often = _COUNTS.get(losses, f"{losses} times")
                message = f"the process that edited it {how}, {often}; the file may be hostile"
                yield Outcome(*task.key, "failed", f"{message} or huge", passing=True)
            else:
                # It may have written a result and ended before it sent that: such a file is ours.
                self._suspects.append(replace(task, replaces=True))

    def _check_loads(self, how: str) -> None:
        self._failed_loads += 1
        if self._failed_loads == self._limits.loads:
            times = f", {self._failed_loads} times" if self._failed_loads > 1 else ""
            raise BatchError(f"a worker {how} while it loaded the model{times}; see its memory")
