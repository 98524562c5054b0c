"""A batch from end to end: plan, run, remember; what fails is written down and stops nothing."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from editkit.batch.digests import Digests
from editkit.batch.engines.processes import Engine, here
from editkit.batch.inputs import OWN, FoundPhoto
from editkit.batch.manifest import Manifest, Row, can_write
from editkit.batch.manifest_sync import ManifestStore
from editkit.batch.plan import Planner, RunPlan
from editkit.batch.recipes.recipe import Recipe, Step, asked_scores, described
from editkit.batch.run_events import closed_events, outcome_event, plan_event, task_name
from editkit.batch.run_log import RunLog, first_row
from editkit.batch.selection import Choice, check_offline
from editkit.batch.tasks import Outcome, Setup, Task
from editkit.errors import BatchError, ImageError, InputError, RecipeError
from editkit.names import PERCEPTUAL
from editkit.storage.timeouts import await_places
from editkit.storage.url import Place, Url, is_folder, is_plain, is_there

Listen = Callable[[Mapping[str, Any]], None]
"""Told of every event: a table with `event` and what belongs to it."""


@dataclass
class Summary:
    """The counts of a run.

    Attributes:
        done: pictures made now.
        failed: photos that failed, now or before, by name, with the reason.
        kept: pictures that were there already, and are as they should be.
        left: tasks that were not run, as not all were wanted.
        seconds: of the run.
        outcomes: previews of what was done now, as far as they were asked for.
    """

    done: int = 0
    failed: dict[str, str] = field(default_factory=dict[str, str])
    kept: int = 0
    left: int = 0
    seconds: float = 0.0
    outcomes: list[Outcome] = field(default_factory=list[Outcome])

    def count(self, outcome: Outcome, *, keep: bool) -> None:
        """Adds what came of a task."""
        if outcome.state == "done":
            self.done += 1
        else:
            self.failed[task_name(*outcome.key)] = outcome.error or ""
        if keep:
            self.outcomes.append(outcome)

    @property
    def code(self) -> int:
        """The exit code: 3 where a photo failed."""
        return 3 if self.failed else 0


@dataclass(frozen=True)
class Batch:
    """A recipe, and where results go.

    Attributes:
        recipe: the recipe.
        out: the folder for results; the manifest lies in `.editkit` in it (or, if it is a URL,
            in the user's folder for state, see `editkit.batch.manifest_sync`).
        engine: where photos are edited.
        choice: which photos are wanted.
        listen: told of every event.
        masks_out: the folder for the areas that were edited, as masks; None to write none.
    """

    recipe: Recipe
    out: Any  # a `Place`: whoever gave it knows of which kind, and gets that back
    engine: Engine
    choice: Choice = field(default_factory=Choice)
    listen: Listen = field(default=lambda event: None, repr=False)
    masks_out: Path | None = None

    @property
    def manifest_path(self) -> Path:
        """The manifest's file; each shard has its own, so that no two machines write one."""
        return self._store().manifest

    def _store(self) -> ManifestStore:
        return ManifestStore(self.out, self.choice.shard)

    def plan(self, photos: Sequence[FoundPhoto]) -> RunPlan:
        """The plan of a run; writes nothing.

        Raises:
            InputError: the recipe does not fit the photos, or files are in the way.
        """
        self._check(photos)
        store = self._store()
        store.pull()
        barred = _barred(self.out)
        with ExitStack() as stack:
            manifest = None
            if store.manifest.exists() if barred else is_folder(store.folder):
                known = Manifest(store.manifest, self.out, reading=barred is not None)
                manifest = stack.enter_context(known)
            plan = self._planned(photos, manifest)[0]
        if barred:
            plan.notes.append(f"{barred} cannot be written to; the batch would fail there")
        return plan

    def _check(self, photos: Sequence[FoundPhoto]) -> None:
        places = [self.out, *(photo.path for photo in photos)]
        check_offline(self.recipe, places)
        of_memory = any(isinstance(p, Url) and p.protocol == "memory" for p in places)
        if of_memory and self.engine is not here:
            raise InputError("memory:// works only in this process; give --workers 0")
        await_places(place for place in (self.out, self.masks_out) if isinstance(place, Path))
        self._store().await_manifests()

    def _planned(
        self, photos: Sequence[FoundPhoto], manifest: Manifest | None
    ) -> tuple[RunPlan, Digests]:
        check_scored(self.recipe)
        digests = Digests({} if manifest is None else manifest.known_files())
        rows = {} if manifest is None else manifest.rows()
        weights = weights_of(self.recipe)
        known = (weights, rows, digests, self.choice, self.masks_out)
        return Planner(self.recipe, self.out, *known).plan(photos), digests

    def run(self, photos: Sequence[FoundPhoto], *, sample: int | None = None) -> Summary:
        """Does what is to be done.

        Args:
            photos: from `editkit.batch.plan.found_photos`.
            sample: do only so many, spread over all, and keep their previews.

        Raises:
            InputError: the recipe does not fit the photos, or files are in the way.
            BatchError: the model cannot be loaded, or the manifest cannot be written.
        """
        started = time.monotonic()  # clocks may be set back
        self._check(photos)
        store = self._store()
        if not is_folder(store.folder):
            self.plan(photos)  # what is wrong is said before a folder is made
        _make_folder(store.folder)
        _mark(self.masks_out, photos)
        store.pull()
        with Manifest(store.manifest, self.out) as manifest:
            plan, digests = self._planned(photos, manifest)
            _remember(manifest, plan, digests)
            tasks = plan.tasks if sample is None else _spread(plan.tasks, sample)
            summary = Summary(
                kept=len(plan.done),
                failed={task_name(row.photo, row.variant): row.error or "" for row in plan.failed},
                left=len(plan.tasks) - len(tasks),
            )
            self.listen(plan_event(plan, len(tasks)))
            for event in closed_events(photos, plan):
                summary.failed[event["photo"]] = event["error"]
                self.listen(event)
            if tasks:
                self._work(store, manifest, tasks, plan, summary, keep=sample is not None)
        summary.seconds = time.monotonic() - started
        self.listen(end_event(summary))
        return summary

    def _work(
        self,
        store: ManifestStore,
        manifest: Manifest,
        tasks: Sequence[Task],
        plan: RunPlan,
        summary: Summary,
        *,
        keep: bool,
    ) -> None:
        from editkit.ops.report import versions

        number = manifest.begin_run(time.time(), described(self.recipe), versions())
        log = RunLog(manifest, self.out)
        possible = [task for task in tasks if task.problem is None]
        if isinstance(self.out, Url):
            log.claim(task for task in possible if plan.reasons[task.key] == "new")
            store.push(manifest)
        for outcome in _joined(
            log.refused(task for task in tasks if task.problem is not None),
            self.engine(Setup.of(self.recipe), log.handed_out(possible)) if possible else (),
        ):
            task = log.settled(outcome)
            summary.count(outcome, keep=keep)
            self.listen(outcome_event(task, outcome, plan.reasons[task.key]))
            _check_there(manifest, self.out)
            store.push(manifest, due=False)
        log.check()
        manifest.end_run(number, time.time(), summary.done, len(summary.failed))
        store.push(manifest)

    def estimate(self, plan: RunPlan, *, measured: int = 2) -> dict[str, Any]:
        """Time and memory of a plan, estimated from a few of its photos, done and thrown away.

        Returns:
            `photos`, `seconds` for all, `seconds_each`, `memory` in bytes, `measured` (of how
            many); without the last four where no photo of the sample could be done.
        """
        tasks = [
            dataclasses.replace(task, writes=False) for task in _spread(plan.tasks, measured + 1)
        ]
        setup = Setup.of(self.recipe, previews=False)
        outcomes = list(self.engine(setup, iter(tasks)))
        good = [outcome for outcome in outcomes if "seconds" in outcome.row]
        # The first pays for what is made once: kernels, embeddings of text.
        counted = [o.row["timings"]["edit"] for o in (good[1:] or good)]
        out: dict[str, Any] = {"photos": len(plan.tasks)}
        if counted:
            each = sum(counted) / len(counted)
            memory = max(outcome.row["peak"] for outcome in good)
            whole = {"seconds": round(each * len(plan.tasks), 1), "seconds_each": round(each, 2)}
            out |= {**whole, "memory": memory, "measured": len(good)}
        return out


def _joined(*parts: Iterable[Outcome]) -> Iterator[Outcome]:
    for part in parts:
        yield from part


def check_scored(recipe: Recipe) -> None:
    """Refuses limits and ranks where nothing is scored, and variants that would be the same.

    Raises:
        RecipeError: no step has a mask, or none depends on the seed.
    """
    scored = any(step.operation.scored for step in recipe.steps)
    if (recipe.gates or recipe.best_of > 1) and not scored:
        key = "gates" if recipe.gates else "best_of"
        message = f"{key} needs scores, which only edits with a mask have"
        raise RecipeError(_at(recipe, key) + message)
    key = "num" if recipe.num > 1 else "best_of"
    if getattr(recipe, key) > 1 and not any(_varies(step) for step in recipe.steps):
        methods = " and ".join(dict.fromkeys(str(step.method) for step in recipe.steps))
        message = f"{key} is {getattr(recipe, key)}; {methods} gives the same for every seed"
        raise RecipeError(_at(recipe, key) + message)


def _varies(step: Step) -> bool:
    from editkit.ops.fill import varies

    return step.method is None or varies(step.method)


def _at(recipe: Recipe, key: str) -> str:
    return f"{recipe.places[key]}: " if key in recipe.places else ""


def asks_model(recipe: Recipe) -> bool:
    """Tells whether any step or score needs the model."""
    return PERCEPTUAL in asked_scores(recipe) or any(step.needs_model for step in recipe.steps)


def weights_of(recipe: Recipe) -> str:
    """SHA-256 of the model's weights; empty where nothing asks a model.

    Raises:
        UnknownModelError: there is no such model.
        ModelLoadError: it is not of a kind that is read.
    """
    if not asks_model(recipe):
        return ""
    from editkit.models.fingerprint import weights_digest
    from editkit.models.registry import find_model

    return weights_digest(find_model(recipe.model, offline=recipe.offline).folder)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"the folder {folder} cannot be made: {error.strerror}") from error


