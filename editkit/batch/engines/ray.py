"""Batches on a Ray cluster: the same tasks, done by actors that hold the model.

Ray places the actors, and says which of them are lost; what those held is done by others. Photos,
masks and results are paths or URLs that every node sees.
"""

import dataclasses
import importlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from editkit.batch.engines.scheduler import Limits, Lost, Ready, WorkerHandle, run_scheduled
from editkit.batch.recipes.recipe import Bound
from editkit.batch.tasks import Outcome, Setup, Task
from editkit.errors import BatchError, InputError, first_line
from editkit.offline import forbid_network
from editkit.storage.url import is_url, place_of

_TRIES = 3
"""Actors that a photo may take with it before it is given up; or that die while they load."""

_PATIENCE = 600.0
"""Seconds in which the first of the actors must have found a place: clusters take time to grow."""

_STORE = 2**28
"""Bytes of shared memory of a cluster that is started here: only previews go through it."""


class RayWorker:
    """An actor: a worker whose model is loaded once.

    It is given several tasks at a time, so that it reads and writes some while it edits another:
    as a worker process of the local engine.
    """

    def __init__(self, setup: Setup) -> None:
        if setup.offline:
            forbid_network()
        from editkit.batch.work import Worker

        self._worker = Worker(setup)
        self._waiting = SimpleQueue[Task]()
        self._promised = dict[tuple[str, int], Future[Outcome]]()

    def ready(self, task: Task) -> None:
        """Loads what a task needs, and begins to work."""
        from editkit.batch.work import preload

        preload(self._worker, task.steps)
        Thread(target=self._work, daemon=True).start()

    def edit(self, task: Task) -> Outcome:
        """The outcome of a task; several threads call this at a time."""
        promised = self._promised[task.key] = Future[Outcome]()
        self._waiting.put(task)
        return promised.result()

    def _work(self) -> None:
        from editkit.batch.pipeline import run_pipeline

        try:
            for outcome in run_pipeline(self._worker, self._take):
                self._promised.pop(outcome.key).set_result(outcome)
        except BaseException as error:  # nobody else would hear of it
            for promised in self._promised.values():
                promised.set_exception(error)
            raise

    def _take(self, block: bool) -> Task | None:  # noqa: FBT001 - as `run_pipeline` calls it
        try:
            return self._waiting.get(block)
        except Empty:
            return None


