"""Photos on their way through a worker: some are read and written while others are edited."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from editkit.batch.failures import failed_outcome
from editkit.batch.tasks import AHEAD, Outcome, Setup, Task
from editkit.batch.work import Prepared, Worker, preload

if TYPE_CHECKING:
    from editkit.ops.result import Result

_POLL = 0.05
"""Seconds between looks for more to do, while there is less than could be done."""


def run_pipeline(worker: Worker, take: Callable[[bool], Task | None]) -> Iterator[Outcome]:
    """Edits photos, as many at a time as share a call, while others are read and written.

    Args:
        worker: where they are edited.
        take: gives the next task; None when there is none (or, if told not to wait, none yet).
    """
    with ExitStack() as stack:
        reading, editing, writing = (
            stack.enter_context(ThreadPoolExecutor(count))
            for count in (1, worker.setup.edits_at_once, 1)
        )
        line = Pipeline(worker, take, reading, editing, writing)
        # Edits that are under way when nobody wants them any more are not waited for to the end.
        stack.callback(worker.close)
        yield from line.outcomes()


@dataclass
class Pipeline:
    """Photos in three phases: read ahead, being edited, and waiting to be written."""

    worker: Worker
    take: Callable[[bool], Task | None]
    reading: ThreadPoolExecutor
    editing: ThreadPoolExecutor
    writing: ThreadPoolExecutor
    ready: "deque[tuple[Task, Future[Prepared]]]" = field(
        default_factory=deque[tuple[Task, Future[Prepared]]]
    )
    under_way: "list[Future[Future[Outcome]]]" = field(
        default_factory=list[Future[Future[Outcome]]]
    )
    ended: "list[Future[Outcome]]" = field(default_factory=list[Future[Outcome]])

    @property
    def idle(self) -> bool:
        """Tells whether no photo is in any phase."""
        return not (self.ready or self.under_way or self.ended)

    def outcomes(self) -> Iterator[Outcome]:
        """Yields outcomes as photos are finished."""
        while True:
            fed = self._fill()
            if self.idle:
                return
            self._wait(None if fed else _POLL)
            yield from self._done()

    def _fill(self) -> bool:
        """Takes tasks and begins edits; tells whether there were as many as fit."""
        while True:
            self._begin()
            if len(self.ready) >= AHEAD:
                return True
            task = self.take(self.idle)
            if task is None:
                return False
            self.ready.append((task, self.reading.submit(self.worker.prepare, task)))

    def _begin(self) -> None:
        # Pictures that wait to be written are held in memory.
        at_once = self.worker.setup.edits_at_once
        while self.ready and len(self.ended) <= AHEAD and len(self.under_way) < at_once:
            edit = self.editing.submit(_edited, self.worker, *self.ready.popleft(), self.writing)
            self.under_way.append(edit)

    def _wait(self, seconds: float | None) -> None:
        read = [reading for _, reading in self.ready if not reading.done()]
        wait(list[Future[Any]]([*self.under_way, *self.ended, *read]), seconds, FIRST_COMPLETED)
        # Looked at once: one that is done a moment later is found the next time.
        done = [edit for edit in self.under_way if edit.done()]
        self.under_way = [edit for edit in self.under_way if edit not in done]
        self.ended += [edit.result() for edit in done]

    def _done(self) -> Iterator[Outcome]:
        done = [outcome for outcome in self.ended if outcome.done()]
        self.ended = [outcome for outcome in self.ended if outcome not in done]
        for outcome in done:
            yield self.worker.done(outcome.result())


def _edited(
    worker: Worker, task: Task, reading: "Future[Prepared]", writing: ThreadPoolExecutor
) -> "Future[Outcome]":
    photo = None
    try:
        prepared = reading.result()
        photo = prepared.photo
        started = time.perf_counter()
        with worker.batched_model(task) as model:
            result = worker.edit(task, prepared, model)
        times = {"read": prepared.seconds, "edit": time.perf_counter() - started}
        return writing.submit(_finished, worker, task, result, times)
    except Exception as error:  # noqa: BLE001 - a photo that fails, by whatever, stops no other
        failed: Future[Outcome] = Future()
        failed.set_result(failed_outcome(task, error, photo=photo))
        return failed


def _finished(worker: Worker, task: Task, result: "Result", times: Mapping[str, float]) -> Outcome:
    try:
        return worker.finish(task, result, times)
    except Exception as error:  # noqa: BLE001 - as in `_edited`
        return failed_outcome(task, error, photo=result.original)


def run_here(setup: Setup, tasks: Iterator[Task]) -> Iterator[Outcome]:
    """Edits photos in this process.

    Raises:
        ModelError, DeviceError: the model cannot be loaded.
    """
    worker, first = Worker(setup), next(tasks, None)
    if first is None:
        return
    preload(worker, first.steps)
    waiting = chain([first], tasks)
    yield from run_pipeline(worker, lambda _: next(waiting, None))
