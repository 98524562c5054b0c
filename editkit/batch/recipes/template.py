"""Text with variables, such as `a photo of {subject}`: names alone, filled in and nothing else.

Python's format language reaches into attributes and items; of it only plain names are taken.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from string import Formatter

from editkit.batch.recipes.text_files import shown
from editkit.errors import InputError

_LONG = 100
_NAME = re.compile(r"[^\W\d][\w -]*")


def names_in(text: str) -> Iterator[str]:
    """The variables that a text asks for.

    Raises:
        InputError: braces that are not closed, or hold anything but a name.
    """
    for _, name, spec, conversion in _parts(text):
        if name is None:
            continue
        if spec or conversion or not _NAME.fullmatch(name):
            raise InputError(
                f"{shown(text)}: braces hold the name of a variable; write {{{{ and }}}} for braces"
            )
        yield name


def filled(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables filled in, and doubled braces made single.

    Raises:
        InputError: a variable that is not there, or a text that `names_in` refuses.
    """
    for name in names_in(text):
        if name not in variables:
            raise InputError(f"{shown(text)}: {unknown('variable', name, variables)}")
    return "".join(
        literal + ("" if name is None else variables[name]) for literal, name, _, _ in _parts(text)
    )


def has_variables(text: str) -> bool:
    """Tells whether a text has variables or doubled braces."""
    return "{" in text or "}" in text


def unknown(what: str, name: str, known: Mapping[str, object]) -> str:
    """Advice about an unknown name: the closest known one, or all known ones."""
    close = get_close_matches(name, known, n=1) if len(name) < _LONG else []
    if close:
        return f"unknown {what} {shown(name)}; did you mean {close[0]!r}?"
    return f"unknown {what} {shown(name)}; known are {', '.join(map(str, known)) or 'none'}"


def _parts(text: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(Formatter().parse(text))
    except ValueError as error:
        raise InputError(f"{shown(text)}: {error}; write {{{{ and }}}} for braces") from error
