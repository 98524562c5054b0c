"""Texts that follow from the facts of options: the keyword types and the reference page.

`python -m editkit.ops.reference` writes both into a source tree.
"""

import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from editkit.boxes import Size
from editkit.ops.catalog import CATALOG, Entry
from editkit.ops.edit import Edit
from editkit.options import GROUPS, Fact, facts_of

TYPES, PAGE = Path("editkit/ops/option_types.py"), Path("samples/guides/reference.md")
"""Where the texts are in a source tree."""

_APART = {"inpaint": ("prompt",), "erase": ("prompt", "method")}
"""Options that functions take as arguments of their own; of others, the prompt."""

_HEAD = '''"""Keywords of the functions, for type checkers and editors.

Written by `python -m editkit.ops.reference` from the options of the edits: do not edit.
"""

from typing import TypedDict

from editkit.boxes import Size
from editkit.ops.hooks import Hooks
'''
_PAGE_HEAD = """# Reference of options

Written by `python -m editkit.ops.reference` from the options of the edits: do not edit. A command
takes `--work-size`, Python and recipes take `work_size`. `editkit COMMAND --help` shows these
options and those of the model and the output file.
"""


def keyword_types() -> str:
    """The module with a `TypedDict` for the keywords of each edit's function."""
    return "\n\n".join([_HEAD, *(_typed_dict(entry) for entry in CATALOG.values())])


def _typed_dict(entry: Entry) -> str:
    apart, base = _APART.get(entry.name, ("prompt",)), "TypedDict"
    if issubclass(entry.kind, Edit):
        # Its calls take hooks; a solver is a name or an object.
        apart, base = (*apart, "solver"), "Hooks"
    facts = (fact for name, fact in facts_of(entry.kind).items() if name not in apart)
    lines = [f"class {entry.class_name}Options({base}, total=False):"]
    lines.append(f'    """Options of `{entry.class_name}`."""\n')
    for fact in facts:
        seed = " | None" if fact.name == "seed" else ""
        lines.append(f"    {fact.name}: {type_in_words(fact.hint)}{seed}")
    return "\n".join(lines) + "\n"


def type_in_words(hint: Any) -> str:  # noqa: ANN401 - of any type
    """A type as source text."""
    if isinstance(hint, types.UnionType):
        return " | ".join(type_in_words(kind) for kind in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        return f"tuple[{', '.join(map(type_in_words, typing.get_args(hint)))}]"
    return "None" if hint is type(None) else str(hint.__name__)


def reference() -> str:
    """The page with a table of options for each edit, those of all edits by a model once."""
    return "\n".join([_PAGE_HEAD, *(_section(entry) for entry in CATALOG.values())])


def _section(entry: Entry) -> str:
    rows = [
        _row(fact)
        for group in GROUPS
        for fact in entry.options.values()
        if fact.option.group == group and fact.name != "prompt"
    ]
    head = ["| Option | Values | Default | Meaning | Group |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([f"## {entry.name}\n", f"{entry.summary}\n", *head, *rows, ""])


def _row(fact: Fact) -> str:
    cells = (f"`{fact.name}`", _values(fact), _default(fact), fact.option.help, fact.option.group)
    return f"| {' | '.join(cells)} |"


def _values(fact: Fact) -> str:
    if fact.option.choices:
        return ", ".join(f"`{choice}`" for choice in fact.option.choices)
    return " or ".join(_kinds_in_words(fact))


def _kinds_in_words(fact: Fact) -> Iterator[str]:
    low, high = fact.option.low, fact.option.high
    for kind in fact.kinds:
        if kind is bool:
            yield "on, off"
        elif kind is Size:
            yield f"a size, sides from {low:g} to {high:g}"
        elif typing.get_origin(kind) is tuple:
            yield f"two numbers, {low:g} or more"
        elif kind is str:
            yield "a mask" if fact.option.rule else "text"
        else:
            name = "a whole number" if kind is int else "a number"
            limited = "" if low is None else f", {low:g} or more"
            yield name + (limited if high is None or high >= 1e9 else f" from {low:g} to {high:g}")


def _default(fact: Fact) -> str:
    if fact.option.unset:
        return fact.option.unset
    if isinstance(fact.default, bool):
        return "on" if fact.default else "off"
    return "" if fact.default in (None, "") else f"`{fact.default}`"


def write(root: Path) -> None:
    """Writes both texts into a source tree."""
    for path, text in ((TYPES, keyword_types()), (PAGE, reference())):
        (root / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
