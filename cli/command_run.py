"""Running an edit from the command line: what is read, where it goes, what is said.

Everything that can be wrong with what was given is found before a model is loaded, and before torch
is imported.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import click

import editkit
from editkit.errors import EditkitError, InputError
from editkit.redact import shareable

from .offline import forbid_network
from .output import put_json, put_path, say
from .preview import mark_preview, preview_options
from .progress import ProgressBar, progress_bar
from .silence import hushed
from .streams import failure_of, is_closed
from .variants import VariantGrid, check_grid

if TYPE_CHECKING:
    from editkit.masks.read import Reading
    from editkit.models.base import Model
    from editkit.ops.hooks import Watch
    from editkit.ops.output import Saving
    from editkit.ops.result import Result
    from editkit.photo.io.files import Photo
    from editkit.types import Size

STDIO = "-"
MaskText = str | bytes
"""What a mask was given as: a path, an expression, or the bytes of a picture."""

_SEEDS = 2**63


@dataclass(frozen=True)
class Job:
    """What every command takes beside the edit itself; what has a default, some do without."""

    output: str | None
    force: bool
    as_json: bool
    quiet: bool
    jpeg: str
    provenance: bool
    strict: bool
    max_seam: float
    sign: tuple[str, str] | None
    keep_records: bool = False
    model: str = ""
    device: str = "auto"
    dtype: str = "auto"
    offline: bool = False
    num: int = 1
    grid: str | None = None
    preview: bool = False
    batch_size: int = 1
    seed: int = 0

    @classmethod
    def take(cls, options: dict[str, Any]) -> Self:
        """The job's options, taken out of all that a command was given."""
        return cls(**{f.name: options.pop(f.name) for f in fields(cls) if f.name in options})

    def targets(
        self,
        source: str | None,
        photo: "Photo | None",
        saving: "Saving",
        size: "Size | None" = None,
        *,
        whole: bool = False,
    ) -> Mapping[int, str]:
        """Where each seed's picture goes, checked to be writable.

        Args:
            source: what the photo was given as.
            photo: the photo, if there is one.
            saving: how the picture is going to be written.
            size: the picture's size, where it is known and not the photo's.
            whole: whether the edit is of the whole photo.

        Raises:
            InputError: a target exists, or cannot be written.
        """
        from editkit.ops.output import check_saving
        from editkit.photo.io.files import check_place, format_of
        from editkit.storage.url import Url, check_here, place_of

        check_grid(self.grid, self.num, photo, force=self.force)
        named_as = (
            _default_output(source, preview=self.preview) if self.output is None else self.output
        )
        if named_as == STDIO:
            self._check_stdout()
            check_saving(photo, _kind_of(photo), saving, size, whole=whole)
            return {self.seed: STDIO}
        # What has a suffix has a name, too.
        kind = format_of(Path(place_of(named_as).name))
        if self.offline:
            check_here([named_as])
        if self.seed + self.num > _SEEDS:
            raise InputError(f"-n {self.num} from --seed {self.seed} goes beyond the last seed")
        seeds = range(self.seed, self.seed + self.num)
        named = {seed: named_as if self.num == 1 else _with_seed(named_as, seed) for seed in seeds}
        for target in map(place_of, named.values()):
            if isinstance(target, Url):
                target.check_free(force=self.force)
            else:
                check_place(photo, target, force=self.force)
            if self.grid is not None and place_of(self.grid) == target:
                raise InputError(f"--grid {self.grid} is one of the variants; give another name")
        check_saving(photo, kind, saving, size, whole=whole)
        return named

    def _check_stdout(self) -> None:
        if self.num > 1:
            raise InputError(f"-n {self.num} pictures cannot go to standard output; give -o FILE")
        if self.as_json:
            raise InputError("--json and the picture cannot both go to standard output; give -o")
        if is_closed(sys.stdout):
            raise InputError("standard output is closed; give -o FILE")
        if sys.stdout.isatty():
            raise InputError("standard output is a terminal; give -o FILE")

    def run(
        self,
        edit: str,
        prompt: str,
        options: Mapping[str, Any],
        inputs: "Sequence[Photo | Reading]" = (),
        source: str | None = None,
        mask: MaskText | None = None,
        size: "Size | None" = None,
    ) -> None:
        """Applies an edit to its inputs, for each seed, and writes what comes out.

        Args:
            edit: the name of an edit of `editkit`.
            prompt: its prompt.
            options: its other parameters, but for the seed.
            inputs: what it is applied to: nothing, a photo, or a photo and its mask.
            source: what the photo was given as.
            mask: what the mask was given as.
            size: the picture's size, where it is known and not the photo's.
        """
        saving = self.saving()
        photo = cast("Photo", inputs[0]) if inputs else None
        whole = len(inputs) == 1 and size is None
        targets = self.targets(source, photo, saving, size, whole=whole)
        if self.offline:
            forbid_network()
        from editkit.models.registry import load_model

        with progress_bar(self.num, quiet=self.quiet) as bar:
            bar.enter("load")
            model = load_model(
                self.model, device=self.device, dtype=self.dtype, offline=self.offline
            )

            if self.preview:
                options = preview_options(options, model.settings, given)

            def make(seed: int, watch: "Watch | None", model: "Model" = model) -> "Result":
                made = getattr(editkit, edit)(prompt, seed=seed, **options)
                result = made(model, *inputs, watch=watch)
                return mark_preview(result) if self.preview else result

            if self.num > 1 and self.batch_size > 1:
                results = self._make_batched(make, model, targets, bar)
            else:
                results = _make_each(make, targets, bar)
            self._write_all(results, targets, saving, mask, bar)

    def fill(
        self,
        method: str,
        options: Mapping[str, Any],
        pair: "tuple[Photo, Reading]",
        source: str,
        mask: MaskText,
    ) -> None:
        """Erases by a classical method, which wants no model: as `run`."""
        from editkit.ops.fill import Fill, varies

        if self.preview:
            raise InputError(
                f"--preview works only with diffusion, not with {method}; leave it out"
            )
        if self.num > 1 and not varies(method):
            raise InputError(f"-n {self.num}: {method} gives the same picture for every seed")
        saving = self.saving()
        targets = self.targets(source, pair[0], saving)

        def make(seed: int, watch: "Watch | None") -> "Result":
            return Fill(method, seed, **options)(*pair, watch=watch)

        with progress_bar(self.num, quiet=self.quiet) as bar:
            self._write_all(_make_each(make, targets, bar), targets, saving, mask, bar)

    def _write_all(
        self,
        results: "Iterable[Result]",
        targets: Mapping[int, str],
        saving: "Saving",
        mask: MaskText | None,
        bar: ProgressBar,
    ) -> None:
        """Writes the picture of each seed, and the grid of all."""
        grid = VariantGrid(self.grid, force=self.force)
        for (seed, target), result in zip(targets.items(), results, strict=True):
            self.deliver(_named(result, mask), target, saving, bar=bar)
            grid.add(seed, result)
        if grid.write() and not (self.as_json or self.quiet):
            with bar.aside():
                put_path(str(self.grid))

    def _make_batched(
        self,
        make: "Callable[[int, Watch | None, Model], Result]",
        model: "Model",
        seeds: Iterable[int],
        bar: ProgressBar,
    ) -> "Iterator[Result]":
        """Yields the results of all seeds, made `batch_size` at a time, which share calls."""
        from editkit.models.batching import run_batched
        from editkit.ops.result import with_note

        edits = [partial(make, seed, bar.watch(k)) for k, seed in enumerate(seeds)]
        for result in run_batched(model, self.batch_size, edits):
            yield with_note(result, f"made in calls of {self.batch_size} variants")

    def make(
        self,
        edit: "Callable[[], Result]",
        photo: "Photo",
        source: str,
        mask: MaskText | None,
    ) -> "Result":
        """Applies an edit that no model makes, and writes what comes out.

        Args:
            edit: gives the edited photo.
            photo: the photo before.
            source: what the photo was given as.
            mask: what the mask was given as.
        """
        saving = self.saving()
        ((_, target),) = self.targets(source, photo, saving).items()
        result = _named(edit(), mask)
        self.deliver(result, target, saving)
        return result

    def deliver(
        self,
        result: "Result",
        target: str,
        saving: "Saving",
        seen_from: Path | None = None,
        bar: ProgressBar | None = None,
    ) -> None:
        """Writes what came out, and tells of it.

        Args:
            result: what came out.
            target: where it goes.
            saving: how it is written.
            seen_from: the folder from which its record names other files; the target's where None.
            bar: shows the progress, if there is any.
        """
        bar = bar or ProgressBar(None)
        bar.enter("save")
        evidence = _write(result, target, saving, force=self.force, seen_from=seen_from)
        with bar.aside():
            self._tell(result, target, evidence)

    def saving(self) -> "Saving":
        """How pictures are written."""
        from editkit.ops.output import Saving

        signer = None
        if self.sign is not None:
            from editkit.photo.metadata.c2pa import Signer

            signer = Signer(*map(Path, self.sign))
        return Saving(
            self.jpeg, self.provenance, self.strict, self.max_seam, signer, self.keep_records
        )

    def _tell(self, result: "Result", target: str, evidence: Mapping[str, Any]) -> None:
        report = shareable({"output": target, **result.report, **evidence})
        if self.as_json:
            put_json(report)
        elif target != STDIO and not self.quiet:
            put_path(report["output"])
        if not self.quiet:
            for note in _notes(report):
                say(note)


