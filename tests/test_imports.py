"""The rooms of the house: who may import whom, and no circles."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import source_tree
from source_tree import Import

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    "base": (),
    "diffusion": ("base",),
    "photo": ("base",),
    "storage": ("photo", "base"),
    "models": ("diffusion", "base"),
    "compare": ("photo", "base"),
    "masks": ("compare", "models", "photo", "base"),
    "ops": ("masks", "compare", "models", "photo", "diffusion", "base"),
    "api": ("ops", "masks", "models", "photo", "base"),
    "batch": ("ops", "masks", "models", "photo", "storage", "base"),
    "editkit": ("api", "ops", "masks", "models", "base"),
    "cli": ("editkit", "api", "batch", "ops", "masks", "models", "photo", "storage", "base"),
}
"""Each room, and those it may import beside itself. `base` are the small modules on top of the
package: types, errors, names, options and such; `editkit` is the package's own face."""

PHOTO = ("metadata", "formats", "io", "geometry", "blend", "fill", "quality")
"""The rooms of `photo/`, each of which may import those before it."""

ENGINE = "editkit.ops.engine"
"""What runs edits. An edit is a value that imports no torch, and its call hands over to the
engine, which it imports then: the one import that goes up, and from edits alone."""

NETWORKS = ("diffusers", "transformers", "accelerate")
WITH_NETWORKS = ("models", "masks")
"""The rooms that import networks: models, and masks for segmentation."""


def room_of(module: str) -> str:
    """The room that a module is in."""
    top, _, rest = module.partition(".")
    if top == "editkit_cli":
        return "cli"
    first = rest.partition(".")[0]
    if not first:
        return "editkit"
    return first if first in MAY_IMPORT else "base"


def is_handed_over(found: Import) -> bool:
    """Whether an edit's call imports the engine."""
    inside = found.source.startswith("editkit.ops.") and not found.source.startswith(ENGINE)
    return inside and found.function == "__call__" and found.target.startswith(ENGINE)


def upward(found: Iterable[Import], known: Iterable[str]) -> list[Import]:
    """Imports from a room that may not."""
    ours = set(known)
    return [
        one
        for one in found
        if one.target in ours
        and room_of(one.source) != room_of(one.target)
        and room_of(one.target) not in MAY_IMPORT[room_of(one.source)]
    ]


def circles(found: Iterable[Import], known: Iterable[str]) -> list[list[str]]:
    """Modules that import each other at any time of a run; imports for types alone are none."""
    graph = {name: set[str]() for name in known}
    for one in found:
        late = one.when == source_tree.TYPED or is_handed_over(one)
        if one.target in graph and not late:
            graph[one.source].add(one.target)
    return source_tree.cycles(graph)


@pytest.fixture(scope="module")
def found() -> list[Import]:
    return source_tree.imports(ROOT)


def test_rooms_import_one_way(found: list[Import]) -> None:
    assert list(map(str, upward(found, source_tree.modules(ROOT)))) == []


def test_no_modules_import_each_other(found: list[Import]) -> None:
    assert circles(found, source_tree.modules(ROOT)) == []


def test_rooms_have_an_order() -> None:
    graph = {room: set(others) for room, others in MAY_IMPORT.items()}
    assert source_tree.cycles(graph) == []
    assert set(MAY_IMPORT) >= {room_of(name) for name in source_tree.modules(ROOT)}


def test_rooms_of_photos_import_one_way(found: list[Import]) -> None:
    places = {f"editkit.photo.{name}": place for place, name in enumerate(PHOTO)}
    back = [
        str(one)
        for one in found
        if -1 < place_in(places, one.source) < place_in(places, one.target)
    ]
    assert back == []
    assert {file.name for file in (ROOT / "editkit" / "photo").iterdir() if file.is_dir()} - {
        "__pycache__"
    } == set(PHOTO)


def place_in(places: dict[str, int], module: str) -> int:
    """The place of a room of `photo/`; before all, of any other module."""
    return places.get(".".join(module.split(".")[:3]), -1)


def test_networks_are_imported_in_one_place(found: list[Import]) -> None:
    apart = [
        str(one)
        for one in found
        if one.target.partition(".")[0] in NETWORKS and room_of(one.source) not in WITH_NETWORKS
    ]
    assert apart == []


PLANTED = {
    "editkit/__init__.py": "",
    "editkit/types.py": "",
    "editkit/photo/__init__.py": "",
    "editkit/photo/color.py": "from editkit import types\nimport cv2\n",
    "editkit/models/__init__.py": "",
    "editkit/models/sd.py": "import diffusers\n",
    "editkit/ops/__init__.py": "",
    "editkit/ops/inpaint.py": "def run():\n    from editkit.models import sd\n",
    "editkit/ops/record.py": "",
    "cli/__init__.py": "",
    "cli/main.py": "from .other import x\n",
    "cli/other.py": "from editkit.ops import inpaint\n",
}


