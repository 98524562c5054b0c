"""`editkit erase`."""

from typing import Any

import click

from editkit.errors import InputError

from .command_run import Job, given, given_mask, read_pair
from .mask_argument import mask_argument
from .params import edit_command

_CLASSICAL = ("composite_mask", "regions")


@edit_command("erase")
@click.argument("image")
@mask_argument()
def erase(
    image: str,
    mask: str,
    method: str,
    frame: int | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Remove the masked part of IMAGE, and fill it with background.

    White parts of MASK are erased. `editkit inpaint --help` describes IMAGE and MASK. The classical
    methods `telea`, `ns` and `biharmonic` suit scratches and thin strokes. `patchmatch` copies
    pieces of the rest of the photo, and suits textures and larger holes.
    """
    job = Job.take(options)
    if method == "diffusion":
        area = given_mask(mask, image)
        pair = read_pair(image, area, frame, offline=job.offline)
        job.run("Erase", "", options, pair, image, area)
        return
    idle = [name for name in options if name not in _CLASSICAL and given(name)]
    if idle:
        option = f"--{idle[0].replace('_', '-')}"
        raise InputError(f"{option} is for diffusion, not for {method}; leave it out")
    kept = {name: options[name] for name in _CLASSICAL}
    area = given_mask(mask, image)
    pair = read_pair(image, area, frame, offline=job.offline)
    job.fill(method, kept, pair, image, area)
