"""Commands whose help shows options in groups, three examples, and by `-h` the basics alone."""

from collections.abc import Sequence
from typing import Any

import click

from editkit.options import GROUPS, Group

from .examples import EXAMPLES
from .output import put_own_text, say
from .suggestions import SuggestingGroup

_GROUP_OF: dict[str, Group] = {
    "force": "Output",
    "png": "Output",
    "as_json": "Output",
    "quiet": "Output",
    "retry": "Output",
    "dry_run": "Output",
    "mask_out": "Output",
    "best_of": "Output",
    "rank": "Output",
    "gates": "Output",
    "engine": "Expert",
    "ray_address": "Expert",
    "gpus": "Expert",
    "workers": "Expert",
    "batch_size": "Expert",
    "fixed_batch": "Expert",
    "shard": "Expert",
    "no_cache": "Expert",
    "device": "Model",
    "offline": "Model",
}
"""Groups of options that belong to no edit."""


class GroupedOption(click.Option):
    """An option that knows its group, and names that it had before."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        group: Group | None = None,
        former: Sequence[str] = (),
        **more: Any,  # noqa: ANN401 - of `click.Option`
    ) -> None:
        super().__init__([*names, *former], **more)
        self.group, self.former = group, tuple(former)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The line of help, without former names."""
        shown, self.opts = self.opts, [name for name in self.opts if name not in self.former]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = shown


def group_of(option: click.Parameter) -> Group:
    """The group of an option; `Basic` of one that has none of its own."""
    own = getattr(option, "group", None)
    return own or _GROUP_OF.get(str(option.name), "Basic")


class _Helped(click.Command):
    """Help with groups and examples, for commands and groups of commands."""

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """`--help` alone: `-h` is short."""
        del ctx
        return ["--help"]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its parameters, with `-h` before `--help`."""
        *own, last = super().get_params(ctx)
        text = "Show the basic options and examples."
        short = click.Option(
            ["-h", "short_help"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=self._show_short,
            help=text,
        )
        return [*own, short, last]

    def _show_short(self, ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if not value or ctx.resilient_parsing:
            return
        formatter = ctx.make_formatter()
        self.format_usage(ctx, formatter)
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text((self.help or "").partition("\n\n")[0])
        self._write_options(ctx, formatter, ("Basic",))
        self.format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(f"All options: {ctx.command_path} --help")
        put_own_text(formatter.getvalue().rstrip("\n") + "\n")
        ctx.exit()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options of each group under its name."""
        self._write_options(ctx, formatter, GROUPS)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)

    def _write_options(
        self, ctx: click.Context, formatter: click.HelpFormatter, groups: Sequence[Group]
    ) -> None:
        for group in groups:
            options = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
            mine = [option for option in options if group_of(option) == group]
            lines = [line for p in mine if (line := p.get_help_record(ctx)) is not None]
            if lines:
                with formatter.section(f"{group} options"):
                    formatter.write_dl(lines)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the examples."""
        super().format_epilog(ctx, formatter)
        name = ctx.command_path.partition(" ")[2]
        if name in EXAMPLES:
            with formatter.section("Examples"):
                for line in EXAMPLES[name]:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What is left of the arguments; an option's former name is told of."""
        given = {arg.partition("=")[0] for arg in args[: _end(args)]}
        for option in self.params:
            for old in given.intersection(getattr(option, "former", ())):
                say(f"{old} is now {option.opts[0]}")
        return super().parse_args(ctx, args)


class GroupedCommand(_Helped):
    """A command with such help."""


class GroupedGroup(_Helped, SuggestingGroup):
    """A group of commands with such help."""

    command_class = GroupedCommand


def _end(args: Sequence[str]) -> int:
    """Where options end."""
    return list(args).index("--") if "--" in args else len(args)
