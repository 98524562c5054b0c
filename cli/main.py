"""The `editkit` command, and the one place where errors become exit codes.

0 success · 1 something failed · 2 something given cannot be used · 3 some photos of a batch failed,
the others are done · 130 interrupted, 143 terminated. A bug keeps its traceback.
"""

import atexit
import gc
import os
import sys
from collections.abc import Sequence

import click

from editkit._version import __version__
from editkit.errors import EditkitError, InputError, is_out_of_memory
from editkit.ops.catalog import CATALOG
from editkit.redact import without_secrets

from .completion import VARIABLE, complete_files
from .early_interrupts import leave_with
from .interrupts import Interrupts, Terminated, interruptible
from .lazy import LazyGroup
from .output import harmless_libraries, say, show_bug
from .streams import lost_output, stand_by
from .suggestions import message_of

COMMANDS = {
    **{name: (name, entry.summary) for name, entry in CATALOG.items()},
    "mask": ("mask", "Make a mask of a photo by an expression; selected pixels are white."),
    "batch": ("batch", "Edit a folder of photos, by a command with its options or by a recipe."),
    "apply": ("recipe", "Edit one photo as a recipe says."),
    "recipe": ("recipe", "Check a recipe, show it, or print the JSON schema of recipes."),
    "report": ("recipe", "Write one HTML page on the results of a batch."),
    "verify": ("verify", "Measure the changes in an edited file; fail if one lies outside a mask."),
    "compare": ("compare", "Show two photos beside each other, in an HTML page or a picture."),
    "info": ("verify", "Print the samples, profile, metadata and provenance of a file."),
    "replay": ("verify", "Repeat the edit recorded in a file, and compare the bytes."),
    "models": ("models", "List the models on this machine, or describe one."),
    "completion": ("completion", "Print a script that lets the Tab key complete commands."),
}
"""Each command's module and its line in the list of commands."""


@click.group(
    cls=LazyGroup,
    summaries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Edit photos by diffusion, and leave every other pixel as it was."""


def main(args: Sequence[str] | None = None) -> None:
    """Runs the command line and exits."""
    sys.excepthook = show_bug
    stand_by()
    if VARIABLE in os.environ:
        complete_files(cli)
    atexit.register(gc.freeze)  # the last collection finds nothing, and takes a second for it
    interrupts = Interrupts()
    code = _heeding(interrupts, args)
    if interrupts.heard is not None:
        leave_with(code)
    sys.exit(code)


def _heeding(interrupts: Interrupts, args: Sequence[str] | None) -> int:
    """The exit code of a command that may be interrupted."""
    try:
        with interruptible(interrupts):
            code = _run(args)
    except (click.Abort, KeyboardInterrupt):
        return _said("interrupted", 130)
    except Terminated:
        return _said("terminated", 143)
    except BaseException:
        if interrupts.heard is None:
            raise
        return _said("interrupted", interrupts.code)  # libraries make errors of theirs of it
    lost = None if code in (1, 2) else lost_output()  # then that was said
    return code if lost is None else _said(lost, code or 1)


def _run(args: Sequence[str] | None) -> int:
    """The exit code of a command."""
    try:
        with harmless_libraries():
            code = _called(args)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        code = _said(message_of(error, args), error.exit_code)
    except InputError as error:
        code = _said(str(error), 2)
    except EditkitError as error:
        code = _said(str(error), 1)
    except (MemoryError, RuntimeError, ImportError) as error:
        if not is_out_of_memory(error):
            raise
        code = _said("out of memory: give a smaller photo, or a smaller --work-size", 1)
    except BrokenPipeError:
        # Whoever read our output has left; Python must not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    return code if isinstance(code, int) else 0


def _called(args: Sequence[str] | None) -> object:
    """What a command returns.

    Raises:
        EditkitError: for what the system refuses, which no code can mend.
    """
    try:
        return cli.main(args, prog_name="editkit", standalone_mode=False)
    except (EditkitError, BrokenPipeError):
        raise
    except OSError as error:
        if error.errno is None:  # made by Python, or a library: a bug
            raise
        name = "" if error.filename is None else f"{error.filename!s:.300}: "
        raise EditkitError(f"{name}{error.strerror}") from error


def _said(message: str, code: int) -> int:
    say(without_secrets(message))
    return code
