"""MASK as an argument or as an option: `erase photo.jpg mask.png`, `erase photo.jpg --mask sky`."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from .grouped import GroupedCommand, GroupedOption

Function = Callable[..., Any]
_AS_OPTION = "editkit_cli.mask_as_option"
_NAME = "mask"
MASK_OPTION = "mask_as_option"
"""The parameter that `--mask` sets before it becomes MASK."""


class _MaskArgument(click.Argument):
    """MASK among the arguments, unless the command line has `--mask`."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:  # noqa: ANN401 - of click
        """Adds the argument, or leaves its place to the next."""
        if not ctx.meta.get(_AS_OPTION):
            super().add_to_parser(parser, ctx)

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """The mask, and the arguments that are left."""
        if MASK_OPTION in opts:
            opts = {**opts, _NAME: opts[MASK_OPTION]}
        return super().handle_parse_result(ctx, opts, args)


def mask_argument(*, required: bool = True) -> Callable[[Function], Function]:
    """Adds MASK to a command of the class `MaskCommand`, as an argument and as an option."""

    def decorate(command: Function) -> Function:
        option = click.option(
            "--mask",
            MASK_OPTION,
            expose_value=False,
            cls=GroupedOption,
            group="Basic",
            metavar="EXPR",
            help="A mask file or an expression, in place of the argument MASK.",
        )
        return click.argument(_NAME, cls=_MaskArgument, required=required)(option(command))

    return decorate


class MaskCommand(GroupedCommand):
    """A command that takes MASK as an argument or as an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments that are left, none.

        Raises:
            UsageError: the mask is given twice.
        """
        ctx.meta[_AS_OPTION] = True
        named, rest, order = self.make_parser(ctx).parse_args(list(args))
        count = sum(parameter.name == MASK_OPTION for parameter in order)
        ctx.meta[_AS_OPTION] = count > 0
        if count and not ctx.resilient_parsing:
            _check_once(ctx, count, rest, named.get("prompt"))
        return super().parse_args(ctx, args)


def _check_once(ctx: click.Context, count: int, rest: Sequence[str], prompt: object) -> None:
    """Checks that `--mask` is the only mask.

    Raises:
        UsageError: it is not.
    """
    if count > 1:
        raise click.UsageError(
            "--mask is given twice; give one, such as --mask 'sky | box:...'", ctx
        )
    # A file in the place of the prompt is a mask.
    if rest or (isinstance(prompt, str) and os.path.isfile(prompt)):  # noqa: PTH113 - as it is text
        raise click.UsageError("the mask is given twice, as MASK and as --mask; give one", ctx)
