"""Options: their facts stand once, and all else follows from them."""

import inspect
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import shell

import editkit
from editkit.batch.recipes.recipe import read_recipe
from editkit.batch.recipes.steps import Operation, operations
from editkit.errors import InputError
from editkit.ops import reference
from editkit.ops.catalog import BY_CLASS, CATALOG
from editkit.ops.fill import Fill
from editkit.ops.replay import find_replay
from editkit.options import GROUPS, facts_of, stored_options
from editkit.photo.io.files import read_photo
from editkit.photo.metadata import xmp

ROOT = Path(__file__).parents[2]
LINE = (
    '    sparkle: Annotated[float, Option("How much to sparkle.", "Look", low=0, high=3)] = 0.5\n'
)
SCRIPT = """
import json, sys
from click.testing import CliRunner
import editkit
from editkit.batch.recipes.recipe import read_recipe
from editkit.batch.recipes.schema import schema
from editkit.ops import reference
from editkit_cli.main import cli

def error(run):
    try:
        run()
    except editkit.InputError as error:
        return str(error)

def help_of(*words):
    return CliRunner().invoke(cli, [*words, "--help"], prog_name="editkit").output

open("r.yaml", "w").write("steps:\\n  - {inpaint: x, mask: 'box:1,1,5,5', sparkle: 5}\\n")
steps = schema()["properties"]["steps"]["items"]["oneOf"]
(step,) = (s["properties"] for s in steps if "inpaint" in s["properties"])
photo = b"no photo"
print(json.dumps({
    "file": editkit.__file__,
    "help": help_of("inpaint"),
    "batch": help_of("batch", "inpaint"),
    "others": help_of("resample"),
    "schema": step["sparkle"],
    "check": error(lambda: editkit.Inpaint(sparkle=9)),
    "keyword": error(lambda: editkit.inpaint(photo, photo, sparkle=9)),
    "recipe": error(lambda: read_recipe(__import__("pathlib").Path("r.yaml"))),
    "flag": CliRunner().invoke(cli, ["inpaint", "p", "m", "--sparkle", "9"]).output,
    "types": reference.keyword_types(),
    "page": reference.reference(),
    "value": editkit.Inpaint(sparkle=1).sparkle,
}))
"""


