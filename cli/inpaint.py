"""`editkit inpaint`."""

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
@click.option("--blend", is_flag=True, help="Hold an inpainting model by blending, too.")
def inpaint(image: str, mask: str, prompt: str, **options: Any) -> None:  # noqa: ANN401
    """Repaint the masked part of IMAGE as PROMPT says; leave every other pixel as it was.

    MASK has the size of IMAGE: white may change, black stays; a painted transparent layer counts
    by its alpha. IMAGE or MASK may be - for standard input; the result of such an IMAGE goes to
    standard output.
    """
    job = Job.take(options)
    photo, coverage = read_pair(image, mask)

    def apply(model: "Model", seed: int, progress: "Progress | None") -> "Result":
        from editkit.ops.inpaint import Inpaint

        edit = Inpaint(prompt, seed=seed, **options)
        return edit(model, photo, coverage, progress=progress)

    job.run(apply, image, photo)
