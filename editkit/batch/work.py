"""Photos being edited: read, edited, written; reading and writing beside the editing."""

import dataclasses
import errno
import hashlib
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from editkit.batch.recipes.recipe import Bound
from editkit.batch.recipes.steps import is_by_model, operations, outcome_of
from editkit.batch.report.thumbnails import previews
from editkit.batch.staging import Staging
from editkit.batch.tasks import AHEAD, Outcome, Setup, Task, storable
from editkit.errors import (
    BatchError,
    EditkitError,
    InputError,
    PreservationError,
    is_out_of_memory,
)
from editkit.masks.value import file_names_in, resolve_mask
from editkit.names import PERCEPTUAL
from editkit.ops.record import RECIPE
from editkit.ops.result import with_note
from editkit.ops.sequence import chained, frame_after, mask_in, with_mask_told
from editkit.options import stored_options
from editkit.photo.geometry.frame import PhotoFrame
from editkit.photo.io.errors import system_errors
from editkit.photo.io.files import Photo, format_of, read_photo, write_photo
from editkit.storage.stat import Stat
from editkit.storage.timeouts import NoAnswerError, check_answers, sha256_of
from editkit.storage.url import Place, Url, place_of, write_place

if TYPE_CHECKING:
    from editkit.models.base import Model
    from editkit.models.batching import FixedBatcher
    from editkit.ops.result import Result

_GLANCE = 0.05
"""Seconds between looks for more to do, while there is less than could be done."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A photo that was read, with the mask of its first step; `task` has its files at hand."""

    photo: Photo
    coverage: Any
    seconds: float
    task: Task | None = None


