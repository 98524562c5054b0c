"""Keeping standard error to ourselves while C libraries read a file."""

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def hushed() -> Generator[None]:
    """Drops what is written to file descriptor 2.

    libjpeg, libtiff and libpng print their opinion of a damaged file there, beside the one line
    that the command says of it. What Python prints about an error comes after.
    """
    try:
        ours = os.dup(2)
    except OSError:  # it was closed from the start
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)


def hush_drivers() -> None:
    """Drops what drivers of stores log of an error, beside the one line that the command says.

    Python prints it on standard error where a program has set up no logging, as this one has not.
    """
    if not logging.root.handlers:
        logging.root.addHandler(logging.NullHandler())
