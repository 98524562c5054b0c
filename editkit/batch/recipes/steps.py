"""Steps of a recipe: the edits of the catalog, with the options of their classes."""

import math
import os
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editkit.batch.recipes.text_files import shown
from editkit.boxes import Size
from editkit.errors import InputError, MaskError
from editkit.ops.catalog import CATALOG, Entry
from editkit.ops.img2img import Img2Img
from editkit.ops.inpaint import Inpaint
from editkit.ops.outpaint import Outpaint
from editkit.options import Fact, former_names

_INPUTS = ("model", "photo", "original", "mask")
_BITS = 128
_SIZE = re.compile(r"(\d{1,5})[xX](\d{1,5})")


@dataclass(frozen=True)
class Operation:
    """An edit by its name in recipes."""

    name: str

    @property
    def entry(self) -> Entry:
        """The edit in the catalog."""
        return CATALOG[self.name]

    @property
    def inputs(self) -> tuple[str, ...]:
        """What it is called with, in order: `model`, `photo`, `mask`, and others as files.

        What `photo` is to others is the `original` to one that takes two pictures.
        """
        return self.entry.inputs

    @property
    def needs_mask(self) -> bool:
        """True where it cannot do without a mask."""
        return self.entry.needs_mask

    @property
    def scored(self) -> bool:
        """True where its seam is measured: that of all which leave a part as it was."""
        return self.entry.takes_mask or issubclass(self.entry.kind, Inpaint)

    def needs_model(self, method: str | None) -> bool:
        """True where a model makes it, by its parameter `method`; None where that is not known."""
        return self.entry.takes_model and method in (None, "diffusion")

    @property
    def files(self) -> tuple[str, ...]:
        """Inputs that a step names as files: all but model, photo and mask."""
        return tuple(name for name in self.inputs if name not in _INPUTS)

    @property
    def parameters(self) -> Mapping[str, Fact]:
        """What can be set in a step."""
        return self.entry.options

    @property
    def former(self) -> Mapping[str, str]:
        """Names that parameters had before, each with today's."""
        return former_names(self.entry.kind)

    def edit(self, options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one of many classes
        """The edit with its options.

        Raises:
            InputError: an option cannot be used, or would do nothing.
        """
        made = self.entry.kind(**options)
        for name in getattr(made, "idle", ()):
            raise InputError(f"{name} is for diffusion, not for {made.method}; leave it out")
        return made


def operations() -> Mapping[str, Operation]:
    """All operations by name."""
    return {name: Operation(name) for name, entry in CATALOG.items() if entry.steps}


def outcome_of(steps: Sequence[Any], photo: Size) -> tuple[Size, bool]:
    """The size of what steps make of a photo, and whether one of them edits the whole of it.

    Args:
        steps: each a `Bound`, of a module above this one.
        photo: its size.

    Raises:
        InputError: a frame cannot be.
    """
    for step in steps:
        if isinstance(step.edit, Outpaint):
            photo = step.edit.frame(photo).size
    return photo, any(isinstance(step.edit, Img2Img) for step in steps)


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
    if kind is Size:
        sides = _SIZE.fullmatch(str(value))
        return Size(int(sides[2]), int(sides[1])) if sides else None
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
