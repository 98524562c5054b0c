"""The mask language: an algebra of selections, parsed from text to a tree and printed back.

    text:"dog" - box:10,20,300,400 | sky.png ~grow:12 ~feather:8

A selection (`box`, `sky`, a file) names an area. Operators combine selections: `|` or `+` union,
`&` intersection, `-` difference, `!` complement. `&` binds tighter than the others, which
associate to the left. A refinement (`~grow:12`) applies to everything before it, up to the
parenthesis. A tree is a plain value without a photo; `str` of it is text that parses to an equal
tree.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from editkit.errors import MaskError
from editkit.masks.grammar import (
    REFINEMENTS,
    SOURCES,
    Args,
    ArgumentError,
    Spec,
    Value,
    format_value,
    quote,
)

MOST_PARTS = 100
_POWER = {"~": 0, "|": 1, "+": 1, "-": 1, "&": 2}
_ATOM = 4
_WORD = re.compile(r"""[^\s()|&+!~:,"'=-](?:[^\s()|&+!~:,"'=]*[^\s()|&+!~:,"'=-])?""")
_BARE = re.compile(r"""[^\s()|&+!~,"'=]+""")
_KEY = re.compile(r"([A-Za-z_]+)\s*=")
_SPACE = re.compile(r"\s*")
_PLAIN_FILE = re.compile(r"[A-Za-z0-9_/.](?:[\w/.-]*[A-Za-z0-9_])?")


@dataclass(frozen=True)
class Pick:
    """A selection by name, such as `box:10,20,300,400`."""

    name: str
    args: Args = ()
    at: int = field(default=0, compare=False)
    """The column that it was written at, from 1; 0 where it was not written."""

    def __str__(self) -> str:
        return to_text(self)


@dataclass(frozen=True)
class Base:
    """The mask that a rule refines: the start of a text that begins with `~`."""

    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return to_text(self)


@dataclass(frozen=True)
class Not:
    """The complement of a selection."""

    of: "Node"
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return to_text(self)


@dataclass(frozen=True)
class Join:
    """Two selections combined by `|`, `&` or `-`."""

    op: str
    left: "Node"
    right: "Node"
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return to_text(self)


@dataclass(frozen=True)
class Refine:
    """A refined selection, such as by `~grow:12`."""

    name: str
    of: "Node"
    args: Args = ()
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return to_text(self)


Node = Pick | Base | Not | Join | Refine


def parse(text: str, *, rule: bool = False) -> Node:
    """The tree of an expression.

    Args:
        text: an expression.
        rule: whether it may begin with `~`, and so refine another mask.

    Raises:
        MaskError: a syntax error; the message names the column.
    """
    parser = _Parser(text, rule=rule)
    node = parser.expression(0, 0)
    parser.end()
    return node


def to_text(node: Node) -> str:
    """The canonical text of a tree: `parse` of it gives an equal tree."""
    return _text(node, 0)


def count_parts(node: Node) -> int:
    """The number of selections, operators and refinements in a tree."""
    return 1 + sum(count_parts(child) for child in children(node))


def children(node: Node) -> tuple[Node, ...]:
    """The operands of a node."""
    if isinstance(node, Join):
        return node.left, node.right
    return (node.of,) if isinstance(node, Not | Refine) else ()


def walk(node: Node) -> Iterator[Node]:
    """A node and all its descendants, depth first."""
    yield node
    for child in children(node):
        yield from walk(child)


def files_in(node: Node) -> Iterator[str]:
    """The names of the files in a tree."""
    for part in walk(node):
        if isinstance(part, Pick) and part.name == "file":
            yield str(dict(part.args)["name"])


def syntax_error(column: int, message: str) -> MaskError:
    """An error that names a column of the expression, from 1."""
    return MaskError(f"mask expression, column {column}: {message}")


def _text(node: Node, least: int) -> str:
    if isinstance(node, Base):
        return ""
    if isinstance(node, Pick):
        return _pick_text(node)
    if isinstance(node, Not):
        return f"!{_text(node.of, _ATOM)}"
    if isinstance(node, Join):
        power = _POWER[node.op]
        body = f"{_text(node.left, power)} {node.op} {_text(node.right, power + 1)}"
    else:
        power, args = _POWER["~"], REFINEMENTS[node.name].text(node.args)
        body = f"{_text(node.of, power)} ~{_with_arguments(node.name, args)}".strip()
    return body if power >= least else f"({body})"


