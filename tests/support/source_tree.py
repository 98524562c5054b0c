"""The modules of a source tree, and what each imports, read from the text alone."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDERS = {"editkit": "editkit", "cli": "editkit_cli"}
"""Source folders, and the names that they are imported by."""

TOP, LATE, TYPED = "top", "in a function", "for types"


@dataclass(frozen=True)
class Import:
    """One import of a module.

    Attributes:
        source: the module that imports.
        target: the module that is imported; of a package's own names, the package.
        when: `TOP` as the module is imported, `LATE` in a function, `TYPED` for type checkers.
        line: where it stands.
        function: the function it stands in; empty where in none.
    """

    source: str
    target: str
    when: str
    line: int
    function: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target} ({self.when})"


def modules(root: Path) -> dict[str, Path]:
    """The modules below `FOLDERS` of a source tree, by the names they are imported by."""
    found = dict[str, Path]()
    for folder, name in FOLDERS.items():
        for file in sorted((root / folder).rglob("*.py")):
            parts = (name, *file.relative_to(root / folder).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(root: Path) -> list[Import]:
    """All imports of all modules of a source tree."""
    known = modules(root)
    return [found for name, file in known.items() for found in _imports_of(name, file, known)]


def _imports_of(name: str, file: Path, known: Mapping[str, Path]) -> Iterator[Import]:
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node, when, function in _statements(tree, TOP, ""):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        else:
            base = _base(node, package)
            full = [f"{base}.{alias.name}" for alias in node.names]
            targets = [target if target in known else base for target in full]
        for target in dict.fromkeys(targets):
            yield Import(name, target, when, node.lineno, function)


def _base(node: ast.ImportFrom, package: str) -> str:
    """The absolute name of what stands between `from` and `import`."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])


Statement = tuple[ast.Import | ast.ImportFrom, str, str]


def _statements(node: ast.AST, when: str, function: str) -> Iterator[Statement]:
    """All imports below a node of a tree, with when they run, and in which function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, when, function
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _statements(child, LATE if when == TOP else when, child.name)
        elif (
            isinstance(child, ast.If) and ast.unparse(child.test).split(".")[-1] == "TYPE_CHECKING"
        ):
            yield from _statements(ast.Module(child.body, []), TYPED, function)
            yield from _statements(ast.Module(child.orelse, []), when, function)
        else:
            yield from _statements(child, when, function)


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The groups of modules each of which is reached from each other."""
    reached = {name: _reached(graph, name) for name in graph}
    groups = {
        tuple(sorted(other for other in seen if name in reached.get(other, ())))
        for name, seen in reached.items()
        if name in seen
    }
    return sorted(map(list, groups))


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """All that imports lead to from a module; itself only by way of another, or of itself."""
    seen, left = set[str](), list(graph[start])
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left.extend(graph.get(name, ()))
    return seen
