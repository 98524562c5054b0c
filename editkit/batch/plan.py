"""What a run has to do: everything that is new, has changed, or failed, and nothing else."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from editkit.batch.inputs import (
    OWN,
    Found,
    MaskFolder,
    check_apart,
    find_photos,
    outputs_of,
    without_masks,
)
from editkit.batch.manifest import Row, Stat
from editkit.batch.recipe import Bound, Recipe
from editkit.batch.remote import Place, Url, check_here, is_url, place_of
from editkit.batch.tasks import Task, printable, seeds_of
from editkit.errors import InputError, MaskError

_AT_A_TIME = 8
"""Objects of a store that are read at the same time."""


@dataclass(frozen=True)
class Choice:
    """Which of the photos are wanted.

    Attributes:
        force: do all again, and replace files that are in the way.
        retry: do those again whose failure would not pass by itself.
        limit: at most so many.
        shard: (i, n): the i-th of n parts, from 1 on.
    """

    force: bool = False
    retry: bool = False
    limit: int | None = None
    shard: tuple[int, int] | None = None

    def takes(self, photo: str) -> bool:
        """Whether a photo is in our shard: by its name, whatever other photos there are."""
        if self.shard is None:
            return True
        part, parts = self.shard
        number = int.from_bytes(hashlib.sha256(photo.encode()).digest()[:8], "big")
        return number % parts == part - 1


@dataclass
class Plan:
    """What is to be done.

    Attributes:
        tasks: what runs.
        reasons: why, by task: `new`, `changed`, `interrupted`, `failed`, `missing` or `forced`.
        done: rows that are as they should be.
        failed: rows that failed, and would fail again.
        notes: what to tell.
        touched: files that were touched, and are the same: what they are like now.
    """

    tasks: list[Task] = field(default_factory=list[Task])
    reasons: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    done: list[Row] = field(default_factory=list[Row])
    failed: list[Row] = field(default_factory=list[Row])
    notes: list[str] = field(default_factory=list[str])
    touched: list[tuple[Row, Stat, Stat | None]] = field(
        default_factory=list[tuple[Row, Stat, Stat | None]]
    )


class Digests:
    """SHA-256 of files; one that has not changed since is not read again."""

    def __init__(self, known: Mapping[str, tuple[Stat, str]]) -> None:
        self.known = dict(known)
        self.new = dict[str, tuple[Stat, str]]()
        self._listed = list[Url]()
        self._stats = dict[Url, Stat]()

    def listed(self, urls: Iterable[Place], folder: Place | None = None) -> None:
        """Takes what listings say of objects, so that a store is not asked for each.

        Args:
            urls: from listings.
            folder: what the listing is of, if it is whole: others in it are not there.
        """
        self._stats |= {url: url.known for url in urls if isinstance(url, Url) and url.known}
        self._listed += [folder] if isinstance(folder, Url) else []

    def stat(self, path: Place) -> Stat | None:
        """What a file is like now; None where there is none."""
        if isinstance(path, Path):
            return Stat.of(path)
        if path in self._stats:
            return self._stats[path]
        if any(str(path).startswith(f"{folder}/") for folder in self._listed):
            return None
        found = Stat.of(path)
        self._stats |= {path: found} if found is not None else {}
        return found

    def read_ahead(self, paths: Iterable[Place]) -> None:
        """Digests of many objects, several at a time: a store answers slowly, but many at once."""
        urls = [path for path in paths if isinstance(path, Url)]
        self.listed(urls)
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(self.of, urls))

    def of(self, path: Place) -> str | None:
        """A file's digest; None where there is none."""
        stat, name = self.stat(path), printable(str(path.absolute()))
        if stat is None:
            return None
        if name in self.known and self.known[name][0] == stat:
            return self.known[name][1]
        try:
            sha = path.digest() if isinstance(path, Url) else _digest(path)
        except OSError:
            return None
        self.known[name] = self.new[name] = (stat, sha)
        return sha


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_offline(recipe: Recipe, places: Iterable[Place | str]) -> None:
    """Refuses what lies on other machines, for a recipe that works offline.

    Raises:
        InputError: something does.
    """
    if recipe.offline:
        files = [text for step in recipe.steps for text in (step.mask, *step.files.values())]
        check_here([*map(str, places), *files])


def found_photos(source: str, out: Place, recipe: Recipe, *, recursive: bool = True) -> list[Found]:
    """The photos of a folder or pattern, without results and masks that lie among them.

    Raises:
        InputError: there are none, or they are where the results are to go.
        BatchError: a store cannot be read.
    """
    check_offline(recipe, [source, out])
    texts = [step.mask for step in recipe.steps if step.mask is not None]
    masks = [path for text in texts if (path := place_of(recipe.path(text))).is_dir()]
    within = [folder for folder in masks if _in(place_of(source), folder)]
    photos = find_photos(source, recursive=recursive, without=[out, *within])
    if masks:  # they may lie beside the photos
        photos = without_masks(photos)
    check_apart(photos, out)
    return photos


def _in(base: Place, folder: Place) -> bool:
    """Whether a folder lies in another."""
    if isinstance(base, Path) and isinstance(folder, Path):
        return base.resolve() in folder.resolve().parents
    return str(folder).startswith(f"{base}/")


