"""Repeating an edit from what its picture says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from editkit.errors import InputError
from editkit.masks.evaluate import coverage_of
from editkit.models.base import Model
from editkit.ops.edit import Progress
from editkit.ops.output import Saving
from editkit.ops.record import digest_of, edit_of
from editkit.photo import xmp
from editkit.photo.files import Photo, read_photo
from editkit.types import Coverage


@dataclass(frozen=True, eq=False)
class Replay:
    """An edit that a file tells of, with what it was applied to found again.

    Attributes:
        file: the edited file.
        record: what it says.
        original: the photo before; None for a picture that was made from nothing.
        edited: the picture that an edit made elsewhere came in; None for all other edits.
        mask: its mask; None where the whole picture was edited, or the edit finds it by itself.
        differences: what is not as the record says, a line each.
    """

    file: Path
    record: Mapping[str, Any]
    original: Photo | None
    edited: Photo | None
    mask: Coverage | None
    differences: tuple[str, ...]

    @property
    def needs_model(self) -> bool:
        """Whether a model made the edit here."""
        return self.record.get("model") is not None

    def run(
        self, model: Model | None = None, *, progress: Progress | None = None
    ) -> dict[str, Any]:
        """The edit made again, as `data`, and whether it is the file, byte by byte: `same`.

        Args:
            model: what makes it, where `needs_model`.
            progress: told of every step.
        """
        differences = list(self.differences)
        inputs = [x for x in (self.original, self.edited, self.mask) if x is not None]
        edit = edit_of(self.record)  # each kind is called with inputs of its own
        if "model" in self.record:
            if (None if model is None else model.weights) != self.record["weights"]:
                differences.append("the model's weights are others")
            result = edit(model, *inputs, progress=progress)
            record = {**result.record, "model": self.record["model"]}
        else:
            result = edit(*inputs)
            record = dict(result.record)
        for part in ("original", "edited", "mask"):
            if part in self.record:
                record[part] = self._placed(self.record[part])
        data = self._encoded(replace(result, record=record))
        return {"same": data == self.file.read_bytes(), "differences": differences, "data": data}

    def _placed(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """A part of the record with its path as seen from here, not from beside the file."""
        path = {"path": str(self.file.parent / told["path"])} if "path" in told else {}
        return {**told, **path}

    def _encoded(self, result: Any) -> bytes:  # noqa: ANN401 - a Result
        before = read_photo(self.file)
        saving = Saving(jpeg=self.record["saving"]["jpeg"])
        return result.encoded(before.format, saving, self.file.parent).data


def find_replay(
    file: Path,
    *,
    original: str | None = None,
    edited: str | None = None,
    mask: str | None = None,
    device: str = "auto",
) -> Replay:
    """The edit that a file tells of, its original and its mask looked for where it says.

    Args:
        file: an edited file with its provenance.
        original: another place of the original.
        edited: another place of the picture that an edit made elsewhere came in.
        mask: another place of the mask.
        device: where models run that the mask asks for.

    Raises:
        InputError: the file tells of no edit, or what it was applied to is not found.
    """
    record = xmp.record_of(read_photo(file).carried.get("xmp"))
    if record is None:
        raise InputError(f"{file} tells of no edit; it was written without provenance")
    if "original" not in record:
        return Replay(file, record, None, None, None, ())
    photo = read_photo(_found(file, record, "original", original))
    differences = list[str]()
    if photo.digest != record["original"]["sha256"]:
        differences.append("the original is another file")
    coverage = copy = None
    if "edited" in record:
        copy = read_photo(_found(file, record, "edited", edited))
        if copy.digest != record["edited"]["sha256"]:
            differences.append("the edited picture is another file")
    if "mask" in record:
        told = record["mask"].get("expression") if mask is None else None
        where = _found(file, record, "mask", mask) if told is None else told
        coverage = coverage_of(where, photo, device=device)
        if digest_of(coverage) != record["mask"]["sha256"]:
            differences.append("the mask is another one")
    return Replay(file, record, photo, copy, coverage, tuple(differences))


def _found(file: Path, record: Mapping[str, Any], part: str, given: str | None) -> Path:
    if given is not None:
        return Path(given)
    told = record[part].get("path")
    if told is None:
        raise InputError(f"{file} does not say where its {part} is; give --{part}")
    for place in (file.parent / told, Path(told), file.parent / Path(told).name):
        if place.is_file():
            return place
    raise InputError(f"the {part} {told} of {file} is not there; give --{part}")