def _linked(source: str, target: str) -> None:
    Path(target).symlink_to(source)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is seen of one line that was added to `Inpaint` in a copy of the source tree."""
    root = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__")
    for folder, name in (("editkit", "editkit"), ("cli", "editkit_cli")):
        shutil.copytree(ROOT / folder, root / name, copy_function=_linked, ignore=ignored)
    file = root / "editkit" / "ops" / "inpaint.py"
    text = file.read_text(encoding="utf-8")
    file.unlink()
    file.write_text(text + LINE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return {**json.loads(done.stdout), "root": str(root)}


def section(text: str, group: str) -> str:
    """The options of a group in a help text."""
    return text.partition(f"{group} options:")[2].partition("\n\n")[0]


def test_an_option_is_one_line(found: dict[str, Any]) -> None:
    assert found["file"].startswith(found["root"])
    for text in (found["help"], found["batch"]):
        assert "--sparkle N" in section(text, "Look")
        assert text.count("--sparkle") == 1
        assert "How much to sparkle." in section(text, "Look")
    assert "sparkle" not in found["others"]
    assert found["schema"]["description"] == "How much to sparkle."
    assert {"type": "number", "minimum": 0, "maximum": 3} in found["schema"]["anyOf"]
    told = "sparkle is 9; give a number from 0 to 3"
    assert found["check"] == found["keyword"] == told
    assert found["recipe"] == "r.yaml:2:48: sparkle is 5.0; give a number from 0 to 3"
    assert "'--sparkle': 9.0 is not in the range 0 to 3" in found["flag"]
    types = found["types"].partition("class InpaintOptions")[2].partition("class ")[0]
    assert "    sparkle: float\n" in types
    page = found["page"].partition("## inpaint")[2].partition("## ")[0]
    line = "| `sparkle` | a number from 0 to 3 | `0.5` | How much to sparkle. | Look |"
    assert line in page
    assert found["value"] == 1


def test_what_is_generated_is_current() -> None:
    """To renew it: `python -m editkit.ops.reference`."""
    types, page = ROOT / reference.TYPES, ROOT / reference.PAGE
    assert types.read_text(encoding="utf-8") == reference.keyword_types()
    assert page.read_text(encoding="utf-8") == reference.reference()


def test_edits_import_neither_torch_nor_numpy() -> None:
    modules = sorted({entry.kind.__module__ for entry in CATALOG.values()})
    heavy = ["torch", "numpy", "PIL", "cv2", "diffusers", "jaxtyping"]
    for module in (*modules, "editkit.ops.fill", "editkit.ops.reference"):
        code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
        if module in (modules[0], "editkit.ops.reference"):
            assert shell.python(code).out == b"[]\n"
    code = f"import sys, {', '.join(modules)}; print([m for m in {heavy} if m in sys.modules])"
    assert shell.python(code).out == b"[]\n"
    # Nor does making one, with what needs no torch to be checked.
    code = "import sys, editkit; editkit.Inpaint('x', seam='poisson', denoise_mask='~grow:8')"
    assert shell.python(f"{code}; print('torch' in sys.modules)").out == b"False\n"


def test_every_option_has_facts() -> None:
    for entry in CATALOG.values():
        for fact in facts_of(entry.kind).values():
            option = fact.option
            assert option.help.endswith("."), (entry.name, fact.name)
            assert option.group in GROUPS
            assert (
                fact.default is None
                or fact.may_be_none
                or not option.choices
                or (fact.default in option.choices)
            )
            numeric = {int, float} & set(fact.kinds) and str not in fact.kinds
            assert not numeric or option.low is not None, (entry.name, fact.name)


def test_the_catalog_agrees_with_calls_functions_and_recipes() -> None:
    for name, entry in CATALOG.items():
        parameters = inspect.signature(entry.kind.__call__).parameters.values()
        called = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][1:]
        assert tuple(p.name for p in called) == entry.inputs
        assert {p.name for p in called if p.default is not p.empty} == set(entry.optional)
        assert callable(getattr(editkit, name))
        assert getattr(editkit, entry.class_name) is entry.kind
        assert (name in operations()) is entry.steps
    public = {n for n in editkit.__all__ if n[0].isupper() and n in BY_CLASS}
    assert public == set(BY_CLASS)


# Names that options had before.


FORMER = {
    "denoise": ("denoise_mask", "~grow:2"),
    "condition": ("condition_mask", "~grow:2"),
    "composite": ("composite_mask", "~shrink:1"),
    "blend": ("blend_known", True),
}


@pytest.mark.parametrize("old", FORMER)
def test_a_former_name_is_taken_with_a_note(old: str) -> None:
    new, value = FORMER[old]
    kind = cast("Callable[..., object]", editkit.Inpaint)
    with pytest.warns(FutureWarning, match=f"^{old} is now {new}$"):
        edit = kind("x", **{old: value})
    assert edit == kind("x", **{new: value})
    with pytest.raises(InputError, match=f"{old} is now {new}; give one of them"):
        kind("x", **{old: value, new: value})


def test_a_former_name_is_taken_by_functions() -> None:
    erase: Callable[..., Any] = editkit.erase
    photo, mask = shell.noise(24, 32), np.zeros((24, 32), np.uint8)
    mask[8:12, 8:12] = 255
    with pytest.warns(FutureWarning, match="composite is now composite_mask"):
        old = erase(photo, mask, method="telea", composite="~grow:2")
    new = erase(photo, mask, method="telea", composite_mask="~grow:2")
    assert np.array_equal(np.asarray(old.image), np.asarray(new.image))
    with pytest.raises(InputError, match="telea takes no strength"):
        erase(photo, mask, method="telea", strength=0.5)


def test_a_former_flag_is_taken_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shell.noise(24, 32).save(tmp_path / "p.png")
    command = ("inpaint", "p.png", "box:8,8,16,16", "x", "--steps", "1", "--json")
    done = shell.call(*command, "--blend", "-o", "o.png")
    assert done.code == 0, done.err
    assert "--blend is now --blend-known" in done.err
    assert json.loads(done.out)["blend_known"] is True
    assert "--blend\n" not in shell.call("inpaint", "--help").out.decode()


def test_a_former_key_of_a_recipe_is_taken_with_a_note(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    line = "  - {inpaint: x, mask: 'box:1,1,9,9', blend: true, denoise: '~grow:2'}\n"
    file.write_text(f"steps:\n{line}", encoding="utf-8")
    with pytest.warns(FutureWarning) as told:
        recipe = read_recipe(file)
    assert [str(one.message).removeprefix(f"{file}:") for one in told] == [
        "2:39: blend is now blend_known",
        "2:52: denoise is now denoise_mask",
    ]
    (step,) = recipe.bound({})
    assert (step.edit.blend_known, step.edit.denoise_mask) == (True, "~grow:2")
    done = shell.process("recipe", "check", file)
    assert "2:39: blend is now blend_known" in str(done.err)
    assert done.code == 0


@pytest.mark.parametrize(
    "order", ["composite: a, composite_mask: b", "composite_mask: a, composite: b"]
)
def test_both_names_of_a_key_are_refused(tmp_path: Path, order: str) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(f"steps: [{{inpaint: x, mask: sky, {order}}}]", encoding="utf-8")
    with pytest.raises(InputError, match="composite_mask is given twice, once as composite"):
        read_recipe(file)


# What the version before wrote.

_EDIT = "prompt negative steps guidance guidance_rescale guidance_interval seed solver work_size"
_MASKED = (
    f"{_EDIT} compat strength prefill context match seam feather grain sharpen denoise condition "
    "composite regions detail"
)
STORED = {
    "Inpaint": f"{_MASKED} blend",
    "Erase": f"{_MASKED} blend method",
    "Outpaint": f"{_MASKED} blend left right top bottom size aspect anchor",
    "Resample": f"{_MASKED} jump repeats",
    "Img2Img": f"{_EDIT} compat strength",
    "Generate": f"{_EDIT} compat size",
    "Composite": "motion threshold grow drift match seam feather grain sharpen made_by seed",
}


@pytest.mark.parametrize("name", STORED)
def test_records_and_manifests_keep_their_names(name: str) -> None:
    """The names, in order, that version 0.1.0 wrote: a file or a manifest of it is still known."""
    needed = {"left": 5} if name == "Outpaint" else {}
    assert list(stored_options(BY_CLASS[name].kind(**needed))) == STORED[name].split()


def test_a_file_of_the_version_before_is_repeated(tmp_path: Path) -> None:
    """Its record names options as they were called then."""
    shell.noise(40, 48).save(tmp_path / "p.png")
    edit = Fill("telea", composite_mask="~grow:2")
    result = edit(tmp_path / "p.png", "box:8,8,20,20")
    file = result.save(tmp_path / "o.png")
    record = xmp.read_record(read_photo(file).carried["xmp"])
    assert record is not None
    assert record["options"] == {
        "method": "telea",
        "seed": 0,
        "composite": "~grow:2",
        "regions": "auto",
    }
    done = find_replay(file).run()
    assert (done["same"], done["differences"]) == (True, [])


def test_a_step_of_today_takes_the_former_name_too() -> None:
    assert dict(Operation("erase").former) == {old: new for old, (new, _) in FORMER.items()}
