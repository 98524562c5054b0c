"""`editkit verify`, `editkit info` and `editkit replay`: what files show."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from editkit.errors import EditkitError, InputError

from .command_run import given, given_mask, read_pair, read_source
from .grouped import GroupedCommand
from .mask_argument import MaskCommand, mask_argument
from .offline import forbid_network
from .output import put, put_json, say, shown_json
from .params import NO_CACHE, mask_options, model_options, with_options
from .silence import hushed


@click.command(cls=MaskCommand)
@click.argument("original")
@click.argument("edited")
@mask_argument(required=False)
@click.option(
    "--tolerance",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Largest allowed change of a sample outside MASK.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON report.")
@with_options(*mask_options())
def verify(
    original: str,
    edited: str,
    mask: str | None,
    *,
    tolerance: int,
    as_json: bool,
    device: str,
    offline: bool,
) -> None:
    """Measure the changes from ORIGINAL to EDITED, and fail if a sample outside MASK changed.

    It reads the files alone. Without MASK it only reports the changes. For two JPEGs of the same
    structure it compares blocks of coefficients: blocks without a masked pixel must be the same.
    """
    from editkit.photo.quality.verify import verify as measure

    del device  # which the reading of the mask looks up
    photo, read = (
        read_pair(original, given_mask(mask, original), offline=offline)
        if mask
        else (read_source(original), None)
    )
    after = read_source(edited)
    with hushed():
        area = None if read is None else read.coverage
        report = measure(photo, after, area, tolerance=tolerance)
    for note in () if read is None else read.notes:
        say(note)
    _tell(report, as_json=as_json)
    if not report["kept"]:
        count, largest = report["samples_changed_outside"], report["largest_change_outside"]
        raise EditkitError(f"{count} kept samples changed, by up to {largest}")


@click.command(cls=GroupedCommand)
@click.argument("file")
@click.option(
    "--frame",
    type=click.IntRange(0),
    help="Picture of an animation or page of a file, counted from 0.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def info(file: str, *, frame: int | None, as_json: bool) -> None:
    """Print the samples, color profile, metadata and provenance of FILE."""
    from editkit.photo.quality.verify import info as look

    _tell(look(read_source(file, frame)), as_json=as_json)


@click.command(cls=GroupedCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--original", help="The original photo.  [its path in FILE]")
@click.option("--edited", help="The edited copy of a composite.  [its path in FILE]")
@click.option("--mask", help="The mask.  [its path in FILE]")
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Folder that may hold the files named by FILE, with its subfolders.  [FILE's folder]",
)
@click.option(
    "--allow-download",
    is_flag=True,
    help="Download models that FILE names and this machine lacks.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the repeated result.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON report.")
@with_options(*model_options())
@with_options(NO_CACHE)
def replay(
    file: Path,
    original: str | None,
    edited: str | None,
    mask: str | None,
    root: Path | None,
    output: Path | None,
    *,
    allow_download: bool,
    force: bool,
    as_json: bool,
    model: str,
    device: str,
    dtype: str,
    offline: bool,
) -> None:
    """Repeat the edit or recipe recorded in FILE, and compare the bytes.

    FILE may come from a stranger. So editkit reads the files that it names only in FILE's folder
    and below, or in --root. It downloads a model that FILE names only with --allow-download.
    """
    from editkit.ops.replay import find_replay

    if offline:  # its mask may want a model
        if allow_download:
            raise InputError("--offline and --allow-download contradict each other; give one")
        forbid_network()
    with hushed():
        found = find_replay(
            file,
            original=original,
            edited=edited,
            mask=mask,
            device=device,
            root=root,
            allow_download=allow_download,
        )
    from editkit.models.registry import load_model
    from editkit.photo.io.files import check_target, write_bytes

    if output is not None:
        check_target(None, output, force=force)
    loaded = None
    if found.needs_model:
        chosen = model if given("model") else found.model_name(allow_download=allow_download)
        loaded = load_model(chosen, device=device, dtype=dtype, offline=offline)
    with hushed():
        made = found.run(loaded)
    if output is not None:
        write_bytes(found.original, made["data"], output, force=force)
    report = {"file": str(file), "same": made["same"], "differences": made["differences"]}
    _tell(report, as_json=as_json)
    if not made["same"]:
        raise EditkitError(f"{file} was not reproduced: {'; '.join(made['differences']) or '?'}")


def _tell(report: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        put_json(report)
        return
    for key, value in report.items():
        if value not in (None, [], {}, ""):
            put(f"{key:24} {value if isinstance(value, str) else shown_json(value)}")
    sys.stdout.flush()
