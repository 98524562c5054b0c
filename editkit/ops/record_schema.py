"""Records in files that anybody may have made: whether they are what this version writes.

The shapes stand here as typed tables; the options of an edit have the types of its own fields.
"""

import math
import reprlib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Literal, NotRequired, TypedDict

from editkit.errors import InputError
from editkit.ops.catalog import BY_CLASS
from editkit.options import former_names
from editkit.types import Size

RECIPE = "recipe"
"""What a record of several edits in a row calls itself."""

_OF_STEPS = ("edited", "mask")
_MOST_STEPS = 1000
_LARGEST = 2**64


class _Picture(TypedDict):
    """A file, by its fingerprint and its place."""

    sha256: str
    path: NotRequired[str]


class _Mask(_Picture):
    """A mask, which may be an expression."""

    expression: NotRequired[str]


class _Saving(TypedDict):
    """How the file was written."""

    jpeg: Literal["auto", "lossless", "encode"]
    keep_records: NotRequired[bool]


class _Step(TypedDict):
    """One edit."""

    edit: str
    options: dict[str, object]
    mask: NotRequired[_Mask]
    edited: NotRequired[_Picture]
    own: NotRequired[dict[str, list[str]]]


class _Head(TypedDict):
    """What holds of the whole file."""

    format: Literal[1]
    versions: dict[str, str]
    saving: _Saving
    original: NotRequired[_Picture]
    model: NotRequired[str | None]
    weights: NotRequired[str | None]
    preview: NotRequired[bool]


class _Single(_Head, _Step):
    """A record of one edit."""


class _Recipe(_Head):
    """A record of several edits in a row."""

    edit: Literal["recipe"]
    steps: list[_Step]


def check_record(record: Mapping[str, Any], name: str) -> None:
    """Refuses what is no record of this version's.

    Args:
        record: a table, as JSON holds it.
        name: the file, for messages.

    Raises:
        InputError: a part is missing or of another kind, or the edit does not take it.
    """
    several = record.get("edit") == RECIPE
    steps = record.get("steps")
    if several and isinstance(steps, list) and not 2 <= len(steps) <= _MOST_STEPS:
        raise InputError(f"the record in {name} cannot be used: it has {len(steps)} steps")
    for fault in _faults(record, _Recipe if several else _Single, ""):
        raise InputError(f"the record in {name} cannot be used: {fault}")
    for step in record["steps"] if several else [record]:
        _check_step(record, step, name)


def check_own(step: Mapping[str, Any], name: str) -> None:
    """Refuses an edit that ran with code of its caller: a record keeps no code.

    Raises:
        InputError: it did.
    """
    own: Mapping[str, list[str]] = step.get("own", {})
    parts = ", ".join(f"{kind} {reprlib.repr(one)}" for kind, some in own.items() for one in some)
    if parts:
        raise InputError(f"{name} cannot be repeated: a script made it by its own {parts}")


def check_options(kind: type[Any], options: Mapping[str, Any]) -> None:
    """Refuses options that an edit has no field for, or whose values are of another type.

    Raises:
        InputError: the first of them.
    """
    hints = typing.get_type_hints(kind)
    known = {f.name: hints[f.name] for f in fields(kind)}
    known |= {old: hints[new] for old, new in former_names(kind).items()}
    for key, value in options.items():
        if key not in known:
            shown = f"{kind.__name__} has no option {reprlib.repr(key)}"
            raise InputError(f"the record is of another version of editkit: {shown}")
        for fault in _faults(value, known[key], key):
            raise InputError(f"the record is of another version of editkit: {fault}")


