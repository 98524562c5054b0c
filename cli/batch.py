"""`editkit batch`: the commands for one photo, and recipes, over many."""

import codecs
import copy
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editkit.errors import InputError
from editkit.names import SCORES, SEEDS

from .display import Display, batch_display
from .grouped import GroupedCommand, GroupedGroup, GroupedOption
from .mask_argument import MASK_OPTION
from .offline import go_offline
from .params import model_options, with_options
from .photo_commands import PHOTO_COMMANDS
from .silence import hush_drivers

if TYPE_CHECKING:
    from collections.abc import Generator

    from editkit.batch.engines.processes import Engine, PrewarmedWorker
    from editkit.batch.inputs import FoundPhoto
    from editkit.batch.recipes.recipe import Recipe
    from editkit.batch.run import Batch, Summary
    from editkit.storage.url import Place

_INPUTS = ("image", "original", "mask", MASK_OPTION)
_NOT_TAKEN = ("output", "mask_out", "force", "as_json", "quiet", "batch_size", "grid", "preview")
_RECIPE = "recipe"
_PLACES = {"source": "IN", "output": "--output", "mask_out": "--mask-out"}
_EDITED = " EDITED is a file for all, or a folder (STEM, STEM_edited, STEM.edited, STEM.edit)."


class Shard(click.ParamType[tuple[int, int]]):
    """I/N: the I-th of N parts."""

    name = "I/N"

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, int]:
        """The pair of numbers that a text stands for."""
        part, _, parts = str(value).partition("/")
        if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
            self.fail(f"{value!r} is no shard; give I/N, such as 2/3", param, ctx)
        return int(part), int(parts)


class Pair(click.ParamType[tuple[str, str]]):
    """NAME=VALUE."""

    name = "NAME=VALUE"

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        """The name and the value."""
        name, equals, text = str(value).partition("=")
        if not equals or not name.strip():
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return name.strip(), text


class BatchSize(click.ParamType[int | str]):
    """N, or auto, which had a meaning in earlier versions."""

    name = "N"

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int | str:
        """The number, or the word."""
        if value == "auto":
            return str(value)
        return click.IntRange(1, 64).convert(value, param, ctx)


_OPTIONS: tuple[Callable[..., Any], ...] = (
    click.option(
        "-o",
        "--output",
        metavar="DIR",
        help="Folder for the results, or its URL.  [IN-edited beside IN]",
    ),
    click.option(
        "--recursive/--no-recursive",
        default=True,
        show_default=True,
        help="Also edit photos in subfolders of IN; results go to subfolders of the same names.",
    ),
    click.option(
        "--seeds",
        type=click.Choice(SEEDS),
        help="A seed for each photo, from --seed and its path in IN, or the same for all.  [photo]",
    ),
    click.option(
        "--table", metavar="FILE", help="CSV or JSONL with variables, one row for each photo."
    ),
    click.option("--set", "variables", multiple=True, type=Pair(), help="Set a variable."),
    click.option(
        "--best-of",
        type=click.IntRange(1, 1000),
        metavar="N",
        help="Make N variants of each photo, and keep the best.",
    ),
    click.option(
        "--rank",
        metavar="SCORES",
        help=f"Scores that choose the best: {', '.join(SCORES)}.  [seam]",
    ),
    click.option(
        "--gate",
        "gates",
        multiple=True,
        type=Pair(),
        metavar="SCORE=MOST",
        help="Fail photos with a higher score (one of --rank), and do not write them to DIR.",
    ),
    click.option(
        "--retry",
        type=click.Choice(("failed",)),
        help="Also try photos again whose file was the reason of their failure.",
    ),
    click.option("--force", is_flag=True, help="Edit all photos again; replace files that exist."),
    click.option("--dry-run", is_flag=True, help="Print the work and its time, and edit nothing."),
    click.option("--limit", type=click.IntRange(1), metavar="N", help="Edit at most N photos."),
    click.option(
        "--sample",
        type=click.IntRange(1, 100),
        metavar="N",
        help="Edit N photos, make a contact sheet of them, and ask (or stop) before the others.",
    ),
    click.option(
        "--shard", type=Shard(), help="Edit the I-th of N parts; give each machine another I."
    ),
    click.option("--watch", is_flag=True, help="Keep running, and edit new photos in IN."),
    click.option(
        "--engine",
        type=click.Choice(("local", "ray")),
        default="local",
        show_default=True,
        help="Edit on this machine, or on a Ray cluster (`editkit[ray]`) that sees the same disk "
        "or store.",
    ),
    click.option(
        "--ray-address",
        metavar="ADDRESS",
        help="Address of the cluster, such as `auto`.  [RAY_ADDRESS, or a new local cluster]",
    ),
    click.option(
        "--gpus",
        type=click.FloatRange(0, 64),
        metavar="N",
        help="GPUs of each Ray worker; 0.5 puts two workers on one.  [1, or 0 without a GPU]",
    ),
    click.option(
        "--workers",
        type=click.IntRange(0, 64),
        metavar="N",
        help="Number of worker processes; 0 edits in this process.  [one for each GPU, or one]",
    ),
    click.option(
        "--batch-size",
        type=BatchSize(),
        metavar="N",
        help="Photos in one call of the network, for GPUs; the last bits of a picture may depend "
        "on N.  [1]",
    ),
    click.option(
        "--fixed-batch",
        is_flag=True,
        help="Edit photos again that were made with another --batch-size.",
    ),
    click.option(
        "--json", "as_json", is_flag=True, help="Print events, one JSON object in each line."
    ),
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
)


