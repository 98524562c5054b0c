"""Checks of options that are given; light: imports no torch."""

from numbers import Integral, Real
from typing import cast

from editkit.errors import InputError, shown

_LONGEST = 100_000


def check_text(name: str, value: object) -> None:
    """Checks a text that was given.

    Raises:
        InputError: it is no text, or holds halves of characters, which no tokenizer reads.
    """
    if not isinstance(value, str):
        raise InputError(f"{name} is {shown(value)}; give text")
    if len(value) > _LONGEST:  # no model reads as much, and tokenizers take minutes for it
        raise InputError(f"{name} has {len(value)} characters; give at most {_LONGEST}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{name} is {shown(value)}; give text that UTF-8 can hold") from error


def check_range(name: str, value: object, low: float, high: float) -> None:
    """Checks a number that was given.

    Raises:
        InputError: it is outside [low, high], or not a number.
    """
    if value is None:
        return
    odd = isinstance(value, bool) or not isinstance(value, Real)
    if odd or not low <= cast("float", value) <= high:
        raise InputError(f"{name} is {shown(value)}; give a number from {low} to {high}")


def check_int(name: str, value: object, low: int, high: float) -> None:
    """Checks a count that was given.

    Raises:
        InputError: it is outside [low, high], or not a whole number.
    """
    if value is not None and not isinstance(value, Integral):
        raise InputError(f"{name} is {shown(value)}; give a whole number from {low} to {high}")
    check_range(name, value, low, high)
