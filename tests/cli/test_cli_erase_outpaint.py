"""`editkit erase` and `editkit outpaint`, by the command itself."""

import json
from pathlib import Path

import numpy as np
import pytest
import shell
from PIL import Image


def read(file: str | Path) -> np.ndarray:
    return np.asarray(shell.opened(Path(file)))


@pytest.mark.parametrize("method", ["telea", "ns", "biharmonic", "patchmatch"])
def test_erase_by_a_classical_method(folder: Path, method: str) -> None:
    given = ("erase", "photo.png", "mask.png", "--method", method, "--strict", "--max-seam", "99")
    done = shell.call(*given, "--json", "-q")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["output"] == "photo.edit.png"
    assert report["method"] == method
    assert report["samples_changed_outside"] == 0
    kept = read("mask.png") == 0
    assert np.array_equal(read("photo.edit.png")[kept], read("photo.png")[kept])
    assert shell.call("verify", "photo.png", "photo.edit.png", "mask.png").code == 0
    assert json.loads(shell.call("replay", "photo.edit.png", "--json").out)["same"]


def test_erase_is_quick_without_a_model(folder: Path) -> None:
    """As a process: no torch, and so nothing of a model's options."""
    given = ("erase", "photo.png", "box:10,10,20,20", "--method", "patchmatch")
    done = shell.process(*given, "-n", "2", "-o", "e.png", cwd=folder)
    assert done.code == 0, done.err
    assert done.out.split() == [b"e.0.png", b"e.1.png"]
    assert not np.array_equal(read("e.0.png"), read("e.1.png"))


def test_erase_by_diffusion(folder: Path, quick: tuple[str, ...]) -> None:
    done = shell.call("erase", "photo.png", "mask.png", *quick, "-o", "e.png", "-q", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert (report["edit"], report["method"]) == ("erase", "diffusion")
    assert json.loads(shell.call("replay", "e.png", *quick[:2], "--json").out)["same"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--method", "telea", "--steps", "3"), "--steps is for diffusion, not for telea"),
        (("--method", "ns", "--work-size", "64"), "--work-size is for diffusion"),
        (("--method", "ns", "--prefill", "telea"), "--prefill is for diffusion"),
        (("--method", "telea", "-n", "2"), "the same picture for every seed"),
        (("--method", "magic"), "magic"),
        (("--method", "telea", "-o", "photo.png"), "photo.png is the photo itself"),
        (("--method", "telea", "-o", "-", "--json"), "standard output"),
    ],
)
def test_erase_refuses(folder: Path, more: tuple[str, ...], told: str) -> None:
    before = shell.listing(folder)
    assert told in shell.call("erase", "photo.png", "mask.png", *more).refused()
    assert shell.listing(folder) == before


def test_outpaint(folder: Path, quick: tuple[str, ...]) -> None:
    given = ("outpaint", "photo.png", "x", "--left", "16", "--top", "25%")
    done = shell.call(*given, *quick, "--strict", "--max-seam", "99", "--json", "-q")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["frame"] == "80x60"
    assert report["samples_changed_outside"] == 0
    # OpenCV and Pillow are not what wrote it.
    assert np.array_equal(read("photo.edit.png")[12:, 16:], read("photo.png"))
    assert json.loads(shell.call("replay", "photo.edit.png", *quick[:2], "--json").out)["same"]


@pytest.mark.parametrize(
    ("options", "size", "at"),
    [
        (("--size", "100x70"), (100, 70), (18, 11)),
        (("--size", "100x70", "--anchor", "top-left"), (100, 70), (0, 0)),
        (("--aspect", "3:1"), (144, 48), (40, 0)),
        (("--aspect", "1:2", "--anchor", "bottom"), (64, 128), (0, 80)),
        (("--right", "1"), (65, 48), (0, 0)),
    ],
)
def test_outpaint_frames(
    folder: Path,
    quick: tuple[str, ...],
    options: tuple[str, ...],
    size: tuple[int, int],
    at: tuple[int, int],
) -> None:
    done = shell.call("outpaint", "photo.png", *options, *quick, "-o", "o.png", "-q")
    assert done.code == 0, done.err
    made = read("o.png")
    assert made.shape[1::-1] == size
    left, top = at
    assert np.array_equal(made[top : top + 48, left : left + 64], read("photo.png"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "nothing to add"),
        (("--left", "0"), "nothing to add"),
        (("--size", "64x48"), "nothing to add"),
        (("--aspect", "4:3"), "nothing to add"),
        (("--size", "64x47"), "would cut the photo of 64x48"),
        (("--left", "5", "--aspect", "2:1"), "left and aspect contradict each other"),
        (("--size", "99x99", "--aspect", "2:1"), "size and aspect contradict each other"),
        (("--left", "5", "--anchor", "top"), "anchor top and left contradict each other"),
        (("--left", "-5"), "left is '-5'"),
        (("--left", "ten"), "left is 'ten'"),
        (("--left", "999999999"), "more than the limit"),
        (("--size", "99999x99999"), "more than the limit"),
        (("--size", "1000000x5"), "out of range"),
        (("--aspect", "wide"), "aspect is 'wide'"),
        (("--anchor", "nowhere"), "nowhere"),
        (("--left", "5", "--composite-mask", "all"), "leave --composite-mask out"),
    ],
)
def test_outpaint_refuses_before_a_model_is_loaded(
    folder: Path, options: tuple[str, ...], told: str
) -> None:
    before = shell.listing(folder)
    message = shell.call("outpaint", "photo.png", *options, "-m", "no/such-model").refused()
    assert told in message
    assert shell.listing(folder) == before


def test_outpaint_through_a_pipe(folder: Path, quick: tuple[str, ...]) -> None:
    data = Path("photo.png").read_bytes()
    done = shell.call("outpaint", "-", "--left", "8", *quick, "-q", stdin=data)
    assert done.code == 0, done.err
    Path("o.png").write_bytes(done.out)
    with Image.open("o.png") as image:
        assert image.size == (72, 48)
