"""`editkit resample`."""

from typing import TYPE_CHECKING, Any

import click

from .params import Words, masked_options
from .running import Job, read_pair

if TYPE_CHECKING:
    from editkit.models.base import Model
    from editkit.ops.edit import Progress
    from editkit.ops.result import Result


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
def resample(image: str, mask: str, prompt: str, **options: Any) -> None:  # noqa: ANN401
    """Repaint the masked part of IMAGE by RePaint's resampling: slower, on any model.

    The walk goes back and forth in noise, with what surrounds the mask blended in at every level,
    until both agree.
    """
    job = Job.take(options)
    photo, coverage = read_pair(image, mask)

    def apply(model: "Model", seed: int, progress: "Progress | None") -> "Result":
        from editkit.ops.resample import Resample

        edit = Resample(prompt, seed=seed, **options)
        return edit(model, photo, coverage, progress=progress)

    job.run(apply, image, photo)
