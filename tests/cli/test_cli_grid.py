"""`-n` with `--grid`: one picture of all variants, each with its seed."""

from pathlib import Path

import numpy as np
import pytest
import shell
from PIL import Image

CELL = (8 + 22, 8)
"""Where the picture of the first cell begins, under its label."""


def cell(grid: np.ndarray, row: int, column: int, size: tuple[int, int]) -> np.ndarray:
    """A picture of a grid whose cells have one size, (height, width)."""
    top = CELL[0] + row * (size[0] + 22 + 8)
    left = CELL[1] + column * (size[1] + 8)
    return grid[top : top + size[0], left : left + size[1]]


@pytest.mark.parametrize("more", [(), ("--batch-size", "2")])
def test_the_grid_holds_the_photo_and_each_variant(
    folder: Path, quick: tuple[str, ...], more: tuple[str, ...]
) -> None:
    command = ("inpaint", "photo.png", "mask.png", "x", *quick, "-n", "3", "--seed", "7", *more)
    done = shell.call(*command, "-o", "v.png", "--grid", "all.png")
    assert done.code == 0, done.err
    assert done.out.decode().split() == ["v.7.png", "v.8.png", "v.9.png", "all.png"]
    grid = np.asarray(shell.opened(folder / "all.png"))
    names = ("photo.png", "v.7.png", "v.8.png", "v.9.png")
    for place, name in enumerate(names):
        found = cell(grid, *divmod(place, 2), (48, 64))
        assert np.array_equal(found, np.asarray(shell.opened(folder / name))), name
    # A label stands over each: light letters on the dark ground.
    for top in (8, 8 + 48 + 22 + 8):
        assert grid[top : top + 16, 8:60].max() > 200
    shell.call(*command, "-o", "w.png")
    assert (folder / "w.8.png").read_bytes() == (folder / "v.8.png").read_bytes()


def test_the_frame_of_outpaint_is_no_part_of_the_photo(
    folder: Path, quick: tuple[str, ...]
) -> None:
    command = ("outpaint", "photo.png", "--left", "32", *quick, "-n", "2", "-o", "v.png")
    assert shell.call(*command, "--grid", "all.png").code == 0
    grid = np.asarray(shell.opened(folder / "all.png"))
    photo = np.asarray(shell.opened(folder / "photo.png"))
    assert np.array_equal(grid[30:78, 8:72], photo)


def test_a_batch_takes_a_grid_for_no_photo(folder: Path, quick: tuple[str, ...]) -> None:
    (folder / "in").mkdir()
    (folder / "photo.png").rename(folder / "in" / "photo.png")
    command = ("generate", "x", "--size", "32", *quick, "-n", "2", "-o", "g.png")
    assert shell.call(*command, "--grid", "in/all.png").code == 0
    shell.call("compare", "in/photo.png", "in/photo.png", "--png", "in/both.png")
    batch = ("batch", "erase", "in", "--mask", "box:10,10,30,30", "--method", "telea")
    done = shell.call(*batch, "--workers", "0", "-o", "out")
    assert done.code == 0, done.err
    assert [file.name for file in (folder / "out").glob("*.png")] == ["photo.png"]
    assert "in/all.png" in done.err
    assert "in/both.png" in done.err


def test_large_variants_are_shown_smaller(folder: Path) -> None:
    Image.new("RGB", (1200, 300), (9, 99, 9)).save("wide.png")
    command = ("erase", "wide.png", "box:10,10,30,30", "--method", "patchmatch", "-n", "2")
    assert shell.call(*command, "-o", "v.png", "--grid", "all.jpg").code == 0
    assert shell.opened(folder / "all.jpg").size == (2 * (512 + 8) + 8, 2 * (128 + 30) + 8)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "give -n 2 or more"),
        (("-n", "2", "-o", "v.png", "--grid", "v.1.png"), "is one of the variants"),
        (("-n", "2", "--grid", "mask.png"), "mask.png exists"),
        (("-n", "2", "--grid", "photo.png", "--force"), "is the photo itself"),
        (("-n", "2", "--grid", "no/all.png"), "does not exist"),
        (("-n", "2", "--grid", "all.xyz"), "'.xyz' names no format"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(
    folder: Path, more: tuple[str, ...], said: str
) -> None:
    before = shell.listing(folder)
    command = ("img2img", "photo.png", "-m", "no such model", "--grid", "all.png", *more)
    assert said in shell.call(*command).refused()
    assert shell.listing(folder) == before
