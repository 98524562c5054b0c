"""Running an edit from the command line: what is read, where it goes, what is said.

Everything that can be wrong with what was given is found before a model is loaded, and before torch
is imported.
"""

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import click

import editkit
from editkit.errors import EditkitError, InputError

from .offline import forbid_network

if TYPE_CHECKING:
    from editkit.ops.edit import Progress
    from editkit.ops.result import Result
    from editkit.photo.files import Photo
    from editkit.types import Coverage

STDIO = "-"
_SEEDS = 2**63


@dataclass(frozen=True)
class Job:
    """What every command takes beside the edit itself."""

    model: str
    device: str
    dtype: str
    offline: bool
    output: str | None
    num: int
    force: bool
    as_json: bool
    quiet: bool
    seed: int

    @classmethod
    def take(cls, options: dict[str, Any]) -> Self:
        """The job's options, taken out of all that a command was given."""
        return cls(**{f.name: options.pop(f.name) for f in fields(cls)})

    def targets(self, source: str | None, photo: "Photo | None") -> Mapping[int, str]:
        """Where each seed's picture goes, checked to be writable.

        Raises:
            InputError: a target exists, or cannot be written.
        """
        from editkit.photo.files import check_target, format_of

        whole = _default_output(source) if self.output is None else self.output
        if whole == STDIO:
            self._check_stdout()
            return {self.seed: STDIO}
        format_of(Path(whole))  # what has a suffix has a name, too
        if self.seed + self.num > _SEEDS:
            raise InputError(f"-n {self.num} from --seed {self.seed} goes beyond the last seed")
        seeds = range(self.seed, self.seed + self.num)
        named = {seed: whole if self.num == 1 else _with_seed(whole, seed) for seed in seeds}
        for target in named.values():
            check_target(photo, Path(target), force=self.force)
        return named

    def _check_stdout(self) -> None:
        if self.num > 1:
            raise InputError(f"-n {self.num} pictures cannot go to standard output; give -o FILE")
        if self.as_json:
            raise InputError("--json and the picture cannot both go to standard output; give -o")
        if sys.stdout.isatty():
            raise InputError("standard output is a terminal; give -o FILE")

    def run(
        self,
        edit: str,
        prompt: str,
        options: Mapping[str, Any],
        inputs: "Sequence[Photo | Coverage]" = (),
        source: str | None = None,
    ) -> None:
        """Applies an edit to its inputs, for each seed, and writes what comes out.

        Args:
            edit: the name of an edit of `editkit`.
            prompt: its prompt.
            options: its other parameters, but for the seed.
            inputs: what it is applied to: nothing, a photo, or a photo and its mask.
            source: what the photo was given as.
        """
        targets = self.targets(source, cast("Photo", inputs[0]) if inputs else None)
        if self.offline:
            forbid_network()
        from editkit.models.registry import load_model

        model = load_model(self.model, device=self.device, dtype=self.dtype, offline=self.offline)
        for seed, target in targets.items():
            made = getattr(editkit, edit)(prompt, seed=seed, **options)
            with self._progress() as progress:
                result = made(model, *inputs, progress=progress)
            _write(result, target, force=self.force)
            self._tell(result, target)

    @contextmanager
    def _progress(self) -> "Generator[Progress | None]":
        if self.quiet:
            yield None
            return
        from tqdm import tqdm

        # None means: only on a terminal.
        with tqdm(unit="step", leave=False, disable=None, file=sys.stderr) as bar:

            def show(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield show

    def _tell(self, result: "Result", target: str) -> None:
        from editkit.photo.files import is_lossy

        lossless = target == STDIO or not is_lossy(Path(target).suffix)
        report = {"output": target, "lossless": lossless, **result.report}
        if self.as_json:
            click.echo(json.dumps(report))
        elif target != STDIO and not self.quiet:
            click.echo(target)
        if not self.quiet:
            for note in _notes(report):
                click.echo(f"editkit: {note}", err=True)


def _notes(report: Mapping[str, Any]) -> list[str]:
    notes = list(report["notes"])
    if report["unread"]:
        notes.append(f"the prompt is too long for the model; not read: {report['unread']!r}")
    said = f"seed {report['seed']}, {report['seconds']} s"
    if "pixels_kept" in report:
        changed = report["samples_changed_outside"]
        before = "" if report["lossless"] else ", before JPEG encodes all again"
        said += f", {report['pixels_kept']} pixels kept ({changed} samples of them changed{before})"
    return [*notes, said]


def read_source(source: str) -> "Photo":
    """The photo of a path, or of standard input.

    Raises:
        ImageError: it cannot be read.
    """
    from editkit.photo.files import read_photo

    return read_photo(sys.stdin.buffer.read() if source == STDIO else source)


def read_pair(image: str, mask: str, *, offline: bool = False) -> "tuple[Photo, Coverage]":
    """A photo and its mask; one of them may come from standard input.

    Raises:
        InputError: one cannot be read, or they do not fit.
    """
    from editkit.masks.evaluate import coverage_of

    if image == mask == STDIO:
        raise InputError("IMAGE and MASK cannot both be -; give one of them as a file")
    if offline:  # an expression may want a model
        forbid_network()
    photo = read_source(image)
    given = sys.stdin.buffer.read() if mask == STDIO else mask
    return photo, coverage_of(given, photo)


def _default_output(source: str | None) -> str:
    if source is None:
        return "generated.png"
    if source == STDIO:
        return STDIO
    from editkit.photo.files import FORMATS

    path = Path(source)
    suffix = path.suffix if path.suffix.lower() in FORMATS else ".png"
    return str(path.with_name(f"{path.stem}.edit{suffix}"))


def _with_seed(target: str, seed: int) -> str:
    path = Path(target)
    return str(path.with_name(f"{path.stem}.{seed}{path.suffix}"))


def _write(result: "Result", target: str, *, force: bool) -> None:
    if target != STDIO:
        result.save(target, force=force)
        return
    from editkit.photo.files import FORMATS, encode_photo

    given = result.photo.format or "PNG"
    data = encode_photo(result.photo, given if given in FORMATS.values() else "PNG")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise EditkitError(f"standard output cannot be written: {error.strerror}") from error
