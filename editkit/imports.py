"""Importing large libraries without the garbage collector."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Generator[None]:
    """Keeps the garbage collector from running.

    Importing makes some hundred thousand objects, none of them garbage, and the collector walks
    over all of them again and again: a fifth of the seconds that importing diffusers takes.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
