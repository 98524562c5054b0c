"""`editkit recipe`, `editkit apply` and `editkit report`."""

import dataclasses
import json
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from editkit.errors import InputError

from .batch import Pair
from .offline import forbid_network
from .running import STDIO, Job, read_source
from .single import SINGLE

if TYPE_CHECKING:
    from editkit.batch.recipe import Recipe
    from editkit.batch.tasks import Task
    from editkit.photo.files import Photo

_file = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def recipe() -> None:
    r"""Check a recipe, show it, or print the JSON schema of recipes.

    A recipe is a file in YAML or TOML that chains edits:

    \b
      steps:
        - {inpaint: clear sky, mask: 'sky ~grow:6', steps: 20}
        - {img2img: 'photo of {subject}', strength: 0.2}
    """


@recipe.command()
@_file
@click.option("--set", "variables", multiple=True, type=Pair(), help="Set a variable.")
def check(file: Path, variables: tuple[tuple[str, str], ...]) -> None:
    """Say what is wrong with FILE, with line and column."""
    from editkit.batch.recipe import read_recipe
    from editkit.batch.run import check_scored

    found = read_recipe(file, dict(variables))
    check_scored(found)
    click.echo(f"{file}: {len(found.steps)} step{'s' * (len(found.steps) > 1)}, nothing wrong")


@recipe.command()
@_file
def show(file: Path) -> None:
    """Print FILE as JSON: what was read of it."""
    from editkit.batch.recipe import described, read_recipe

    click.echo(json.dumps(described(read_recipe(file)), indent=2, ensure_ascii=False, default=str))


@recipe.command()
def schema() -> None:
    """Print the JSON schema of recipes, for editors that check as one types."""
    from editkit.batch.schema import schema as make

    click.echo(json.dumps(make(known_facts()), indent=2))


def known_facts() -> dict[str, dict[str, dict[str, Any]]]:
    """What the options of the commands say of parameters: descriptions, ranges and choices."""
    facts = dict[str, dict[str, dict[str, Any]]]()
    for command in SINGLE:
        options = [p for p in command.params if isinstance(p, click.Option)]
        # Of several options that set the same, the first one is the whole of it.
        own = {p.name: _facts(p) for p in reversed(options)}
        facts[str(command.name)] = {str(name): fact for name, fact in own.items()}
        facts.setdefault("", {}).update(facts[str(command.name)])
    return facts


def _facts(option: click.Option) -> dict[str, Any]:
    facts: dict[str, Any] = {"description": option.help or ""}
    if isinstance(option.type, click.Choice):
        facts["enum"] = [str(choice) for choice in option.type.choices]
    if isinstance(option.type, click.IntRange | click.FloatRange):
        facts |= {"minimum": option.type.min} if option.type.min is not None else {}
        facts |= {"maximum": option.type.max} if option.type.max is not None else {}
    return facts


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.argument("image")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to write; - is standard output.  [NAME.edit.EXT beside the input]",
)
@click.option("--set", "variables", multiple=True, type=Pair(), help="Set a variable.")
@click.option("--force", is_flag=True, help="Replace an output that exists.")
@click.option("--json", "as_json", is_flag=True, help="Print a report, a line for each picture.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def apply(
    recipe: Path,
    image: str,
    variables: tuple[tuple[str, str], ...],
    **options: Any,  # noqa: ANN401
) -> None:
    """Edit IMAGE as RECIPE says; `editkit batch RECIPE` does so with many.

    IMAGE may be - for standard input; the result then goes to standard output.
    """
    from editkit.batch.recipe import read_recipe
    from editkit.batch.run import check_scored

    found = read_recipe(recipe, dict(variables))
    check_scored(found)
    names = ("model", "device", "dtype", "offline", "jpeg", "provenance", "strict", "max_seam")
    given = {name: getattr(found, name) for name in (*names, "sign", "seed", "num")}
    job = Job(**options, **given)
    photo = read_source(image, found.frame)
    targets = job.targets(image, photo)
    if found.offline:
        forbid_network()
    _apply(found, job, image, photo, list(targets.values()))


def _apply(found: "Recipe", job: Job, image: str, photo: "Photo", targets: list[str]) -> None:
    from editkit.batch.tasks import Setup
    from editkit.batch.work import Bench, Prepared, over_limit
    from editkit.masks.evaluate import coverage_of
    from editkit.ops.output import Saving
    from editkit.photo.signing import Signer

    signer = Signer(*map(Path, found.sign)) if found.sign else None
    saving = Saving(found.jpeg, found.provenance, found.strict, found.max_seam, signer)
    bench = Bench(Setup.of(found))
    for variant, target in enumerate(targets):
        task = _task(found, image, variant, target)
        coverage = None if task.masks[0] is None else coverage_of(task.masks[0], photo)
        result = bench.edit(task, Prepared(photo, coverage, 0.0))
        fault = over_limit(result.report.get("scores") or {}, found.gates)
        if fault is not None:
            raise InputError(f"{image}: {fault}; nothing was written")
        job.deliver(result, target, saving)


def _task(found: "Recipe", image: str, variant: int, target: str) -> "Task":
    from editkit.batch.inputs import Found
    from editkit.batch.plan import mask_folders, mask_of, with_files
    from editkit.batch.tasks import Task, printable, seeds_of

    name = "stdin.png" if image == STDIO else Path(image).name
    photo = Found(Path(image), PurePosixPath(name))
    variables = {**photo.variables, **found.table.row(photo.relative)}
    pairs = [with_files(found, step, photo, {}) for step in found.bound(variables)]
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


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="[OUT/report.html]")
@click.option("--sheet", type=click.Path(path_type=Path), help="Write a contact sheet, too.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
def report(out: Path, output: Path | None, sheet: Path | None, *, force: bool) -> None:
    """Write one HTML page of what a batch put into OUT: before and after, masks, scores, failures.

    It needs no server and no network, and may be sent as it is.
    """
    from editkit.batch.inputs import OWN
    from editkit.batch.manifest import read_rows
    from editkit.batch.report import page
    from editkit.batch.sheet import contact_sheet, frame_of_row
    from editkit.batch.tasks import printable
    from editkit.photo.files import write_bytes, write_photo

    rows = read_rows(out / OWN)
    target = output or out / "report.html"
    text = page(rows, printable(out.resolve().name))
    write_bytes(None, text.encode(), target, force=force or output is None)
    click.echo(str(target))
    if sheet is not None:
        write_photo(contact_sheet([frame_of_row(row) for row in rows]), sheet, force=force)
        click.echo(str(sheet))
