"""Options of edits: each one's facts stand once, beside its field. Light: imports no torch.

    strength: Annotated[float, Option("How much may change.", low=0.01, high=1)] = 0.5

From that follow the checks here, the flag in the grouped `--help`, the recipe schema, the keyword
types of the functions and the reference of options. `Annotated` with a dataclass adds 0.05 s to a
bare interpreter, most of it `dataclasses` and `typing`, which commands import anyway; pydantic with
one model adds 0.4 s, of which 0.15 s are its import (`tests/benchmarks/option_imports.py`).
"""

import math
import secrets
import types
import typing
import warnings
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from numbers import Integral, Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast, get_args

from editkit.boxes import Size
from editkit.checks import check_int, check_range, check_text
from editkit.errors import InputError, shown
from editkit.keywords import check_names

Own = TypeVar("Own", bound="Options")

Group = Literal["Basic", "Look", "Model", "Output", "Expert"]
"""Where an option stands in `--help`."""

GROUPS: tuple[Group, ...] = get_args(Group)

SEEDS = 2**63
"""Seeds go from 0 to one less than this."""


@dataclass(frozen=True)
class Option:
    """Facts of an option that its type and default do not tell.

    Attributes:
        help: one sentence for `--help`, recipes and the reference.
        group: where it stands in `--help`.
        low: the least number; of a size, the shortest side.
        high: the greatest number; None for no limit.
        choices: the texts to choose from.
        unset: what is used where it is left out, if the default does not say.
        metavar: what `--help` shows for the value.
        short: a flag of one letter, such as `-m`.
        former: names that it had before, which are still taken.
        rule: true for text that is a mask, or refines one; `editkit.ops.look` checks those.
        hidden: true for what the library alone takes.
    """

    help: str
    group: Group = "Basic"
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    unset: str = ""
    metavar: str = ""
    short: str = ""
    former: tuple[str, ...] = ()
    rule: bool = False
    hidden: bool = False


@dataclass(frozen=True)
class Fact:
    """One option of a class.

    Attributes:
        name: of its field.
        hint: the type of its field, without `Annotated`.
        default: of its field; None where there is none.
        option: what else is known.
    """

    name: str
    hint: Any
    default: Any
    option: Option

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The types that a value may have, but for None."""
        return tuple(kind for kind in _kinds(self.hint) if kind is not type(None))

    @property
    def may_be_none(self) -> bool:
        """True where None leaves it open."""
        return type(None) in _kinds(self.hint)

    @property
    def stored_name(self) -> str:
        """The name in records and manifests: the first that it ever had."""
        return self.option.former[-1] if self.option.former else self.name

    @property
    def help(self) -> str:
        """Its sentence, with what is used where it is left out."""
        unset = f"  [{self.option.unset}]" if self.option.unset else ""
        return f"{self.option.help}{unset}"


@cache
def facts_of(kind: type[Any]) -> Mapping[str, Fact]:
    """The options of a dataclass by the names of their fields, in order."""
    hints = typing.get_type_hints(kind, include_extras=True)
    found = dict[str, Fact]()
    for f in fields(kind):
        hint, option = option_of(hints[f.name])
        default = None if f.default is MISSING else f.default
        found[f.name] = Fact(f.name, hint, default, option)
    return MappingProxyType(found)


def option_of(hint: Any) -> tuple[Any, Option]:  # noqa: ANN401 - of any type
    """The bare type of an annotation, and the facts in it; hidden ones where it has none."""
    if typing.get_origin(hint) is not Annotated:
        return hint, Option("", hidden=True)
    bare, *more = get_args(hint)
    return bare, next((one for one in more if isinstance(one, Option)), Option("", hidden=True))


@cache
def former_names(kind: type[Any]) -> Mapping[str, str]:
    """Names that options of a dataclass had before, each with today's."""
    facts = facts_of(kind).values()
    return MappingProxyType({old: fact.name for fact in facts for old in fact.option.former})