class Worker:
    """Where photos are edited: the model is loaded once, and its embeddings of text are kept."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        # The filters of warnings, which reading a file sets, belong to the whole process.
        self._files = Lock()
        self._staging = Staging()
        self._loading = Lock()
        self._batcher: FixedBatcher | None = None

    @cached_property
    def model(self) -> "Model":
        """The batch's model."""
        from editkit.models.registry import load_model
        from editkit.models.threads import in_passing

        setup = self.setup
        return in_passing(
            lambda: load_model(
                setup.model, device=setup.device, dtype=setup.dtype, offline=setup.offline
            )
        )

    @contextmanager
    def batched_model(self, task: Task) -> "Generator[Model | None]":
        """Yields the model for one of several edits that run side by side, if it needs one."""
        if not asks_model(self.setup, task.steps):
            yield None
            return
        from editkit.models.threads import compute_alone

        compute_alone()
        with self.batcher().edit() as model:
            yield model

    def batcher(self) -> "FixedBatcher":
        """Returns the model for edits that run side by side, loaded if it was not."""
        from editkit.models.batching import FixedBatcher

        with self._loading:
            if self._batcher is None:
                self._batcher = FixedBatcher(self.model, self.setup.batch_size)
            return self._batcher

    def close(self) -> None:
        """Ends the thread of the model; edits under way end with it."""
        if self._batcher is not None:
            self._batcher.close()

    def prepare(self, task: Task) -> Prepared:
        """Reads a photo, and makes the mask of its first step."""
        started = time.perf_counter()
        if task.problem is not None:
            raise InputError(task.problem)
        staged = self._staging.task(task)
        for file in _files_of(staged):
            check_answers(file)
        with self._files:
            photo = read_photo(staged.source, frame=self.setup.frame)
            self._check_saving(task, photo)
            first = staged.masks[0] if staged.masks else staged.steps[0].mask
            coverage = None if first is None else self._coverage(first, photo)
        return Prepared(photo, coverage, time.perf_counter() - started, staged)

    def edit(self, task: Task, prepared: Prepared, model: "Model | None" = None) -> "Result":
        """The best of a task's candidates; of most tasks there is but one.

        Args:
            task: what to do.
            prepared: its photo.
            model: this edit's share of the model; the model itself where None.
        """
        task = prepared.task or task
        made = [
            self._judged(task, self._chain(task, prepared, seeds, model), model)
            for seeds in task.seeds
        ]
        if self.setup.batch_size > 1 and model is not None:
            made = [with_note(r, f"made in calls of {self.setup.batch_size} photos") for r in made]
        if len(made) == 1:
            return made[0]
        scores = [result.report.get("scores") or {} for result in made]
        best = best_of(scores, self.setup.rank)
        told = [
            {"seed": seeds[0], "scores": score}
            for seeds, score in zip(task.seeds, scores, strict=True)
        ]
        report = {**made[best].report, "candidates": told, "chosen": best}
        return dataclasses.replace(made[best], report=report)

    def _judged(self, task: Task, result: "Result", model: "Model | None") -> "Result":
        """The result with scores that cost something, where they decide."""
        asked = {*self.setup.gates, *(self.setup.rank if len(task.seeds) > 1 else ())}
        if PERCEPTUAL not in asked:
            return result
        from editkit.ops.perceptual import judged

        return judged(result, model or self.model)

    def _chain(
        self, task: Task, prepared: Prepared, seeds: Sequence[int], model: "Model | None"
    ) -> "Result":
        photo, results = prepared.photo, list["Result"]()
        known = operations()
        for place, (bound, seed) in enumerate(zip(task.steps, seeds, strict=True)):
            mask = task.masks[place] if task.masks else bound.mask
            given: dict[str, Any] = {**self._pictures(bound), "photo": photo, "original": photo}
            if is_by_model(bound):
                given["model"] = model or self.model
            if mask is not None:
                frame = frame_after(prepared.photo, results)
                given["mask"] = (
                    prepared.coverage
                    if place == 0
                    else self._mask(mask, photo, frame, prepared.photo)
                )
            edit = dataclasses.replace(bound.edit, seed=seed) if _seeded(bound) else bound.edit
            result = edit(*(given.get(name) for name in known[bound.name].inputs))
            results.append(with_mask_told(result, mask))
            photo = result.photo
        return chained(prepared.photo, results)

    def _pictures(self, bound: Bound) -> dict[str, Photo]:
        """The pictures that a step takes beside the photo."""
        with self._files:
            return {name: read_photo(path) for name, path in bound.files.items()}

    def _mask(self, text: str, photo: Photo, frame: PhotoFrame | None, original: Photo) -> Any:  # noqa: ANN401
        from editkit.models.threads import in_passing

        # Where an expression asks a network, that has no helpers in a thread that edits.
        with self._files:
            device = self.setup.device
            return in_passing(lambda: mask_in(text, photo, frame, device=device, original=original))

    def _coverage(self, text: str, photo: Photo) -> Any:  # noqa: ANN401
        return resolve_mask(text, photo, device=self.setup.device)

    def finish(self, task: Task, result: "Result", times: Mapping[str, float]) -> Outcome:
        """Encodes and writes a picture, unless it is over a limit."""
        started = time.perf_counter()
        fault = over_limit(result.report.get("scores") or {}, self.setup.gates)
        target = place_of(task.output if fault is None else task.rejected)
        with self._files:
            try:
                kind, folder = format_of(Path(target.name)), self._staging.folder(task, target)
                encoded = result.encoded(kind, self._saving, folder)
            except PreservationError as error:
                return _failed(task, error, result=result, photo=result.original)
        if task.writes:
            if fault is None:
                _write_mask(task, result)
            replaces = task.replaces or fault is not None
            with system_errors(f"{target} cannot be written"):
                target.parent.mkdir(parents=True, exist_ok=True)
            write_place(encoded.data, target, force=replaces, photo=result.original)
        report = {**result.report, **encoded.evidence}
        times = {**times, "write": time.perf_counter() - started}
        row = {
            **_columns(task, result, report, times),
            **_output_columns(target, encoded.data, written=task.writes and fault is None),
            **(previews(result) if self.setup.previews else {}),
        }
        state = "done" if fault is None else "failed"
        steps = _step_rows(task, result, report, state)
        return Outcome(*task.key, state, fault, row=row, steps=steps, report=report)

    def done(self, outcome: Outcome) -> Outcome:
        """What came of a task of which nothing is needed any more."""
        return self._staging.done(outcome)

    def _check_saving(self, task: Task, photo: Photo) -> None:
        from editkit.ops.output import check_saving

        size, whole = outcome_of(task.steps, photo.size)
        kind = format_of(Path(place_of(task.output).name))
        check_saving(photo, kind, self._saving, size, whole=whole)

    @cached_property
    def _saving(self) -> Any:  # noqa: ANN401
        from editkit.ops.output import Saving
        from editkit.photo.metadata.c2pa import Signer

        sign = self.setup.sign
        return Saving(**self.setup.saving, signer=Signer(*map(Path, sign)) if sign else None)


