"""Batches on a Ray cluster: the same tasks, done by actors that hold the model.

Ray places the actors, and says which of them are lost; what those held is done by others. Photos,
masks and results are paths that every node sees.
"""

import dataclasses
import importlib
import os
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from editkit.batch.recipe import Bound
from editkit.batch.tasks import Outcome, Setup, Task
from editkit.errors import BatchError, InputError

_HELD = 2
"""Tasks that wait at each actor, so that it is never idle between two."""

_TRIES = 3
"""Actors that a photo may take with it before it is given up."""


class Worker:
    """An actor: a bench whose model is loaded once."""

    def __init__(self, setup: Setup) -> None:
        from editkit.batch.work import Bench

        self._bench = Bench(setup)

    def ready(self, task: Task) -> None:
        """Loads what a task needs."""
        from editkit.batch.work import loaded

        loaded(self._bench, task.steps)

    def edit(self, task: Task) -> Outcome:
        """What came of a task."""
        from editkit.batch.work import pipeline

        waiting = [task]
        return next(pipeline(self._bench, lambda _: waiting.pop() if waiting else None))


@dataclass(frozen=True)
class OnRay:
    """An engine of Ray actors.

    Attributes:
        address: of the cluster; by RAY_ADDRESS, or one that is started here, where None.
        workers: how many actors; as many as the cluster has GPUs (or CPUs) for, where None.
        gpus: of each actor; a part of one where several share it.
    """

    address: str | None = None
    workers: int | None = None
    gpus: float = 0.0

    def __call__(self, setup: Setup, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """Edits on the cluster.

        Raises:
            InputError: Ray is not installed.
            BatchError: there is no cluster, or it lost a task for good.
        """
        ray = _ray()
        ours = not ray.is_initialized()
        if ours:
            try:
                ray.init(address=self.address, log_to_driver=False, logging_level="error")
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise BatchError(f"no Ray cluster: {str(error).splitlines()[0]}") from error
        try:
            first = next(tasks, None)
            if first is not None:
                actors = _Actors(ray, setup, self.gpus, first)
                yield from actors.run(chain([first], tasks), self._count(ray))
        finally:
            if ours:
                ray.shutdown()

    def _count(self, ray: Any) -> int:  # noqa: ANN401
        if self.workers:
            return self.workers
        found = ray.cluster_resources()
        room = found.get("GPU", 0) / self.gpus if self.gpus else found.get("CPU", 1)
        return max(1, int(room))


class _Actors:
    """The actors of one run, and what they hold."""

    def __init__(self, ray: Any, setup: Setup, gpus: float, first: Task) -> None:  # noqa: ANN401
        self._ray, self._setup, self._first = ray, setup, _anywhere(first)
        self._kind = ray.remote(num_cpus=1, num_gpus=gpus)(Worker)
        self._starting = dict[Any, Any]()
        self._given = dict[Any, tuple[Any, Task]]()
        self._free = list[Any]()
        self._lost = list[Any]()
        self._again = deque[Task]()
        self._tries = Counter[tuple[str, int]]()

    def run(self, tasks: Iterator[Task], count: int) -> Iterator[Outcome]:
        for _ in range(count):
            self._start()
        left = True
        while left or self._given or self._again:
            while self._free and (task := self._next(tasks)) is not None:
                actor = self._free.pop()
                self._given[actor.edit.remote(_anywhere(task))] = actor, task
            left = left and not self._free  # one that is free has asked for more in vain
            if not self._given and not self._again and not left:
                return
            (reference,), _ = self._ray.wait([*self._given, *self._starting], num_returns=1)
            if reference in self._starting:
                self._started(reference)
            else:
                yield from self._ended(reference)

    def _start(self) -> None:
        """Asks for an actor; it is there when there is room for it."""
        actor = self._kind.remote(self._setup)
        self._starting[actor.ready.remote(self._first)] = actor

    def _started(self, reference: Any) -> None:  # noqa: ANN401
        actor = self._starting.pop(reference)
        errors = self._ray.exceptions
        try:
            self._ray.get(reference)
        except errors.RayTaskError as error:
            raise BatchError(f"the model cannot be loaded: {error.cause}") from error
        except errors.RayActorError:
            self._start()
        else:
            self._free += [actor] * _HELD

    def _next(self, tasks: Iterator[Task]) -> Task | None:
        return self._again.popleft() if self._again else next(tasks, None)

    def _ended(self, reference: Any) -> Iterator[Outcome]:  # noqa: ANN401
        actor, task = self._given.pop(reference)
        try:
            outcome = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._lose(actor)
            self._tries[task.key] += 1
            if self._tries[task.key] < _TRIES:
                self._again.append(task)
                return
            reason = str(error).strip().splitlines()[0]
            message = f"the process that edited it ended, {_TRIES} times: {reason}"
            outcome = Outcome(*task.key, "failed", message, passing=True)
        else:
            if actor not in self._lost:
                self._free.append(actor)
        yield outcome

    def _lose(self, actor: Any) -> None:  # noqa: ANN401
        """Asks for another actor in place of one that is gone."""
        if actor not in self._lost:
            self._lost.append(actor)
            self._free = [other for other in self._free if other != actor]
            self._start()


def _ray() -> Any:  # noqa: ANN401 - a module that may not be there
    # Ray would copy the folder that we are started from to every node.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        advice = "install it with pip install 'editkit[ray]'"
        raise InputError(f"--engine ray needs the package ray; {advice}") from error


def _anywhere(task: Task) -> Task:
    """The task for a node with another working folder; done twice, it replaces its own result."""
    return dataclasses.replace(
        task,
        source=str(Path(task.source).absolute()),
        output=str(Path(task.output).absolute()),
        rejected=str(Path(task.rejected).absolute()),
        masks=tuple(_absolute(mask) for mask in task.masks),
        steps=tuple(_with_absolute_files(step) for step in task.steps),
        replaces=True,
    )


def _with_absolute_files(step: Bound) -> Bound:
    files = {name: str(Path(path).absolute()) for name, path in step.files.items()}
    return dataclasses.replace(step, files=files)


def _absolute(mask: str | None) -> str | None:
    return str(Path(mask).absolute()) if mask and Path(mask).is_file() else mask
