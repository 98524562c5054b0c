"""`--preview`: fast settings, and a mark in the name, the report and the metadata."""

import json
from pathlib import Path
from typing import Any

import pytest
import shell

from editkit.models.registry import find_model


@pytest.fixture
def model(checkpoints: dict[int, Path]) -> tuple[str, ...]:
    """A model, with the steps that it recommends."""
    return ("-m", str(checkpoints[9]), "--device", "cpu")


COMMANDS = {
    "inpaint": ("inpaint", "photo.png", "mask.png", "x"),
    "resample": ("resample", "photo.png", "mask.png", "x"),
    "outpaint": ("outpaint", "photo.png", "--left", "16"),
    "generate": ("generate", "x"),
}


def report(*args: str) -> Any:
    done = shell.call(*args, "--json", "-q")
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_preview_is_fast_and_says_that_it_is_one(
    folder: Path, model: tuple[str, ...], command: str
) -> None:
    found = report(*COMMANDS[command], *model, "--preview")
    name = "generated.preview.png" if command == "generate" else "photo.preview.png"
    assert found["output"] == name
    assert found["preview"] is True
    settings = find_model(model[1]).settings
    assert found["steps"] == min(8, settings.steps // 2)
    assert found.get("detail", 0) == 0
    assert "a preview by fast settings; for the full edit leave --preview out" in found["notes"]
    if command == "generate":
        assert shell.opened(folder / name).size == (32, 32)
    else:
        assert found["work_size"] == 32
    info = json.loads(shell.call("info", name, "--json").out)
    assert info["record"]["preview"] is True
    assert "a preview" in info["history"][-1]["parameters"]
    # Of the same bytes, and not by way of the command.
    again = json.loads(shell.call("replay", name, *model, "--json").out)
    assert again == {"file": name, "same": True, "differences": []}


def test_options_that_are_given_stay(folder: Path, model: tuple[str, ...]) -> None:
    more = ("--steps", "3", "--work-size", "48", "--preview", "-o", "mine.png")
    found = report(*COMMANDS["inpaint"], *model, *more)
    assert (found["output"], found["steps"], found["work_size"]) == ("mine.png", 3, 48)
    assert found["preview"] is True


def test_an_edit_in_full_is_no_preview(folder: Path, model: tuple[str, ...]) -> None:
    found = report(*COMMANDS["inpaint"], *model, "--steps", "2")
    assert "preview" not in found
    info = json.loads(shell.call("info", "photo.edit.png", "--json").out)
    assert "preview" not in info["record"]


def test_variants_may_be_previews(folder: Path, model: tuple[str, ...]) -> None:
    done = shell.call(*COMMANDS["inpaint"], *model, "--preview", "-n", "2", "--grid", "all.png")
    names = ["photo.preview.0.png", "photo.preview.1.png", "all.png"]
    assert done.out.decode().split() == names
    assert done.err.count("a preview by fast settings") == 2
    # A batch takes none of them for a photo.
    batch = ("batch", "erase", ".", "--mask", "box:10,10,30,30", "--method", "telea")
    (folder / "mask.png").unlink()
    assert shell.call(*batch, "--workers", "0", "-o", "out").code == 0
    assert [file.name for file in (folder / "out").glob("*.png")] == ["photo.png"]


def test_a_classical_method_and_a_batch_have_none(folder: Path) -> None:
    done = shell.call("erase", "photo.png", "mask.png", "--method", "telea", "--preview")
    assert "not with telea" in done.refused()
    said = shell.call("batch", "erase", ".", "--mask", "mask.png", "--preview").refused()
    assert "did you mean --sample?" in said
