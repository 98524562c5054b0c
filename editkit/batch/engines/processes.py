"""Where photos are edited: in this process, or in worker processes that each hold the model.

An engine takes tasks and gives what came of them, in whatever order they end.
"""

import atexit
import dataclasses
import gc
import importlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from editkit.batch.engines.devices import local_devices, show_only, threads_of
from editkit.batch.engines.scheduler import Limits, Lost, Ready, WorkerHandle, run_scheduled
from editkit.batch.tasks import Outcome, Setup, Task
from editkit.imports import uncollected
from editkit.offline import go_offline

Engine = Callable[[Setup, Iterator[Task]], Iterator[Outcome]]
"""Takes what all tasks have in common, and the tasks; gives outcomes as they come."""


def here(setup: Setup, tasks: Iterator[Task]) -> Iterator[Outcome]:
    """Edits in this process: nothing to start, and nothing between us and a crash."""
    from editkit.batch.pipeline import run_here

    return run_here(setup, tasks)


class PrewarmedWorker:
    """A worker process that is started before it is known what for, and imports meanwhile.

    What planning and a worker import takes seconds each; so they take them at the same time.

    Args:
        offline: keeps it, and all that it imports, from the network.
    """

    def __init__(self, *, offline: bool = False) -> None:
        self._spawned: tuple[Any, Connection] | None = _spawn(None, offline=offline)

    def take(self) -> tuple[Any, Connection] | None:
        """The process and the pipe to it; None where they were taken before, or it has ended."""
        spawned, self._spawned = self._spawned, None
        return spawned if spawned is not None and spawned[0].is_alive() else None

    def close(self) -> None:
        """Ends it, unless it was taken."""
        born = self.take()
        if born is not None:
            born[0].kill()
            born[0].join()
            born[1].close()


@dataclass(eq=False)
class _Process(WorkerHandle):
    """A worker process, and the pipe to it."""

    process: Any
    pipe: Connection
    setup: Setup


@dataclass(frozen=True)
class Local:
    """Worker processes on this machine, one for each device.

    A worker that dies, by a signal or for want of memory, takes no other with it: the tasks that
    it held are tried once more, one by one, and the one that kills a worker again has failed.

    Attributes:
        device: the name that the user gave; with `auto` and `cuda` every GPU has a worker.
        workers: how many; one for each GPU, or one, where None.
        prewarmed: the first of them, if it was started already.
    """

    device: str = "auto"
    workers: int | None = None
    prewarmed: PrewarmedWorker | None = field(default=None, repr=False)

    def __call__(self, setup: Setup, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """Edits in worker processes.

        Raises:
            BatchError: no worker can be started, or the model cannot be loaded.
        """
        pool = ProcessPool(setup, local_devices(self.device, self.workers), self.prewarmed)
        return run_scheduled(pool, tasks, Limits(setup.window, before_ready=1, losses=2))


class ProcessPool:
    """Worker processes, each at the other end of a pipe."""

    def __init__(
        self, setup: Setup, devices: tuple[str, ...], prewarmed: PrewarmedWorker | None
    ) -> None:
        self._setup = dataclasses.replace(setup, threads=threads_of(len(devices)))
        self._devices, self._prewarmed = devices, prewarmed

    def start(self) -> list[_Process]:
        """A process for each device."""
        first, *others = (dataclasses.replace(self._setup, device=d) for d in self._devices)
        return [_adopt(first, self._prewarmed), *map(_started, others)]

    def replace(self, worker: _Process) -> _Process:
        """A new process for the same device."""
        return _started(worker.setup)

    def send(self, worker: _Process, task: Task) -> None:
        """Puts a task into the pipe."""
        with suppress(OSError):
            worker.pipe.send(task)

    def wait(self, workers: list[_Process]) -> Iterator[tuple[_Process, Outcome | Ready | Lost]]:
        """Messages from the pipes.

        Raises:
            EditkitError: a worker could not load the model.
        """
        heard = wait([worker.pipe for worker in workers])
        for worker in [worker for worker in workers if worker.pipe in heard]:
            yield worker, _received(worker)

    def stop(self, workers: list[_Process]) -> None:
        """Ends the processes: those with nothing to do by themselves, others by force."""
        for worker in workers:
            with suppress(OSError):
                worker.pipe.send(None)
            worker.pipe.close()
            if worker.held:
                worker.process.terminate()
            worker.process.join(10)
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()


def _received(worker: _Process) -> Outcome | Ready | Lost:
    try:
        message = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        return Lost(_ended(worker.process.exitcode))
    if isinstance(message, Exception):
        raise message
    return message


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"died by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def _started(setup: Setup) -> _Process:
    return _Process(*_spawn(setup, offline=setup.offline), setup)


def _adopt(setup: Setup, prewarmed: PrewarmedWorker | None) -> _Process:
    """The worker that was started already, if there is one; else one that is started now.

    A prewarmed worker sees every GPU, so it can only be the worker of the first: see `show_only`.
    """
    first = setup.device.partition(":")[2] in ("", "0")
    born = prewarmed.take() if prewarmed is not None and first else None
    if born is None:
        return _started(setup)
    with suppress(OSError):  # one that died is found when it is listened to
        born[1].send(setup)
    return _Process(*born, setup)


def _spawn(setup: Setup | None, *, offline: bool) -> tuple[Any, Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(setup, theirs, offline), daemon=True)
    with _undisturbed():
        process.start()
    theirs.close()
    return process, ours


@contextmanager
def _undisturbed() -> Generator[None]:
    """Interrupts that come meanwhile are heard after; what is started meanwhile never hears them.

    Half a process, of which nobody knows, would say so on the terminal. Whoever starts one ends it.
    """
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # else it would be started now, and hear them
    came = list[int]()
    signals = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(number, lambda n, _: came.append(n)) for number in signals]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in zip(signals, handlers, strict=True):
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for number in came:
            signal.raise_signal(number)


