"""Repeating an edit, or several in a row, from what their picture says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from editkit.errors import InputError
from editkit.models.base import Model
from editkit.ops.chain import chained, frame_after, mask_in
from editkit.ops.composite import Composite
from editkit.ops.edit import Progress
from editkit.ops.output import Saving
from editkit.ops.record import RECIPE, digest_of, edit_of
from editkit.ops.result import Result
from editkit.photo import xmp
from editkit.photo.files import Photo, read_photo

_BESIDE = ("mask", "edited")
"""What an edit may take beside the photo."""


@dataclass(frozen=True, eq=False)
class Part:
    """One of the edits that a file tells of, with what it takes beside the photo found again.

    Attributes:
        record: what the file says of this edit.
        mask: its mask's file, or an expression; None where it takes none.
        edited: the picture that an edit made elsewhere came in; None for all other edits.
    """

    record: Mapping[str, Any]
    mask: str | Path | None
    edited: Photo | None


@dataclass(frozen=True, eq=False)
class Replay:
    """What a file tells of, with what it was applied to found again.

    Attributes:
        file: the edited file.
        record: what it says.
        original: the photo before; None for a picture that was made from nothing.
        parts: the edits in order; but for recipes there is one.
        differences: what is not as the record says, a line each, as far as is known before.
        device: where models run that masks ask for.
    """

    file: Path
    record: Mapping[str, Any]
    original: Photo | None
    parts: tuple[Part, ...]
    differences: tuple[str, ...]
    device: str = "auto"

    @property
    def needs_model(self) -> bool:
        """Whether a model made an edit here."""
        return self.record.get("model") is not None

    def run(
        self, model: Model | None = None, *, progress: Progress | None = None
    ) -> dict[str, Any]:
        """The edits made again, as `data`, and whether it is the file, byte by byte: `same`.

        Args:
            model: what makes them, where `needs_model`.
            progress: told of every step.
        """
        differences, results = list(self.differences), list[Result]()
        if "weights" in self.record and _weights(model) != self.record["weights"]:
            differences.append("the model's weights are others")
        for part in self.parts:
            photo = results[-1].photo if results else self.original
            results.append(self._made(part, photo, results, model, progress, differences))
        whole = results[0] if self.original is None else chained(self.original, results)
        data = self._encoded(replace(whole, record=self._as_recorded(whole)))
        return {"same": data == self.file.read_bytes(), "differences": differences, "data": data}

    def _made(
        self,
        part: Part,
        photo: Photo | None,
        before: Sequence[Result],
        model: Model | None,
        progress: Progress | None,
        differences: list[str],
    ) -> Result:
        """What one edit makes of the photo that those before it left."""
        edit = edit_of({**self.record, **part.record})
        inputs: list[Any] = [picture for picture in (photo, part.edited) if picture is not None]
        if part.mask is not None and photo is not None and self.original is not None:
            frame = frame_after(self.original, before)
            coverage = mask_in(part.mask, photo, frame, device=self.device, original=self.original)
            if digest_of(coverage.coverage) != part.record["mask"]["sha256"]:
                which = f" of step {len(before) + 1}" if len(self.parts) > 1 else ""
                differences.append(f"the mask{which} is another one")
            inputs.append(coverage)
        if isinstance(edit, Composite):  # which no model makes
            return edit(*inputs)
        return edit(model, *inputs, progress=progress)

    def _as_recorded(self, whole: Result) -> dict[str, Any]:
        """The record made again, with names and places as the file has them."""
        record = dict(whole.record or {})
        record |= {key: self.record[key] for key in ("model",) if key in self.record}
        record |= self._seen_from_here(self.record, ("original", *_BESIDE))
        if "steps" in self.record:
            pairs = zip(record["steps"], self.record["steps"], strict=True)
            record["steps"] = [{**new, **self._seen_from_here(old, _BESIDE)} for new, old in pairs]
        return record

    def _seen_from_here(self, told: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
        """Parts of a record with their paths as seen from here, not from beside the file."""
        return {name: self._placed(told[name]) for name in names if name in told}

    def _placed(self, told: Mapping[str, Any]) -> dict[str, Any]:
        path = {"path": str(self.file.parent / told["path"])} if "path" in told else {}
        return {**told, **path}

    def _encoded(self, result: Result) -> bytes:
        before = read_photo(self.file)
        how = self.record["saving"]
        saving = Saving(jpeg=how["jpeg"], keep_records=how.get("keep_records") is True)
        return result.encoded(str(before.format), saving, self.file.parent).data


def find_replay(
    file: Path,
    *,
    original: str | None = None,
    edited: str | None = None,
    mask: str | None = None,
    device: str = "auto",
) -> Replay:
    """The edits that a file tells of, what they were applied to looked for where it says.

    Args:
        file: an edited file with its provenance.
        original: another place of the original.
        edited: another place of the picture that an edit made elsewhere came in.
        mask: another place of the mask, where there is one.
        device: where models run that masks ask for.

    Raises:
        InputError: the file tells of no edit, or what it was applied to is not found.
    """
    record = xmp.record_of(read_photo(file).carried.get("xmp"))
    if record is None:
        raise InputError(f"{file} tells of no edit; it was written without provenance")
    if "original" not in record:
        return Replay(file, record, None, (Part(record, None, None),), ())
    photo = read_photo(_found(file, record, "original", original))
    differences = list[str]()
    if photo.digest != record["original"]["sha256"]:
        differences.append("the original is another file")
    told = record["steps"] if record.get("edit") == RECIPE else [record]
    for name, given in (("mask", mask), ("edited", edited)):
        _check_one(file, told, name, given)
    parts = tuple(_part(file, step, mask, edited, differences) for step in told)
    for part in parts:
        edit_of({**record, **part.record})  # what cannot be repeated is told before the work
    return Replay(file, record, photo, parts, tuple(differences), device)


def _check_one(file: Path, told: Sequence[Any], name: str, given: str | None) -> None:
    """Refuses one place for what several steps have.

    Raises:
        InputError: there are several.
    """
    count = sum(name in step for step in told)
    if given is not None and count > 1:
        raise InputError(f"{count} steps of {file} have a {name} of their own; leave --{name} out")


def _part(
    file: Path,
    told: Mapping[str, Any],
    mask: str | None,
    edited: str | None,
    differences: list[str],
) -> Part:
    copy, where = None, None
    if told.get("edit") == "Composite" and "edited" not in told:  # of recipes, once
        raise InputError(f"the record of {file} is of another version of editkit")
    if "edited" in told:
        copy = read_photo(_found(file, told, "edited", edited))
        if copy.digest != told["edited"]["sha256"]:
            differences.append("the edited picture is another file")
    if "mask" in told:
        where = told["mask"].get("expression") if mask is None else None
        where = _found(file, told, "mask", mask) if where is None else where
    return Part(told, where, copy)


def _weights(model: Model | None) -> str | None:
    return None if model is None else model.weights


def _found(file: Path, record: Mapping[str, Any], part: str, given: str | None) -> Path:
    if given is not None:
        return Path(given)
    told = record[part].get("path")
    if told is None:
        raise InputError(f"{file} does not say where its {part} is; give --{part}")
    for place in (file.parent / told, Path(told), file.parent / Path(told).name):
        # What a batch makes is called as its photo is.
        if place.is_file() and not place.samefile(file):
            return place
    raise InputError(f"the {part} {told} of {file} is not there; give --{part}")
