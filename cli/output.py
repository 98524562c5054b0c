"""The one way out: all that commands print, made harmless first.

Results go to standard output, talk to standard error. Names, profiles and metadata come from
anybody, so nothing of them reaches a terminal, a pipe or a log that could be more than text. JSON
escapes by itself, and holds everything as it is.
"""

import json
import logging
import os
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import click

from editkit.sanitize import harmless, one_line

from .option_names import as_options


def line_of(text: str) -> str:
    """Talk as the line that is printed."""
    return f"editkit: {one_line(as_options(text))}"


def say(text: str) -> None:
    """Prints a line of talk."""
    click.echo(line_of(text), err=True)


def put(*cells: str) -> None:
    """Prints a line of a result, its cells apart by tabs; what breaks lines in them is escaped."""
    click.echo("\t".join(map(harmless, cells)))


def put_own_text(text: str) -> None:
    """Prints text of the program itself as it is: help, a script for a shell."""
    click.echo(text, nl=False)


def put_path(path: str) -> None:
    """Prints the name of a file: in a pipe bytes as they are, as long as they control nothing."""
    shown = "".join(_piped(char) for char in path) if not sys.stdout.isatty() else harmless(path)
    try:
        click.echo(os.fsencode(shown))
    except UnicodeEncodeError:  # the name is that of an escaped one, and the locale knows ASCII
        click.echo(shown.encode("utf-8", "surrogateescape"))


def put_json(value: object, **more: Any) -> None:  # noqa: ANN401 - of `json.dumps`
    """Prints JSON in ASCII, so that its strings hold no control character."""
    click.echo(json.dumps(value, **more))


def shown_json(value: object, indent: int | None = None) -> str:
    """A value as JSON for people to read: letters of all scripts, the rest by JSON's escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    plain = (char == "\n" or harmless(char) == char for char in text)
    pairs = zip(text, plain, strict=True)
    return "".join(char if as_it_is else json.dumps(char)[1:-1] for char, as_it_is in pairs)


@contextmanager
def harmless_libraries() -> Generator[None]:
    """Makes what libraries warn and log of harmless, too: they quote names and metadata."""
    shows, last = warnings.showwarning, logging.lastResort
    warnings.showwarning = _show_warning
    logging.lastResort = _Handler(logging.WARNING)
    try:
        yield
    finally:
        warnings.showwarning, logging.lastResort = shows, last


class _Handler(logging.Handler):
    """Says what nobody else handles."""

    def emit(self, record: logging.LogRecord) -> None:
        """Says one record."""
        say(record.getMessage())


def show_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Prints a traceback, for `sys.excepthook`."""
    import traceback

    whole = "".join(traceback.format_exception(kind, error, trace))
    click.echo("\n".join(map(harmless, whole.split("\n"))), err=True, nl=False)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    say(str(message))


def _piped(char: str) -> str:
    """A character of a name, for a program that reads names; bytes that are no text stay bytes."""
    is_byte = "\udca0" <= char <= "\udcff"
    return char if is_byte else harmless(char)
