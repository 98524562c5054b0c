"""`editkit inpaint`."""

from typing import Any

import click

from .command_run import Job, given_mask, read_pair
from .mask_argument import mask_argument
from .params import Words, edit_command


@edit_command("inpaint")
@click.argument("image")
@mask_argument()
@click.argument("prompt", type=Words(), default="")
def inpaint(
    image: str,
    mask: str,
    prompt: str,
    frame: int | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Repaint the masked part of IMAGE as PROMPT says; leave every other pixel as it was.

    MASK is a picture of IMAGE's size, or an expression such as 'sky ~grow:8': see `editkit mask`.
    In the picture, white may change and black stays. It may also be a painted transparent layer, or
    a copy of IMAGE with paint or transparent holes: the paint or the holes may change. IMAGE or
    MASK may be - for standard input. The result of IMAGE - goes to standard output.
    """
    job = Job.take(options)
    area = given_mask(mask, image)
    pair = read_pair(image, area, frame, offline=job.offline)
    job.run("Inpaint", prompt, options, pair, image, area)