@dataclass(frozen=True)
class OnRay:
    """An engine of Ray actors.

    Attributes:
        address: of the cluster; by RAY_ADDRESS, or one that is started here, where None.
        workers: how many actors; as many as the cluster has GPUs (or CPUs) for, where None.
        gpus: of each actor; a part of one where several share it. Where None, 1 if the cluster
            has GPUs and the recipe's device is not the CPU, else 0.

    Raises:
        InputError: more than one GPU, and no whole number of them.
    """

    address: str | None = None
    workers: int | None = None
    gpus: float | None = None

    def __post_init__(self) -> None:
        if self.gpus is not None and self.gpus > 1 and self.gpus != int(self.gpus):
            raise InputError(f"gpus is {self.gpus:g}; above 1, give a whole number")

    def __call__(self, setup: Setup, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """Edits on the cluster.

        Raises:
            InputError: Ray is not installed.
            BatchError: there is no cluster, or it lost a task for good.
        """
        ray = _ray()
        ours = not ray.is_initialized()
        if ours:
            self._join(ray)
        try:
            first = next(tasks, None)
            if first is not None:
                yield from self._run(ray, setup, chain([first], tasks), first)
        finally:
            if ours:
                ray.shutdown()

    def _run(
        self,
        ray: Any,  # noqa: ANN401 - a module
        setup: Setup,
        tasks: Iterator[Task],
        first: Task,
    ) -> Iterator[Outcome]:
        gpus = self.gpus_of(ray, setup)
        # One call more than it may hold: the one that loads the model.
        kind = ray.remote(num_cpus=1, num_gpus=gpus, max_concurrency=setup.window + 1)(RayWorker)
        pool = ActorPool(ray, kind, setup, _anywhere(first), self._count(ray, gpus))
        return run_scheduled(pool, tasks, Limits(setup.window, 0, losses=_TRIES, loads=_TRIES))

    def _join(self, ray: Any) -> None:  # noqa: ANN401
        """Joins the cluster, or starts one."""
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        if not (self.address or os.environ.get("RAY_ADDRESS")):
            options |= {"object_store_memory": _STORE, "include_dashboard": False}
        try:
            ray.init(address=self.address, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise BatchError(f"no Ray cluster: {first_line(error)}") from error

    def gpus_of(self, ray: Any, setup: Setup) -> float:  # noqa: ANN401 - a module
        """GPUs of each actor, on the cluster that was joined."""
        if self.gpus is not None:
            return self.gpus
        wanted = setup.device.partition(":")[0] in ("auto", "cuda")
        return 1.0 if wanted and ray.cluster_resources().get("GPU", 0) >= 1 else 0.0

    def _count(self, ray: Any, gpus: float) -> int:  # noqa: ANN401
        """How many actors; where that was said, Ray may yet have to make room for them."""
        if self.workers:
            return self.workers
        room = sum(room_for(node["Resources"], gpus) for node in ray.nodes() if node["Alive"])
        if not room:
            what = f"{gpus:g} of a GPU and a CPU" if gpus else "a CPU"
            advice = "give fewer --gpus, or --workers if it will grow"
            raise BatchError(f"no node of the Ray cluster has {what} for a worker; {advice}")
        return room


def room_for(resources: Mapping[str, float], gpus: float) -> int:
    """How many actors fit on a node: each takes a CPU, and no actor takes parts of two GPUs."""
    cpus, devices = int(resources.get("CPU", 0)), resources.get("GPU", 0)
    if not gpus:
        return cpus
    # A third of a GPU is a little more than that in binary.
    fits = int(devices) * int(1 / gpus + 1e-6) if gpus < 1 else int(devices // gpus)
    return min(cpus, fits)


@dataclass(eq=False)
class _Actor(WorkerHandle):
    """An actor, and the references of its answers; the first of them is of loading the model."""

    handle: Any
    references: set[Any]


class ActorPool:
    """Actors of one run; each loads what the first task needs."""

    def __init__(self, ray: Any, kind: Any, setup: Setup, first: Task, count: int) -> None:  # noqa: ANN401
        self._ray, self._kind, self._setup = ray, kind, setup
        self._first, self._count = first, count

    def start(self) -> list[_Actor]:
        """Actors that are asked for; each is there when the cluster has room for it."""
        return [self._start() for _ in range(self._count)]

    def _start(self) -> _Actor:
        handle = self._kind.remote(self._setup)
        return _Actor(handle, {handle.ready.remote(self._first)})

    def replace(self, worker: _Actor) -> _Actor:
        """Another actor, for one of which something was lost."""
        self._ray.kill(worker.handle)
        return self._start()

    def send(self, worker: _Actor, task: Task) -> None:
        """Calls an actor with a task."""
        worker.references.add(worker.handle.edit.remote(_anywhere(task)))

    def wait(self, workers: list[_Actor]) -> Iterator[tuple[_Actor, Outcome | Ready | Lost]]:
        """The next answer.

        Raises:
            BatchError: the model cannot be loaded, or there is no place for any actor.
        """
        waiting = {ref: worker for worker in workers for ref in worker.references}
        # Without one that works, what is waited for is a place for one.
        patience = None if any(worker.held for worker in workers) else _PATIENCE
        answered, _ = self._ray.wait([*waiting], num_returns=1, timeout=patience)
        if not answered:
            raise BatchError(f"Ray found no place for a worker in {_PATIENCE:g} s; see its log")
        (reference,) = answered
        yield waiting[reference], self._received(waiting[reference], reference)

    def _received(self, worker: _Actor, reference: Any) -> Outcome | Ready | Lost:  # noqa: ANN401
        worker.references.remove(reference)
        errors = self._ray.exceptions
        try:
            outcome = self._ray.get(reference)
        except errors.RayError as error:
            if not worker.ready and isinstance(error, errors.RayTaskError):
                cause: Any = error
                message = f"the model cannot be loaded: {first_line(cause.cause)}"
                raise BatchError(message) from error
            return Lost(f"ended ({first_line(error)})")
        return outcome if worker.ready else Ready()

    def stop(self, workers: list[_Actor]) -> None:
        """Ends the actors."""
        for worker in workers:
            self._ray.kill(worker.handle)


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
        source=_absolute(task.source),
        output=_absolute(task.output),
        rejected=_absolute(task.rejected),
        masks=tuple(_absolute_mask(mask) for mask in task.masks),
        steps=tuple(_with_absolute_files(step) for step in task.steps),
        replaces=True,
    )


def _with_absolute_files(step: Bound) -> Bound:
    files = {name: _absolute(path) for name, path in step.files.items()}
    return dataclasses.replace(step, files=files)


def _absolute(path: str) -> str:
    return str(place_of(path).absolute())


def _absolute_mask(mask: str | None) -> str | None:
    from editkit.masks.read import is_file

    return _absolute(mask) if mask and (is_url(mask) or is_file(mask)) else mask
