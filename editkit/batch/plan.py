"""The plan of a run: tasks for all photos that are new, have changed, or failed."""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from editkit._version import __version__
from editkit.batch.digests import Digests
from editkit.batch.inputs import (
    OWN,
    FoundPhoto,
    Photos,
    check_within,
    outputs_of,
)
from editkit.batch.manifest import Row
from editkit.batch.pairing import MaskFolder, await_texts, mask_folders, mask_of, with_files
from editkit.batch.recipes.recipe import Bound, Recipe, asked_scores
from editkit.batch.recipes.steps import is_by_model
from editkit.batch.recover import Expected, record_in
from editkit.batch.selection import Choice
from editkit.batch.tasks import Task, printable, seeds_of
from editkit.errors import InputError, MaskError
from editkit.masks.evaluate import models_in
from editkit.masks.language import files_in, parse
from editkit.names import PERCEPTUAL
from editkit.options import facts_of, stored_options
from editkit.storage.case import names_on
from editkit.storage.stat import Stat
from editkit.storage.timeouts import (
    NoAnswerError,
    list_folder,
)
from editkit.storage.url import (
    Place,
    Url,
    address,
    check_here,
    is_plain,
    is_url,
    place_of,
)

_LONGEST_NAME = 255
"""Bytes of a file's name."""

AREAS = "areas"


