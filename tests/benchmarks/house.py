"""How much of the code an edit runs through, and how it is made: `house.py TREE_OR_COMMIT ...`.

Each argument is the root of a source tree, or a commit of this repository, which is checked out for
the time of the run; each becomes a column of the table. What runs is seen by a profile function in
a process that does `editkit inpaint` on a sample; the rest is read from the text.

- files, functions: those of ours of which a function runs, without modules' own code, bodies of
  classes, lambdas and comprehensions.
- frames: those of ours on the stack above the UNet, from `main` on, the same left out.
- function lines: from the first statement after the docstring to the last.
- import times: the least of several processes, over the least of a bare interpreter's, and what is
  more.
"""

import argparse
import ast
import collections
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
FOLDERS = {"editkit": "editkit", "cli": "editkit_cli"}
LONG = 30
_ROOM = "lines in "
EDIT = ["inpaint", "samples/chelsea.jpg", "samples/chelsea.mask.png", "a cat's ear"]
SETTINGS = ["--steps", "1", "--seed", "1", "--device", "cpu"]

TRACED = """
import inspect, json, os, sys, threading
tree, out, *command = sys.argv[1:]
tree = os.path.realpath(tree) + os.sep
ran, chains, ours = {}, [], {}

def is_ours(code):
    if code not in ours:
        made = code.co_name.startswith("<") or code.co_filename.startswith("<")
        plain = code.co_flags & inspect.CO_OPTIMIZED and not made
        ours[code] = bool(plain) and os.path.realpath(code.co_filename).startswith(tree)
    return ours[code]

def seen(frame, event, value):
    code = frame.f_code
    if event != "call":
        return
    if is_ours(code):
        ran[code] = None
    elif code.co_name == "forward" and code.co_filename.endswith("unet_2d_condition.py"):
        chain = []
        while frame is not None:
            if is_ours(frame.f_code):
                chain.append(frame.f_code.co_qualname)
            frame = frame.f_back
        chains.append(chain[::-1])

from editkit_cli.main import main
sys.argv = ["editkit", *command]
threading.setprofile(seen)
sys.setprofile(seen)
try:
    main()
except SystemExit as error:
    assert not error.code, error.code
finally:
    sys.setprofile(None)
told = {
    "files": sorted({os.path.realpath(code.co_filename).removeprefix(tree) for code in ran}),
    "functions": len(ran),
    "first": chains[0],
    "frames": max(chains, key=len),
}
with open(out, "w") as stream:
    json.dump(told, stream)
"""


@dataclass
class Text:
    """What the source of a tree shows."""

    lines: collections.Counter[str] = field(default_factory=collections.Counter[str])
    functions: list[int] = field(default_factory=list[int])
    classes: collections.Counter[str] = field(default_factory=collections.Counter[str])
    public: int = 0


def text_of(tree: Path) -> Text:
    """Lines by room, the lengths of functions, the names of classes, and public names."""
    text = Text()
    for folder in FOLDERS:
        for file in sorted((tree / folder).rglob("*.py")):
            source = file.read_text(encoding="utf-8")
            parts = file.relative_to(tree).parts
            room = folder if folder == "cli" else "/".join(parts[:2])
            text.lines[room if len(parts) > 2 or folder == "cli" else folder] += len(
                source.splitlines()
            )
            _read(ast.parse(source), text)
    return text


def _read(module: ast.Module, text: Text) -> None:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            text.public += not node.name.startswith("_")
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            text.functions.append(_length(node))
        elif isinstance(node, ast.ClassDef):
            text.classes[node.name] += 1


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@contextlib.contextmanager
def tree_of(name: str) -> Generator[Path]:
    """The source tree of an argument: a folder, or a commit that is checked out meanwhile."""
    if Path(name).is_dir():
        yield Path(name).resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        tree, git = Path(folder).resolve() / "tree", ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), name], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def python(tree: Path, folder: Path, *arguments: str) -> float:
    """Seconds that a process of Python took, which imports what is in the tree."""
    packages = folder / "packages"
    packages.mkdir(exist_ok=True)
    for source, name in FOLDERS.items():
        if not (packages / name).exists():
            (packages / name).symlink_to(tree / source)
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(packages)},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    return time.perf_counter() - started


