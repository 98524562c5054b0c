"""`editkit resample`."""

from typing import Any

import click

from .command_run import Job, given_mask, read_pair
from .params import Words, masked_options


@click.command()
@click.argument("image")
@click.argument("mask")
@click.argument("prompt", type=Words(), default="")
@masked_options
@click.option(
    "--jump",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Levels of noise to go back by.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Times that each stretch is walked.",
)
def resample(
    image: str,
    mask: str,
    prompt: str,
    frame: int | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Repaint the masked part of IMAGE by RePaint's resampling: slower, on any model.

    The walk goes back and forth in noise, with what surrounds the mask blended in at every level,
    until both agree.
    """
    job = Job.take(options)
    area = given_mask(mask, image)
    pair = read_pair(image, area, frame, offline=job.offline)
    job.run("Resample", prompt, options, pair, image, area)
