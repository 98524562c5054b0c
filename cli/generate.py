"""`editkit generate`."""

from typing import Any

import click

from .command_run import Job
from .params import Words, edit_command


@edit_command("generate")
@click.argument("prompt", type=Words())
def generate(prompt: str, **options: Any) -> None:  # noqa: ANN401
    """Paint a picture from PROMPT alone."""
    Job.take(options).run("Generate", prompt, options, size=options["size"])
