"""`editkit recipe`, `editkit apply` and `editkit report`."""

import dataclasses
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from editkit.errors import InputError
from editkit.redact import shareable

from .batch import Pair
from .command_run import STDIO, Job, read_source
from .grouped import GroupedCommand, GroupedGroup
from .offline import go_offline
from .output import put, put_json, put_path, shown_json
from .photo_command import PhotoCommand
from .silence import hush_drivers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from editkit.batch.recipes.recipe import Recipe
    from editkit.batch.staging import Staging
    from editkit.batch.tasks import Task
    from editkit.photo.io.files import Photo

_table = click.option(
    "--table", metavar="FILE", help="CSV or JSONL with variables, one row for each photo."
)
_file = click.argument("file", type=click.Path(path_type=Path))


@click.group(cls=GroupedGroup)
def recipe() -> None:
    """Check a recipe, show it, or print the JSON schema of recipes.

    A recipe is a file in YAML or TOML that chains edits:

    \b
      steps:
        - {inpaint: clear sky, mask: 'sky ~grow:6', steps: 20}
        - {img2img: 'photo of {subject}', strength: 0.2}
    """  # noqa: D301 - click wants the character itself


@recipe.command()
@_file
@click.option("--set", "variables", multiple=True, type=Pair(), help="Set a variable.")
@_table
def check(file: Path, variables: tuple[tuple[str, str], ...], table: str | None) -> None:
    """Check FILE, and report mistakes with line and column."""
    from editkit.batch.run import check_scored

    found = _read(file, variables, table)
    check_scored(found)
    put(f"{file}: {len(found.steps)} step{'s' * (len(found.steps) > 1)}, nothing wrong")


def _read(file: Path, variables: "Sequence[tuple[str, str]]", table: str | None) -> "Recipe":
    """The recipe in a file, with what the command line gives of variables."""
    from editkit.batch.recipes.recipe import read_recipe
    from editkit.batch.recipes.table import read_table

    given = None if table is None else read_table(Path(table))
    return read_recipe(file, dict(variables), given)


@recipe.command()
@_file
def show(file: Path) -> None:
    """Print FILE as JSON, as editkit reads it."""
    from editkit.batch.recipes.recipe import described, read_recipe

    told = shareable(described(read_recipe(file)))
    for line in shown_json(told, indent=2).split("\n"):
        put(line)


@recipe.command()
def schema() -> None:
    """Print the JSON schema of recipes, for editors that check while you type."""
    from editkit.batch.recipes.schema import schema as make

    put_json(make(), indent=2)


