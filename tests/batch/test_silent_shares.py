"""A share whose server hangs: its files are named, others are edited, and nothing waits for it."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import shell
from silent import silent_share

from editkit.batch.engines.processes import here
from editkit.batch.inputs import find_photos, listed_photos
from editkit.batch.recipes.recipe import Recipe, made_step, read_recipe
from editkit.batch.recipes.steps import Operation
from editkit.batch.recipes.table import read_table
from editkit.batch.run import Batch
from editkit.batch.selection import found_photos
from editkit.errors import BatchError
from editkit.storage import timeouts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no such file system here")

NAMES = ("a.png", "b silent.png", "c.png", "sub shut/d.png", "e mute.png")
SOON = 0.8
"""Seconds without an answer, here."""


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("share")
    (real := folder / "real").mkdir()
    for name in (*NAMES, *(f"many/{k} silent.png" for k in range(40)), "many/aa.png"):
        (real / name).parent.mkdir(exist_ok=True)
        shell.noise(32, 40).save(real / name)
    (real / "recipe silent.yaml").write_text("steps: []")
    (real / "table mute.csv").write_text("photo\na.png\n")
    (real / "out" / ".editkit").mkdir(parents=True)
    (real / "out" / ".editkit" / "manifest mute.sqlite").write_bytes(bytes(9000))
    (real / "old").mkdir()
    shell.noise(32, 40).save(real / "old" / "a silent.png")
    try:
        with silent_share(real, folder / "share") as place:
            yield place
    except OSError as error:
        pytest.skip(f"no file system of our own: {error}")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "LONGEST", SOON)
    timeouts.scouts.cache_clear()


def recipe(mask: str = "box:8,8,24,24", **files: str) -> Recipe:
    given = files or {"mask": mask, "method": "telea"}
    step = made_step(Operation("composite" if files else "erase"), given)
    return Recipe((step,), device="cpu")


def silent(path: Path | str) -> str:
    return f"{path} did not answer in {SOON:g} s; see to the disk or share it is on"


def test_silent_photos_and_folders_are_named_and_others_edited(share: Path, tmp_path: Path) -> None:
    events = list[Mapping[str, Any]]()
    made = Batch(recipe(), tmp_path / "out", here, listen=events.append)
    found = found_photos(str(share), made.out, made.recipe)
    names = [str(photo.relative) for photo in found]
    assert names == ["a.png", "c.png"]
    assert found.closed["e mute.png"] == silent(share / "e mute.png")
    assert found.closed["b silent.png"] == silent(share / "b silent.png")
    assert found.closed["sub shut"] == silent(share / "sub shut")
    assert found.closed["many"] == silent(share / "many")  # after a few of its forty
    assert len([name for name in found.closed if name.startswith("many/")]) == timeouts.ENOUGH
    summary = made.run(found)
    assert (summary.done, summary.code) == (2, 3)
    assert summary.failed == found.closed
    assert {event["photo"] for event in events if event["event"] == "failed"} == {*summary.failed}


@pytest.mark.slow
def test_silent_photos_of_a_pattern_and_a_list(share: Path) -> None:
    for found in (
        find_photos(f"{share}/*.png"),
        listed_photos([f"{share / name}\n" for name in ("a.png", "b silent.png", "c.png")]),
    ):
        assert {photo.relative.name for photo in found} >= {"a.png", "c.png"}
        told = {name: found.closed.pop(name, None) for name in ("b silent.png", "e mute.png")}
        assert told["b silent.png"] == silent(share / "b silent.png")
        assert told["e mute.png"] in (None, silent(share / "e mute.png"))  # a list is not read
        assert not found.closed


def test_silent_masks_and_results_fail_their_photo_alone(share: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a silent.png", "c.png"):
        shell.noise(32, 40).save(tmp_path / "in" / name)
    given = recipe(f"{share}/old/{{stem}}.png")
    made = Batch(given, tmp_path / "out", here)
    plan = made.plan(find_photos(str(tmp_path / "in")))
    assert plan.silent == {"a silent.png": silent(share / "old" / "a silent.png")}
    assert [task.photo for task in plan.tasks] == ["c.png"]
    there = dataclasses.replace(made, recipe=recipe(), out=share / "old")
    plan = there.plan(find_photos(str(tmp_path / "in")))
    assert plan.silent == {"a silent.png": silent(share / "old" / "a silent.png")}
    assert [task.photo for task in plan.tasks] == ["c.png"]


NEEDED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "recipe": ("recipe silent.yaml", lambda path: read_recipe(path, {}, None)),
    "table": ("table mute.csv", read_table),
    "IN": ("sub silent", lambda path: find_photos(str(path))),
    "OUT": ("sub silent", lambda path: Batch(recipe(), path, here).plan([])),
    "mask": ("e silent.png", lambda path: found_photos(".", Path("out"), recipe(str(path)))),
    "file": ("x silent", lambda path: found_photos(".", Path("out"), recipe(edited=str(path)))),
    "manifest": ("out", lambda path: Batch(recipe(), path, here).plan([])),
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "read"), NEEDED.values(), ids=NEEDED)
def test_what_all_photos_need_ends_the_batch(
    share: Path, name: str, read: Callable[[Path], object]
) -> None:
    with pytest.raises(BatchError, match="did not answer in") as raised:
        read(share / name)
    assert str(raised.value).startswith(str(share / name))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_keeps_a_waiting_command_from_its_end(
    share: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """Whoever waits for such a share himself cannot even be killed."""
    command = (shell.EDITKIT, "batch", "erase", share / "sub silent", "--mask", "box:1,1,9,9")
    with subprocess.Popen(
        [*map(str, command), "-o", "out"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as running:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        shell.wait_for(lambda: bool(children.read_text().split()))
        time.sleep(0.3)
        began = time.monotonic()
        os.kill(running.pid, number)
        _, said = running.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert running.returncode == 128 + number
    assert said.split() in (["editkit:", "interrupted"], ["editkit:", "terminated"])
