"""Tables and recipes as strangers write them: read rightly, or refused in a line, at once."""

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import shell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from editkit.batch.recipes.document import read_document
from editkit.batch.recipes.recipe import read_recipe
from editkit.batch.recipes.table import read_table
from editkit.errors import InputError, RecipeError

STEP = "steps: [{img2img: '{m}'}]\n"
ROWS = {"a": "box:1,2,3,4", "sub/b.jpg": 'said "x"; then y'}
CSV = 'photo,m\na,"box:1,2,3,4"\nsub/b.jpg,"said ""x""; then y"\n'
SEMICOLONS = 'photo;m\na;box:1,2,3,4\nsub/b.jpg;"said ""x""; then y"\n'
TABS = 'photo\tm\na\tbox:1,2,3,4\nsub\\b.jpg\t"said ""x""; then y"\n'


def table_of(folder: Path, data: str | bytes, name: str = "t.csv") -> Path:
    file = folder / name
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return file


def test_rows_may_tell_more_of_a_path_and_letters_and_spaces_are_no_matter(tmp_path: Path) -> None:
    whole = tmp_path / "in/sub/b.png"
    text = f"Filename;m\n{whole};1\nin/a.png ;2\nsub/c.png;3\nother/sub/c.png;4\n"
    table = read_table(table_of(tmp_path, text))

    def row(name: str) -> str | None:
        return table.row(PurePosixPath(name), tmp_path / "in" / name).get("m")

    assert [row(n) for n in ("sub/b.png", "a.png", "sub/c.png", "other/sub/c.png")] == list("1234")
    # What lies below the folder is told as a whole: in another folder there is another photo.
    assert row("x/sub/c.png") is None
    # A single photo has no folder: the row counts that says most of its path.
    assert table.row(PurePosixPath("c.png"), tmp_path / "other/sub/c.png")["m"] == "4"
    assert table.row(PurePosixPath("c.png"), tmp_path / "sub/c.png")["m"] == "3"
    assert "has no row for it" in table.lacking(PurePosixPath("z.png"), tmp_path / "z.png")


def test_a_single_photo_has_the_row_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    shell.noise(24, 24).save(tmp_path / "sub/b.png")
    recipe = table_of(tmp_path, "steps: [{erase: , mask: 'box:{m}', method: telea}]\n", "r.yaml")
    rows = table_of(tmp_path, "photo;m\nsub/b.png;4,4,9,9\nz/b.png;none\n")
    done = shell.call("apply", recipe, tmp_path / "sub/b.png", "--table", rows)
    assert done.code == 0, done
    rows = table_of(tmp_path, "photo;m\nz/b.png;4,4,9,9\n")
    said = shell.call("apply", recipe, tmp_path / "sub/b.png", "--table", rows).refused()
    assert "t.csv has no row for it" in said


def test_many_columns_take_no_time(tmp_path: Path) -> None:
    began = time.monotonic()
    file = table_of(tmp_path, "photo;" + ";".join(f"c{k}" for k in range(200_000)) + "\n")
    with pytest.raises(InputError, match="has no rows"):
        read_table(file)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "data",
    [
        CSV,
        SEMICOLONS,
        TABS,
        CSV.replace("\n", "\r\n"),
        CSV.replace("\n", "\r"),
        "sep=;\r\n" + SEMICOLONS,
        "\ufeff" + CSV,
        SEMICOLONS.encode("utf-16"),
        b"\xfe\xff" + TABS.encode("utf-16-be"),
        CSV.encode("utf-32"),
        CSV.replace("photo,m\n", "photo,m,,\n").replace('4"\n', '4",,\n') + ",,\n\n",
    ],
)
def test_tables_of_other_programs_say_the_same(tmp_path: Path, data: str | bytes) -> None:
    table = read_table(table_of(tmp_path, data))
    assert {name: table.row(PurePosixPath(name))["m"] for name in ROWS} == ROWS
    assert table.columns == ("photo", "m")


def test_lines_of_json_end_with_a_newline_alone(tmp_path: Path) -> None:
    said = "one\u2028two\u2029three\x85four\x0bfive\x1csix"
    lines = [json.dumps({"photo": name, "m": said}, ensure_ascii=False) for name in ("a", "b")]
    table = read_table(table_of(tmp_path, "\r\n".join([*lines, ""]), "t.jsonl"))
    assert [row["m"] for row in table.rows.values()] == [said, said]
    pair = table_of(tmp_path, r'{"photo": "a", "m": "\ud83d\ude00", "n": ["é"]}', "t.ndjson")
    assert read_table(pair).rows["a"] == {"photo": "a", "m": "😀", "n": '["é"]'}


