"""Unknown commands and options are answered with the nearest that there are."""

from pathlib import Path

import pytest
import shell

COMMANDS = {
    "remove": "did you mean `editkit erase`?",
    "Remove": "did you mean `editkit erase`?",
    "erse": "did you mean `editkit erase`?",
    "in_paint": "did you mean `editkit inpaint`?",
    "removee": "did you mean `editkit erase`?",
    "txt2img": "did you mean `editkit generate`?",
    "uncrop": "did you mean `editkit outpaint`?",
    "serve": "`editkit batch COMMAND IN --watch`",
    "upscale": "`editkit outpaint` makes the frame larger",
    "photo.JPG": "such as `editkit erase photo.JPG MASK`",
    "xyzzy": "`editkit --help` lists the commands",
}
OPTIONS = {
    "--sead": "there is no option --sead; did you mean --seed",
    "--sead=3": "there is no option --sead; did you mean --seed",
    "-seed": "there is no option -seed; did you mean --seed",
    "--num-inference-steps": "did you mean --steps?",
    "--negative_prompt": "did you mean --negative?",
    "--overwrite": "did you mean --force?",
    "--qqqq": "`editkit inpaint --help` lists the options",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_command_points_to_the_nearest(name: str) -> None:
    said = shell.call(name, "photo.jpg").refused()
    assert said.startswith(f"there is no command {name!r}: ")
    assert COMMANDS[name] in said


@pytest.mark.parametrize("option", OPTIONS)
def test_an_unknown_option_points_to_the_nearest(option: str) -> None:
    assert OPTIONS[option] in shell.call("inpaint", "a.png", "b.png", option).refused()


def test_processes_do_so_too(tmp_path: Path) -> None:
    assert COMMANDS["remove"] in shell.process("remove", "x", cwd=tmp_path).refused()
    assert OPTIONS["-seed"] in shell.process("erase", "a", "b", "-seed", "3").refused()


def test_a_suggested_command_is_one() -> None:
    for name, hint in COMMANDS.items():
        for word in ("erase", "inpaint", "generate", "outpaint"):
            if f"`editkit {word}`" in hint:
                assert shell.call(word, "--help").code == 0, name


def test_groups_suggest_their_own_commands() -> None:
    said = shell.call("recipe", "schem").refused()
    assert said == "there is no command 'schem': did you mean `editkit recipe schema`?"
    assert "`editkit models --help` lists" in shell.call("models", "xyzzy").refused()


def test_options_of_the_program_itself() -> None:
    assert "did you mean --version?" in shell.call("--verson").refused()
