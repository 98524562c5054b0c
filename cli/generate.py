"""`editkit generate`."""

import re
from typing import TYPE_CHECKING, Any

import click

from .command_run import Job
from .params import Words, edit_options

if TYPE_CHECKING:
    from editkit.types import Size

_LEAST, _MOST = 16, 8192


class SizeType(click.ParamType["Size"]):
    """WIDTHxHEIGHT in pixels, or one number for a square."""

    name = "WxH"

    def __init__(self, least: int = _LEAST, most: int = _MOST) -> None:
        self.least, self.most = least, most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Size":
        """The size that a text stands for."""
        from editkit.types import Size

        found = re.fullmatch(r"(\d{1,9})(?:[xX](\d{1,9}))?", str(value))
        if found is None:
            self.fail(f"{value!r} is not a size; give WIDTHxHEIGHT, such as 640x480", param, ctx)
        width, height = found.groups()
        size = Size(int(height or width), int(width))
        if not all(self.least <= side <= self.most for side in size):
            sides = f"sides from {self.least} to {self.most}"
            self.fail(f"{size} is out of range; give {sides}", param, ctx)
        return size


@click.command()
@click.argument("prompt", type=Words())
@click.option("--size", type=SizeType(), help="In pixels.  [the model's native square]")
@edit_options
def generate(prompt: str, **options: Any) -> None:  # noqa: ANN401
    """Paint a picture from PROMPT alone."""
    Job.take(options).run("Generate", prompt, options, size=options["size"])
