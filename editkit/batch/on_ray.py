"""Batches on a Ray cluster: the same tasks, done by actors that hold the model.

Ray schedules, and brings back what is lost: an actor whose node dies is started on another one, and
its task is done again. Photos, masks and results are paths that every node sees.
"""

import dataclasses
import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editkit.batch.tasks import Outcome, Setup, Task
from editkit.errors import BatchError, InputError

_HELD = 2
"""Tasks that wait at each actor, so that it is never idle between two."""


class Worker:
    """An actor: a bench whose model is loaded once."""

    def __init__(self, setup: Setup) -> None:
        from editkit.batch.work import Bench

        self._bench = Bench(setup)

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
            yield from self._done(ray, setup, tasks)
        finally:
            if ours:
                ray.shutdown()

    def _done(self, ray: Any, setup: Setup, tasks: Iterator[Task]) -> Iterator[Outcome]:  # noqa: ANN401
        # Without an end to restarts and retries, a photo that kills its actor would kill all.
        kind = ray.remote(num_cpus=1, num_gpus=self.gpus, max_restarts=-1, max_task_retries=3)
        actors = [kind(Worker).remote(setup) for _ in range(self._count(ray))]
        free = [actor for actor in actors for _ in range(_HELD)]
        given = dict[Any, tuple[Any, Task]]()
        while True:
            while free and (task := next(tasks, None)) is not None:
                actor = free.pop()
                given[actor.edit.remote(_anywhere(task))] = actor, task
            if not given:
                return
            (reference,), _ = ray.wait(list(given), num_returns=1)
            actor, task = given.pop(reference)
            free.append(actor)
            yield _outcome(ray, reference, task)

    def _count(self, ray: Any) -> int:  # noqa: ANN401
        if self.workers:
            return self.workers
        found = ray.cluster_resources()
        room = found.get("GPU", 0) / self.gpus if self.gpus else found.get("CPU", 1)
        return max(1, int(room))


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
        replaces=True,
    )


def _absolute(mask: str | None) -> str | None:
    return str(Path(mask).absolute()) if mask and Path(mask).is_file() else mask


def _outcome(ray: Any, reference: Any, task: Task) -> Outcome:  # noqa: ANN401
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        message = f"the process that edited it ended again and again: {reason}"
        return Outcome(*task.key, "failed", message, passing=True)
