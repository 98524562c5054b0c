"""Options of commands, made from the facts of edits and of runs."""

import inspect
import math
import os
import re
import typing
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import click

from editkit.boxes import Size
from editkit.ops.catalog import CATALOG
from editkit.options import Fact, Option, facts_of
from editkit.run_options import FileOptions, ModelOptions, PhotoOptions, VariantOptions

from .grouped import GroupedOption
from .offline import offline_at_once
from .photo_command import PhotoCommand

Command = Callable[..., Any]


_ENDLESS = 1e9
"""Limits from here on are there for programs' sake, and not worth a word."""


def _range_in_words(low: float | None, high: float | None) -> str:
    """A range for help; empty where it has no limits."""
    if low is None:
        return ""
    return f"{low:g} or more" if high is None or high >= _ENDLESS else f"{low:g} to {high:g}"


class Whole(click.IntRange):
    """A whole number in a range."""

    def _describe_range(self) -> str:
        return _range_in_words(self.min, self.max)


class Number(click.FloatRange):
    """A number in a range; NaN, which no comparison finds outside, is refused too."""

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """The number that a text stands for."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number

    def _describe_range(self) -> str:
        return _range_in_words(self.min, self.max)


class Words(click.ParamType[str]):
    """Text that a tokenizer can read; a shell hands over bytes of any kind."""

    name = "text"

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """The text as it is."""
        try:
            str(value).encode()
        except UnicodeEncodeError:
            self.fail("the text is not UTF-8.", param, ctx)
        return str(value)


def _without_cache(context: click.Context, _: click.Parameter, value: bool) -> None:
    """Switches the cache of selections off for as long as the command runs."""
    if not value:
        return
    from editkit.masks.cache import OFF

    before = os.environ.get(OFF)
    os.environ[OFF] = "1"

    def restore() -> None:
        if before is None:
            del os.environ[OFF]
        else:
            os.environ[OFF] = before

    context.call_on_close(restore)


class SizeType(click.ParamType[Size]):
    """WIDTHxHEIGHT in pixels, or one number for a square."""

    name = "WxH"

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Size:
        """The size that a text stands for."""
        found = re.fullmatch(r"(\d{1,9})(?:[xX](\d{1,9}))?", str(value))
        if found is None:
            self.fail(f"{value!r} is not a size; give WIDTHxHEIGHT, such as 640x480", param, ctx)
        width, height = found.groups()
        size = Size(int(height or width), int(width))
        if not all(self.least <= side <= self.most for side in size):
            sides = f"sides from {self.least} to {self.most}"
            self.fail(f"{size} is out of range; give {sides}", param, ctx)
        return size


def option_for(fact: Fact, *, paired: bool = False) -> GroupedOption:
    """The option that sets a field: its flag, type, default and help, from its facts.

    Args:
        fact: of the field.
        paired: give a switch that is off a flag to switch it off, too.
    """
    option, flag = fact.option, fact.name.replace("_", "-")
    numeric = fact.kinds[0] in (int, float)
    metavar = option.metavar or ("N" if numeric else None)
    more: dict[str, Any] = {"type": _type_of(fact), "metavar": metavar}
    if bool in fact.kinds:
        on_off = paired or fact.default
        flag, more = (f"{flag}/--no-{flag}", {}) if on_off else (flag, {"is_flag": True})
    elif typing.get_origin(fact.kinds[0]) is tuple:
        more["nargs"] = len(typing.get_args(fact.kinds[0]))
    return GroupedOption(
        [*filter(None, [option.short]), f"--{flag}", fact.name],
        group=option.group,
        # A mask's option had its flag of today under its former name, too.
        former=[f"--{old.replace('_', '-')}" for old in option.former if not option.rule],
        default=fact.default,
        show_default=_shows_default(fact, paired=paired),
        help=fact.help,
        **more,
    )


def _shows_default(fact: Fact, *, paired: bool) -> bool:
    if fact.option.unset or fact.default in (None, ""):
        return False
    return paired or fact.default is not False


def _type_of(fact: Fact) -> Any:  # noqa: ANN401 - of Click's
    """The type of an option's value."""
    option = fact.option
    if option.choices:
        return click.Choice(option.choices)
    kinds = list(fact.kinds)
    if len(kinds) > 1 or option.rule:  # text that stands for several things
        return click.STRING
    kind = kinds[0]
    if typing.get_origin(kind) is tuple:
        texts = str in typing.get_args(kind)
        return click.Path() if texts else Number(option.low, option.high)
    if kind is str and option.metavar == "TEXT":  # which a tokenizer reads
        return Words()
    make = _TYPES.get(kind)
    return None if make is None else make(option)