def _write_mask(task: Task, result: "Result") -> None:
    """Writes the area that was edited, where that is asked for."""
    if task.mask_output is None or result.mask is None:
        return
    from editkit.masks.preview import mask_photo

    target = Path(task.mask_output)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_photo(mask_photo(result.mask), target, force=task.replaces)


def pipeline(worker: Worker, take: Callable[[bool], Task | None]) -> Iterator[Outcome]:
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
    """Photos on their way: read ahead, under way, and waiting to be written."""

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
        """Whether nothing is on its way."""
        return not (self.ready or self.under_way or self.ended)

    def outcomes(self) -> Iterator[Outcome]:
        """What comes of all, as it comes."""
        while True:
            fed = self._fill()
            if self.idle:
                return
            self._wait(None if fed else _GLANCE)
            yield from self._done()

    def _fill(self) -> bool:
        """Takes tasks and begins edits; whether there were as many as could be done with."""
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
        failed.set_result(_failed(task, error, photo=photo))
        return failed


def _finished(worker: Worker, task: Task, result: "Result", times: Mapping[str, float]) -> Outcome:
    try:
        return worker.finish(task, result, times)
    except Exception as error:  # noqa: BLE001 - as in `_edited`
        return _failed(task, error, photo=result.original)


def _failed(
    task: Task, error: BaseException, *, photo: Photo | None = None, result: "Result | None" = None
) -> Outcome:
    """What came of a task that failed; whatever needs a device or a disk may pass the next time."""
    passing = not isinstance(error, InputError | PreservationError) or _of_system(error)
    row: dict[str, Any] = {"variables": dict(task.variables), "peak": peak_memory()}
    row |= {"sha256": photo.digest if photo is not None else _digest(place_of(task.source))}
    if result is not None:
        row["report"] = dict(result.report)
    steps = tuple(_step_row(task, k, "failed", str(error)) for k in range(len(task.steps)))
    return Outcome(*task.key, "failed", said(error), passing=passing, row=row, steps=steps)


def _of_system(error: BaseException) -> bool:
    """Whether the system refused something: a disk that is full, a share that is gone."""
    cause = error.__cause__
    # What Pillow raises of a damaged file is an OSError, too, but without a number.
    return isinstance(cause, OSError) and cause.errno not in (None, errno.ENOENT)


def said(error: BaseException) -> str:
    """An error in one line; a bug of ours with the place where it shows."""
    if isinstance(error, EditkitError):
        return storable(" ".join(str(error).split()))
    if is_out_of_memory(error):
        return "out of memory; give a smaller photo, or fewer workers"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"a bug, please report it: {type(error).__name__}: {' '.join(str(error).split())}{where}"


def _digest(path: Place) -> str | None:
    if isinstance(path, Url):  # if it could be fetched, `Worker.done` knows
        return None
    try:
        return sha256_of(path)
    except NoAnswerError:
        return None


def _files_of(task: Task) -> Iterator[Path]:
    """The photo, and all that is read beside it."""
    yield Path(task.source)
    masks = task.masks or tuple(step.mask for step in task.steps)
    for mask in (mask for mask in masks if mask):
        yield from map(Path, file_names_in(mask))
    for step in task.steps:
        yield from map(Path, step.files.values())


def _seeded(bound: Bound) -> bool:
    return any(f.name == "seed" for f in dataclasses.fields(bound.edit))


