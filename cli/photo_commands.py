"""The commands that edit one photo, which batches and recipes take over whole."""

import importlib

import click

from editkit.ops.catalog import CATALOG


def _command(name: str) -> click.Command:
    """The command of an edit, from the module of its name."""
    return getattr(importlib.import_module(f"{__package__}.{name}"), name)


PHOTO_COMMANDS = tuple(_command(name) for name, entry in CATALOG.items() if entry.steps)
"""Those of all edits that recipes may hold."""