def test_a_row_that_is_not_used_is_told(tmp_path: Path) -> None:
    table = read_table(table_of(tmp_path, "photo,m\na,1\na.png,2\nsub\\a.png,3\n"))
    names = [PurePosixPath("a.png"), PurePosixPath("sub/a.png")]
    assert [table.row(name)["m"] for name in names] == ["2", "3"]
    assert table.unused(names) == ["a"]


WRONG_TABLES: Mapping[str, tuple[str, str | bytes, str]] = {
    "column twice": ("t.csv", "photo,m,m\na,1,2\n", ":1: the column 'm' is given twice"),
    "no name": ("t.csv", "photo,,m\na,1,2\n", ":1: column 2 has no name"),
    "ragged": ("t.csv", "photo,m\na,1\n\nb\n", ":4: it has another number of fields"),
    "header": ("t.csv", "photo;m\n", "has no rows"),
    "empty": ("t.csv", "", "has no rows"),
    "quote": ("t.csv", 'photo,m\na,"b"c\n', ":2: it is not CSV"),
    "long": ("t.csv", f"photo,m\na,{'x' * 200_000}\n", ":2: it is not CSV"),
    "latin": ("t.csv", "photo,m\na,é\n".encode("latin-1"), ":2: it is not UTF-8"),
    "no mark": ("t.csv", CSV.encode("utf-16-le"), ":1:2: it holds a NUL"),
    "key twice": ("t.jsonl", '{"photo": "a", "m": 1, "m": 2}', ":1: 'm' is given twice"),
    "half": ("t.jsonl", r'{"photo": "a", "m": "\ud800"}', ":1: '\\ud800' holds half a character"),
    "nul": ("t.jsonl", r'{"photo": "a", "m": "\u0000"}', ":1: '\\x00' holds a NUL"),
    "digits": ("t.jsonl", f'{{"photo": "a", "m": {"9" * 5000}}}', ":1: a number has too many"),
    "deep": ("t.jsonl", "[" * 100_000, ":1: it is nested too deeply"),
    "no photo": ("t.jsonl", '{"photo": null, "m": 1}', ":1: no photo is named"),
}


@pytest.mark.parametrize("name", WRONG_TABLES)
def test_what_is_wrong_with_a_table_is_one_line(tmp_path: Path, name: str) -> None:
    file, data, message = WRONG_TABLES[name]
    with pytest.raises(InputError) as caught:
        read_table(table_of(tmp_path, data, file))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["t.csv", "r.yaml"])
def test_only_regular_files_of_some_size_are_read(tmp_path: Path, name: str) -> None:
    read: Any = read_table if name == "t.csv" else read_recipe
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="is no regular file"):
        read(tmp_path / name)
    (tmp_path / name).unlink()
    with (tmp_path / name).open("wb") as stream:
        stream.truncate(2**36)
    with pytest.raises(InputError, match=f"has {2**36} bytes"):
        read(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(InputError, match="is no regular file"):
        read(tmp_path / name)


def test_the_command_line_gives_a_recipe_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shell.noise(24, 32).save(tmp_path / "a.png")
    table_of(tmp_path, "photo;m\na;box:2,3,4,5\n")
    (tmp_path / "r.yaml").write_text("steps: [{erase: , mask: '{m}', method: telea}]\n")
    assert (
        shell.call("batch", "r.yaml", "a.png", "out", "--table", "t.csv", "--workers", "0").code
        == 0
    )
    assert shell.call("recipe", "check", "r.yaml", "--table", "t.csv").code == 0
    assert shell.call("apply", "r.yaml", "a.png", "--table", "t.csv", "-o", "b.png").code == 0
    made = shell.opened(tmp_path / "out/a.png").tobytes()
    assert made == shell.opened(tmp_path / "b.png").tobytes()
    assert "1:25: '{m}'" in shell.call("recipe", "check", "r.yaml").refused().replace(
        "unknown", "'{m}'"
    )


def alias_bomb(inner: str, levels: int = 9) -> str:
    names = [f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * 10)}]" for k in range(1, levels)]
    return "\n".join([f"a0: &a0 {inner}", *names, STEP])