def best_of(scores: Sequence[Mapping[str, float | None]], rank: Sequence[str]) -> int:
    """Which candidate is best: the least sum of its places in each score; of equals the first."""
    places = np.zeros(len(scores))
    for name in rank:
        values = np.array([badness(name, score.get(name)) for score in scores])
        places += np.array([(values < value).sum() for value in values])
    return int(places.argmin())


def badness(name: str, value: float | None) -> float:
    """How bad a score is, from 0; grain is as bad too coarse as too fine."""
    if value is None:
        return np.inf
    if name == "grain":
        return np.inf if value <= 0 else max(value, 1 / value)
    return value


def over_limit(scores: Mapping[str, float | None], limits: Mapping[str, float]) -> str | None:
    """What is wrong with a picture whose scores are over their limits."""
    faults = [
        f"its {name} score is {value:.2f}, over the limit of {limit:g}"
        for name, limit in limits.items()
        if (value := scores.get(name)) is not None and badness(name, value) > limit
    ]
    return "; ".join(faults) or None


def _columns(
    task: Task, result: "Result", report: Mapping[str, Any], times: Mapping[str, float]
) -> dict[str, Any]:
    record, original = result.record or {}, result.original
    return {
        "sha256": None if original is None else original.digest,
        "variables": dict(task.variables),
        "seed": str(task.seeds[int(report.get("chosen", 0))][0]),
        "model": record.get("model"),
        "weights": record.get("weights"),
        "versions": record.get("versions"),
        "mask_sha256": (record.get("mask") or {}).get("sha256"),
        "seconds": round(sum(times.values()), 3),
        "timings": {name: round(value, 3) for name, value in times.items()},
        "peak": peak_memory(),
        "report": dict(report),
    }


def _output_columns(target: Place, data: bytes, *, written: bool) -> dict[str, Any]:
    stat = Stat.of(target) if written else None
    if stat is None:
        return {}
    sha = hashlib.sha256(data).hexdigest()
    return {"output_sha256": sha, "output_size": stat.size, "output_mtime": stat.mtime}


def _step_rows(
    task: Task, result: "Result", report: Mapping[str, Any], state: str
) -> tuple[Mapping[str, Any], ...]:
    parts = report["steps"] if result.report.get("edit") == RECIPE else [report]
    return tuple(
        {**_step_row(task, k, state, None), "seconds": part.get("seconds"), "report": dict(part)}
        for k, part in enumerate(parts)
    )


def _step_row(task: Task, place: int, state: str, error: str | None) -> dict[str, Any]:
    from editkit.ops.report import plain

    bound = task.steps[place]
    options = plain(stored_options(bound.edit))
    return {
        "step": place,
        "operation": bound.name,
        "mask": task.masks[place] if task.masks else bound.mask,
        "settings": options,
        "seed": str(task.seeds[0][place]),
        "state": state,
        "error": error,
    }


def peak_memory() -> int:
    """The most memory that this process has held, in bytes; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def worked_through(setup: Setup, tasks: Iterator[Task]) -> Iterator[Outcome]:
    """Edits photos in this process.

    Raises:
        ModelError, DeviceError: the model cannot be loaded.
    """
    worker, first = Worker(setup), next(tasks, None)
    if first is None:
        return
    loaded(worker, first.steps)
    waiting = chain([first], tasks)
    yield from pipeline(worker, lambda _: next(waiting, None))


def loaded(worker: Worker, steps: Sequence[Bound]) -> None:
    """Loads what the steps need, so that what is missing is found before a photo is read."""
    if asks_model(worker.setup, steps):
        worker.batcher()


def asks_model(setup: Setup, steps: Sequence[Bound]) -> bool:
    """Whether the model makes a step, or judges what was made."""
    return any(is_by_model(step) for step in steps) or PERCEPTUAL in (*setup.gates, *setup.rank)


def fatal(error: BaseException) -> BatchError:
    """What stops a batch as a whole."""
    return BatchError(said(error))