def planted(folder: Path, **changed: str) -> list[Import]:
    """The imports of a small source tree, with some of its files changed."""
    for name, text in {
        **PLANTED,
        **{k.replace("__", "/") + ".py": changed[k] for k in changed},
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return source_tree.imports(folder)


@pytest.mark.parametrize(
    ("line", "when"),
    [
        ("from editkit.ops import inpaint\n", source_tree.TOP),
        ("import editkit.ops.inpaint\n", source_tree.TOP),
        ("class A:\n    from editkit.ops.inpaint import run\n", source_tree.TOP),
        ("try:\n    from ..ops import inpaint\nexcept ImportError:\n    pass\n", source_tree.TOP),
        (
            "async def f():\n    if True:\n        from editkit.ops.inpaint import run\n",
            source_tree.LATE,
        ),
        ("if not TYPE_CHECKING:\n    import editkit.ops.inpaint\n", source_tree.TOP),
        ("if TYPE_CHECKING:\n    x = 1\nelse:\n    import editkit.ops.inpaint\n", source_tree.TOP),
        ("if TYPE_CHECKING:\n    from editkit.ops.inpaint import run\n", source_tree.TYPED),
        (
            "import typing\nif typing.TYPE_CHECKING:\n    import editkit.ops.inpaint\n",
            source_tree.TYPED,
        ),
    ],
)
def test_an_import_upward_is_caught(tmp_path: Path, line: str, when: str) -> None:
    assert upward(planted(tmp_path), source_tree.modules(tmp_path)) == []
    caught = upward(planted(tmp_path, editkit__photo__color=line), source_tree.modules(tmp_path))
    assert [(one.source, one.target, one.when) for one in caught] == [
        ("editkit.photo.color", "editkit.ops.inpaint", when)
    ]


def test_a_circle_is_caught_also_between_functions(tmp_path: Path) -> None:
    assert circles(planted(tmp_path), source_tree.modules(tmp_path)) == []
    back = "def again():\n    from editkit.ops import inpaint\n"
    lines = {
        "editkit__ops__inpaint": "from editkit.ops import record\n",
        "editkit__ops__record": back,
    }
    assert circles(planted(tmp_path, **lines), source_tree.modules(tmp_path)) == [
        ["editkit.ops.inpaint", "editkit.ops.record"]
    ]
    typed = lines | {
        "editkit__ops__record": "if TYPE_CHECKING:\n    " + back.splitlines()[1].strip()
    }
    assert circles(planted(tmp_path, **typed), source_tree.modules(tmp_path)) == []


def test_an_edit_hands_over_to_the_engine_in_its_call_alone(tmp_path: Path) -> None:
    engine = {"editkit__ops__engine__run": "from editkit.ops import inpaint\n"}
    late = "def __call__():\n    from editkit.ops.engine import run\n"
    other = late.replace("__call__", "helper")
    early = "from editkit.ops.engine import run\n"
    found = planted(tmp_path, editkit__ops__inpaint=late, **engine)
    assert circles(found, source_tree.modules(tmp_path)) == []
    for wrong in (other, early):
        found = planted(tmp_path, editkit__ops__inpaint=wrong, **engine)
        assert circles(found, source_tree.modules(tmp_path)) == [
            ["editkit.ops.engine.run", "editkit.ops.inpaint"]
        ]


HOUSE = ROOT / "editkit" / "README.md"
NAMED = re.findall(r"`([\w/]+(?:/|\.py))`", HOUSE.read_text(encoding="utf-8"))


def test_the_map_of_the_code_is_one_screen() -> None:
    assert len(HOUSE.read_text(encoding="utf-8").splitlines()) < 80


@pytest.mark.parametrize("name", sorted(set(NAMED)))
def test_what_the_map_names_is_there(name: str) -> None:
    below = ROOT if name.startswith(("cli/", "tests/")) else ROOT / "editkit"
    assert (below / name).is_dir() if name.endswith("/") else (below / name).is_file()


def test_the_map_names_every_room() -> None:
    folders = {
        f"{file.parent.relative_to(ROOT / 'editkit')}/"
        for file in (ROOT / "editkit").rglob("*.py")
        if file.name != "__init__.py" and file.parent.name != "editkit"
    }
    # `photo/` itself has two small modules beside its rooms.
    assert folders - set(NAMED) <= {"photo/"}