@click.command(cls=PhotoCommand)
@click.argument("recipe", type=click.Path(path_type=Path))
@click.argument("image")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="The result; - is standard output.  [NAME.edit.EXT beside the input]",
)
@click.option("--set", "variables", multiple=True, type=Pair(), help="Set a variable.")
@_table
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON report, one line for each picture."
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def apply(
    recipe: Path,
    image: str,
    variables: tuple[tuple[str, str], ...],
    table: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Edit IMAGE as RECIPE says; `editkit batch RECIPE` edits many photos.

    IMAGE may be - for standard input; the result then goes to standard output. Both may be URLs,
    such as s3://bucket/photo.jpg (with `editkit[remote]`).
    """
    from editkit.batch.recipes.steps import outcome_of
    from editkit.batch.run import check_scored
    from editkit.batch.selection import check_offline
    from editkit.batch.staging import Staging

    found = _read(recipe, variables, table)
    check_scored(found)
    check_offline(found, [image, options["output"] or ""])
    names = ("model", "device", "dtype", "offline", "jpeg", "provenance", "keep_records", "strict")
    given = {name: getattr(found, name) for name in (*names, "max_seam", "sign", "seed", "num")}
    job = Job(**options, **given)
    if found.offline:
        go_offline()
    hush_drivers()
    staging = Staging()
    with staging.telling():
        photo = read_source(staging.task(_task(found, image, 0, image)).source, found.frame)
        size, whole = outcome_of(_task(found, image, 0, image).steps, photo.size)
        targets = job.targets(image, photo, job.saving(), size, whole=whole)
        _apply(found, job, image, photo, list(targets.values()), staging)


def _apply(
    found: "Recipe", job: Job, image: str, photo: "Photo", targets: list[str], staging: "Staging"
) -> None:
    from editkit.batch.ranking import over_limit
    from editkit.batch.tasks import Setup
    from editkit.batch.work import Prepared, Worker
    from editkit.masks.value import resolve_mask
    from editkit.storage.url import place_of

    saving = job.saving()
    worker = Worker(Setup.of(found))
    for variant, target in enumerate(targets):
        given = _task(found, image, variant, target)
        task = staging.task(given)
        coverage = None if task.masks[0] is None else resolve_mask(task.masks[0], photo)
        result = worker.edit(task, Prepared(photo, coverage, 0.0))
        fault = over_limit(result.report.get("scores") or {}, found.gates)
        if fault is not None:
            raise InputError(f"{image}: {fault}; nothing was written")
        folder = None if target == STDIO else staging.folder(given, place_of(target))
        job.deliver(result, target, saving, seen_from=folder or Path("/"))


def _task(found: "Recipe", image: str, variant: int, target: str) -> "Task":
    from editkit.batch.inputs import FoundPhoto
    from editkit.batch.pairing import mask_folders, mask_of, with_files
    from editkit.batch.tasks import Task, printable, seeds_of
    from editkit.storage.url import place_of

    name = "stdin.png" if image == STDIO else Path(image).name
    photo = FoundPhoto(place_of(image), PurePosixPath(name))
    source = Path(image).absolute() if isinstance(photo.path, Path) else None
    variables = {**photo.variables, **found.table.row(photo.relative, source)}
    try:
        steps = found.bound(variables)
    except InputError as error:
        raise type(error)(f"{error}{found.table.lacking(photo.relative, source)}") from error
    pairs = [with_files(found, step, photo, {}) for step in steps]
    bound, masks = tuple(step for step, _ in pairs), list[str | None]()
    problems = [problem for _, problem in pairs]
    for step, folder in zip(bound, mask_folders(found), strict=True):
        mask, problem = mask_of(found, step, photo, folder)
        problems.append(problem)
        masks.append(mask)
    for problem in problems:
        if problem is not None:
            raise InputError(problem)
    seeds = tuple(
        seeds_of(found, bound, printable(name), variant + k) for k in range(found.best_of)
    )
    made = dataclasses.replace  # the fields that only files on disk have are empty
    return made(
        Task(printable(name), variant, image, target, target, bound, seeds, ""), masks=tuple(masks)
    )


@click.command(cls=GroupedCommand)
@click.argument("out")
@click.option("-o", "--output", metavar="FILE", help="The HTML page.  [OUT/report.html]")
@click.option("--sheet", type=click.Path(path_type=Path), help="Write a contact sheet, too.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
def report(out: str, output: str | None, sheet: Path | None, *, force: bool) -> None:
    """Write one HTML page on the batch in OUT: before and after, masks, scores, failures.

    OUT is a folder or its URL. The page is one file, and needs no server and no network.
    """
    from editkit.batch.manifest import read_rows
    from editkit.batch.manifest_sync import manifests_of
    from editkit.batch.report.contact_sheet import contact_sheet, frame_of_row
    from editkit.batch.report.page import page
    from editkit.batch.tasks import printable
    from editkit.photo.io.files import write_photo
    from editkit.storage.url import place_of, write_place

    hush_drivers()
    place = place_of(out)
    rows = read_rows(manifests_of(place))
    target = place_of(output) if output is not None else place / "report.html"
    name = place.resolve().name if isinstance(place, Path) else place.name
    write_place(page(rows, printable(name)).encode(), target, force=force or output is None)
    put_path(str(target))
    if sheet is not None:
        write_photo(contact_sheet([frame_of_row(row) for row in rows]), sheet, force=force)
        put_path(str(sheet))