@dataclass(frozen=True)
class Wanted:
    """What `editkit batch` takes beside the edit itself."""

    source: str
    output: str | None
    recursive: bool
    retry: str | None
    force: bool
    dry_run: bool
    limit: int | None
    sample: int | None
    shard: tuple[int, int] | None
    watch: bool
    engine: str
    ray_address: str | None
    gpus: float | None
    workers: int | None
    as_json: bool
    quiet: bool
    mask_out: str | None = None

    @classmethod
    def take(cls, options: dict[str, Any]) -> "Wanted":
        """These options, taken out of all that a command was given."""
        names = [name for name in cls.__dataclass_fields__ if name in options]
        # What a variable of a shell gives that is not set; for a path it would be this folder.
        empty = [name for name in _PLACES if options.get(name) == ""]
        if empty:
            raise InputError(
                f"{_PLACES[empty[0]]} is empty; give a folder, or . for the current folder"
            )
        return cls(**{name: options.pop(name) for name in names})

    @property
    def out(self) -> "Place":
        """The folder for results."""
        from editkit.storage.url import is_folder, place_of

        if self.output is not None:
            return place_of(self.output)
        source = place_of(self.source)
        if not is_folder(source):
            raise InputError(f"{self.source} is not a folder; give -o a folder for the results")
        whole = source.resolve() if isinstance(source, Path) else source
        if not isinstance(whole, Path) and "/" not in whole.key:  # a bucket
            raise InputError(f"{source} is a whole bucket; give -o a folder for the results")
        return whole.with_name(f"{whole.name}-edited")

    @contextmanager
    def worker(self, *, offline: bool) -> "Generator[PrewarmedWorker | None]":
        """A worker that is started before the edits are known, where there will be work for it.

        That is so in a folder that was never written to. Elsewhere there may be nothing to do.
        """
        from editkit.batch.engines.processes import PrewarmedWorker
        from editkit.batch.inputs import OWN
        from editkit.storage.timeouts import await_places
        from editkit.storage.url import is_folder, is_url, place_of

        places = [place_of(text) for text in (self.source, self.output, self.mask_out) if text]
        await_places(place for place in places if isinstance(place, Path))
        local = self.engine == "local" and self.workers != 0 and not self.watch
        if not local or is_url(self.output or self.source) or is_folder(self.out / OWN):
            yield None
            return
        with closing(PrewarmedWorker(offline=offline)) as prewarmed:
            yield prewarmed

    @property
    def masks_out(self) -> Path | None:
        """The folder for the areas that were edited."""
        return None if self.mask_out is None else Path(self.mask_out)


class BatchGroup(GroupedGroup):
    """A group whose first word is a command or a recipe's file."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of a name; of a recipe's file, the one that runs recipes."""
        from editkit.batch.recipes.document import is_recipe_name

        if args and args[0] not in self.commands and is_recipe_name(args[0]):
            return _RECIPE, self.commands[_RECIPE], args
        return super().resolve_command(ctx, args)


@click.group(cls=BatchGroup, subcommand_metavar="COMMAND|RECIPE IN ...")
def batch() -> None:
    """Edit a folder of photos, by COMMAND with its options or by RECIPE.

    Run it again, and it edits only photos that are new, have changed or failed. A photo that fails
    does not stop the others. Exit codes: 0 all photos done, 2 an input is wrong and no photo was
    edited, 3 some photos failed.
    """


