"""`editkit resample`."""

from typing import Any

import click

from .command_run import Job, given_mask, read_pair
from .mask_argument import mask_argument
from .params import Words, edit_command


@edit_command("resample")
@click.argument("image")
@mask_argument()
@click.argument("prompt", type=Words(), default="")
def resample(
    image: str,
    mask: str,
    prompt: str,
    frame: int | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Repaint the masked part of IMAGE by RePaint: slower, with any model.

    It adds and removes noise several times. At every noise level it blends in the surroundings of
    the mask, until the new part fits them.
    """
    job = Job.take(options)
    area = given_mask(mask, image)
    pair = read_pair(image, area, frame, offline=job.offline)
    job.run("Resample", prompt, options, pair, image, area)
