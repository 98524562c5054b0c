"""`editkit img2img`."""

from typing import TYPE_CHECKING, Any

import click

from .params import Number, Words, edit_options
from .running import Job, read_source

if TYPE_CHECKING:
    from editkit.models.base import Model
    from editkit.ops.edit import Progress
    from editkit.ops.result import Result


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
@edit_options
def img2img(image: str, prompt: str, **options: Any) -> None:  # noqa: ANN401
    """Repaint the whole of IMAGE as PROMPT says, as far as --strength allows."""
    job = Job.take(options)
    photo = read_source(image)

    def apply(model: "Model", seed: int, progress: "Progress | None") -> "Result":
        from editkit.ops.img2img import Img2Img

        return Img2Img(prompt, seed=seed, **options)(model, photo, progress=progress)

    job.run(apply, image, photo)