def _batched(single: click.Command) -> click.Command:
    """The command for many photos of one for a single photo, with every option of that."""
    own = {name: parameter for parameter in single.params if (name := parameter.name)}
    kept = [copy.copy(p) for p in single.params if p.name not in (*_INPUTS, *_NOT_TAKEN)]
    arguments = [click.Argument(["source"], metavar="IN")]
    arguments += [p for p in kept if isinstance(p, click.Argument)]
    options = [p for p in kept if isinstance(p, click.Option)]
    if "mask" in own:
        text = "A file for all, a folder of masks (STEM, STEM_mask, STEM.mask), or an expression."
        needed = own["mask"].required
        options.insert(0, GroupedOption(["--mask"], metavar="EXPR", required=needed, help=text))
    if "mask_out" in own:
        options.append(_mask_out())

    # Not by pass_context: some edits have an option of that name.
    def run(**options: Any) -> None:  # noqa: ANN401
        wanted = Wanted.take(options)
        with wanted.worker(offline=bool(options.get("offline"))) as prewarmed:
            code = _ran(_recipe_of(str(single.name), options), wanted, prewarmed)
        click.get_current_context().exit(code)

    summary = (single.help or "").split("\n\n")[0]
    for name in ("IMAGE", "ORIGINAL"):
        summary = summary.replace(name, "each photo of IN", 1).replace(name, "the photo")
    command = GroupedCommand(
        single.name,
        callback=run,
        params=[*arguments, *options],
        help=f"{summary.replace(' MASK', ' --mask')}\n\nIN is a folder, a pattern in quotes such "
        "as 'shoot/**/*.jpg', a file, the URL of one (s3://bucket/shoot, with `editkit[remote]`), "
        "or - for a list of files on standard input. Text may hold "
        "variables: {stem}, {name}, {folder}, and columns of --table; double other braces."
        f"{_EDITED if 'edited' in own else ''}",
        short_help=single.get_short_help_str(100),
    )
    return _with_options(command)


def _mask_out() -> click.Option:
    text = "Folder for masks of the edited areas, with the names of the results."
    return click.Option(["--mask-out"], metavar="DIR", help=text)


def _with_options(command: click.Command) -> click.Command:
    for option in reversed(_OPTIONS):
        option(command)
    return command


@batch.command(_RECIPE, hidden=True)
@click.argument("recipe", type=click.Path(path_type=Path))
@click.argument("source", metavar="IN")
@click.argument("out", metavar="[OUT]", required=False)
@with_options(*model_options())
@click.pass_context
def run_recipe(context: click.Context, recipe: Path, out: str | None, **options: Any) -> None:  # noqa: ANN401
    """Edit every photo of IN as RECIPE says: see `editkit recipe`."""
    import dataclasses

    from editkit.batch.recipes.recipe import read_recipe
    from editkit.batch.recipes.table import read_table

    if out is not None:
        if options["output"] is not None:
            raise InputError("OUT and --output are the same; give one of them")
        options["output"] = out
    wanted = Wanted.take(options)
    changed = {name: value for name, value in options.items() if _given(context, name)}
    given = changed.pop("table", None)
    table = None if given is None else read_table(Path(given))
    read = read_recipe(recipe, dict(options["variables"]), table)
    made = dataclasses.replace(read, **_settings(changed, read))
    if made.offline:
        go_offline()
    with wanted.worker(offline=made.offline) as prewarmed:
        code = _ran(made, wanted, prewarmed)
    context.exit(code)


run_recipe.params.append(_mask_out())
_with_options(run_recipe)
for _command in PHOTO_COMMANDS:
    batch.add_command(_batched(_command))


def _given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def _recipe_of(name: str, options: Mapping[str, Any]) -> "Recipe":
    """The recipe of one step that a command with its options stands for."""
    from editkit.batch.recipes.recipe import Recipe, made_step
    from editkit.batch.recipes.steps import Operation

    operation = Operation(name)
    step = dict[str, Any]()
    for key in (*operation.parameters, "mask", *operation.files):
        if key in options and key != "seed" and options[key] is not None:
            step[name if key == "prompt" else key] = options[key]
    of_steps = {*operation.parameters, "mask", *operation.files} - {"seed"}
    others = {key: value for key, value in options.items() if key not in of_steps}
    return Recipe(steps=(made_step(operation, step),), **_settings(others)).check()


def _settings(options: Mapping[str, Any], recipe: "Recipe | None" = None) -> dict[str, Any]:
    """Settings of a recipe from options of the command line; those left open are left out."""
    from editkit.batch.recipes.recipe import check_settings
    from editkit.batch.recipes.table import read_table

    found = {key: value for key, value in options.items() if value not in (None, ())}
    if "table" in found:
        found["table"] = read_table(Path(found["table"]))
    if "variables" in found:
        found["variables"] = {**(recipe.variables if recipe else {}), **dict(found["variables"])}
    if "rank" in found:
        found["rank"] = tuple(part.strip() for part in found["rank"].split(","))
    if "gates" in found:
        found["gates"] = {name: _number(f"--gate {name}", text) for name, text in found["gates"]}
    for name in (*found.get("rank", ()), *found.get("gates", ())):
        if name not in SCORES:
            raise InputError(f"there is no score {name!r}; give one of {', '.join(SCORES)}")
    is_auto = found.get("batch_size") == "auto"
    check_settings({**found, "batch_size": 1} if is_auto else found)
    return {**found, "batch_size": 0} if is_auto else found


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise InputError(f"{name} is {text!r}; give a number") from error
    if not number >= 0:  # a NaN, too, compares false
        raise InputError(f"{name} is {text}; give 0 or more")
    return number


