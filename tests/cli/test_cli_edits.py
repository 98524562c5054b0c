"""What the command line writes, says, and leaves alone."""

import io
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import shell
from PIL import Image

COMMANDS = {
    "inpaint": ("inpaint", "photo.png", "mask.png", "a door"),
    "resample": ("resample", "photo.png", "mask.png", "a door", "--repeats", "2"),
    "img2img": ("img2img", "photo.png", "a door"),
    "generate": ("generate", "a door", "--size", "40x32"),
}
unix = pytest.mark.skipif(sys.platform == "win32", reason="no such terminals here")
MASKED = ("inpaint", "resample")

Quick = tuple[str, ...]


def kept(folder: Path) -> np.ndarray:
    return np.asarray(shell.opened(folder / "mask.png")) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_the_picture_goes_beside_the_input(folder: Path, quick: Quick, command: str) -> None:
    before = shell.listing(folder)
    done = shell.call(*COMMANDS[command], *quick)
    name = "generated.png" if command == "generate" else "photo.edit.png"
    assert done.code == 0
    assert done.out.decode() == f"{name}\n"
    assert "\r" not in done.err
    assert done.err.startswith("editkit: seed 0, ")
    assert done.err.count("\n") == 1
    after = shell.listing(folder)
    assert set(after) == {*before, name}
    assert {key: after[key] for key in before} == before
    size = (40, 32) if command == "generate" else (64, 48)
    assert shell.opened(folder / name).size == size


@pytest.mark.parametrize("command", MASKED)
def test_another_reader_sees_kept_pixels_as_they_were(
    folder: Path, quick: Quick, command: str
) -> None:
    shell.call(*COMMANDS[command], *quick, "-o", "out.png")
    read = [
        cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED) for name in ("photo.png", "out.png")
    ]
    given, edited = (np.asarray(image) for image in read)
    keep = kept(folder)
    assert np.array_equal(given[keep], edited[keep])
    assert not np.array_equal(given[~keep], edited[~keep])


def test_variants_are_named_by_their_seeds_and_are_what_single_runs_give(
    folder: Path, quick: Quick
) -> None:
    many = shell.call(*COMMANDS["inpaint"], *quick, "-n", "3", "--seed", "7", "-o", "many.png")
    assert many.out.decode().splitlines() == [f"many.{seed}.png" for seed in (7, 8, 9)]
    found = [(folder / f"many.{seed}.png").read_bytes() for seed in (7, 8, 9)]
    assert len(set(found)) == 3
    for seed, data in zip((7, 8, 9), found, strict=True):
        shell.call(*COMMANDS["inpaint"], *quick, "--seed", str(seed), "-o", f"one{seed}.png")
        assert (folder / f"one{seed}.png").read_bytes() == data


@pytest.mark.slow
def test_the_same_command_gives_the_same_bytes_in_another_process(
    folder: Path, quick: Quick
) -> None:
    shell.call(*COMMANDS["inpaint"], *quick, "-o", "here.png")
    done = shell.process(*COMMANDS["inpaint"], *quick, "-o", "there.png", cwd=folder)
    assert done.code == 0
    assert (folder / "here.png").read_bytes() == (folder / "there.png").read_bytes()
    # No bar where there is no terminal, no advice of libraries, no warnings: one line.
    assert done.err.count("\n") == 1
    assert "\r" not in done.err


def test_force_replaces(folder: Path, quick: Quick) -> None:
    (folder / "out.png").write_bytes(b"old")
    done = shell.call(*COMMANDS["img2img"], *quick, "-o", "out.png", "--force")
    assert done.code == 0
    assert shell.opened(folder / "out.png").size == (64, 48)


@pytest.mark.parametrize("command", COMMANDS)
def test_json_reports_a_line_for_each_picture(folder: Path, quick: Quick, command: str) -> None:
    done = shell.call(*COMMANDS[command], *quick, "--json", "-n", "2", "--seed", "3", "-q")
    assert done.err == ""
    reports = [json.loads(line) for line in done.out.decode().splitlines()]
    assert [report["seed"] for report in reports] == [3, 4]
    for report in reports:
        assert report["edit"] == command
        assert report["prompt"] == "a door"
        assert report["steps"] == 2
        assert report["model"] == quick[1]
        assert Path(report["output"]).is_file()
        if command in MASKED:
            assert report["samples_changed_outside"] == 0
            assert report["pixels_kept"] >= kept(folder).sum()


def test_quiet_says_nothing(folder: Path, quick: Quick) -> None:
    done = shell.call(*COMMANDS["img2img"], *quick, "-q")
    assert (done.code, done.out, done.err) == (0, b"", "")
    assert (folder / "photo.edit.png").exists()