def renamed(kind: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Options by today's names; a former name is warned of.

    Raises:
        InputError: an option is given by both names.
    """
    former = former_names(kind)
    if not former.keys() & given.keys():
        return dict(given)
    for old in former.keys() & given.keys():
        new = former[old]
        if new in given:
            raise InputError(f"{old} is now {new}; give one of them")
        warnings.warn(f"{old} is now {new}", FutureWarning, stacklevel=3)
    return {former.get(name, name): value for name, value in given.items()}


def restored(kind: type[Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a record by today's names; the first name of each is as good."""
    former = former_names(kind)
    return {former.get(name, name): value for name, value in stored.items()}


def stored_options(edit: Any) -> dict[str, Any]:  # noqa: ANN401 - a dataclass
    """The options of an edit, by the names that records and manifests keep in all versions."""
    facts = facts_of(type(edit))
    return {fact.stored_name: getattr(edit, name) for name, fact in facts.items()}


class _Renaming(type):
    """Takes options by the names that they had before."""

    if not TYPE_CHECKING:  # a type checker reads the fields

        def __call__(cls, *args: Any, **given: Any) -> Any:  # noqa: ANN401
            """A new value."""
            return super().__call__(*args, **renamed(cls, given))


class Options(metaclass=_Renaming):
    """Parameters of an edit: a base for dataclasses, whose fields are given by keyword."""

    def __new__(cls: type[Own], *_: object, **given: object) -> Own:
        """A new value, its keywords looked at first.

        Raises:
            InputError: a keyword is no field.
        """
        check_names(cls.__name__, given, [f.name for f in fields(cls)])  # pyright: ignore[reportArgumentType]
        return object.__new__(cls)

    def __post_init__(self) -> None:
        """Checks each option by its facts.

        Raises:
            InputError: a value is of another type, or out of range.
        """
        self._settle()
        for fact in facts_of(type(self)).values():
            check(fact, getattr(self, fact.name))

    def _settle(self) -> None:
        """Makes numbers of NumPy's Python's, and draws a seed where None was given.

        Raises:
            InputError: a switch is neither true nor false, or a value that is needed is None.
        """
        for fact in facts_of(type(self)).values():
            name, default = fact.name, fact.default
            value = python_value(getattr(self, name))
            if isinstance(default, tuple) and isinstance(value, list):
                value = python_value(tuple(cast("list[object]", value)))
            if name == "seed" and value is None:
                value = secrets.randbelow(SEEDS)
            if value is None and default is not None:
                raise InputError(f"{name} is None; leave it out for {shown(default)}")
            if isinstance(default, bool) and not isinstance(value, bool):
                raise InputError(f"{name} is {shown(value)}; give True or False")
            object.__setattr__(self, name, value)


def check(fact: Fact, value: object) -> None:
    """Checks a value of an option that is not a switch.

    Raises:
        InputError: it is of another type, out of range or none of the choices.
    """
    option = fact.option
    if value is None:
        return
    if option.choices:
        _check_choice(fact.name, value, option.choices)
    elif option.help and not option.rule and len(fact.kinds) == 1:
        _check_kind(fact, value)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"unknown {name} {shown(value)}; choose one of {', '.join(choices)}")


def _check_kind(fact: Fact, value: object) -> None:
    name, low, high = fact.name, *_limits(fact.option)
    kind = fact.kinds[0]
    if kind is int:
        check_int(name, value, int(low), high if math.isinf(high) else int(high))
    elif kind is float:
        check_range(name, value, low, high)
    elif kind is str:
        check_text(name, value)
    elif kind is Size:
        _check_size(name, value, int(low), int(high))
    elif typing.get_origin(kind) is tuple:
        _check_pair(name, value)


def _check_size(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, Size):
        raise InputError(f"{name} is {shown(value)}; give editkit.Size(height, width)")
    sides: tuple[object, ...] = value
    if not all(isinstance(side, Integral) and low <= int(side) <= high for side in sides):
        raise InputError(f"{name} is {value}; give sides from {low} to {high}")


def _check_pair(name: str, value: object) -> None:
    message = f"{name} is {shown(value)}; give (low, high), 0 or more"
    if not isinstance(value, tuple) or len(value) != 2:
        raise InputError(message)
    for number in value:
        check_range(name, number, 0, math.inf)
    if not 0 <= value[0] <= value[1]:
        raise InputError(message)


def _limits(option: Option) -> tuple[float, float]:
    low = -math.inf if option.low is None else option.low
    return low, math.inf if option.high is None else option.high


def _kinds(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401
    return get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def python_value(value: Any) -> Any:  # noqa: ANN401 - whatever was given
    """NumPy's truth values, numbers and texts as Python's, in a tuple, too; else the value."""
    import numpy as np  # not at the top: commands begin without it

    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value.item()
    if type(value) is tuple:
        return tuple(python_value(item) for item in value)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value
