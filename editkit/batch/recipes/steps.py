"""What a step of a recipe can be: the edits, as their own classes tell of them.

A new edit is one line in `_EDITS`; its parameters, and what it is applied to, are read from its
dataclass and its call.
"""

import inspect
import math
import os
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import editkit
from editkit.batch.recipes.text_files import shown
from editkit.errors import InputError, MaskError
from editkit.types import Size

_EDITS: Mapping[str, str] = MappingProxyType(
    {
        "inpaint": "Inpaint",
        "img2img": "Img2Img",
        "resample": "Resample",
        "erase": "Erase",
        "outpaint": "Outpaint",
        "composite": "Composite",
    }
)
_INPUTS = ("model", "photo", "original", "mask")
_HIDDEN = ("compat",)
_BITS = 128
_SIZE = re.compile(r"(\d{1,5})[xX](\d{1,5})")


@dataclass(frozen=True)
class Parameter:
    """One field of an edit.

    Attributes:
        name: the field's.
        hint: its type.
        default: its default, as JSON holds it.
    """

    name: str
    hint: Any
    default: Any


@dataclass(frozen=True)
class Operation:
    """An edit by its name in recipes."""

    name: str

    @cached_property
    def kind(self) -> type[Any]:
        """Its class."""
        return getattr(editkit, _EDITS[self.name])

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """What it is called with, in order: `model`, `photo`, `mask`, and others as files.

        What `photo` is to others is the `original` to one that takes two pictures.
        """
        return tuple(p.name for p in self._called_with)

    @property
    def _called_with(self) -> tuple[inspect.Parameter, ...]:
        parameters = inspect.signature(self.kind.__call__).parameters.values()
        return tuple(p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)[1:]

    @cached_property
    def needs_mask(self) -> bool:
        """Whether it cannot do without a mask."""
        return any(p.name == "mask" and p.default is p.empty for p in self._called_with)

    @property
    def scored(self) -> bool:
        """Whether its seam is measured: that of all which leave a part as it was."""
        return "mask" in self.inputs or issubclass(self.kind, editkit.Inpaint)

    def needs_model(self, method: str | None) -> bool:
        """Whether a model makes it, by its parameter `method`; None where that is not known."""
        return "model" in self.inputs and method in (None, "diffusion")

    @property
    def files(self) -> tuple[str, ...]:
        """Inputs that a step names as files: all but model, photo and mask."""
        return tuple(name for name in self.inputs if name not in _INPUTS)

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """What can be set in a step."""
        hints = typing.get_type_hints(self.kind)
        return {
            f.name: Parameter(f.name, hints[f.name], None if f.default is MISSING else f.default)
            for f in fields(self.kind)
            if f.name not in _HIDDEN and (f.name != "prompt" or self._takes_prompt)
        }

    @property
    def _takes_prompt(self) -> bool:
        return getattr(self.kind, "takes_prompt", True)

    def edit(self, options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one of many classes
        """The edit with its options.

        Raises:
            InputError: an option cannot be used, or would do nothing.
        """
        made = self.kind(**options)
        for name in getattr(made, "idle", ()):
            raise InputError(f"{name} is for diffusion, not for {made.method}; leave it out")
        return made


def operations() -> Mapping[str, Operation]:
    """All operations by name."""
    return {name: Operation(name) for name in _EDITS}


def outcome_of(steps: Sequence[Any], photo: Size) -> tuple[Size, bool]:
    """The size of what steps make of a photo, and whether one of them edits the whole of it.

    Args:
        steps: each a `Bound`, of a module above this one.
        photo: its size.

    Raises:
        InputError: a frame cannot be.
    """
    for step in steps:
        if isinstance(step.edit, editkit.Outpaint):
            photo = step.edit.frame(photo).size
    return photo, any(isinstance(step.edit, editkit.Img2Img) for step in steps)


def is_by_model(step: Any) -> bool:  # noqa: ANN401 - a `Bound`, of a module above this one
    """Whether a model makes a step whose variables are filled in."""
    return operations()[step.name].needs_model(getattr(step.edit, "method", None))


def converted(name: str, value: Any, hint: Any, *, text: bool = False) -> Any:  # noqa: ANN401
    """An option's value as its edit wants it.

    Args:
        name: how messages call it.
        value: as it stands in a file.
        hint: the type that is wanted.
        text: whether it was put together from variables, so that text may be any type.

    Raises:
        InputError: it is of another type.
    """
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None:
        if type(None) in kinds:
            return None
        raise InputError(f"{name} is empty; give a value or leave it out")
    kinds = tuple(kind for kind in kinds if kind is not type(None))
    for kind in kinds:
        found = _of_kind(value, kind, text=text)
        if found is not None:
            return found
    quoted = " (quote it, to give text)" if str in kinds else ""
    raise InputError(f"{name} is {shown(value)}; give {' or '.join(map(_called, kinds))}{quoted}")


def _of_kind(value: Any, kind: Any, *, text: bool) -> Any:  # noqa: ANN401
    """The value as that type; None where it is of another."""
    if typing.get_origin(kind) is tuple:
        numbers = (
            [_number(item, text=True) for item in value] if isinstance(value, list | tuple) else []
        )
        pair = [float(number) for number in numbers if number is not None]
        return tuple(pair) if len(pair) == len(typing.get_args(kind)) == len(numbers) else None
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        return words.get(str(value).lower()) if isinstance(value, bool) or text else None
    if kind is int:
        number = _number(value, text=text)
        return None if number is None or not float(number).is_integer() else int(number)
    if kind is float:
        number = _number(value, text=text)
        return None if number is None else float(number)
    if kind is editkit.Size:
        sides = _SIZE.fullmatch(str(value))
        return editkit.Size(int(sides[2]), int(sides[1])) if sides else None
    return value if isinstance(value, str) else None


def _number(value: Any, *, text: bool) -> float | int | None:  # noqa: ANN401
    if isinstance(value, str) and text:
        try:
            value = int(value) if value.strip("+-").isdecimal() else float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    # Whole numbers of hundreds of digits cannot be compared with others.
    return value if isinstance(value, float) or value.bit_length() <= _BITS else None


def _called(kind: Any) -> str:  # noqa: ANN401
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if typing.get_origin(kind) is tuple:
        return f"a list of {len(typing.get_args(kind))} numbers"
    return words.get(kind, "WIDTHxHEIGHT")


def check_mask(text: str) -> None:
    """Finds what is wrong with a mask's text before there is a photo.

    Raises:
        MaskError: it is no expression, and names no file.
    """
    from editkit.masks.language import parse
    from editkit.storage.timeouts import await_places
    from editkit.storage.url import is_url

    if not text.strip():
        raise MaskError("the mask is empty; give a file, a folder or an expression")
    if not is_url(text):
        await_places([Path(text)])
    if not is_url(text) and not os.path.exists(text):  # noqa: PTH110 - see `Recipe.path`
        parse(text)