@dataclass
class RunPlan:
    """The work of a run.

    Attributes:
        tasks: the tasks to run.
        reasons: why, by task: `new`, `changed`, `interrupted`, `failed`, `missing` or `forced`.
        changes: the inputs that have changed, by task: of `photo`, `settings`, `mask`, `files`,
            `model`, `version` and `areas` (where those go).
        done: rows that are as they should be.
        failed: rows that failed, and would fail again.
        notes: lines for the user.
        known_again: results that no manifest knew, with their new rows.
        touched: size and mark now of files that were touched and are the same.
        silent: photos of which a file does not answer, by name, with the reason.
    """

    tasks: list[Task] = field(default_factory=list[Task])
    reasons: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    changes: dict[tuple[str, int], tuple[str, ...]] = field(
        default_factory=dict[tuple[str, int], tuple[str, ...]]
    )
    done: list[Row] = field(default_factory=list[Row])
    failed: list[Row] = field(default_factory=list[Row])
    notes: list[str] = field(default_factory=list[str])
    known_again: list[tuple[Task, Row, Mapping[str, Any]]] = field(
        default_factory=list[tuple[Task, Row, Mapping[str, Any]]]
    )
    touched: list[tuple[Row, Stat, Stat | None]] = field(
        default_factory=list[tuple[Row, Stat, Stat | None]]
    )
    silent: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Planner:
    """Everything that a plan is made of.

    Attributes:
        recipe: the recipe.
        out: where results go.
        weights: digest of the model; empty if no step asks one.
        rows: rows of the manifest, by task.
        digests: of files.
        choice: which photos are wanted.
        masks_out: the folder for the areas that were edited; None to write none.
        folders: of files of steps, by their paths, as they were read.
        segmenters: digests of the models that a mask's text asks.
        answered: texts of steps which may name files, that have answered.
    """

    recipe: Recipe
    out: Place
    weights: str
    rows: Mapping[tuple[str, int], Row]
    digests: Digests
    choice: Choice
    masks_out: Path | None = None
    folders: dict[str, MaskFolder] = field(default_factory=dict[str, MaskFolder])
    segmenters: dict[str, list[str | None]] = field(default_factory=dict[str, list[str | None]])
    answered: set[str] = field(default_factory=set[str])

    def plan(self, photos: Sequence[FoundPhoto]) -> RunPlan:
        """The plan for these photos.

        Raises:
            InputError: two results would be one file, a file that is not ours is in the way, or
                the recipe cannot be used for a photo.
        """
        plan = RunPlan(notes=list(photos.notes) if isinstance(photos, Photos) else [])
        self._note_table(photos, plan)
        if self.recipe.batch_size == 0:
            plan.notes.append("batch size auto is ignored; give a number to share calls, such as 4")
        recipe = self.recipe
        numbers = [recipe.seed + k for k in range(recipe.num)] if recipe.num > 1 else [None]
        targets = outputs_of(photos, self.out, numbers)
        silent = _silent_in({path.parent for paths in targets for path in paths})
        whole = [path for paths in targets for path in paths]
        check_within(whole, self.out)
        areas = [Path(text) for path in whole if (text := self._mask_output(path)) is not None]
        check_within(areas, self.masks_out or self.out)
        self._check_masks_out(whole)
        folders = mask_folders(self.recipe)
        self._ask_stores(photos, folders)
        for photo, paths in zip(photos, targets, strict=True):
            if not self.choice.takes(printable(photo.relative)):
                continue
            try:
                _check_among(paths, silent)
                for task in self._tasks(photo, paths, folders):
                    self._decide(task, plan)
            except NoAnswerError as error:
                plan.silent[printable(photo.relative)] = str(error)
        if plan.known_again:
            count = len(plan.known_again)
            plan.notes.append(
                f"{count} results that were not in the manifest were recognized by their metadata"
            )
        if self.choice.limit is not None:
            del plan.tasks[self.choice.limit :]
        return plan

    def _ask_stores(
        self, photos: Sequence[FoundPhoto], folders: Sequence[MaskFolder | None]
    ) -> None:
        """Asks stores for all that will be wanted of them, at once."""
        self.digests.listed(photo.path for photo in photos)
        if isinstance(self.out, Url):
            self.digests.listed(self.out.files(), self.out)
        for folder in folders:
            if folder is not None:
                self.digests.read_ahead(mask for masks in folder.masks.values() for mask in masks)

    def _note_table(self, photos: Sequence[FoundPhoto], plan: RunPlan) -> None:
        files = [_file_of(photo) for photo in photos]
        unused = self.recipe.table.unused([photo.relative for photo in photos], files)
        if unused:
            names = ", ".join(unused[:3]) + (" ..." if len(unused) > 3 else "")
            plan.notes.append(
                f"{self.recipe.table.name} has rows for {len(unused)} photos that do not exist: "
                f"{names}"
            )

    def _tasks(
        self, photo: FoundPhoto, paths: Sequence[Place], folders: Sequence[MaskFolder | None]
    ) -> Iterator[Task]:
        recipe, name = self.recipe, printable(photo.relative)
        variables = {**photo.variables, **recipe.table.row(photo.relative, _file_of(photo))}
        try:
            steps = recipe.bound(variables)
        except InputError as error:
            raise type(error)(f"{error} (for {name}{self._row_place(photo)})") from error
        self._await(steps)
        masks, problem = list[str | None](), None
        for step, folder in zip(steps, folders, strict=True):
            mask, fault = mask_of(self.recipe, step, photo, folder)
            masks.append(mask)
            problem = problem or fault
        pairs = [with_files(recipe, step, photo, self.folders) for step in steps]
        steps = tuple(step for step, _ in pairs)
        problem = next((fault for _, fault in pairs if fault is not None), problem)
        if recipe.offline:  # a variable may have named a URL
            check_here([*masks, *(text for step in steps for text in step.files.values())])
        for variant, path in enumerate(paths):
            count = recipe.best_of
            seeds = tuple(seeds_of(recipe, steps, name, variant + k) for k in range(count))
            yield Task(
                photo=name,
                variant=variant,
                source=address(photo.path),
                output=address(path),
                rejected=address(self.out / OWN / "rejected" / _below(path, self.out)),
                steps=steps,
                seeds=seeds,
                settings=self._settings(steps, masks, seeds, path),
                variables=variables,
                masks=tuple(masks),
                mask_output=self._mask_output(path),
                problem=problem or _too_long(path),
            )

    def _await(self, steps: Iterable[Bound]) -> None:
        """Waits until files that steps name have answered; those that did are not asked again.

        Raises:
            BatchError: one of them does not.
        """
        texts = {text for step in steps for text in (step.mask, *step.files.values()) if text}
        await_texts(self.recipe, sorted(texts - self.answered))
        self.answered.update(texts)

    def _mask_output(self, path: Place) -> str | None:
        """Where the area goes that was edited in a picture."""
        if self.masks_out is None:
            return None
        return str((self.masks_out / _below(path, self.out)).with_suffix(".png"))

    def _area(self, path: Place) -> str:
        """Where that area goes, the same however the folders are spelled: as seen from results."""
        area = Path(self._mask_output(path) or "").resolve()
        return (
            os.path.relpath(area, self.out.resolve()) if isinstance(self.out, Path) else str(area)
        )

    def _check_masks_out(self, outputs: Sequence[Place]) -> None:
        """Refuses a folder for masks in which two files would be one.

        Raises:
            InputError: they would.
        """
        results, areas = names_on(self.out), names_on(self.masks_out or self.out)
        taken = {results(path.absolute()): path for path in outputs}
        for path in outputs:
            mask = self._mask_output(path)
            if mask is None:
                return
            other = taken.setdefault(areas(Path(mask).absolute()), path)
            if other is not path or path == Path(mask):
                raise InputError(
                    f"the masks of {path} and {other} would both become {mask}, or take its place; "
                    "give --mask-out a folder of its own, and other names"
                )

    def _row_place(self, photo: FoundPhoto) -> str:
        table = self.recipe.table
        key = table.key_of(photo.relative, _file_of(photo))
        if key is not None:
            return f", {table.name}:{table.lines[key]}"
        return table.lacking(photo.relative, _file_of(photo))

    def _settings(
        self,
        steps: Sequence[Bound],
        masks: Sequence[str | None],
        seeds: tuple[tuple[int, ...], ...],
        path: Place,
    ) -> str:
        """Fingerprints of all that a picture depends on, beside the photo's bytes, by kind."""
        recipe = self.recipe
        saving = {n: getattr(recipe, n) for n in ("jpeg", "provenance", "strict", "max_seam")}
        # Results of batches before there was this option stay what they are.
        saving |= {"keep_records": True} if recipe.keep_records else {}
        texts = [_mask_texts(step, mask) for step, mask in zip(steps, masks, strict=True)]
        asked = [self._asked(text) for some in texts for text in some if text is not None]
        pairs = zip(steps, masks, strict=True)
        found = any(step.name == "composite" and mask is None for step, mask in pairs)
        parts: dict[str, Any] = {
            "settings": {
                "steps": [{"name": step.name, "options": _options(step)} for step in steps],
                "seeds": seeds,
                "dtype": recipe.dtype,
                "saving": saving,
                "sign": recipe.sign,
                "gates": dict(recipe.gates),
                "rank": recipe.rank if recipe.best_of > 1 else None,
                "frame": recipe.frame,
                "output": _below(path, self.out).as_posix(),
                **({"fixed_batch": recipe.batch_size} if recipe.fixed_batch else {}),
            },
            "mask": [[None if t is None else self._mask_print(t) for t in some] for some in texts],
            "files": [
                {name: self.digests.of(place_of(path)) for name, path in step.files.items()}
                for step in steps
            ],
            "model": [self.weights if self._by_model(steps) else "", asked],
            "version": versions_of(
                model=self._by_model(steps), segmenters=any(asked), outlines=found
            ),
        }
        if self.masks_out is not None:  # whoever asks for none, has no use for what there is
            parts[AREAS] = self._area(path)
        return json.dumps({name: _fingerprint(part) for name, part in parts.items()})

    def _by_model(self, steps: Sequence[Bound]) -> bool:
        """Tells whether a step or a score needs the model."""
        judges = PERCEPTUAL in asked_scores(self.recipe)
        return judges or any(is_by_model(step) for step in steps)

    def _mask_print(self, text: str) -> Any:  # noqa: ANN401
        """A mask file's bytes; an expression's text, and the bytes of files in it."""
        if is_url(text):
            return self.digests.of(place_of(text))
        # Of a folder, in which there is none for the photo, nothing.
        if os.path.exists(text):  # noqa: PTH110 - as in `Recipe.path`
            return self.digests.of(Path(text)) if is_plain(Path(text)) else None
        names = dict.fromkeys(_here(files_in(parse(text, rule=True))))
        files = {name: self.digests.of(Path(name)) for name in names}
        for name in sorted(files, key=len, reverse=True):  # however it is spelled, it is the same
            text = text.replace(name, "<file>")
        return [text, *files.values()]

    def _asked(self, text: str) -> list[str | None]:
        """Digests of the files of segmentation models that a mask's text asks."""
        if text not in self.segmenters:
            found = list[str | None]()
            if not is_url(text) and not os.path.exists(text):  # noqa: PTH110
                tree = parse(text, rule=True)
                models = models_in(tree, offline=self.recipe.offline or None)
                found = [self.digests.of(file) for model in models for file in model.files]
            self.segmenters[text] = found
        return self.segmenters[text]

    def _check_free(self, target: Place, option: str) -> None:
        """Refuses to put a result where another's file is.

        Raises:
            InputError: there is one.
        """
        if self.digests.stat(target) is not None:
            raise InputError(
                f"{target} exists, and was not made by this batch; give --force to replace it, or "
                f"{option} another folder"
            )

    def _decide(self, task: Task, plan: RunPlan) -> None:
        """Puts a task where it belongs."""
        row = self.rows.get(task.key)
        target = place_of(task.output)
        if row is None and not self.choice.force:
            row = self._known_again(task, target, plan)
        ours = row is not None and self._lies_at(row, target)
        if not ours and not self.choice.force:
            self._check_free(target, "-o")
        if task.mask_output is not None and not self.choice.force:
            known = row is not None and AREAS not in changed_parts(row.settings, task.settings)
            if not (ours and known):
                self._check_free(Path(task.mask_output), "--mask-out")
        reason = self._reason(task, row, plan)
        if reason is None:
            return
        altered = ours and row is not None and not self.choice.force and self._altered(row, target)
        if altered:
            problem = f"{target} was changed by another program; move it, or give --force"
            task = dataclasses.replace(task, problem=problem)
        plan.tasks.append(dataclasses.replace(task, replaces=self.choice.force or ours))
        plan.reasons[task.key] = reason

    def _lies_at(self, row: Row, target: Place) -> bool:
        """Tells whether the result of a row is this file, though its folder may have moved."""
        below = PurePosixPath(printable(_below(target, self.out)))
        return PurePath(row.output).parts[-len(below.parts) :] == below.parts

    def _known_again(self, task: Task, target: Place, plan: RunPlan) -> Row | None:
        """The row of a result that no manifest knows, by the record in it; None for another's."""
        if not isinstance(target, Path) or not is_plain(target) or task.problem is not None:
            return None
        record = record_in(target)
        versions = versions_of(model=self._by_model(task.steps), segmenters=False, outlines=False)
        expected = Expected(self.recipe, self.weights, versions, self.digests.of)
        if record is None or not expected.fits(record, task):
            return None
        sha, done = self.digests.of(target), time.time()
        stats = (self.digests.stat(place_of(task.source)), sha, self.digests.stat(target))
        known = (*task.key, printable(task.output), task.settings, "done", None, False)
        row = Row(*known, self.digests.of(place_of(task.source)), *stats, None, None, done)
        plan.known_again.append((task, row, record))
        return row

    def _reason(self, task: Task, row: Row | None, plan: RunPlan) -> str | None:
        """Why a task is to be done; None if it is not."""
        if row is None or self.choice.force:
            return "new" if row is None else "forced"
        if row.state == "running":
            return "interrupted"
        changes = changed_parts(row.settings, task.settings)
        if not self._same_photo(task, row, plan):
            changes = ("photo", *changes)
        if changes:
            plan.changes[task.key] = changes
            return "changed"
        return self._again(task, row, plan)

    def _again(self, task: Task, row: Row, plan: RunPlan) -> str | None:
        """Why a task is to be done again, though nothing has changed; None if it is not."""
        if row.state == "failed":
            if row.passing or self.choice.retry:
                return "failed"
            plan.failed.append(row)
            return None
        results = [place_of(p) for p in (task.output, task.mask_output) if p is not None]
        if any(self.digests.stat(result) is None for result in results):
            return "missing"
        if self._altered(row, place_of(task.output)):
            plan.notes.append(f"{task.output} was changed by another program; it stays as it is")
        plan.done.append(row)
        return None

    def _same_photo(self, task: Task, row: Row, plan: RunPlan) -> bool:
        stat = self.digests.stat(place_of(task.source))
        if stat is None or stat == row.stat:
            return stat == row.stat
        if self.digests.of(place_of(task.source)) != row.sha256:
            return False
        plan.touched.append((row, stat, None))
        return True

    def _altered(self, row: Row, target: Place) -> bool:
        """Tells whether a result differs from the one we wrote."""
        stat = self.digests.stat(target)
        if stat is None or stat == row.output_stat:
            return False
        if row.output_stat is None:
            # What failed left nothing; what was interrupted may have left what we wrote.
            return row.state == "failed"
        return self.digests.of(target) != row.output_sha256