def _make_each(
    make: "Callable[[int, Watch | None], Result]", seeds: Iterable[int], bar: ProgressBar
) -> "Iterator[Result]":
    """Yields the results of all seeds, made one after the other."""
    for variant, seed in enumerate(seeds):
        yield make(seed, bar.watch(variant))


def _notes(report: Mapping[str, Any]) -> list[str]:
    notes = list(report["notes"])
    seed = f"seed {report['seed']}, " if "model" in report else ""
    said = f"{seed}{report['seconds']} s"
    if "pixels_kept" in report:
        said += f", {report['pixels_kept']} pixels kept ({_kept(report)})"
    return [*notes, said]


def _kept(report: Mapping[str, Any]) -> str:
    """What the file itself shows of what was to be kept."""
    if "jpeg_blocks_kept" in report:
        blocks, changed = report["jpeg_blocks_kept"], report["jpeg_blocks_changed_outside"]
        said = f"{changed} of {blocks} JPEG blocks without an edit changed; decoded, "
        return said + _decoded(report)
    if report["lossless"] or "samples_changed_outside" not in report:
        return f"{report.get('samples_changed_outside', 0)} samples of them changed"
    return f"encoded again, {_decoded(report)}"


def _decoded(report: Mapping[str, Any]) -> str:
    """What a lossy file shows of the samples that were to be kept."""
    count = report["samples_changed_outside"]
    most = f", by at most {report['largest_change_outside']}" if count else ""
    return f"{count} samples of them differ{most}"