def _whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)


_TYPES: Mapping[type[Any], Callable[[Option], click.ParamType[Any]]] = MappingProxyType(
    {
        int: lambda option: Whole(_whole(option.low), _whole(option.high)),
        float: lambda option: Number(option.low, option.high),
        str: lambda _: click.STRING,
        Size: lambda option: SizeType(int(option.low or 1), int(option.high or _ENDLESS)),
    }
)


def _facts(kind: type[Any]) -> list[Fact]:
    """The options of a class, its own before those that it shares with others."""
    facts = facts_of(kind)
    order = [name for base in kind.__mro__ for name in inspect.get_annotations(base)]
    return [facts[name] for name in dict.fromkeys(order) if name in facts]


def options_of(kind: type[Any]) -> list[click.Option]:
    """The options of a class."""
    return [option_for(fact) for fact in _facts(kind)]


def edit_options(name: str) -> list[click.Option]:
    """The options of an edit of the catalog."""
    entry = CATALOG[name]
    return [
        option_for(fact, paired=True)
        for fact in _facts(entry.kind)
        if fact.name in entry.options and fact.name != "prompt"
    ]


def with_options(*options: click.Option) -> Callable[[Command], Command]:
    """Adds options to a function that becomes a command, in their order."""

    def decorate(command: Command) -> Command:
        before = command.__dict__.setdefault("__click_params__", [])
        before.extend(reversed(options))
        return command

    return decorate


NO_CACHE = GroupedOption(
    ["--no-cache"],
    group="Expert",
    is_flag=True,
    expose_value=False,
    callback=_without_cache,
    help="Do not use or store selections on disk.",
)
_OUTPUT = GroupedOption(
    ["-o", "--output"],
    metavar="FILE",
    help="The result; - is standard output.  [NAME.edit.EXT beside the input]",
)
_GRID = GroupedOption(
    ["--grid"],
    group="Output",
    metavar="FILE",
    help="With -n: also write one picture of the photo and all variants, each with its seed.",
)
_PREVIEW = GroupedOption(
    ["--preview"],
    group="Basic",
    is_flag=True,
    help="A quick look: fewer steps, a smaller working size, no tiles. The file is called "
    "NAME.preview.EXT and says that it is a preview.",
)
_FORCE = GroupedOption(
    ["--force"], group="Output", is_flag=True, help="Replace a file that exists."
)
_JSON = GroupedOption(
    ["--json", "as_json"],
    group="Output",
    is_flag=True,
    help="Print a JSON report, one line for each picture.",
)
_QUIET = GroupedOption(
    ["-q", "--quiet"], group="Output", is_flag=True, help="Say nothing but errors."
)


def model_options() -> list[click.Option]:
    """Where and how a model runs."""
    made = options_of(ModelOptions)
    for option in made:
        if option.name == "offline":
            option.is_eager, option.callback = True, offline_at_once
    return made


def mask_options() -> list[click.Option]:
    """Where the models of a mask's expression run, and whether what they found is kept."""
    return [o for o in model_options() if o.name in ("device", "offline")] + [NO_CACHE]


def file_options() -> list[click.Option]:
    """Where and how a file is written, and what is told of it."""
    return [_OUTPUT, *options_of(FileOptions), _FORCE, _JSON, _QUIET]


def model_edit_options(name: str) -> list[click.Option]:
    """All options of an edit that a model makes: its own, the model's, the input's, the file's."""
    entry = CATALOG[name]
    return [
        *edit_options(name),
        *([NO_CACHE] if entry.takes_mask else []),
        *model_options(),
        *(options_of(PhotoOptions) if "photo" in entry.inputs else []),
        *options_of(VariantOptions),
        _GRID,
        _PREVIEW,
        *file_options(),
    ]


def edit_command(name: str) -> Callable[[Command], click.Command]:
    """Makes a function the command of an edit, with its options; its text follows the summary."""

    def decorate(command: Command) -> click.Command:
        made = click.command(name, cls=PhotoCommand)
        return made(with_options(*model_edit_options(name))(command))

    return decorate