def _silent_in(folders: Iterable[Place]) -> dict[Place, str]:
    """Files in folders for results that do not answer, each with its message."""
    silent = dict[Place, str]()
    for folder in folders:
        with suppress(OSError):
            if isinstance(folder, Path):
                found = list_folder(folder).closed
                silent |= {folder / name: said for name, said in found.items()}
    return silent


def _check_among(paths: Iterable[Place], silent: Mapping[Place, str]) -> None:
    """Refuses results that cannot be looked at.

    Raises:
        BatchError: a file there does not answer.
    """
    for path in paths if silent else ():
        for place in (path, path.parent):
            if place in silent:
                raise NoAnswerError(silent[place])


def _too_long(path: Place) -> str | None:
    """The message about a name that no disk takes; None where it is good."""
    if isinstance(path, Path) and len(os.fsencode(path.name)) > _LONGEST_NAME:
        return (
            f"the result's name has more than {_LONGEST_NAME} bytes; give the photo a shorter one"
        )
    return None


def _file_of(photo: FoundPhoto) -> Path | None:
    """A photo's whole path, if it lies on a disk."""
    return photo.path.absolute() if isinstance(photo.path, Path) else None


def _below(path: Place, folder: Place) -> PurePosixPath:
    """A place's path below the folder that it lies in."""
    if isinstance(path, Url) and isinstance(folder, Url):
        return path.relative_to(folder)
    return PurePosixPath(Path(str(path)).relative_to(Path(str(folder))))