def _check_step(record: Mapping[str, Any], step: Mapping[str, Any], name: str) -> None:
    """Refuses an edit that is none, or that lacks what it is applied to."""
    edit = step["edit"]
    if edit not in BY_CLASS:
        known = ", ".join(sorted(BY_CLASS))
        shown = reprlib.repr(edit)
        raise InputError(f"the record in {name} tells of {shown}; editkit repeats {known}")
    told = {**step, **({"original": record["original"]} if "original" in record else {})}
    entry = BY_CLASS[edit]
    lacking = [part for part in entry.sources if part not in told]
    if lacking:
        raise InputError(f"the record in {name} cannot be used: {edit} without its {lacking[0]}")
    spare = [p for p in _OF_STEPS if p in told and p not in entry.inputs]
    if spare or ("original" in record and not entry.sources):
        what = spare[0] if spare else "original"
        raise InputError(f"the record in {name} cannot be used: {edit} takes no {what}")
    if record.get("model") is None and _wants_model(step):
        raise InputError(f"the record in {name} cannot be used: {edit} without its model")


def _wants_model(step: Mapping[str, Any]) -> bool:
    if step["edit"] == "Erase":
        return step["options"].get("method", "diffusion") == "diffusion"
    return BY_CLASS[step["edit"]].takes_model


def _faults(value: Any, hint: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - of any type
    """What is wrong with a value of JSON's for a type, the first of all first."""
    if typing.is_typeddict(hint):
        yield from _table_faults(value, hint, at)
    elif typing.get_origin(hint) is dict and isinstance(value, dict):
        inner = typing.get_args(hint)[1]
        for key, item in value.items():
            yield from _faults(item, inner, f"{at}.{reprlib.repr(key)}")
    elif typing.get_origin(hint) is list and isinstance(value, list):
        inner = typing.get_args(hint)[0]
        for number, item in enumerate(value, 1):
            yield from _faults(item, inner, f"{at} {number}")
    elif not _fits(value, hint):
        yield f"{at} is {reprlib.repr(value)}, not {_called(hint)}"


def _table_faults(value: Any, hint: Any, at: str) -> Iterator[str]:  # noqa: ANN401
    if not isinstance(value, dict):
        yield f"{at} is {reprlib.repr(value)}, not a table"
        return
    known = typing.get_type_hints(hint)
    for key in sorted(hint.__required_keys__ - value.keys()):
        yield f"it has no {f'{at}.' if at else ''}{key}"
    for key in known:
        if key in value:
            yield from _faults(value[key], known[key], f"{at}.{key}" if at else key)


def _fits(value: Any, hint: Any) -> bool:  # noqa: ANN401
    """Whether a value is one of a plain type, of several, or of a row of numbers."""
    kind = typing.get_origin(hint)
    if kind in (types.UnionType, typing.Union):
        return any(_fits(value, one) for one in typing.get_args(hint))
    if kind is Literal:
        return any(type(value) is type(one) and value == one for one in typing.get_args(hint))
    if kind is tuple or hint is Size:
        parts = typing.get_args(hint) if kind is tuple else (int, int)
        return _is_row(value, parts)
    return hint is object or _is_plain(value, hint)


def _is_row(value: Any, parts: tuple[Any, ...]) -> bool:  # noqa: ANN401
    if not isinstance(value, list) or len(value) != len(parts):
        return False
    pairs = zip(value, parts, strict=True)
    return all(_fits(v, part) or (part is float and v == "inf") for v, part in pairs)


def _is_plain(value: Any, hint: Any) -> bool:  # noqa: ANN401
    if hint in (bool, str, type(None), types.NoneType):
        return isinstance(value, hint)
    if isinstance(value, bool) or hint not in (int, float):
        return False
    if isinstance(value, int):
        return abs(value) < _LARGEST
    return hint is float and isinstance(value, float) and math.isfinite(value)


def _called(hint: Any) -> str:  # noqa: ANN401
    """A type by words."""
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    kinds = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType,) else (hint,)
    if typing.get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, typing.get_args(hint)))}"
    named = [words.get(kind, "a table") for kind in kinds if kind is not types.NoneType]
    if any(kind is Size or typing.get_origin(kind) is tuple for kind in kinds):
        named = ["two numbers"]
    return " or ".join(named)
