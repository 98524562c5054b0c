"""`editkit completion`: commands, options and files, completed by the Tab key of a shell."""

from collections.abc import Iterator

import click

from .grouped import GroupedCommand
from .output import put_own_text

VARIABLE = "_EDITKIT_COMPLETE"
"""The environment variable by which a shell asks for completions."""

_FOLDERS = ("DIR",)
_FILES = (
    "FILE",
    "IN",
    "EXPR",
    "IMAGE",
    "ORIGINAL",
    "EDITED",
    "MASK",
    "BEFORE",
    "AFTER",
    "RECIPE",
    "CERTS KEY",
)
_MODEL = "model"


@click.command(cls=GroupedCommand)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print a script that lets the Tab key complete commands, options and files.

    The script asks editkit itself, so it fits every version. To switch it on for new shells:

    \b
      bash:  echo 'eval "$(editkit completion bash)"' >> ~/.bashrc
      zsh:   echo 'eval "$(editkit completion zsh)"' >> ~/.zshrc   (after compinit)
      fish:  editkit completion fish > ~/.config/fish/completions/editkit.fish
    """  # noqa: D301 - click wants the character itself
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    root = click.get_current_context().find_root()
    if kind is None:  # another version of click
        raise click.UsageError(f"this version of click has no completion for {shell}")
    script = kind(root.command, {}, str(root.info_name), VARIABLE)
    # Not `source()`: of bash that starts a bash first, to see whether it is new enough.
    put_own_text(script.source_template % script.source_vars())


def complete_files(group: click.Group) -> None:
    """Lets the parameters of all commands that name files be completed by files.

    They are texts, as each may be something else, too: an expression, a URL, a dash.
    """
    for command in _commands(group):
        for parameter in command.params:
            shown = parameter.metavar or str(parameter.name).upper()
            if type(parameter.type) is not type(click.STRING):
                continue
            if shown in _FOLDERS or parameter.name == _MODEL:
                parameter.type = click.Path(file_okay=False)
            elif shown.strip("[]") in _FILES:
                parameter.type = click.Path()


def _commands(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from _commands(command)
        yield command