def mask_folders(recipe: Recipe) -> list[MaskFolder | None]:
    """For each step, the folder that its masks are in, if it is one.

    Raises:
        InputError: there is no mask in it.
    """
    found = list[MaskFolder | None]()
    for step in recipe.steps:
        path = None if step.mask is None else place_of(recipe.path(step.mask))
        found.append(MaskFolder.read(path) if path is not None and path.is_dir() else None)
    return found


def mask_of(
    recipe: Recipe, step: Bound, photo: Found, folder: MaskFolder | None
) -> tuple[str | None, str | None]:
    """A step's mask for a photo, and what is wrong where there is none."""
    if step.mask is None:
        return None, None
    if folder is None:
        return recipe.path(step.mask), None
    found = folder.mask_for(photo)
    if found is not None:
        return str(found), None
    stem = photo.relative.stem
    return step.mask, f"there is no mask {stem} or {stem}_mask in {folder.folder}; add one"


def with_files(recipe: Recipe, step: Bound) -> Bound:
    """A step with the paths of its files as the recipe means them.

    Raises:
        InputError: one is a folder.
    """
    files = {name: recipe.path(text) for name, text in step.files.items()}
    for name, path in files.items():
        if place_of(path).is_dir():
            hint = f"such as '{path.rstrip('/')}/{{stem}}.png'"
            raise InputError(f"{name} is the folder {path}; give a file for each photo, {hint}")
    return dataclasses.replace(step, files=files)


