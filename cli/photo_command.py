"""Commands that edit one photo; those given several name the batch that edits them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

import click

from editkit.errors import InputError
from editkit.storage.url import has_magic, is_url

from .mask_argument import MASK_OPTION, MaskCommand

_PHOTOS = ("image", "original")
_RECIPE = "recipe"
_OF_ONE = ("output", "batch_size", "grid", "preview")
"""Options that mean something else in a batch, or nothing."""

_EXTRA = "Got unexpected extra argument"


class PhotoCommand(MaskCommand):
    """A command for one photo that points to `batch` where it is given many."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments that are left, none.

        Raises:
            UsageError: the arguments are wrong; of several photos it names the batch.
            InputError: MASK is missing, and the photo is a folder or a pattern.
        """
        photos = _photos_among(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if isinstance(error, click.MissingParameter):
                self._check_photos(ctx)  # of a folder that is told first
            if len(photos) > 2 and error.format_message().startswith(_EXTRA):
                hint = f"`editkit batch {ctx.info_name}` takes a folder, or a pattern in quotes"
                message = f"{ctx.info_name} edits one photo, and was given {len(photos)}; {hint}"
                raise click.UsageError(message, ctx) from error
            raise

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - of click
        """The result of the command.

        Raises:
            InputError: the photo is a folder or a pattern.
        """
        self._check_photos(ctx)
        return super().invoke(ctx)

    def _check_photos(self, ctx: click.Context) -> None:
        command = str(ctx.params.get(_RECIPE, self.name))
        for name in _PHOTOS:
            _check_single(command, ctx.params.get(name), ctx)


def _check_single(command: str, photo: object, ctx: click.Context) -> None:
    """Checks that a photo is neither a folder nor a pattern.

    Raises:
        InputError: it is; the message is the command line of the batch.
    """
    if not isinstance(photo, str) or os.path.isfile(photo):  # noqa: PTH113 - any text may come
        return
    if is_url(photo):  # a signed one has a question mark, and is no pattern
        return
    if os.path.isdir(photo):  # noqa: PTH112
        told = f"{photo} is a folder; to edit all photos in it"
    elif has_magic(photo) and not os.path.exists(photo):  # noqa: PTH110
        told = f"{photo} is a pattern, and no photo has that name; to edit all that match"
    else:
        return
    raise InputError(f"{told}: {batch_line(command, photo, ctx)}")


def batch_line(command: str, photo: str, ctx: click.Context) -> str:
    """The command line that edits many photos as the one that was typed edits one.

    Args:
        command: what edits one photo, or a recipe.
        photo: the folder or the pattern that was given in its place.
        ctx: of the running command.
    """
    import shlex

    words = ["editkit", "batch", command, photo, *_arguments(ctx), *_options(ctx)]
    needed = any(p.name == "mask" and p.required for p in ctx.command.params)
    words += ["--mask", "MASK"] if needed and not ctx.params.get("mask") else []
    output = ctx.params.get("output")
    if has_magic(photo):  # nothing lies beside a pattern
        is_folder = isinstance(output, str) and output != "-" and not PurePath(output).suffix
        words += ["-o", str(output) if is_folder else "edited"]
    return " ".join(map(shlex.quote, words))


def _arguments(ctx: click.Context) -> Iterator[str]:
    """The other arguments; a mask becomes an option."""
    for parameter in ctx.command.params:
        value = ctx.params.get(str(parameter.name))
        if not isinstance(parameter, click.Argument) or not value:
            continue
        if parameter.name in (*_PHOTOS, _RECIPE):
            continue
        yield from ("--mask", str(value)) if parameter.name == "mask" else (str(value),)


def _options(ctx: click.Context) -> Iterator[str]:
    """The options that were given, as they can be given again."""
    for option in ctx.command.params:
        name = str(option.name)
        if not isinstance(option, click.Option) or name in (MASK_OPTION, *_OF_ONE):
            continue
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        value = ctx.params.get(name)
        if option.is_flag:
            yield _longest(option.opts if value else option.secondary_opts)
        elif option.multiple:
            for pair in value or ():
                yield from (_longest(option.opts), "=".join(pair))
        elif value is not None:
            several = value if isinstance(value, list | tuple) else (value,)
            yield from (_longest(option.opts), *map(str, several))


def _longest(names: Sequence[str]) -> str:
    """The long name that an option has now."""
    return next((name for name in names if name.startswith("--")), names[0])


def _photos_among(args: Sequence[str]) -> list[str]:
    """Arguments that are files, as a shell puts them in place of a pattern."""
    return [arg for arg in args if not arg.startswith("-") and os.path.isfile(arg)]  # noqa: PTH113