def _pick_text(node: Pick) -> str:
    if node.name == "file" and len(node.args) == 1:
        name = str(node.args[0][1])
        return name if _is_plain_file(name) else quote(name)
    return _with_arguments(node.name, SOURCES[node.name].text(node.args))


def _with_arguments(name: str, args: str) -> str:
    return f"{name}:{args}" if args else name


def _is_plain_file(name: str) -> bool:
    """True if a name can stand for a file without quotes."""
    return bool(_PLAIN_FILE.fullmatch(name)) and ("." in name or "/" in name)


class _Parser:
    """A Pratt parser over one text; `pos` is its position."""

    def __init__(self, text: str, *, rule: bool) -> None:
        self.text, self.pos, self.parts, self.rule = text, 0, 0, rule

    def expression(self, least: int, depth: int) -> Node:
        """A term and every following operator that binds at least as tightly as `least`."""
        left = self.prefix(depth + 1)
        while (op := self.peek()) in _POWER and _POWER[op] >= least:
            at = self.column
            self.pos += 1
            if op == "~":
                left = self.refinement(left, at)
            else:
                right = self.expression(_POWER[op] + 1, depth + 1)
                left = self.count(Join("|" if op == "+" else op, left, right, at))
        return left

    def prefix(self, depth: int) -> Node:
        """A selection, a complement, or an expression in parentheses."""
        if depth > MOST_PARTS:
            raise self.error(f"nested more than {MOST_PARTS} deep; save a part as a file")
        at, char = self.column_of_next(), self.peek()
        if char == "!":
            self.pos += 1
            return self.count(Not(self.prefix(depth + 1), at))
        if char == "(":
            return self.parenthesis(depth)
        if char == "~" and self.rule:
            return self.count(Base(at))
        return self.count(self.selection(at))

    def parenthesis(self, depth: int) -> Node:
        opened = self.column
        self.pos += 1
        inside = self.expression(0, depth + 1)
        if self.peek() != ")":
            raise self.error(f"expected an operator or the ) of column {opened}")
        self.pos += 1
        return inside

    def selection(self, at: int) -> Node:
        """A file, quoted or by its plain name, or a named selection."""
        if self.peek() in ('"', "'"):
            name = self.string()
            if self.text[self.pos : self.pos + 1] == ":":
                raise self.error('a : cannot follow a file name; write file:"NAME",alpha')
            return self.make_pick("file", SOURCES["file"], [(None, name, at)], at)
        found = _WORD.match(self.text, self.pos)
        if found is None:
            raise self.error(self.missing())
        self.pos = found.end()
        word = found.group()
        if self.text[self.pos : self.pos + 1] == ":":
            spec = SOURCES.get(word)
            if spec is None:
                raise syntax_error(at, self.unknown(word, SOURCES, "selection"))
            self.pos += 1
            return self.make_pick(word, spec, self.arguments(), at)
        return self.word(word, at)

    def word(self, word: str, at: int) -> Pick:
        if word in SOURCES:
            return self.make_pick(word, SOURCES[word], [], at)
        if "." in word or "/" in word:
            return self.make_pick("file", SOURCES["file"], [(None, word, at)], at)
        raise syntax_error(at, self.unknown(word, SOURCES, "selection"))

    def refinement(self, left: Node, at: int) -> Node:
        self.skip()
        found = _WORD.match(self.text, self.pos)
        if found is None:
            raise self.error("a ~ needs the name of a refinement, such as ~grow:12")
        name = found.group()
        if name not in REFINEMENTS:
            raise self.error(self.unknown(name, REFINEMENTS, "refinement"))
        self.pos = found.end()
        given: list[tuple[str | None, str, int]] = []
        if self.text[self.pos : self.pos + 1] == ":":
            self.pos += 1
            given = self.arguments()
        return self.count(Refine(name, left, self.read(name, REFINEMENTS[name], given, at), at))

    def arguments(self) -> list[tuple[str | None, str, int]]:
        """Values after a colon: (key or None, text, column), separated by commas."""
        given: list[tuple[str | None, str, int]] = []
        while True:
            self.skip()
            key = _KEY.match(self.text, self.pos)
            if key is not None:
                self.pos = key.end()
                self.skip()
            at = self.column
            given.append((key.group(1) if key else None, self.value(), at))
            if self.peek() != ",":
                return given
            self.pos += 1

    def value(self) -> str:
        if self.text[self.pos : self.pos + 1] in ('"', "'"):
            return self.string()
        found = _BARE.match(self.text, self.pos)
        if found is None:
            raise self.error("a value is missing here")
        self.pos = found.end()
        return found.group()

    def string(self) -> str:
        """Text in quotes of either kind; a backslash escapes the next character."""
        start, quote = self.column, self.text[self.pos]
        self.pos += 1
        out: list[str] = []
        while self.pos < len(self.text):
            char = self.text[self.pos]
            if char == "\\":
                self.pos += 1
                char = self.text[self.pos : self.pos + 1]
            elif char == quote:
                self.pos += 1
                return "".join(out)
            out.append(char)
            self.pos += 1
        raise syntax_error(start, f"the quote {quote} is not closed")

    def make_pick(
        self, name: str, spec: Spec, given: Sequence[tuple[str | None, str, int]], at: int
    ) -> Pick:
        return Pick(name, self.read(name, spec, given, at), at)

    def read(
        self, name: str, spec: Spec, given: Sequence[tuple[str | None, str, int]], at: int
    ) -> Args:
        try:
            return spec.bind(name, [(key, value) for key, value, _ in given])
        except ArgumentError as error:
            column = at if error.index is None else given[error.index][2]
            raise syntax_error(column, str(error)) from error

    def count(self, node: Node) -> Node:
        self.parts += 1
        if self.parts > MOST_PARTS:
            raise self.error(f"more than {MOST_PARTS} parts; save a part as a file")
        return node

    def unknown(self, word: str, known: Mapping[str, Spec], what: str) -> str:
        close = get_close_matches(word, known, 1, 0.6)
        if close:
            hint = f"did you mean {close[0]}?"
        elif "-" in word:
            hint = "put spaces around a - that means difference"
        else:
            hint = f"there are {', '.join(known)}"
        if what == "selection":
            hint += f"; for what a picture shows write text:{quote(word)}, for a file {quote(word)}"
        return f"no {what} {word!r}; {hint}"

    def missing(self) -> str:
        rest = self.text[self.pos : self.pos + 1]
        if not rest:
            return "a selection is missing at the end" if self.pos else "the expression is empty"
        return f"expected a selection, found {rest!r}"

    def end(self) -> None:
        rest = self.peek()
        if rest == ")":
            raise self.error("this ) was never opened")
        if rest:
            raise self.error(
                f"expected an operator (| & - ~), found {rest!r}; "
                "names with spaces or signs stand in quotes"
            )

    def peek(self) -> str:
        self.skip()
        return self.text[self.pos : self.pos + 1]

    def skip(self) -> None:
        found = _SPACE.match(self.text, self.pos)
        self.pos = found.end() if found else self.pos

    @property
    def column(self) -> int:
        return self.pos + 1

    def column_of_next(self) -> int:
        self.skip()
        return self.column

    def error(self, message: str) -> MaskError:
        return syntax_error(self.column, message)