@dataclass(frozen=True)
class Planner:
    """Everything that a plan is made of.

    Attributes:
        recipe: what to do.
        out: where results go.
        weights: digest of the model; empty if no step asks one.
        rows: what the manifest knows.
        digests: of files.
        choice: which photos are wanted.
    """

    recipe: Recipe
    out: Place
    weights: str
    rows: Mapping[tuple[str, int], Row]
    digests: Digests
    choice: Choice

    def plan(self, photos: Sequence[Found]) -> Plan:
        """What is to be done for these photos.

        Raises:
            InputError: two results would be one file, a file that is not ours is in the way, or
                the recipe cannot be used for a photo.
        """
        plan = Plan()
        self._note_table(photos, plan)
        recipe = self.recipe
        numbers = [recipe.seed + k for k in range(recipe.num)] if recipe.num > 1 else [None]
        targets = outputs_of(photos, self.out, numbers)
        folders = mask_folders(self.recipe)
        self._ask_stores(photos, folders)
        for photo, paths in zip(photos, targets, strict=True):
            if not self.choice.takes(printable(photo.relative)):
                continue
            for task in self._tasks(photo, paths, folders):
                self._decide(task, plan)
        if self.choice.limit is not None:
            del plan.tasks[self.choice.limit :]
        return plan

    def _ask_stores(self, photos: Sequence[Found], folders: Sequence[MaskFolder | None]) -> None:
        """Asks stores for all that will be wanted of them, at once."""
        self.digests.listed(photo.path for photo in photos)
        if isinstance(self.out, Url):
            self.digests.listed(self.out.files(), self.out)
        for folder in folders:
            if folder is not None:
                self.digests.read_ahead(mask for masks in folder.masks.values() for mask in masks)

    def _note_table(self, photos: Sequence[Found], plan: Plan) -> None:
        unused = self.recipe.table.unused([photo.relative for photo in photos])
        if unused:
            names = ", ".join(unused[:3]) + (" ..." if len(unused) > 3 else "")
            plan.notes.append(
                f"{self.recipe.table.name} has rows for {len(unused)} photos that are not there: "
                f"{names}"
            )

    def _tasks(
        self, photo: Found, paths: Sequence[Place], folders: Sequence[MaskFolder | None]
    ) -> Iterator[Task]:
        recipe, name = self.recipe, printable(photo.relative)
        variables = {**photo.variables, **recipe.table.row(photo.relative)}
        try:
            steps = recipe.bound(variables)
        except InputError as error:
            raise type(error)(f"{error} (for {name}{self._row_place(photo)})") from error
        masks, problem = list[str | None](), None
        for step, folder in zip(steps, folders, strict=True):
            mask, fault = mask_of(self.recipe, step, photo, folder)
            masks.append(mask)
            problem = problem or fault
        steps = tuple(with_files(recipe, step) for step in steps)
        if recipe.offline:  # a variable may have named a URL
            check_here([*masks, *(text for step in steps for text in step.files.values())])
        for variant, path in enumerate(paths):
            count = recipe.best_of
            seeds = tuple(seeds_of(recipe, steps, name, variant + k) for k in range(count))
            yield Task(
                photo=name,
                variant=variant,
                source=str(photo.path),
                output=str(path),
                rejected=str(self.out / OWN / "rejected" / _below(path, self.out)),
                steps=steps,
                seeds=seeds,
                settings=self._settings(steps, masks, seeds, path),
                variables=variables,
                masks=tuple(masks),
                problem=problem,
            )

    def _row_place(self, photo: Found) -> str:
        table = self.recipe.table
        for name in (str(photo.relative), photo.relative.name, photo.relative.stem):
            if name in table.lines:
                return f", {table.name}:{table.lines[name]}"
        return ""

    def _settings(
        self,
        steps: Sequence[Bound],
        masks: Sequence[str | None],
        seeds: tuple[tuple[int, ...], ...],
        path: Place,
    ) -> str:
        """Fingerprint of all that a picture depends on, beside the photo's bytes."""
        recipe = self.recipe
        saving = {n: getattr(recipe, n) for n in ("jpeg", "provenance", "strict", "max_seam")}
        whole = {
            "steps": [self._fingerprint(s, m) for s, m in zip(steps, masks, strict=True)],
            "seeds": seeds,
            "weights": self.weights,
            "dtype": recipe.dtype,
            "saving": saving,
            "sign": recipe.sign,
            "gates": dict(recipe.gates),
            "rank": recipe.rank if recipe.best_of > 1 else None,
            "frame": recipe.frame,
            "output": _below(path, self.out).as_posix(),
        }
        if recipe.fixed_batch:
            whole["fixed_batch"] = recipe.batch_size
        text = json.dumps(whole, sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def _fingerprint(self, step: Bound, mask: str | None) -> dict[str, Any]:
        options = {f.name: getattr(step.edit, f.name) for f in dataclasses.fields(step.edit)}
        texts = [mask, *(options.get(n) for n in ("denoise", "condition", "composite"))]
        files = {name: self.digests.of(place_of(path)) for name, path in step.files.items()}
        masks = [None if text is None else self._mask_print(text) for text in texts]
        return {"name": step.name, "options": options, "masks": masks, "files": files}

    def _mask_print(self, text: str) -> Any:  # noqa: ANN401
        """A mask file's bytes; an expression's text, and the bytes of files in it."""
        if is_url(text) or Path(text).is_file():
            return self.digests.of(place_of(text))
        return [text, *(self.digests.of(Path(name)) for name in _files_in(text))]

    def _decide(self, task: Task, plan: Plan) -> None:
        """Puts a task where it belongs."""
        row = self.rows.get(task.key)
        target = place_of(task.output)
        ours = row is not None and row.output == printable(task.output)
        if not ours and self.digests.stat(target) is not None and not self.choice.force:
            raise InputError(
                f"{target} exists, and is not of this batch; give --force to replace it, or "
                "-o another folder"
            )
        reason = self._reason(task, row, plan)
        if reason is None:
            return
        altered = ours and row is not None and not self.choice.force and self._altered(row, target)
        if altered:
            problem = f"{target} was changed by other hands; move it, or give --force"
            task = dataclasses.replace(task, problem=problem)
        plan.tasks.append(dataclasses.replace(task, replaces=self.choice.force or ours))
        plan.reasons[task.key] = reason

    def _reason(self, task: Task, row: Row | None, plan: Plan) -> str | None:
        """Why a task is to be done; None if it is not."""
        if row is None or self.choice.force:
            return "new" if row is None else "forced"
        if row.state == "running":
            return "interrupted"
        if row.settings != task.settings or not self._same_photo(task, row, plan):
            return "changed"
        return self._again(task, row, plan)

    def _again(self, task: Task, row: Row, plan: Plan) -> str | None:
        """Why a task is to be done again, though nothing has changed; None if it is not."""
        if row.state == "failed":
            if row.passing or self.choice.retry:
                return "failed"
            plan.failed.append(row)
            return None
        if self.digests.stat(place_of(task.output)) is None:
            return "missing"
        if self._altered(row, place_of(task.output)):
            plan.notes.append(f"{task.output} was changed by other hands; it stays as it is")
        plan.done.append(row)
        return None

    def _same_photo(self, task: Task, row: Row, plan: Plan) -> bool:
        stat = self.digests.stat(place_of(task.source))
        if stat is None or stat == row.stat:
            return stat == row.stat
        if self.digests.of(place_of(task.source)) != row.sha256:
            return False
        plan.touched.append((row, stat, None))
        return True

    def _altered(self, row: Row, target: Place) -> bool:
        """Whether a result is no longer what we wrote."""
        stat = self.digests.stat(target)
        if stat is None or stat == row.output_stat:
            return False
        if row.output_stat is None:
            # What failed left nothing; what was interrupted may have left what we wrote.
            return row.state == "failed"
        return self.digests.of(target) != row.output_sha256


def _below(path: Place, folder: Place) -> PurePosixPath:
    """A place's path below the folder that it lies in."""
    if isinstance(path, Url) and isinstance(folder, Url):
        return path.relative_to(folder)
    return PurePosixPath(Path(str(path)).relative_to(Path(str(folder))))


def _files_in(text: str) -> Iterator[str]:
    """The files that an expression names.

    Raises:
        MaskError: one is a URL.
    """
    from editkit.masks.language import Pick, parse, walk

    for node in walk(parse(text, rule=True)):
        if isinstance(node, Pick) and node.name == "file":
            name = str(dict(node.args)["name"])
            if is_url(name):
                raise MaskError(f"{name} is in a mask expression; a URL can only be all of a mask")
            yield name
