"""The worker: it reads a photo, edits it by its steps, and writes the result."""

import dataclasses
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from editkit.batch.failures import failed_outcome
from editkit.batch.ranking import best_of, over_limit
from editkit.batch.recipes.recipe import Bound
from editkit.batch.recipes.steps import is_by_model, operations, outcome_of
from editkit.batch.report.thumbnails import previews
from editkit.batch.result_rows import output_columns, result_columns, step_rows
from editkit.batch.staging import Staging
from editkit.batch.tasks import Outcome, Setup, Task
from editkit.errors import (
    InputError,
    PreservationError,
)
from editkit.masks.value import file_names_in, resolve_mask
from editkit.names import PERCEPTUAL
from editkit.ops.result import with_note
from editkit.ops.sequence import chained, frame_after, mask_in, with_mask_told
from editkit.photo.geometry.frame import PhotoFrame
from editkit.photo.io.errors import system_errors
from editkit.photo.io.files import Photo, format_of, read_photo, write_photo
from editkit.storage.timeouts import check_answers
from editkit.storage.url import place_of, write_place

if TYPE_CHECKING:
    from editkit.models.base import Model
    from editkit.models.batching import FixedBatcher
    from editkit.ops.result import Result


@dataclass(frozen=True, eq=False)
class Prepared:
    """A photo that was read, with the mask of its first step, and its task with fetched files."""

    photo: Photo
    coverage: Any
    seconds: float
    task: Task | None = None


class Worker:
    """A worker of a batch: it holds the model, loaded once, and the embeddings of its prompts."""

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
            task: the task.
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
        """The result with its perceptual score, where a limit or a rank uses it."""
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
        """The pictures that a step takes besides the photo."""
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
                return failed_outcome(task, error, result=result, photo=result.original)
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
            **result_columns(task, result, report, times),
            **output_columns(target, encoded.data, written=task.writes and fault is None),
            **(previews(result) if self.setup.previews else {}),
        }
        state = "done" if fault is None else "failed"
        steps = step_rows(task, result, report, state)
        return Outcome(*task.key, state, fault, row=row, steps=steps, report=report)

    def done(self, outcome: Outcome) -> Outcome:
        """The outcome of a task, with its fetched files deleted."""
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
    """Writes the edited area as a mask, where the batch wants it."""
    if task.mask_output is None or result.mask is None:
        return
    from editkit.masks.preview import mask_photo

    target = Path(task.mask_output)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_photo(mask_photo(result.mask), target, force=task.replaces)


def _files_of(task: Task) -> Iterator[Path]:
    """The files of a task: the photo first, then masks and pictures of its steps."""
    yield Path(task.source)
    masks = task.masks or tuple(step.mask for step in task.steps)
    for mask in (mask for mask in masks if mask):
        yield from map(Path, file_names_in(mask))
    for step in task.steps:
        yield from map(Path, step.files.values())


def _seeded(bound: Bound) -> bool:
    return any(f.name == "seed" for f in dataclasses.fields(bound.edit))


def asks_model(setup: Setup, steps: Sequence[Bound]) -> bool:
    """Tells whether a step or a score needs the model."""
    return any(is_by_model(step) for step in steps) or PERCEPTUAL in (*setup.gates, *setup.rank)


def preload(worker: Worker, steps: Sequence[Bound]) -> None:
    """Loads the model if the steps need it, before a photo is read.

    Raises:
        ModelError, DeviceError: it cannot be loaded.
    """
    if asks_model(worker.setup, steps):
        worker.batcher()
