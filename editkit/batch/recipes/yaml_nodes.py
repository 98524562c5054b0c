"""YAML as plain values with their nodes, within bounds that aliases and depth cannot break."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from editkit.batch.recipes.text_files import place_in, shown, whole
from editkit.errors import InputError, RecipeError

_TAG = "tag:yaml.org,2002:"
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_LEFT_OUT = ("timestamp", "value")
"""Types of plain YAML text that recipes do not use: a date stays as it is written."""


class _Loader(yaml.SafeLoader):
    """A loader of plain values that stops at what no recipe holds."""

    deepest = most = 0

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._count = self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._count += 1
        self._depth += 1
        mark = self.peek_event().start_mark
        if self._depth > self.deepest + 1:
            raise _marked("it is nested too deeply", mark)
        if self._count > 2 * self.most:  # keys are nodes, too
            raise _marked(f"it holds more than {self.most} values", mark)
        node = super().compose_node(parent, index)  # pyright: ignore[reportArgumentType]
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002
        if isinstance(node, yaml.ScalarNode):
            _check_scalar(node)
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError, LookupError, TypeError, AttributeError) as error:
            raise _marked(_wrong(node, error), node.start_mark) from error


def _of_text(pattern: Any) -> bool:  # noqa: ANN401 - a compiled pattern
    """Tells whether a pattern takes times and angles, such as 16:9, for numbers."""
    return pattern.match("16:9") is not None or pattern.match("16:9.5") is not None


def _plain_number(kind: str, pattern: Any) -> Any:  # noqa: ANN401 - compiled patterns
    if kind in ("int", "float") and _of_text(pattern):
        return re.compile(rf"(?=[^:]*\Z)(?:{pattern.pattern})", pattern.flags)
    return pattern


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, _plain_number(tag.removeprefix(_TAG), pattern))
        for tag, pattern in found
        if tag.removeprefix(_TAG) not in _LEFT_OUT
    ]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _check_scalar(node: yaml.ScalarNode) -> None:
    """Makes the node's text whole; refuses a number that one reads as another."""
    try:
        node.value = whole(node.value)
    except InputError as error:
        raise _marked(str(error), node.start_mark) from error
    if node.tag == f"{_TAG}int" and _OCTAL.fullmatch(node.value):
        number = int(node.value.replace("_", ""), 8)
        advice = f"give {shown(number)}, or quote it to give text"
        raise _marked(f"{shown(node.value)} is octal in YAML; {advice}", node.start_mark)


def _wrong(node: yaml.Node, error: Exception) -> str:
    kind = node.tag.removeprefix(_TAG)
    if kind == "int" and isinstance(error, ValueError) and len(node.value) > 4000:
        return "the number has too many digits; give a smaller one"
    return f"{shown(node.value)} is no {kind}; quote it, to give text"


def _marked(problem: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def read_yaml(name: str, text: str, *, deepest: int, most: int) -> tuple[yaml.Node | None, Any]:
    """The root of a YAML document, and what it holds; both None where it is empty.

    Args:
        name: how messages call it.
        text: the document.
        deepest: tables and lists in each other.
        most: values, counted as often as aliases repeat them.

    Raises:
        RecipeError: it is no YAML, goes beyond these bounds, or gives a key twice.
    """
    try:
        loader = _Loader(text)
        loader.deepest, loader.most = deepest, most
        root = loader.get_single_node()
        if root is None:
            return None, None
        _Sizes(deepest, most).of(root)
        return root, loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        raise RecipeError(_said(name, error)) from error
    except yaml.reader.ReaderError as error:
        where = place_in(text, int(error.position))
        raise RecipeError(f"{name}:{where}: it holds {error.character:#x}, no text") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(f"{name}:1:1: {str(error).splitlines()[0]:.200}") from error


def _said(name: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = "1:1" if mark is None else f"{mark.line + 1}:{mark.column + 1}"
    problem = " ".join((error.problem or "it is not YAML").split())
    hint = "; quote a text that begins with !" if "constructor for the tag" in problem else ""
    return f"{name}:{where}: {problem:.200}{hint}"


class _Sizes:
    """How much each node holds, with all that aliases repeat; each is looked at once."""

    def __init__(self, deepest: int, most: int) -> None:
        self._deepest, self._most = deepest, most
        self._known = dict[int, tuple[int, int]]()
        self._above = set[int]()

    def of(self, node: yaml.Node) -> tuple[int, int]:
        """The number of values in a node, and how deep they lie.

        Raises:
            MarkedYAMLError: too many, too deep, without end, or a key is given twice.
        """
        if id(node) in self._known:
            return self._known[id(node)]
        if id(node) in self._above:
            raise _marked("it is nested too deeply: it holds itself", node.start_mark)
        self._above.add(id(node))
        _check_keys(node)
        inner = [self.of(value) for value in _values(node)]
        self._above.discard(id(node))
        count = 1 + sum(number for number, _ in inner)
        depth = 1 + max((depth for _, depth in inner), default=0)
        if count > self._most:
            raise _marked(f"it holds more than {self._most} values", node.start_mark)
        if depth > self._deepest:
            raise _marked("it is nested too deeply", node.start_mark)
        self._known[id(node)] = count, depth
        return count, depth


def _values(node: yaml.Node) -> Iterator[yaml.Node]:
    """The contents of a node, keys included that are tables and lists themselves."""
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                yield key
            yield value


def _check_keys(node: yaml.Node) -> None:
    """Refuses a key that is given twice, of which YAML's rule is to forget the first."""
    seen = set[str]()
    for key, _ in pairs(node):
        if key is None:
            continue
        if key.value in seen:
            raise _marked(f"{shown(key.value)} is given twice", key.start_mark)
        seen.add(key.value)


def pairs(node: yaml.Node) -> Iterator[tuple[yaml.ScalarNode | None, yaml.Node]]:
    """The contents of a node, with the keys of a table."""
    if isinstance(node, yaml.SequenceNode):
        yield from ((None, item) for item in node.value)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (key if isinstance(key, yaml.ScalarNode) else None), value
