"""Hints for commands and options that editkit does not have: those that come nearest."""

import sys
from collections.abc import Collection, Sequence
from pathlib import PurePath
from types import MappingProxyType

import click

_OTHER_NAMES = MappingProxyType(
    {
        "apply": ("run", "chain"),
        "batch": ("folder", "bulk", "many"),
        "compare": ("diff", "show", "view", "before-after", "slider"),
        "composite": ("merge", "paste", "blend", "overlay", "bring-home"),
        "erase": (
            "remove",
            "delete",
            "clean",
            "cleanup",
            "heal",
            "retouch",
            "repair",
            "restore",
            "rm",
        ),
        "generate": ("create", "new", "text2img", "txt2img", "text-to-image", "t2i", "imagine"),
        "img2img": ("image2image", "image-to-image", "i2i", "style", "stylize", "variations"),
        "info": ("metadata", "exif", "inspect", "identify"),
        "inpaint": ("fill", "replace", "paint", "repaint", "edit", "change"),
        "mask": ("segment", "select", "selection", "matte", "detect"),
        "models": ("model", "list", "download", "pull", "checkpoints"),
        "outpaint": ("extend", "expand", "uncrop", "widen", "pad"),
        "replay": ("repeat", "redo", "reproduce"),
        "report": ("gallery", "html", "sheet"),
        "resample": ("repaint-resample", "harmonize"),
        "verify": ("check", "prove", "proof", "validate"),
    }
)
"""Commands, and names that other programs have for the same."""

_LACKING = MappingProxyType(
    {
        ("serve", "server", "ui", "gui", "web", "webui", "app", "gradio"): (
            "editkit has no server and no window; `editkit batch COMMAND IN --watch` edits photos "
            "as they come into a folder"
        ),
        ("upscale", "enlarge", "superres", "super-resolution", "resize", "scale", "upsample"): (
            "editkit does not change the resolution of a photo; `editkit outpaint` makes the frame "
            "larger"
        ),
        ("crop", "rotate", "convert", "flip", "trim"): (
            "editkit does not crop, turn or convert photos; use a photo editor"
        ),
        ("train", "finetune", "fine-tune", "lora", "dreambooth"): (
            "editkit does not train models; `-m FOLDER` takes one that you trained elsewhere"
        ),
        ("undo", "revert", "reset"): (
            "nothing needs to be undone, as editkit never changes the photo itself; `editkit "
            "verify` shows what an edit changed"
        ),
        ("version",): "for the version give `editkit --version`",
        ("help",): "for help give `editkit --help` or `editkit COMMAND --help`",
    }
)
"""What editkit does not do, and what comes nearest."""

_OTHER_OPTIONS = MappingProxyType(
    {
        "--force": ("--overwrite", "--yes", "--replace"),
        "--guidance": ("--cfg", "--cfg-scale", "--guidance-scale"),
        "--model": ("--checkpoint", "--ckpt", "--pretrained"),
        "--negative": ("--negative-prompt", "--neg"),
        "--num": ("--count", "--batch-count", "--variants", "--num-images"),
        "--output": ("--out", "--outfile", "--output-file", "--dest", "--to"),
        "--solver": ("--sampler", "--scheduler", "--sampling-method"),
        "--steps": ("--num-inference-steps", "--iterations", "--num-steps", "--sampling-steps"),
        "--strength": ("--denoising-strength", "--denoise"),
        "--grain": ("--noise",),
        "--sample": ("--preview",),
        "--best-of": ("--grid",),
    }
)
"""Options, and names that other programs have for the same."""

_PHOTOS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".heic", ".avif", ".bmp", ".gif")


class SuggestingGroup(click.Group):
    """A group of commands that answers an unknown name with the nearest one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of a name, that name, and the rest of the arguments.

        Raises:
            UsageError: there is no such command; the message names the nearest.
        """
        name = args[0] if args else "-"
        if name[:1] != "-" and not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            raise click.UsageError(_no_command(name, ctx, self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)


def _no_command(name: str, ctx: click.Context, commands: Collection[str]) -> str:
    hint = suggestion(name, ctx.command_path, commands)
    return f"there is no command {name!r}: {hint}"


def suggestion(name: str, path: str, commands: Collection[str]) -> str:
    """What to type in place of an unknown command.

    Args:
        name: the unknown command.
        path: what was typed before it, such as `editkit batch`.
        commands: the commands that can stand there.
    """
    from difflib import get_close_matches

    plain = name.lower().replace("_", "-")
    for names, hint in _LACKING.items():
        if plain in names:
            return hint
    if PurePath(plain).suffix in _PHOTOS:
        return f"give a command before the photo, such as `{path} erase {name} MASK`"
    near = [command for command, names in _OTHER_NAMES.items() if plain in names]
    near = [command for command in near if command in commands]
    near = near or get_close_matches(plain, commands)
    if near:
        return f"did you mean `{path} {near[0]}`?"
    known = {n: command for command, names in _OTHER_NAMES.items() for n in (command, *names)}
    also = get_close_matches(plain, [n for n, command in known.items() if command in commands])
    if also:
        return f"did you mean `{path} {known[also[0]]}`?"
    return f"`{path} --help` lists the commands"


def message_of(error: click.ClickException, args: Sequence[str] | None = None) -> str:
    """The message of a wrong command line; of an unknown option, with the nearest that there are.

    Args:
        error: of click.
        args: the command line, this process's own unless given.
    """
    if not isinstance(error, click.NoSuchOption):
        return error.format_message()
    return _no_option(error, sys.argv[1:] if args is None else args)


def _no_option(error: click.NoSuchOption, args: Sequence[str]) -> str:
    """The message of an unknown option. Of `-seed` click itself names `-s` alone."""
    from difflib import get_close_matches

    name, command = error.option_name, None if error.ctx is None else error.ctx.command
    options = [o for p in command.params for o in p.opts] if command is not None else []
    short = len(name) == 2
    whole = [a.partition("=")[0] for a in args if short and a.startswith(name) and len(a) > 2]
    if whole:
        name = whole[0]
    plain = f"--{name.lstrip('-')}".lower().replace("_", "-")
    same = [option for option, names in _OTHER_OPTIONS.items() if plain in names]
    near = [o for o in same if o in options]
    near = near or get_close_matches(plain, [o for o in options if o.startswith("--")])
    path = "editkit" if error.ctx is None else error.ctx.command_path
    hint = f"did you mean {' or '.join(near)}?" if near else f"`{path} --help` lists the options"
    return f"there is no option {name}; {hint}"