def given(option: str) -> bool:
    """Whether an option of the running command was given, rather than left at its default."""
    source = click.get_current_context().get_parameter_source(option)
    return source is not click.core.ParameterSource.DEFAULT


@hushed()
def read_source(source: str, frame: int | None = None) -> "Photo":
    """The photo of a path, or of standard input.

    Raises:
        ImageError: it cannot be read.
    """
    from editkit.photo.io.files import read_photo

    return read_photo(_standard_input() if source == STDIO else source, frame=frame)


@hushed()
def read_pair(
    image: str, mask: MaskText, frame: int | None = None, *, offline: bool = False
) -> "tuple[Photo, Reading]":
    """A photo and its mask, which `given_mask` gave; the photo may come from standard input.

    Models that an expression asks for run on the command's `--device`, if it has one.

    Raises:
        InputError: one cannot be read, or they do not fit.
    """
    from editkit.masks.value import resolve_mask

    if offline:  # an expression may want a model
        forbid_network()
    photo = read_source(image, frame)
    read = resolve_mask(mask, photo, device=_device())
    read.coverage.flags.writeable = False  # so that the edit need not copy it
    return photo, read


def given_mask(mask: str, image: str = "") -> MaskText:
    """What a mask was given as; from standard input, an expression or the bytes of a picture.

    Pictures hold bytes that no text has.

    Raises:
        InputError: the image is to come from there, too.
    """
    if mask != STDIO:
        return mask
    if image == STDIO:
        raise InputError("IMAGE and MASK cannot both be -; give one of them as a file")
    data = _standard_input()
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return data
    is_text = text and all(char.isprintable() or char.isspace() for char in text)
    return text if is_text else data