def pick(name: str, *values: Value, **named: Value | None) -> Pick:
    """A selection made in Python; numbers are pixels.

    Raises:
        MaskError: a value that the selection does not take.
    """
    return Pick(name, _bind(name, SOURCES[name], values, named))


def refine(name: str, of: Node, *values: Value | None, **named: Value | None) -> Refine:
    """A refinement made in Python: see `pick`.

    Raises:
        MaskError: a value that the refinement does not take.
    """
    given = [value for value in values if value is not None]
    return Refine(name, of, _bind(name, REFINEMENTS[name], given, named))


def _bind(name: str, spec: Spec, values: Sequence[Value], named: dict[str, Value | None]) -> Args:
    given: list[tuple[str | None, str]] = [(None, _argument_text(value)) for value in values]
    given += [(key, _argument_text(value)) for key, value in named.items() if value is not None]
    try:
        return spec.bind(name, given)
    except ArgumentError as error:
        raise MaskError(str(error)) from error


def _argument_text(value: Value) -> str:
    """The text of a Python value, without quotes."""
    if isinstance(value, bool):
        raise MaskError(f"{value!r} is neither a number nor text")
    if isinstance(value, int | float) and not math.isfinite(value):
        raise MaskError(f"{value} is not a finite number")
    return value if isinstance(value, str) else format_value(value)