def _here(names: Iterable[str]) -> Iterator[str]:
    """Files that an expression names, none of which may be a URL.

    Raises:
        MaskError: one is.
    """
    for name in names:
        if is_url(name):
            raise MaskError(f"{name} is in a mask expression; a URL can only be all of a mask")
        yield name


def changed_parts(before: str, now: str) -> tuple[str, ...]:
    """Names of the parts that differ between two `Task.settings`; `settings` where unknown."""
    if before == now:
        return ()
    try:
        old, new = json.loads(before), json.loads(now)
        return tuple(name for name in new if old.get(name) != new[name])
    except (
        ValueError,
        AttributeError,
        RecursionError,
    ):  # of an older version, which kept one digest of all
        return ("settings",)


def _fingerprint(part: Any) -> str:  # noqa: ANN401
    text = json.dumps(part, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _options(step: Bound) -> dict[str, Any]:
    return stored_options(step.edit)


def _mask_texts(step: Bound, mask: str | None) -> list[str | None]:
    """The mask, and the rules by which others are made of it."""
    facts = facts_of(type(step.edit))
    return [mask, *(getattr(step.edit, name) for name in facts if facts[name].option.rule)]


def versions_of(*, model: bool, segmenters: bool, outlines: bool) -> dict[str, str]:
    """Versions that a picture depends on: of torch and its kin only where networks are asked."""
    names = ["torch"] if model or segmenters or outlines else []
    names += ["transformers"] if model or segmenters else []
    names += ["diffusers"] if model else []
    found = {name: importlib.metadata.version(name) for name in names}
    return {"editkit": __version__, **found}
