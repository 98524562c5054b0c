"""Results known again by the records in them, where a manifest was lost."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from editkit.batch.recipes.recipe import Bound, Recipe
from editkit.batch.tasks import Task
from editkit.errors import EditkitError
from editkit.options import stored_options
from editkit.storage.url import Place, place_of

DigestOf = Callable[[Place], str | None]


def record_in(file: Path) -> Mapping[str, Any] | None:
    """The record in a picture; None where there is none that can be read."""
    from editkit.photo.io.files import read_photo
    from editkit.photo.metadata import xmp

    try:
        found = xmp.read_record(read_photo(file).carried.get("xmp"))
    except EditkitError:
        return None
    return found if isinstance(found, dict) else None


@dataclasses.dataclass(frozen=True)
class Expected:
    """The record that a result of a task has, if nothing has changed since.

    Attributes:
        recipe: the recipe.
        weights: of the model.
        versions: of what the picture depends on.
        digest: gives a file's SHA-256.
    """

    recipe: Recipe
    weights: str
    versions: Mapping[str, str]
    digest: DigestOf

    def fits(self, record: Mapping[str, Any], task: Task) -> bool:
        """Tells whether a result with this record is the task's, from the same inputs and model."""
        source = place_of(task.source)
        told = [
            _inner(record, "original", "sha256") == self.digest(source) is not None,
            _inner(record, "saving", "jpeg") == self.recipe.jpeg,
            not self.recipe.gates,  # no record says which scores it passed
            _inner(record, "versions", "editkit") == self.versions["editkit"],
            # Not all versions that a picture may depend on are in its record.
            all(_inner(record, "versions", k) in (None, v) for k, v in self.versions.items()),
            not record.get("model") or record.get("weights") == self.weights,
        ]
        steps = record.get("steps") if record.get("edit") == "recipe" else [record]
        if not all(told) or not isinstance(steps, list) or len(steps) != len(task.steps):
            return False
        return any(self._made_by(steps, task, seeds) for seeds in task.seeds)

    def _made_by(self, steps: Sequence[Any], task: Task, seeds: Sequence[int]) -> bool:
        masks = task.masks or tuple(step.mask for step in task.steps)
        parts = zip(steps, task.steps, seeds, masks, range(len(steps)), strict=True)
        return all(
            isinstance(step, dict)
            and _same_edit(step, bound, seed)
            and all(
                _inner(step, name, "sha256") == self.digest(place_of(path))
                for name, path in bound.files.items()
            )
            and self._same_mask(step, mask, task if place == 0 else None)
            for step, bound, seed, mask, place in parts
        )

    def _same_mask(self, step: Mapping[str, Any], mask: str | None, first: Task | None) -> bool:
        """Tells whether the mask of a step is the one of its record.

        Args:
            step: the record.
            mask: the mask as it is given now.
            first: the task, of whose photo the mask is; None where it is of what was made of it.
        """
        if mask is None:
            return True
        from editkit.masks.evaluate import models_in
        from editkit.masks.language import parse
        from editkit.masks.read import is_file

        try:
            if not is_file(mask) and models_in(parse(mask), offline=self.recipe.offline or None):
                return _inner(step, "mask", "expression") == mask
            if first is not None:
                return _inner(step, "mask", "sha256") == _mask_digest(mask, first.source)
        except EditkitError:
            return False
        return not is_file(mask) and _inner(step, "mask", "expression") == mask


def _mask_digest(mask: str, source: str) -> str:
    from editkit.masks.value import coverage_of
    from editkit.ops.record import digest_of
    from editkit.photo.io.files import read_photo

    return digest_of(coverage_of(mask, read_photo(source)))


def _same_edit(step: Mapping[str, Any], bound: Bound, seed: int) -> bool:
    from editkit.ops.report import plain

    edit, options = bound.edit, step.get("options")
    if step.get("edit") != type(edit).__name__ or not isinstance(options, dict):
        return False
    if any(f.name == "seed" for f in dataclasses.fields(edit)):
        edit = dataclasses.replace(edit, seed=seed)
    now = plain(stored_options(edit))
    now = json.loads(json.dumps(now, default=str))
    return all(name in now and now[name] == value for name, value in options.items())


def _inner(record: Mapping[str, Any], name: str, key: str) -> Any:  # noqa: ANN401 - of any JSON
    part = record.get(name)
    return part.get(key) if isinstance(part, dict) else None
