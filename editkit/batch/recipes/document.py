"""YAML and TOML files as plain tables, with the line and column of everything in them."""

import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from editkit.batch.recipes.text_files import place_in, read_text, whole
from editkit.batch.recipes.yaml_nodes import pairs, read_yaml
from editkit.errors import InputError, RecipeError

Keys = Sequence[str | int]
"""The way to a value: names in tables, places in lists."""

_LARGEST = 200_000
_DEEPEST = 20
_MOST = 5_000
"""Values in a recipe, counted as often as aliases repeat them."""

_BITS = 128
"""Of a whole number."""

_AT = re.compile(r" \(at line (\d+), column (\d+)\)$")
_SUFFIXES = (".yaml", ".yml", ".toml")
_PART = r"""(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+"""
_LONG_KEY = re.compile(rf"""(?<![\w."'-])(?:{_PART}\.[ \t]*+){{100}}""")
"""A dotted key in TOML; the parser takes time by the square of its length."""

_DIGITS = re.compile(r"\d[\d_]{4000}")


@dataclass(frozen=True)
class Document:
    """A file that was read.

    Attributes:
        name: how messages call it.
        data: its contents.
    """

    name: str
    data: Any
    _text: str
    _root: yaml.Node | None

    def error(self, keys: Keys, message: str, *, at_key: bool = False) -> RecipeError:
        """An error about the value that `keys` lead to, or about its key."""
        return RecipeError(f"{self.place(keys, at_key=at_key)}: {message}")

    def place(self, keys: Keys, *, at_key: bool = False) -> str:
        """Where the value (or its key) stands, as `file:line:column`, both from 1."""
        if self._root is None:
            line, column = _toml_place(self._text, keys, at_key=at_key)
        else:
            line, column = _yaml_place(self._root, keys, at_key=at_key)
        return f"{self.name}:{line}:{column}"


@dataclass(frozen=True)
class Places(Mapping[str, str]):
    """Where the values of some keys stand, found when it is asked: in TOML that takes time."""

    document: Document
    keys_to: Mapping[str, Keys]

    def __getitem__(self, name: str) -> str:
        return self.document.place(self.keys_to[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_to)

    def __len__(self) -> int:
        return len(self.keys_to)


def is_recipe_name(name: str) -> bool:
    """Tells whether a name has the suffix of a recipe."""
    return Path(name).suffix.lower() in _SUFFIXES


def read_document(path: Path) -> Document:
    """The file, parsed.

    Raises:
        RecipeError: it cannot be read or parsed, or is larger or deeper than any recipe.
    """
    if not is_recipe_name(str(path)):
        raise RecipeError(f"{path} is no recipe; give a file with one of {' '.join(_SUFFIXES)}")
    try:
        text = read_text(path, "recipe", _LARGEST)
    except InputError as error:
        raise RecipeError(str(error)) from error
    name = str(path)
    if path.suffix.lower() == ".toml":
        document = Document(name, _toml(name, text), text, None)
    else:
        root, data = read_yaml(name, text, deepest=_DEEPEST, most=_MOST)
        empty = yaml.MappingNode("", [], yaml.Mark(name, 0, 0, 0, "", 0))
        document = Document(name, data, text, root or empty)
    _check_values(document)
    return document


def _toml(name: str, text: str) -> dict[str, Any]:
    long = _LONG_KEY.search(text)
    if long is not None:
        raise RecipeError(f"{name}:{place_in(text, long.start())}: it is nested too deeply")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        where = ":".join(at.groups()) if at else f"{text.count(chr(10)) + 1}:1"
        raise RecipeError(f"{name}:{where}: {_AT.sub('', str(error)):.200}") from error
    except RecursionError as error:
        raise RecipeError(f"{name}:1:1: it is nested too deeply") from error
    except ValueError as error:
        # Of a date that is none; or of a number with more digits than Python reads.
        found = _DIGITS.search(text)
        where = place_in(text, found.start() if found else 0)
        said = "the number has too many digits; give a smaller one" if found else str(error)
        raise RecipeError(f"{name}:{where}: {said:.200}") from error


def _check_values(document: Document) -> None:
    """Refuses what no recipe means: great depth, many values, and numbers without bounds."""
    left = [((), document.data)]
    for count in itertools.count():
        if not left:
            return
        keys, value = left.pop()
        if len(keys) > _DEEPEST:
            raise document.error(keys[:1], "it is nested too deeply")
        if count > _MOST:
            raise RecipeError(f"{document.name}:1:1: it holds more than {_MOST} values")
        if isinstance(value, int) and value.bit_length() > _BITS:
            raise document.error(keys, "the number has too many digits; give a smaller one")
        if isinstance(value, str):
            _check_text(document, keys, value)
        if isinstance(value, dict | list):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            left += [((*keys, key), item) for key, item in items]


def _check_text(document: Document, keys: Keys, text: str) -> None:
    try:
        whole(text)
    except InputError as error:
        raise document.error(keys, str(error)) from error


def _yaml_place(root: yaml.Node, keys: Keys, *, at_key: bool) -> tuple[int, int]:
    node = root
    mark = root.start_mark
    for number, step in enumerate(keys):
        found = [
            (key, value)
            for place, (key, value) in enumerate(pairs(node))
            if (place if key is None else key.value) == str(step) or (key is None and place == step)
        ]
        if not found:
            break
        key, node = found[-1]  # what a table merges comes first, and gives way
        last = number == len(keys) - 1
        mark = key.start_mark if key is not None and at_key and last else node.start_mark
    return mark.line + 1, mark.column + 1


def _toml_place(text: str, keys: Keys, *, at_key: bool) -> tuple[int, int]:
    """Where a value stands in TOML, which no parser tells.

    tomlkit writes a file as it was read, so a mark put in place of the value shows where it was.
    """
    import tomlkit

    mark = "@editkit-was-here@"
    if not keys:
        return 1, 1
    try:
        document, last = tomlkit.parse(text), keys[-1]
        holder: Any = document
        for key in keys[:-1]:
            holder = holder[key]
        if isinstance(holder[last], dict | list) and not _inline(holder[last]):
            return _toml_table(text, last)
        holder[last] = mark
        found = tomlkit.dumps(document).find(f'"{mark}"')
    except (KeyError, IndexError, TypeError, ValueError, RecursionError):
        return _toml_place(text, keys[:-1], at_key=at_key)
    if found < 0:
        return _toml_place(text, keys[:-1], at_key=at_key)
    before = text[:found]
    line, column = before.count("\n") + 1, found - (before.rfind("\n") + 1)
    if at_key:
        named = text.split("\n")[line - 1].rfind(str(last), 0, column)
        column = named if named >= 0 else column
    return line, column + 1


def _inline(value: Any) -> bool:  # noqa: ANN401 - an item of tomlkit's
    return type(value).__name__ in ("InlineTable", "Array")


def _toml_table(text: str, name: str | int) -> tuple[int, int]:
    """The header of a table; of a list of tables, that of the n-th."""
    heads = [number for number, line in enumerate(text.split("\n"), 1) if line.startswith("[[")]
    if isinstance(name, int):
        return (heads[name], 1) if name < len(heads) else (1, 1)
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip().strip("[]").strip() == name:
            return number, 1
    return 1, 1
