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
        mask: its mask; None where the whole picture was edited.
        differences: what is not as the record says, a line each.
    """

    file: Path
    record: Mapping[str, Any]
    original: Photo | None
    mask: Coverage | None
    differences: tuple[str, ...]

    def run(self, model: Model | None, *, progress: Progress | None = None) -> dict[str, Any]:
        """The edit made again, as `data`, and whether it is the file, byte by byte: `same`.

        The model may be None where the record names none.
        """
        differences = list(self.differences)
        if (None if model is None else model.weights) != self.record["weights"]:
            differences.append("the model's weights are others")
        inputs = [given for given in (self.original, self.mask) if given is not None]
        edit = edit_of(self.record)
        result = edit(model, *inputs, progress=progress)
        record = {**result.record, "model": self.record["model"]}
        for part in ("original", "mask"):
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
    mask: str | None = None,
    device: str = "auto",
) -> Replay:
    """The edit that a file tells of, its original and its mask looked for where it says.

    Args:
        file: an edited file with its provenance.
        original: another place of the original.
        mask: another place of the mask.
        device: where models run that the mask asks for.

    Raises:
        InputError: the file tells of no edit, or what it was applied to is not found.
    """
    record = xmp.record_of(read_photo(file).carried.get("xmp"))
    if record is None:
        raise InputError(f"{file} tells of no edit; it was written without provenance")
    if "original" not in record:
        return Replay(file, record, None, None, ())
    photo = read_photo(_found(file, record, "original", original))
    differences = list[str]()
    if photo.digest != record["original"]["sha256"]:
        differences.append("the original is another file")
    coverage = None
    if "mask" in record:
        told = record["mask"].get("expression") if mask is None else None
        where = _found(file, record, "mask", mask) if told is None else told
        coverage = coverage_of(where, photo, device=device)
        if digest_of(coverage) != record["mask"]["sha256"]:
            differences.append("the mask is another one")
    return Replay(file, record, photo, coverage, tuple(differences))


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
