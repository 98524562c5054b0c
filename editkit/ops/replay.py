"""Repeating an edit, or several in a row, from what their picture says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from editkit.errors import InputError, UnknownModelError
from editkit.masks.value import Mask
from editkit.models.base import Model
from editkit.models.builtin import BUILTIN
from editkit.models.registry import find_model, is_id
from editkit.ops.catalog import BY_CLASS
from editkit.ops.edit import Progress
from editkit.ops.output import Saving
from editkit.ops.record import RECIPE, digest_of, edit_of
from editkit.ops.record_schema import check_own, check_record
from editkit.ops.record_trust import Trust
from editkit.ops.result import Result
from editkit.ops.sequence import chained, frame_after, mask_in
from editkit.photo.io.files import Photo, read_photo
from editkit.photo.metadata import xmp

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
    mask: Mask | Path | None
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

    def model_name(self, *, allow_download: bool = False) -> str:
        """The model that the file names: the built-in one, or an id of Hugging Face's.

        Args:
            allow_download: whether it may be one that is not on this machine.

        Raises:
            InputError: it may not, or it is a folder, which is not followed from here.
        """
        name = str(self.record.get("model"))
        if name == BUILTIN:
            return name
        if not is_id(name) or Path(name).exists():
            raise InputError(f"{self.file} names the model {name!r}, a folder; give it by -m")
        if not allow_download:
            try:
                find_model(name, offline=True)
            except UnknownModelError as error:
                raise InputError(
                    f"{self.file} names the model {name}, which is not on this machine: give -m "
                    "another, or --allow-download to fetch it"
                ) from error
        return name

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
        if not BY_CLASS[type(edit).__name__].takes_model:
            return edit(*inputs)
        return edit(model, *inputs, progress=progress)

    def _as_recorded(self, whole: Result) -> dict[str, Any]:
        """The record made again, with names and places as the file has them."""
        record = dict(whole.record or {})
        record |= {key: self.record[key] for key in ("model", "preview") if key in self.record}
        several = self.record["edit"] == RECIPE
        record |= self._seen_from_here(self.record, ("original", *(() if several else _BESIDE)))
        if several:
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
    root: Path | None = None,
    allow_download: bool = False,
) -> Replay:
    """The edits that a file tells of, what they were applied to looked for where it says.

    Anybody may have written the file. So nothing that it names is looked at outside of `root`, no
    model is fetched that it names, and all that it says is checked before anything is read.

    Args:
        file: an edited file with its provenance.
        original: another place of the original.
        edited: another place of the picture that an edit made elsewhere came in.
        mask: another place of the mask, where there is one.
        device: where models run that masks ask for.
        root: the folder that files named by `file` may lie in; its own unless given.
        allow_download: fetch models that its masks name.

    Raises:
        InputError: the file tells of no edit, or of one that cannot be repeated; or what it was
            applied to is not found.
    """
    record = xmp.read_record(read_photo(file).carried.get("xmp"))
    if record is None:
        raise InputError(f"{file} tells of no edit; it was written without provenance")
    check_record(record, str(file))
    told = record["steps"] if record["edit"] == RECIPE else [record]
    trust = Trust(file, root, allow_download=allow_download)
    given = {"original": original, "edited": edited, "mask": mask}
    for name in _BESIDE:
        _check_one(file, told, name, given[name])
    for step in told:
        check_own(step, str(file))
        trust.check_rules(step["options"])
        edit_of({**record, **step})  # what cannot be repeated is told before the work
    if "original" not in record:
        return Replay(file, record, None, (Part(record, None, None),), ())
    masks = [trust.mask(step, mask) for step in told]
    photo = read_photo(trust.place(record, "original", original))
    differences = list[str]()
    if photo.digest != record["original"]["sha256"]:
        differences.append("the original is another file")
    copies = [_copy(trust, step, edited, differences) for step in told]
    parts = tuple(Part(*part) for part in zip(told, masks, copies, strict=True))
    return Replay(file, record, photo, parts, tuple(differences), device)


def _check_one(file: Path, told: Sequence[Any], name: str, given: str | None) -> None:
    """Refuses one place for what several steps have.

    Raises:
        InputError: there are several.
    """
    count = sum(name in step for step in told)
    if given is not None and count > 1:
        raise InputError(f"{count} steps of {file} have a {name} of their own; leave --{name} out")


def _copy(
    trust: Trust, told: Mapping[str, Any], given: str | None, differences: list[str]
) -> Photo | None:
    """The picture that an edit made elsewhere came in; None where there is none."""
    if "edited" not in told:
        return None
    copy = read_photo(trust.place(told, "edited", given))
    if copy.digest != told["edited"]["sha256"]:
        differences.append("the edited picture is another file")
    return copy


def _weights(model: Model | None) -> str | None:
    return None if model is None else model.weights
