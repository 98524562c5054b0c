"""`editkit img2img`."""

from typing import Any

import click

from .command_run import Job, read_source
from .params import Words, edit_command


@edit_command("img2img")
@click.argument("image")
@click.argument("prompt", type=Words(), default="")
def img2img(image: str, prompt: str, frame: int | None, **options: Any) -> None:  # noqa: ANN401
    """Repaint the whole of IMAGE as PROMPT says, as far as --strength allows."""
    Job.take(options).run("Img2Img", prompt, options, [read_source(image, frame)], image)