def _standard_input() -> bytes:
    """All of standard input.

    Raises:
        ImageError: it is more than any photo has.
    """
    from editkit.photo.io.sources import read_pipe

    return read_pipe(sys.stdin.buffer, "standard input")


def _device() -> str:
    """The device that the running command was given."""
    context = click.get_current_context(silent=True)
    return "auto" if context is None else str(context.params.get("device", "auto"))


def _default_output(source: str | None, *, preview: bool = False) -> str:
    if source is None:
        return "generated.preview.png" if preview else "generated.png"
    if source == STDIO:
        return STDIO
    from editkit.photo.io.files import FORMATS
    from editkit.storage.url import address, place_of

    path = place_of(source)
    # What looks like an animation's name is one picture of it now.
    suffix = path.suffix if path.suffix.lower() in FORMATS else ".png"
    return address(path.with_name(f"{path.stem}.{'preview' if preview else 'edit'}{suffix}"))


def _with_seed(target: str, seed: int) -> str:
    from editkit.storage.url import address, place_of

    path = place_of(target)
    return address(path.with_name(f"{path.stem}.{seed}{path.suffix}"))


def _named(result: "Result", mask: MaskText | None) -> "Result":
    """The result with its record saying what the mask was given as."""
    if mask is None or result.record is None:
        return result
    from editkit.ops.record import mask_told

    told = result.record["mask"] | mask_told(mask)
    return replace(result, record={**result.record, "mask": told})


def _kind_of(photo: "Photo | None") -> str:
    """The format in which a photo goes to standard output: its own, or PNG."""
    from editkit.photo.io.files import FORMATS

    known = photo is not None and photo.format in FORMATS.values()
    return str(photo.format) if photo is not None and known else "PNG"


def _write(
    result: "Result", target: str, saving: "Saving", *, force: bool, seen_from: Path | None
) -> Mapping[str, Any]:
    """Writes the picture; what reading it again shows."""
    from editkit.photo.io.files import format_of
    from editkit.storage.url import place_of, write_place

    if target != STDIO:
        path = place_of(target)
        with hushed():
            # As seen from the root, all that a result tells of files is their names.
            folder = path.parent if isinstance(path, Path) else Path("/")
            encoded = result.encoded(format_of(Path(path.name)), saving, seen_from or folder)
        write_place(encoded.data, path, force=force, photo=result.photo)
        return encoded.evidence
    with hushed():
        encoded = result.encoded(_kind_of(result.photo), saving)
    try:
        sys.stdout.buffer.write(encoded.data)
        sys.stdout.buffer.flush()
        if (failure := failure_of(sys.stdout)) is not None:
            raise failure
    except BrokenPipeError:
        raise
    except OSError as error:
        raise EditkitError(f"standard output cannot be written: {error.strerror}") from error
    return encoded.evidence
