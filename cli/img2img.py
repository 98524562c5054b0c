"""`editkit img2img`."""

from typing import Any

import click

from .command_run import Job, read_source
from .params import Number, Words, photo_options


@click.command()
@click.argument("image")
@click.argument("prompt", type=Words(), default="")
@click.option(
    "--strength",
    type=Number(0.01, 1),
    default=0.5,
    show_default=True,
    help="How much may change: the share of the schedule that is walked.",
)
@photo_options
def img2img(image: str, prompt: str, frame: int | None, **options: Any) -> None:  # noqa: ANN401
    """Repaint the whole of IMAGE as PROMPT says, as far as --strength allows."""
    Job.take(options).run("Img2Img", prompt, options, [read_source(image, frame)], image)