def _ran(recipe: "Recipe", wanted: Wanted, prewarmed: "PrewarmedWorker | None") -> int:
    """The exit code of a batch."""
    from editkit.batch.run import Batch, check_out
    from editkit.batch.selection import Choice, check_offline

    check_offline(recipe, [wanted.source, wanted.output or ""])
    if recipe.offline and wanted.engine == "ray":
        raise InputError("--offline and --engine ray contradict each other; give one")
    hush_drivers()
    out = wanted.out
    for folder in (out, wanted.masks_out):
        if folder is not None:
            check_out(folder)
    if recipe.offline:
        go_offline()
    choice = Choice(wanted.force, wanted.retry is not None, wanted.limit, wanted.shard)
    with batch_display(as_json=wanted.as_json, quiet=wanted.quiet) as display:
        engine = _engine(recipe, wanted, prewarmed)
        made = Batch(recipe, out, engine, choice, display.event, wanted.masks_out)
        if wanted.dry_run:
            return _told_only(made, _found(recipe, wanted), display)
        if wanted.watch:
            return _watched(made, recipe, wanted)
        photos = _found(recipe, wanted)
        if wanted.sample is not None:
            return _sampled(made, photos, wanted.sample, display)
        return made.run(photos).code


def _engine(recipe: "Recipe", wanted: Wanted, prewarmed: "PrewarmedWorker | None") -> "Engine":
    from editkit.batch.engines.processes import Local, here
    from editkit.batch.run import asks_model

    if prewarmed is not None and not asks_model(recipe):
        prewarmed.close()
    if wanted.engine == "ray":
        from editkit.batch.engines.ray import OnRay

        return OnRay(wanted.ray_address, wanted.workers, wanted.gpus)
    if wanted.workers == 0:
        return here
    return Local(recipe.device, wanted.workers, prewarmed)


def _found(recipe: "Recipe", wanted: Wanted) -> "Sequence[FoundPhoto]":
    from editkit.batch.inputs import check_apart, listed_photos
    from editkit.batch.selection import found_photos

    if wanted.source != "-":
        return found_photos(
            wanted.source,
            wanted.out,
            recipe,
            recursive=wanted.recursive,
            masks_out=wanted.masks_out,
        )
    # Names are bytes, and need not be text.
    data = sys.stdin.buffer.read()
    of_windows = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    photos = listed_photos([data.decode("utf-16", "replace") if of_windows else os.fsdecode(data)])
    check_apart(photos, wanted.out)
    return photos


def _told_only(made: "Batch", photos: "Sequence[FoundPhoto]", display: Display) -> int:
    from editkit.batch.run_events import closed_events

    plan = made.plan(photos)
    for event in closed_events(photos, plan):
        display.event(event)
    for task in plan.tasks:
        event = {"photo": task.photo, "why": plan.reasons[task.key], "output": task.output}
        changed = plan.changes.get(task.key, ())
        told = {"changed": list(changed)} if changed else {}
        display.event({"event": "would", **event, **told})
    estimate = made.estimate(plan) if plan.tasks else {"photos": 0, "seconds": 0}
    display.event({"event": "estimate", **estimate, "kept": len(plan.done), "notes": plan.notes})
    return 0


def _sampled(made: "Batch", photos: "Sequence[FoundPhoto]", count: int, display: Display) -> int:
    """Does a few, shows them, and goes on if told so."""
    from editkit.batch.inputs import OWN
    from editkit.batch.report.contact_sheet import contact_sheet, frame_of
    from editkit.photo.io.files import encode_photo
    from editkit.storage.url import write_place

    summary = made.run(photos, sample=count)
    if not summary.outcomes:
        return summary.code
    sheet = made.out / OWN / "sample.png"
    picture = contact_sheet([frame_of(o) for o in summary.outcomes])
    write_place(encode_photo(picture, "PNG"), sheet, force=True)
    display.event({"event": "sample", "sheet": str(sheet), "left": summary.left})
    if not summary.left or not sys.stdin.isatty():
        return summary.code
    if not click.confirm(f"Do the other {summary.left}, too?", err=True):
        return summary.code
    return made.run(photos).code


def _watched(made: "Batch", recipe: "Recipe", wanted: Wanted) -> int:
    """Runs again and again, with what has come and is not being written any more."""
    from editkit.batch.watch import settled_photos

    if wanted.source == "-":
        raise InputError("--watch needs a folder; give one in place of the list")
    summary: Summary | None = None
    try:
        for photos in settled_photos(lambda: _found(recipe, wanted)):
            summary = made.run(photos)
    except KeyboardInterrupt:  # the way to end it
        pass
    return 0 if summary is None else summary.code