MERGES = "\n".join(
    [
        "a0: &a0 {k: 1}",
        *(f"a{k}: &a{k} {{<<: [{','.join([f'*a{k - 1}'] * 10)}]}}" for k in range(1, 9)),
        STEP,
    ]
)
BOUNDLESS: Mapping[str, tuple[str, str, str]] = {
    "aliases": (".yaml", alias_bomb("[x,x,x,x,x,x,x,x,x,x]"), ":4:5: it holds more than 5000"),
    "of text": (".yaml", alias_bomb(repr("x" * 1000)), "it holds more than 5000 values"),
    "merges": (".yaml", MERGES, "it holds more than 5000 values"),
    "keys": (".yaml", alias_bomb("[x]") + "? *a8\n: x\n", "it holds more than 5000 values"),
    "itself": (".yaml", "a: &a {b: [*a]}\n" + STEP, ":1:4: it is nested too deeply"),
    "by merge": (".yaml", "a: &a {<<: *a}\n" + STEP, ":1:4: it is nested too deeply"),
    "lists": (".yaml", "a: " + "[" * 100_000, "it is nested too deeply"),
    "tables": (".yaml", "{a: " * 40_000, "it is nested too deeply"),
    "questions": (".yaml", "? " * 90_000, "it is nested too deeply"),
    "dashes": (".yaml", "- " * 90_000, "it is nested too deeply"),
    "many": (".yaml", "a: [" + "x," * 90_000 + "]\n", "it holds more than 5000 values"),
    "hex": (".yaml", f"seed: 0x{'f' * 5000}\n" + STEP, ":1:7: the number has too many digits"),
    "decimal": (".yaml", f"seed: {'9' * 5000}\n" + STEP, ":1:7: the number has too many digits"),
    "400 digits": (".yaml", f"seed: {'9' * 400}\n" + STEP, ":1:7: the number has too many"),
    "text": (".yaml", f"seed: '{'9' * 90_000}'\n" + STEP, ":1:7: seed is '999"),
    "float": (".yaml", "seed: 1.0e+300\n" + STEP, ":1:7: seed is 1e+300; give a number from 0"),
    "inf": (".yaml", "seed: .inf\n" + STEP, ":1:7: seed is inf; give a whole number"),
    "nan": (".yaml", "max_seam: .nan\n" + STEP, ":1:11: max_seam is nan; give a number"),
    "1e400": (".yaml", "max_seam: 1.0e+400\n" + STEP, ":1:11: max_seam is inf; give a number"),
    "octal": (".yaml", "seed: 010\n" + STEP, ":1:7: '010' is octal in YAML; give 8, or quote"),
    "angle": (".yaml", "seed: 1:30\n" + STEP, ":1:7: seed is '1:30'; give a whole number"),
    "date": (".yaml", "seed: 2024-99-99\n" + STEP, ":1:7: seed is '2024-99-99'; give a whole"),
    "tag": (".yaml", "seed: !!int abc\n" + STEP, ":1:7: 'abc' is no int; quote it"),
    "stamp": (".yaml", "seed: !!timestamp abc\n" + STEP, ":1:7: 'abc' is no timestamp"),
    "bool": (".yaml", "strict: !!bool abc\n" + STEP, ":1:9: 'abc' is no bool"),
    "half": (".yaml", 'steps: [{img2img: "\\ud800"}]\n', ":1:19: '\\ud800' holds half a"),
    "nul": (".yaml", 'steps: [{img2img: "a\\0"}]\n', ":1:19: 'a\\x00' holds a NUL"),
    "raw nul": (".yaml", "steps: [{img2img: a\0}]\n", ":1:20: it holds a NUL"),
    "bell": (".yaml", "seed: 1\nsteps: [{img2img: a\a}]\n", ":2:20: it holds 0x7, no text"),
    "spelled twice": (".yaml", "best-of: 2\nbest_of: 3\n" + STEP, ":2:1: 'best-of' and 'best_of'"),
    "a key": (".yaml", f"{'k' * 900}: 1\n" + STEP, ":1:1: unknown key 'kkk"),
    "no name": (".yaml", "variables: {yes: a}\n" + STEP, ":1:12: the name of a variable is True"),
    "bytes": (".yaml", "variables: {m: !!binary aGk=}\n" + STEP, ":1:16: the variable m is b'hi'"),
    "T deep": (".toml", "a = " + "[" * 90_000, "it is nested too deeply"),
    "T tables": (".toml", "a = " + "{b=" * 60_000, "it is nested too deeply"),
    "T dots": (".toml", "a" + ".a" * 90_000 + " = 1\n", ":1:1: it is nested too deeply"),
    "T quoted": (".toml", "x = 1\n" + '"="' + '."="' * 40_000 + " = 1\n", ":2:1: it is nested"),
    "T header": (".toml", "[" + "a." * 90_000 + "a]\n", ":1:2: it is nested too deeply"),
    "T some": (".toml", "a" + ".a" * 50 + " = 1\n", "it is nested too deeply"),
    "T many": (".toml", "seed = [" + "1," * 90_000 + "]\n", "it holds more than 5000 values"),
    "T hex": (".toml", f"seed = 0x{'f' * 5000}\n", ":1:8: the number has too many digits"),
    "T decimal": (".toml", f"x = 1\nseed = {'9' * 5000}\n", ":2:8: the number has too many"),
    "T date": (".toml", "seed = 2024-99-99\n", ":1:"),
    "T twice": (".toml", "seed = 1\nseed = 2\n", ":2:9: Cannot overwrite a value"),
    "T half": (".toml", 'a = "\\ud800"\n', ":1:12: Escaped character is not a Unicode"),
    "T nul": (".toml", '[[steps]]\nimg2img = "\\u0000"\n', ":2:11: '\\x00' holds a NUL"),
}


