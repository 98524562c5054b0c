"""YAML and TOML files as plain tables, with the line and column of everything in them."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from editkit.errors import RecipeError

Keys = Sequence[str | int]
"""The way to a value: names in tables, places in lists."""

_LARGEST = 1_000_000
_DEEPEST = 20
_AT = re.compile(r" \(at line (\d+), column (\d+)\)$")
_SUFFIXES = (".yaml", ".yml", ".toml")


@dataclass(frozen=True)
class Document:
    """A file that was read.

    Attributes:
        name: how messages call it.
        data: what it holds.
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


def is_recipe_name(name: str) -> bool:
    """Whether a name's suffix is a recipe's."""
    return Path(name).suffix.lower() in _SUFFIXES


def read_document(path: Path) -> Document:
    """The file, parsed.

    Raises:
        RecipeError: it cannot be read or parsed.
    """
    if not is_recipe_name(str(path)):
        raise RecipeError(f"{path} is no recipe; give a file with one of {' '.join(_SUFFIXES)}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > _LARGEST:
        raise RecipeError(f"{path} has {len(data)} bytes; a recipe has at most {_LARGEST}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not UTF-8; save it as that") from error
    if path.suffix.lower() == ".toml":
        return Document(str(path), _toml(str(path), text), text, None)
    return _yaml(str(path), text)


def _toml(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        where = ":".join(at.groups()) if at else f"{text.count(chr(10)) + 1}:1"
        raise RecipeError(f"{name}:{where}: {_AT.sub('', str(error))}") from error
    except RecursionError as error:
        raise RecipeError(f"{name}:1:1: it is nested too deeply") from error


def _yaml(name: str, text: str) -> Document:
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is not None:
            _check_tree(name, root, 0)
        data = None if root is None else loader.construct_document(root)
    except RecipeError:
        raise
    except yaml.MarkedYAMLError as error:
        raise RecipeError(_yaml_said(name, error)) from error
    # A value of the kind that looks like a date or a number, but is none, is a ValueError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(f"{name}:1:1: {str(error).splitlines()[0]}") from error
    empty = yaml.MappingNode("", [], yaml.Mark(name, 0, 0, 0, "", 0))
    return Document(name, data, text, root or empty)


def _yaml_said(name: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = "1:1" if mark is None else f"{mark.line + 1}:{mark.column + 1}"
    problem = error.problem or "it is not YAML"
    hint = "; quote a text that begins with !" if "constructor for the tag" in problem else ""
    return f"{name}:{where}: {problem}{hint}"


def _check_tree(name: str, node: yaml.Node, depth: int) -> None:
    """Refuses what YAML allows and nobody means: a key twice, and great (or endless) depth."""
    where = f"{name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
    if depth > _DEEPEST:
        raise RecipeError(f"{where}: it is nested too deeply")
    seen = set[str]()
    for key, value in _pairs(node):
        if key is not None:
            if key.value in seen:
                mark = key.start_mark
                raise RecipeError(
                    f"{name}:{mark.line + 1}:{mark.column + 1}: {key.value!r} is given twice"
                )
            seen.add(key.value)
        _check_tree(name, value, depth + 1)


def _pairs(node: yaml.Node) -> Iterator[tuple[yaml.ScalarNode | None, yaml.Node]]:
    """What a node holds, with the keys of a table."""
    if isinstance(node, yaml.SequenceNode):
        yield from ((None, item) for item in node.value)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (key if isinstance(key, yaml.ScalarNode) else None), value


def _yaml_place(root: yaml.Node, keys: Keys, *, at_key: bool) -> tuple[int, int]:
    node = root
    mark = root.start_mark
    for number, step in enumerate(keys):
        found = [
            (key, value)
            for place, (key, value) in enumerate(_pairs(node))
            if (place if key is None else key.value) == step
        ]
        if not found:
            break
        key, node = found[0]
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
    table: Any = tomlkit.parse(text)
    try:
        for key in keys[:-1]:
            table = table[key]
        document, last = tomlkit.parse(text), keys[-1]
        holder: Any = document
        for key in keys[:-1]:
            holder = holder[key]
        if isinstance(holder[last], dict | list) and not _inline(holder[last]):
            return _toml_table(text, last)
        holder[last] = mark
        found = tomlkit.dumps(document).find(f'"{mark}"')
    except (KeyError, IndexError, TypeError, ValueError):
        return _toml_place(text, keys[:-1], at_key=at_key)
    if found < 0:
        return _toml_place(text, keys[:-1], at_key=at_key)
    before = text[:found]
    line, column = before.count("\n") + 1, found - (before.rfind("\n") + 1)
    if at_key:
        named = text.splitlines()[line - 1].rfind(str(last), 0, column)
        column = named if named >= 0 else column
    return line, column + 1


def _inline(value: Any) -> bool:  # noqa: ANN401 - an item of tomlkit's
    return type(value).__name__ in ("InlineTable", "Array")


def _toml_table(text: str, name: str | int) -> tuple[int, int]:
    """The header of a table; of a list of tables, that of the n-th."""
    heads = [number for number, line in enumerate(text.splitlines(), 1) if line.startswith("[[")]
    if isinstance(name, int):
        return (heads[name], 1) if name < len(heads) else (1, 1)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip().strip("[]").strip() == name:
            return number, 1
    return 1, 1
