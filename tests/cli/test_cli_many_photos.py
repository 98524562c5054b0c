"""A folder or a pattern in the place of a photo points to the batch; MASK may be an option."""

import json
import shlex
from pathlib import Path

import pytest
import shell
from PIL import Image

TELEA = ("--method", "telea", "-q")


@pytest.fixture
def shoot(folder: Path) -> Path:
    """The folder, with two photos in `my shoot`."""
    (folder / "my shoot").mkdir()
    for seed, name in enumerate(("a.png", "b.png")):
        shell.noise(48, 64, seed=seed).save(folder / "my shoot" / name)
    return folder


def line_in(said: str) -> list[str]:
    """The command that a message says to type."""
    return shlex.split(said.partition(": editkit ")[2])


def test_the_line_for_a_folder_works_as_it_is(shoot: Path) -> None:
    done = shell.process("erase", "my shoot", "mask.png", *TELEA, cwd=shoot)
    said = done.refused()
    assert said.startswith("my shoot is a folder; ")
    line = line_in(said)
    assert line == ["batch", "erase", "my shoot", "--mask", "mask.png", *TELEA[:2], "--quiet"]
    assert shell.process(*line, "--workers", "0", cwd=shoot).code == 0
    assert shell.opened(shoot / "my shoot-edited" / "b.png").size == (64, 48)


CASES = {
    "options": (
        ["inpaint", "my shoot", "mask.png", "a 'door'", "--no-match", "-n", "2", "-o", "x.png"],
        ["inpaint", "my shoot", "--mask", "mask.png", "a 'door'", "--no-match", "--num", "2"],
    ),
    "mask as an option": (
        ["resample", "my shoot", "--mask", "mask.png", "--steps=3"],
        ["resample", "my shoot", "--mask", "mask.png", "--steps", "3"],
    ),
    "recipe": (
        ["apply", "r.yaml", "my shoot", "--set", "a=b c", "--set", "d=e", "-o", "x.png"],
        ["r.yaml", "my shoot", "--set", "a=b c", "--set", "d=e"],
    ),
    "mask to come": (["erase", "my shoot"], ["erase", "my shoot", "--mask", "MASK"]),
    "no mask": (["outpaint", "my shoot", "--left", "8"], ["outpaint", "my shoot", "--left", "8"]),
    "two folders": (["composite", "my shoot", "home"], ["composite", "my shoot", "home"]),
    "pattern": (
        ["img2img", "my shoot/*.png", "oil", "-o", "out.png"],
        ["img2img", "my shoot/*.png", "oil", "-o", "edited"],
    ),
    "pattern into a folder": (
        ["erase", "my shoot/[ab].png", "mask.png", "-o", "done"],
        ["erase", "my shoot/[ab].png", "--mask", "mask.png", "-o", "done"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_line_has_all_that_was_typed(shoot: Path, case: str) -> None:
    typed, line = CASES[case]
    assert line_in(shell.call(*typed).refused()) == ["batch", *line]


def test_the_options_of_a_line_are_options_of_a_batch(shoot: Path) -> None:
    for typed, _ in CASES.values():
        said = shell.call(*line_in(shell.call(*typed).refused()), "--help")
        assert said.code == 0


def test_a_photo_whose_name_looks_like_a_pattern_is_a_photo(shoot: Path) -> None:
    (shoot / "photo.png").rename(shoot / "photo[1].png")
    assert shell.call("erase", "photo[1].png", "mask.png", *TELEA).code == 0


def test_a_pattern_that_the_shell_expanded_points_there_too(shoot: Path) -> None:
    names = ["my shoot/a.png", "my shoot/b.png", "photo.png"]
    said = shell.call("erase", *names, "mask.png").refused()
    assert "erase edits one photo, and was given 4" in said
    assert "`editkit batch erase` takes a folder, or a pattern in quotes" in said


def test_a_batch_suggests_its_own_commands() -> None:
    assert "did you mean `editkit batch erase`?" in shell.call("batch", "remove", "x").refused()


@pytest.mark.parametrize("mask", ["mask.png", "box:10,10,30,30"])
def test_a_mask_as_an_option_is_the_same(folder: Path, mask: str) -> None:
    assert shell.call("erase", "photo.png", mask, *TELEA, "-o", "a.png").code == 0
    assert shell.call("erase", "--mask", mask, "photo.png", *TELEA, "-o", "b.png").code == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    for given in ((mask,), (f"--mask={mask}",)):
        done = shell.call("verify", "photo.png", "b.png", *given, "--json")
        assert json.loads(done.out)["samples_changed_outside"] == 0


def test_the_prompt_moves_up(folder: Path, quick: tuple[str, ...]) -> None:
    done = shell.call("inpaint", "photo.png", "--mask", "mask.png", "a door", *quick, "--json")
    assert json.loads(done.out)["prompt"] == "a door"


def test_composite_takes_a_mask_as_an_option(folder: Path) -> None:
    edited = shell.opened(folder / "photo.png")
    edited.paste((0, 0, 0), (10, 10, 30, 30))
    edited.save(folder / "edited.png")
    mask = "box:10,10,20,20"
    assert (
        shell.call("composite", "photo.png", "edited.png", "--mask", mask, "-o", "c.png").code == 0
    )
    with Image.open("c.png") as made, Image.open("photo.png") as photo:
        assert made.getpixel((12, 12)) == (0, 0, 0)
        assert made.getpixel((25, 25)) == photo.getpixel((25, 25))


@pytest.mark.parametrize(
    "args",
    [
        ("erase", "photo.png", "mask.png", "--mask", "mask.png"),
        ("inpaint", "photo.png", "mask.png", "a door", "--mask", "sky"),
        ("inpaint", "photo.png", "mask.png", "--mask=sky"),
        ("resample", "--mask", "sky", "photo.png", "mask.png"),
        ("composite", "photo.png", "photo.png", "mask.png", "--mask", "sky"),
        ("verify", "photo.png", "photo.png", "mask.png", "--mask", "sky"),
        ("erase", "photo.png", "--mask", "sky", "--mask", "mask.png"),
    ],
)
def test_a_mask_given_twice_is_refused(folder: Path, args: tuple[str, ...]) -> None:
    assert "given twice" in shell.call(*args).refused()


def test_a_mask_that_is_missing_is_told(folder: Path) -> None:
    assert "MASK" in shell.call("erase", "photo.png").refused()
    assert "requires an argument" in shell.call("erase", "photo.png", "--mask").refused()
