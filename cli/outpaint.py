"""`editkit outpaint`."""

from typing import Any

import click

from editkit.errors import InputError

from .command_run import Job, read_source
from .params import Words, edit_command


@edit_command("outpaint")
@click.argument("image")
@click.argument("prompt", type=Words(), default="")
def outpaint(
    image: str,
    prompt: str,
    frame: int | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Paint around IMAGE as PROMPT says, in a larger frame; IMAGE itself stays as it is.

    Give one or more sides (of the upright picture), or a size, or an aspect.
    """
    job = Job.take(options)
    photo = read_source(image, frame)
    size = check_outpaint(photo.size, options)
    job.run("Outpaint", prompt, options, (photo,), image, size=size)


def check_outpaint(size: Any, options: dict[str, Any]) -> Any:  # noqa: ANN401 - Sizes
    """The size of the frame; finds what is wrong with it before a model is loaded."""
    from editkit.photo.geometry.frame import plan_frame

    if options["composite_mask"] is not None:
        raise InputError("outpaint keeps the whole photo; leave --composite-mask out")
    sides = (options["left"], options["right"], options["top"], options["bottom"])
    named = {name: options[name] for name in ("size", "aspect", "anchor")}
    return plan_frame(size, sides=sides, **named).size