@pytest.mark.slow
def test_a_pipe_carries_the_picture_and_nothing_else(folder: Path, quick: Quick) -> None:
    # Where a photo came from is in its provenance.
    shell.call(*COMMANDS["inpaint"], *quick, "--no-provenance", "-o", "file.png")
    args = ("inpaint", "-", "mask.png", "a door", *quick, "--no-provenance")
    done = shell.process(*args, cwd=folder, input=(folder / "photo.png").read_bytes())
    assert done.code == 0
    assert done.out.startswith(b"\x89PNG\r\n\x1a\n")
    assert done.out.endswith(b"IEND\xaeB`\x82")
    assert done.out == (folder / "file.png").read_bytes()
    assert set(shell.listing(folder)) == {"photo.png", "mask.png", "file.png"}


def test_a_mask_from_a_pipe_still_writes_beside_the_photo(folder: Path, quick: Quick) -> None:
    args = ("inpaint", "photo.png", "-", *quick)
    done = shell.call(*args, stdin=(folder / "mask.png").read_bytes())
    assert (done.code, done.out) == (0, b"photo.edit.png\n")


def test_a_jpeg_in_a_pipe_stays_a_jpeg(folder: Path, quick: Quick) -> None:
    jpeg = io.BytesIO()
    shell.noise(48, 64).save(jpeg, "JPEG")
    done = shell.call("img2img", "-", *quick, stdin=jpeg.getvalue())
    assert Image.open(io.BytesIO(done.out)).format == "JPEG"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("a.JPG", "a.edit.JPG"),
        ("b.tiff", "b.edit.tiff"),
        ("c.gif", "c.edit.png"),
        ("d", "d.edit.png"),
    ],
)
def test_the_default_name_keeps_what_can_be_written(
    folder: Path, quick: Quick, given: str, written: str
) -> None:
    kind = {"a.JPG": "JPEG", "b.tiff": "TIFF", "c.gif": "GIF", "d": "PNG"}[given]
    shell.noise(48, 64).save(folder / given, kind)
    assert shell.call("img2img", given, *quick).out.decode() == f"{written}\n"
    assert (folder / written).exists()


def test_names_are_taken_as_they_are(folder: Path, quick: Quick) -> None:
    for name in ("a\nb.png", "$(touch pwned).png", "quote'\".png", "-dash.png"):
        done = shell.call("img2img", "photo.png", *quick, "-q", "-o", name)
        assert done.code == 0
        assert (folder / name).exists()
    assert not (folder / "pwned").exists()


def test_a_prompt_like_an_option_comes_after_two_dashes(folder: Path, quick: Quick) -> None:
    done = shell.call("img2img", *quick, "--json", "-q", "--", "photo.png", "--steps")
    assert json.loads(done.out)["prompt"] == "--steps"


def test_a_long_prompt_is_said_to_be_cut(folder: Path, quick: Quick) -> None:
    done = shell.call("img2img", "photo.png", "word " * 20, *quick)
    assert "the prompt is too long for the model; not read: " in done.err


@pytest.mark.slow
@unix
def test_a_terminal_sees_progress(folder: Path, quick: Quick) -> None:
    code, seen = shell.terminal(*COMMANDS["inpaint"], *quick, cwd=folder)
    assert code == 0
    assert b"\r" in seen
    assert b"step" in seen
    # The bar is gone when it is done.
    assert b"editkit: seed 0" in seen.split(b"\r")[-2]


@unix
def test_an_interrupt_leaves_nothing(folder: Path, quick: Quick) -> None:
    before = shell.listing(folder)
    slow = ("--steps", "900", "--repeats", "9", *quick[:2])
    code, seen = shell.terminal(*COMMANDS["resample"], *slow, cwd=folder, stop_at=b"step")
    assert code == 130
    assert b"Traceback" not in seen
    assert seen.rstrip().endswith(b"editkit: interrupted")
    assert shell.listing(folder) == before


def test_models_are_listed_and_told_about(quick: Quick) -> None:
    listed = json.loads(shell.call("models", "list", "--json").out)
    assert listed[0]["name"] == "builtin"
    assert shell.call("models").out.startswith(b"builtin\t")
    told = json.loads(shell.call("models", "info", quick[1], "--json").out)
    assert told["inpainting"] is True
    assert told["settings"]["native_size"] == 64
    assert told["settings"]["solver"] == "ddim"
    assert shell.call("models", "info").out.decode().splitlines()[0].split() == ["name", "builtin"]