@pytest.mark.parametrize("name", BOUNDLESS)
def test_recipes_without_bounds_end_in_a_line_at_once(tmp_path: Path, name: str) -> None:
    suffix, text, message = BOUNDLESS[name]
    file = table_of(tmp_path, text, f"r{suffix}")
    began = time.process_time()
    with pytest.raises(RecipeError) as caught:
        read_recipe(file)
    assert time.process_time() - began < 1
    assert f"{file}:" in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_text_stays_as_it_was_written(tmp_path: Path) -> None:
    text = (
        "variables: {m: 12:30, date: 2024-01-31, n: '010'}\n"
        'base: &base {strength: 0.5}\nsteps: [{outpaint: "\\ud83d\\ude00 {m}", aspect: 16:9}]\n'
    )
    document = read_document(table_of(tmp_path, text, "r.yaml"))
    assert document.data["variables"] == {"m": "12:30", "date": "2024-01-31", "n": "010"}
    assert document.data["steps"] == [{"outpaint": "😀 {m}", "aspect": "16:9"}]


def test_what_is_merged_is_read_and_gives_way(tmp_path: Path) -> None:
    text = (
        "steps:\n  - &a {img2img: x, strength: 0.5}\n  - <<: *a\n    strength: 0.25\n"
        "  - <<: *a\n    strength: 7\n"
    )
    file = table_of(tmp_path, text, "r.yaml")
    with pytest.raises(RecipeError, match=r":6:15: strength is 7"):
        read_recipe(file)
    file.write_text(text.replace("7", "0.75"))
    assert [bound.edit.strength for bound in read_recipe(file).bound({})] == [0.5, 0.25, 0.75]


def test_a_mask_may_be_longer_than_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shell.noise(24, 32).save(tmp_path / "a.png")
    mask = " + ".join(["box:2,3,4,5"] * 40)
    (tmp_path / "r.yaml").write_text(f"steps: [{{erase: , mask: '{mask}', method: telea}}]\n")
    assert shell.call("batch", "r.yaml", "a.png", "out", "--workers", "0").code == 0


PIECES = (
    *("steps", "seed", "inpaint", "img2img", "mask", "variables", "gates", "rank", "table", "sign"),
    *("{m}", "sky", "x", "1", "-1", "0x1f", "1e999", ".nan", ".inf", "~", "true", "010", "1:2"),
    *("2024-01-01", '"\\ud800"', '"\\0"', "'", '"', "&a", "*a", "<<", "!!int", "!!set", "|", ">"),
    *(": ", "- ", "? ", "[", "]", "{", "}", ",", "\n", "\n  ", "=", "[[steps]]\n", "#", "\x85"),
    *("\u2028", "\ud7ff", "é", "%", "---", "...", "\t", "photo", ";", "\r", "\ufeff"),
)
texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(PIECES),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.sampled_from(PIECES), inner, max_size=4)
    ),
    max_leaves=8,
)
FUZZ = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def one_line(read: Callable[[], object]) -> bool:
    """Whether all that reading raises is an error of ours, in one line."""
    try:
        read()
    except InputError as error:
        return "\n" not in str(error)
    return True


@FUZZ
@given(text=texts, suffix=st.sampled_from((".yaml", ".toml")))
def test_no_text_of_a_recipe_brings_another_error(tmp_path: Path, text: str, suffix: str) -> None:
    file = table_of(tmp_path, text.encode("utf-8", "surrogatepass"), f"r{suffix}")
    assert one_line(lambda: read_recipe(file))


@FUZZ
@given(value=st.dictionaries(st.sampled_from(PIECES), values, max_size=4), step=values)
def test_no_values_of_a_recipe_bring_another_error(tmp_path: Path, value: Any, step: Any) -> None:
    made = {**value, "steps": [{"inpaint": step, "mask": "sky", **value}]}
    text = json.dumps(made)
    assert one_line(lambda: read_recipe(table_of(tmp_path, text, "r.yaml")))


@FUZZ
@given(text=texts, suffix=st.sampled_from((".csv", ".jsonl")), value=values)
def test_no_table_brings_another_error(tmp_path: Path, text: str, suffix: str, value: Any) -> None:
    text = json.dumps({"photo": value, "m": value}) if "&" in text else f"photo,{text}"
    file = table_of(tmp_path, text.encode("utf-8", "surrogatepass"), f"t{suffix}")
    assert one_line(lambda: read_table(file))