def _mark(masks_out: Path | None, photos: Sequence[FoundPhoto]) -> None:
    """Marks a folder of areas as a batch's, so that no other one takes them for photos."""
    if masks_out is None:
        return
    here = masks_out.resolve()
    folders = {p.path.parent for p in photos if isinstance(p.path, Path)}
    if not any(here in (f.resolve(), *f.resolve().parents) for f in folders):
        _make_folder(masks_out / OWN)


def _check_there(manifest: Manifest, out: Place) -> None:
    """Ends a batch whose results nobody will find.

    Raises:
        BatchError: the folder for results, or what is ours in it, is there no more.
    """
    if not manifest.is_there():
        raise BatchError(f"{out} was removed, or replaced, while the batch ran; run it again")


def _remember(manifest: Manifest, plan: RunPlan, digests: Digests) -> None:
    manifest.remember_files(digests.new)
    for task, row, record in plan.known_again:
        manifest.write(_row_again(task, row, record))
    for row, stat, output in plan.touched:
        manifest.seen(row.photo, row.variant, stat, output)


def _row_again(task: Task, row: Row, record: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a result that was known by its record."""
    kept = {name: record.get(name) for name in ("model", "weights")}
    texts = {name: value for name, value in kept.items() if isinstance(value, str)}
    stat = row.output_stat
    return {
        **first_row(task),
        **texts,
        "state": "done",
        "sha256": row.sha256,
        "output_sha256": row.output_sha256,
        "output_size": None if stat is None else stat.size,
        "output_mtime": None if stat is None else stat.mtime,
        "finished": row.touched,
    }


def _spread(tasks: Sequence[Task], count: int) -> list[Task]:
    """So many of the tasks, from first to last."""
    if count >= len(tasks):
        return list(tasks)
    return [tasks[k * len(tasks) // count] for k in range(count)]


def _barred(out: Place) -> Path | None:
    """The folder that keeps results and their manifest from being written; None where none does."""
    if not isinstance(out, Path):
        return None
    folders = (folder for folder in (out / OWN, *(out / OWN).parents) if folder.is_dir())
    nearest = next(folders, None)
    places = [place for place in (nearest, out) if place is not None and place.is_dir()]
    return next((place for place in places if not can_write(place)), None)


def check_out(out: Place) -> None:
    """Refuses a place for results that is a file.

    Raises:
        InputError: it is.
    """
    if is_plain(out) or (isinstance(out, Path) and is_there(out) and not is_folder(out)):
        raise InputError(f"{out} is a file; give a folder for the results")


def end_event(summary: Summary) -> dict[str, Any]:
    """The event of the end of a run."""
    return {
        "event": "end",
        "done": summary.done,
        "kept": summary.kept,
        "failed": len(summary.failed),
        "left": summary.left,
        "seconds": round(summary.seconds, 1),
    }