def _work(known: Setup | None, pipe: Connection, offline: bool) -> None:  # noqa: FBT001
    """The life of a worker: loads the model, then edits what it is given until told to end."""
    if offline:  # before anything is imported that might reach out
        go_offline()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as far as it is heard at all
    threading.Thread(target=_die_with_parent, daemon=True).start()
    atexit.register(gc.freeze)  # the last collection finds nothing, and takes a second for it
    _hush()
    setup = _waited(pipe) if known is None else _alone(known)
    if setup is not None:
        _serve(setup, pipe)


def _serve(setup: Setup, pipe: Connection) -> None:
    from editkit.batch.failures import batch_error
    from editkit.batch.pipeline import run_pipeline
    from editkit.batch.work import Worker, preload

    if setup.threads is not None:
        import torch

        torch.set_num_threads(setup.threads)
    worker, ended = Worker(setup), False

    def take(block: bool) -> Task | None:  # noqa: FBT001 - as `run_pipeline` calls it
        nonlocal ended
        if ended or not (block or pipe.poll()):
            return None
        try:
            task = pipe.recv()
        except EOFError:
            task = None
        ended = task is None
        return task

    try:
        first = take(True)  # noqa: FBT003
        if first is None:
            return
        preload(worker, first.steps)
        pipe.send(Ready())
    except Exception as error:  # noqa: BLE001 - the other process raises it
        pipe.send(batch_error(error))
        return
    waiting = deque([first])
    for outcome in run_pipeline(worker, lambda b: waiting.popleft() if waiting else take(b)):
        pipe.send(outcome)


def _alone(setup: Setup) -> Setup:
    return dataclasses.replace(setup, device=show_only(setup.device))


def _waited(pipe: Connection) -> Setup | None:
    """The setup that comes by the pipe, after the likely imports; None where none comes."""
    with uncollected():
        importlib.import_module("editkit.models.sd")
    with suppress(EOFError):
        return pipe.recv()
    return None


def _die_with_parent() -> None:
    """Ends this process when the one that started it is gone, whatever killed that."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _hush() -> None:
    """C libraries print their opinion of damaged files; what we say of them goes another way."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
