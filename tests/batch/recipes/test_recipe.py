"""Recipes: what is read, and how errors say where they are."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import shell

import editkit
from editkit.batch.recipes.document import read_document
from editkit.batch.recipes.recipe import Recipe, read_recipe
from editkit.batch.recipes.schema import schema
from editkit.batch.recipes.steps import operations
from editkit.errors import InputError, RecipeError

YAML = """\
seed: 7
gates: {seam: 2.5}
variables: {what: clear sky, amount: 0.4}
steps:
  - {inpaint: '{what}', mask: 'sky ~grow:6', steps: 20, guidance-interval: [0, .inf]}
  - img2img: photo of {stem}
    strength: '{amount}'
"""
TOML = """\
seed = 7
gates = { seam = 2.5 }
[variables]
what = "clear sky"
amount = 0.4
[[steps]]
inpaint = "{what}"
mask = "sky ~grow:6"
steps = 20
guidance-interval = [0, inf]
[[steps]]
img2img = "photo of {stem}"
strength = "{amount}"
"""


def written(folder: Path, text: str, suffix: str = ".yaml") -> Path:
    file = folder / f"r{suffix}"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(("text", "suffix"), [(YAML, ".yaml"), (TOML, ".toml")])
def test_both_languages_say_the_same(tmp_path: Path, text: str, suffix: str) -> None:
    recipe = read_recipe(written(tmp_path, text, suffix))
    first, second = recipe.bound({"stem": "a", "name": "a.jpg", "folder": ""})
    assert first.edit == editkit.Inpaint("clear sky", steps=20)
    assert first.mask == "sky ~grow:6"
    assert second.edit == editkit.Img2Img("photo of a", strength=0.4)
    assert second.mask is None
    assert (recipe.seed, dict(recipe.gates)) == (7, {"seam": 2.5})


def test_every_parameter_of_an_edit_can_be_set() -> None:
    for operation in operations().values():
        fields = {f.name for f in dataclasses.fields(operation.entry.kind)}
        left_out = {"compat", "prompt"} if operation.name == "erase" else {"compat"}
        assert fields - left_out == set(operation.parameters)


STEP = "steps:\n  - inpaint: x\n    mask: sky\n    "
WRONG = {
    "unknown key": (STEP + "stesp: 6\n", "4:5: unknown key 'stesp'; did you mean 'steps'?"),
    "range": (STEP + "steps: 0\n", "4:12: steps is 0; give a number from 1 to 1000"),
    "type": (STEP + "steps: 1.5\n", "4:12: steps is 1.5; give a whole number"),
    "text": (STEP + "negative: 3\n", "4:15: negative is 3; give text (quote it, to give text)"),
    "choice": (STEP + "regions: all\n", "4:14: unknown regions 'all'"),
    "rule": (STEP + "denoise_mask: ~grwo:3\n", "4:19: mask expression, column 2"),
    "empty": (STEP + "strength:\n    grain:\n", "5:11: grain is empty"),
    "twice": (STEP + "mask: box\n", "4:5: 'mask' is given twice"),
    "mask": ("steps: [{inpaint: a, mask: sky ~grwo:6}]", "1:28: mask expression, column 6"),
    "no mask": ("steps:\n  - inpaint: a\n", "2:5: inpaint: it needs a key 'mask'"),
    "no such edit": ("steps:\n  - inpant: a\n", "2:5: unknown operation 'inpant'; did you mean"),
    "two edits": ("steps: [{inpaint: a, img2img: b}]", "1:9: a step is one operation; these are"),
    "a setting": ("sed: 1\n" + STEP, "1:1: unknown key 'sed'; did you mean 'seed'?"),
    "its range": ("seed: -1\n" + STEP, "1:7: seed is -1; give a number from 0"),
    "its choice": ("jpeg: lossles\n" + STEP, "1:7: jpeg is 'lossles'; give one of auto"),
    "a gate": ("gates: {sem: 1}\n" + STEP, "1:9: unknown score 'sem'; did you mean 'seam'?"),
    "a rank": ("rank: [seam, x]\n" + STEP, "1:14: unknown score 'x'"),
    "variable": (
        "steps: [{img2img: '{stemm}'}]",
        "1:19: unknown variable 'stemm'; did you mean 'stem'?",
    ),
    "attribute": ("steps: [{img2img: '{stem.x}'}]", "1:19: '{stem.x}': braces hold the name"),
    "index": ("steps: [{img2img: '{stem[0]}'}]", "1:19: '{stem[0]}': braces hold the name"),
    "conversion": ("steps: [{img2img: '{stem!r}'}]", "1:19: '{stem!r}': braces hold the name"),
    "unclosed": ("steps: [{img2img: 'a {stem'}]", "1:19: 'a {stem': "),
    "flow table": ("steps: [{img2img: {stem}}]", "1:19: prompt is {'stem': None}; give text"),
    "no YAML": ("steps: [", "1:9: "),
    "tag": ("steps:\n  - inpaint: a\n    mask: !sky\n", "3:11: could not determine a constructor"),
    "code": ("steps: !!python/object/apply:os.system [ls]\n", "1:8: could not determine"),
    "no steps": ("seed: 1\n", "1:1: there are no steps"),
    "empty steps": ("steps: []\n", "1:8: steps is a list of at least one step"),
    "no table": ("- a\n", "1:1: a recipe is a table"),
    "nothing": ("", "1:1: a recipe is a table"),
    "endless": ("a: &a [*a]\nsteps: *a\n", "it is nested too deeply"),
    "no prompt": ("steps: [{erase: a, mask: sky}]", "1:17: erase takes no prompt"),
    "method": ("steps: [{erase: , mask: sky, method: tela}]", "1:38: unknown method 'tela'"),
    "idle": (
        "steps: [{erase: , mask: sky, method: telea, steps: 3}]",
        "1:52: steps is for diffusion, not for telea",
    ),
    "no frame": ("steps: [{outpaint: x}]", "1:9: nothing to add; give left"),
    "side": (
        "steps: [{outpaint: x, left: 1.5}]",
        "1:29: left is 1.5; give a whole number or text (quote it, to give text)",
    ),
    "a share": ("steps: [{outpaint: x, left: 5%, top: 5p}]", "1:38: top is '5p'; give pixels"),
    "two frames": ("steps: [{outpaint: x, left: 5, aspect: '2:1'}]", "1:29: left and aspect"),
    "two ways": ("steps: [{outpaint: x, composite: , edited: a}]", "1:36: unknown key 'edited'"),
    "kept": (
        "steps: [{outpaint: x, left: 5, composite_mask: ~grow:2}]",
        "outpaint keeps the whole",
    ),
    "no edited": ("steps:\n  - composite:\n", "2:5: composite: it needs a key 'edited'"),
    "motion": ("steps: [{composite: , edited: a, motion: far}]", "1:42: unknown motion 'far'"),
    "both": ("num: 2\nbest_of: 2\n" + STEP, "2:10: num and best_of exclude each other"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_line_and_column(tmp_path: Path, name: str) -> None:
    text, message = WRONG[name]
    file = written(tmp_path, text)
    with pytest.raises(RecipeError) as caught:
        read_recipe(file)
    assert str(caught.value).startswith(f"{file}:")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("seed = \n", "1:8"),
        ("sed = 1\n", "1:1"),
        ("seed = 1\n[[steps]]\nimg2img = 'x'\n[[steps]]\nimg2img = 'y'\nstrenth = 1\n", "6:1"),
        ("[[steps]]\nimg2img = 'x'\nstrength   =   7\n", "3:16"),
        ("steps = [\n  {img2img = 'x'},\n  {img2img = 'x', steps = 0},\n]\n", "3:27"),
        ("seed = 1\n[gates]\nsem = 2\n[[steps]]\nimg2img = 'x'\n", "3:1"),
    ],
)
def test_places_in_toml(tmp_path: Path, text: str, place: str) -> None:
    file = written(tmp_path, text, ".toml")
    with pytest.raises(RecipeError) as caught:
        read_recipe(file)
    assert str(caught.value).startswith(f"{file}:{place}: ")


def test_places_are_those_of_the_parser(tmp_path: Path) -> None:
    """Every value of a file is at its place, as one who reads the text finds it."""
    document = read_document(written(tmp_path, YAML))
    lines = YAML.splitlines()

    def check(keys: tuple[Any, ...], value: Any) -> None:
        if isinstance(value, dict | list):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, item in items:
                check((*keys, key), item)
            return
        line, column = map(int, document.place(keys).rsplit(":", 2)[1:])
        rest = lines[line - 1][column - 1 :].lstrip("'")
        text = {float("inf"): ".inf"}.get(value, value)
        assert rest.startswith(str(text)), (keys, rest)

    check((), document.data)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"a: \x00", b"x" * 1_000_001])
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(data)
    with pytest.raises(RecipeError):
        read_recipe(file)


def test_a_missing_recipe_and_other_suffixes(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(tmp_path / "no.yaml")
    with pytest.raises(RecipeError, match="is no recipe"):
        read_recipe(tmp_path / "no.txt")


def valid(data: Any) -> bool:
    made = schema()
    return jsonschema.Draft202012Validator(made).is_valid(data)


def test_the_schema_is_one_and_takes_what_is_read(tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    for text, suffix in ((YAML, ".yaml"), (TOML, ".toml")):
        assert valid(read_document(written(tmp_path, text.replace("-i", "_i"), suffix)).data)


STRUCTURAL = [
    *("unknown key", "type", "text", "no mask", "no such edit", "two edits", "a setting"),
    *("its range", "its choice", "a gate", "flow table", "no steps", "empty steps", "no table"),
    *("no prompt", "side", "no edited"),
]


@pytest.mark.parametrize("name", STRUCTURAL)
def test_the_schema_refuses_what_the_reader_refuses(tmp_path: Path, name: str) -> None:
    assert not valid(read_document(written(tmp_path, WRONG[name][0])).data)


def test_a_table_gives_variables_by_path_name_or_stem(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("photo,subject\nsub/a.jpg,dog\nb.jpg,cat\nc,cow\n")
    recipe = read_recipe(written(tmp_path, "table: t.csv\nsteps: [{img2img: 'a {subject}'}]\n"))
    from pathlib import PurePosixPath

    rows = [recipe.table.row(PurePosixPath(n)) for n in ("sub/a.jpg", "x/b.jpg", "c.png")]
    assert [row["subject"] for row in rows] == ["dog", "cat", "cow"]
    assert recipe.bound({"stem": "b", **rows[1]})[0].edit.prompt == "a cat"
    assert recipe.table.unused([PurePosixPath("c.png")]) == ["sub/a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "subject\ndog\n", "t.csv:2: no photo is named; give a column 'photo'"),
        ("t.csv", "photo,x\na,1\na,2\n", "t.csv:3: a has a row already, in line 2"),
        ("t.csv", "photo,x\na,1,2\n", "t.csv:2: it has another number of fields"),
        ("t.csv", "photo,x\na\n", "t.csv:2: it has another number of fields"),
        ("t.jsonl", '{"photo": "a"}\nx\n', "t.jsonl:2:1: it is not JSON"),
        ("t.jsonl", "[1]\n", "t.jsonl:1: it holds list, not an object"),
    ],
)
def test_wrong_tables_are_told_with_their_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    file = written(tmp_path, f"steps: [{{img2img: x}}]\ntable: {name}\n")
    with pytest.raises(RecipeError) as caught:
        read_recipe(file)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{file}:2:8: ")


def test_a_name_may_be_that_of_an_edit_and_of_a_parameter(tmp_path: Path) -> None:
    text = "steps: [{composite: ~grow:2, mask: sky, inpaint: x}, {composite: , edited: a.png}]"
    file = written(tmp_path, text)
    with pytest.warns(FutureWarning, match=r"r\.yaml:1:10: composite is now composite_mask"):
        read = read_recipe(file)
    first, second = read.bound({})
    assert (first.name, first.edit.composite_mask, second.name) == (
        "inpaint",
        "~grow:2",
        "composite",
    )
    assert valid(read_document(file).data)


def test_check_show_and_schema_as_commands(tmp_path: Path) -> None:
    file = written(tmp_path, YAML)
    assert shell.call("recipe", "check", file).out.decode() == f"{file}: 2 steps, nothing wrong\n"
    shown = json.loads(shell.call("recipe", "show", file).out)
    assert shown["steps"][0]["inpaint"] == "{what}"
    assert shown["steps"][1] == {"img2img": "photo of {stem}", "strength": "{amount}"}
    printed = json.loads(shell.call("recipe", "schema").out)
    jsonschema.Draft202012Validator.check_schema(printed)
    check = jsonschema.Draft202012Validator(printed)
    assert check.is_valid(read_document(written(tmp_path, YAML.replace("-i", "_i"))).data)
    # The options of the commands know more than types.
    for name in ("range", "choice"):
        assert not check.is_valid(read_document(written(tmp_path, WRONG[name][0])).data)
    wrong = written(tmp_path, WRONG["range"][0])
    assert shell.call("recipe", "check", wrong).refused() == f"{wrong}:{WRONG['range'][1]}"


def test_gates_need_something_that_is_scored(tmp_path: Path) -> None:
    file = written(tmp_path, "gates: {seam: 2}\nsteps: [{img2img: x}]\n")
    assert "1:8: gates needs scores" in shell.call("recipe", "check", file).refused()


def test_a_recipe_in_python_needs_no_file() -> None:
    from editkit.batch.recipes.recipe import made_step
    from editkit.batch.recipes.steps import Operation

    step = made_step(Operation("inpaint"), {"inpaint": "{x}", "mask": "sky"})
    recipe = Recipe((step,), variables={"x": "blue"}).check()
    assert recipe.bound({})[0].edit.prompt == "blue"
    with pytest.raises(InputError, match="unknown variable 'y'"):
        Recipe((made_step(Operation("inpaint"), {"inpaint": "{y}", "mask": "sky"}),)).check()


def test_an_empty_text_is_no_prompt(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text("steps = [{erase = '', mask = 'box:1,1,5,5', method = 'telea'}]\n")
    assert read_recipe(file).steps[0].method == "telea"