def ran_in(tree: Path, folder: Path) -> dict[str, Any]:
    """The files and functions of ours that run for one edit, and the frames above the UNet."""
    script, told = folder / "traced.py", folder / "told.json"
    script.write_text(TRACED, encoding="utf-8")
    command = [*EDIT, *SETTINGS, "-o", str(folder / "edited.jpg")]
    python(tree, folder, str(script), str(tree), str(told), *command)
    return json.loads(told.read_text(encoding="utf-8"))


def import_times(tree: Path, folder: Path, runs: int) -> Iterator[tuple[str, str]]:
    """Times of starting, as ratios to a bare interpreter's; in turns, so that all meet the same."""
    commands = {
        "bare": ["-c", "pass"],
        "`editkit --help`": ["-m", "editkit_cli", "--help"],
        "`import editkit`": ["-c", "import editkit"],
        "`editkit.inpaint`": ["-c", "import editkit; editkit.inpaint"],
    }
    least = dict.fromkeys(commands, float("inf"))
    for _ in range(runs):
        for name, command in commands.items():
            least[name] = min(least[name], python(tree, folder, *command))
    for name, seconds in least.items():
        if name != "bare":
            ratio, more = seconds / least["bare"], 1000 * (seconds - least["bare"])
            yield f"{name}, over a bare interpreter", f"{ratio:.1f} (+{more:.0f} ms)"


def column(tree: Path, runs: int, *, chain: bool) -> dict[str, str]:
    """All figures of a tree."""
    text = text_of(tree)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made).resolve()
        ran = ran_in(tree, folder)
        times = dict(import_times(tree, folder, runs))
    if chain:
        print(f"{tree}:", *ran["frames"], "", *ran["files"], sep="\n  ", file=sys.stderr)
    functions = sorted(text.functions)
    twice = sorted(name for name, count in text.classes.items() if count > 1)
    return {
        "files of ours that run": str(len(ran["files"])),
        "functions of ours that run": str(ran["functions"]),
        "frames of ours above the UNet, at its first call": str(len(ran["first"])),
        "at most, in tiles": str(len(ran["frames"])),
        "lines": f"{sum(text.lines.values()):,}",
        **{f"{_ROOM}{room}": f"{count:,}" for room, count in sorted(text.lines.items())},
        "functions": f"{len(functions):,}",
        f"of more than {LONG} lines": str(sum(length > LONG for length in functions)),
        "lines of a function, median": f"{statistics.median(functions):g}",
        "90th percentile": str(functions[int(0.9 * len(functions))]),
        "the longest": str(functions[-1]),
        "names in `editkit.__all__`": str(len(_exported(tree))),
        "public classes and functions of all modules": str(text.public),
        "class names used twice or more": f"{len(twice)}: {', '.join(twice)}",
        **times,
    }


def _exported(tree: Path) -> list[str]:
    """The names that the package promises."""
    module = ast.parse((tree / "editkit" / "__init__.py").read_text(encoding="utf-8"))
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


def table(columns: dict[str, dict[str, str]]) -> Iterator[str]:
    """The lines of a table in Markdown, a column for each tree."""
    yield f"| | {' | '.join(columns)} |"
    yield f"| --- |{' ---: |' * len(columns)}"
    rows = list(dict.fromkeys(row for told in columns.values() for row in told))
    rooms = sorted(row for row in rows if row.startswith(_ROOM))
    start = rows.index(rooms[0])
    for row in [*rows[:start], *rooms, *(row for row in rows[start:] if row not in rooms)]:
        yield f"| {row} | {' | '.join(told.get(row, '') for told in columns.values())} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("trees", nargs="+", metavar="TREE_OR_COMMIT")
    parser.add_argument("--runs", type=int, default=7, help="processes for each import time")
    parser.add_argument("--chain", action="store_true", help="name the frames and files, too")
    options = parser.parse_args(arguments)
    columns = dict[str, dict[str, str]]()
    for name in options.trees:
        with tree_of(name) as tree:
            columns[name] = column(tree, options.runs, chain=options.chain)
    print(*table(columns), sep="\n")


if __name__ == "__main__":
    main()
