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
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from editkit.batch.tasks import Outcome, Setup, Task
from editkit.errors import BatchError
from editkit.imports import uncollected
from editkit.offline import go_offline

Engine = Callable[[Setup, Iterator[Task]], Iterator[Outcome]]
"""Takes what all tasks have in common, and the tasks; gives outcomes as they come."""

_SEEN = "CUDA_VISIBLE_DEVICES"
"""Variable of the environment: the GPUs that a process sees, by number or by name."""


def here(setup: Setup, tasks: Iterator[Task]) -> Iterator[Outcome]:
    """Edits in this process: nothing to start, and nothing between us and a crash."""
    from editkit.batch.work import worked_through

    return worked_through(setup, tasks)


class PrewarmedWorker:
    """A worker process that is started before it is known what for, and imports meanwhile.

    What planning and a worker import takes seconds each; so they take them at the same time.

    Args:
        offline: whether it may reach no network; what it imports may try.
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


@dataclass
class _Process:
    """A process with the model, and the tasks that it holds."""

    process: Any
    pipe: Connection
    setup: Setup
    held: dict[tuple[str, int], Task] = field(default_factory=dict[tuple[str, int], Task])
    ready: bool = False


@dataclass(frozen=True)
class Local:
    """Worker processes on this machine, one for each device.

    A worker that dies, by a signal or for want of memory, takes no other with it: the tasks that
    it held are tried once more, one by one, and the one that kills a worker again has failed.

    Attributes:
        device: what was asked for; of `auto` and `cuda` every GPU has a worker.
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
        crew = _Crew(setup, tasks, local_devices(self.device, self.workers), self.prewarmed)
        try:
            yield from crew.run()
        finally:
            crew.stop()


class _Crew:
    """The workers of one run."""

    def __init__(
        self,
        setup: Setup,
        tasks: Iterator[Task],
        devices: tuple[str, ...],
        prewarmed: PrewarmedWorker | None,
    ) -> None:
        self._tasks = tasks
        self._suspects = deque[Task]()
        self._tried = set[tuple[str, int]]()
        self._last = False
        shared = dataclasses.replace(setup, threads=threads_of(len(devices)))
        first, *others = (dataclasses.replace(shared, device=device) for device in devices)
        self._workers = [_adopt(first, prewarmed), *map(_started, others)]

    def run(self) -> Iterator[Outcome]:
        while True:
            for worker in self._workers:
                self._hand_out(worker)
            if not any(worker.held for worker in self._workers):
                return
            heard = wait([worker.pipe for worker in self._workers])
            for number, worker in enumerate(self._workers):
                if worker.pipe in heard:
                    yield from self._listen(number, worker)

    def stop(self) -> None:
        """Ends the workers: those with nothing to do by themselves, others by force."""
        for worker in self._workers:
            busy = bool(worker.held)
            with suppress(OSError):
                worker.pipe.send(None)
            worker.pipe.close()
            if busy:
                worker.process.terminate()
            worker.process.join(10)
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()

    def _hand_out(self, worker: _Process) -> None:
        while len(worker.held) < self._window(worker):
            task = self._next(worker)
            if task is None:
                return
            worker.held[task.key] = task
            # A worker that died meanwhile is found when it is listened to.
            with suppress(OSError):
                worker.pipe.send(task)

    def _window(self, worker: _Process) -> int:
        """Suspects are handed out one at a time, so that it is known which one kills."""
        if not worker.ready:
            return 1
        is_suspect = self._suspects or any(key in self._tried for key in worker.held)
        return 1 if is_suspect else worker.setup.window

    def _next(self, worker: _Process) -> Task | None:
        if self._suspects:
            return None if worker.held else self._suspects.popleft()
        if self._last:
            return None
        task = next(self._tasks, None)
        self._last = task is None
        return task

    def _listen(self, number: int, worker: _Process) -> Iterator[Outcome]:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._died(number, worker)
            return
        if isinstance(message, Outcome):
            worker.held.pop(message.key, None)
            yield message
        elif message is None:
            worker.ready = True
        else:
            raise message

    def _died(self, number: int, worker: _Process) -> Iterator[Outcome]:
        worker.process.join()
        how = _ended(worker.process.exitcode)
        if not worker.ready:
            raise BatchError(f"a worker {how} while it loaded the model; see its memory")
        held = list(worker.held.values())
        if len(held) == 1 and held[0].key in self._tried:
            message = f"the process that edited it {how}, twice; the file may be hostile or huge"
            yield Outcome(*held[0].key, "failed", message, passing=True)
        else:
            # It may have written a result and died before it said so: such a file is ours.
            self._suspects.extend(dataclasses.replace(task, replaces=True) for task in held)
            self._tried.update(task.key for task in held)
        self._workers[number] = _started(worker.setup)


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"died by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def _started(setup: Setup) -> _Process:
    return _Process(*_spawn(setup, offline=setup.offline), setup)


def _adopt(setup: Setup, prewarmed: PrewarmedWorker | None) -> _Process:
    """The worker that was started already, if there is one; else one that is started now.

    A prewarmed worker sees every GPU, so it can only be the worker of the first: see `alone`.
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
    from editkit.batch.work import Worker, fatal, loaded, pipeline

    if setup.threads is not None:
        import torch

        torch.set_num_threads(setup.threads)
    worker, ended = Worker(setup), False

    def take(block: bool) -> Task | None:  # noqa: FBT001 - as `pipeline` calls it
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
        loaded(worker, first.steps)
        pipe.send(None)
    except Exception as error:  # noqa: BLE001 - the other process raises it
        pipe.send(fatal(error))
        return
    waiting = deque([first])
    for outcome in pipeline(worker, lambda b: waiting.popleft() if waiting else take(b)):
        pipe.send(outcome)


def _alone(setup: Setup) -> Setup:
    return dataclasses.replace(setup, device=alone(setup.device))


def _waited(pipe: Connection) -> Setup | None:
    """What is to be done, after importing what doing it is likely to need; None for nothing."""
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


def alone(device: str) -> str:
    """The name of a GPU in a process that from now on sees no other; the CPU's name as it is.

    Libraries put things on the first GPU that they see, whichever was meant: every worker would
    hold memory of it. CUDA reads the variable when it is first used, which must not have been.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda" or not number.isdecimal():
        return device
    seen = [name.strip() for name in os.environ.get(_SEEN, "").split(",") if name.strip()]
    if seen and int(number) >= len(seen):
        return device  # there is none: loading the model says so
    os.environ[_SEEN] = seen[int(number)] if seen else number
    return "cuda"


def local_devices(device: str, workers: int | None) -> tuple[str, ...]:
    """A device for each worker: with `auto` every GPU, else the CPU.

    Args:
        device: what was asked for.
        workers: how many; one for each GPU where None.
    """
    import torch

    if device not in ("auto", "cuda"):
        return (device,) * (workers or 1)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        return (device,) * (workers or 1)
    return tuple(f"cuda:{k % count}" for k in range(workers or count))


def threads_of(workers: int) -> int | None:
    """Threads of each of several workers on a CPU, so that none stands in another's way."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, cores // workers) if workers > 1 else None
