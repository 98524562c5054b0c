"""`editkit mask`, and expressions where a mask file is taken."""

import json
from pathlib import Path

import numpy as np
import pytest
import shell
from PIL import Image


def test_a_mask_is_made_and_used(folder: Path, quick: tuple[str, ...]) -> None:
    done = shell.call("mask", "photo.png", "box:10,10,30,30 ~grow:2")
    assert (done.code, done.out) == (0, b"photo.mask.png\n")
    mask = np.asarray(shell.opened(folder / "photo.mask.png"))
    assert mask.shape == (48, 64)
    assert mask[10:30, 10:30].all()
    for name, given in (("a.png", "photo.mask.png"), ("b.png", "box:10,10,30,30 ~grow:2")):
        done = shell.call("inpaint", "photo.png", given, *quick, "-o", name, "--json", "-q")
        assert json.loads(done.out)["samples_changed_outside"] == 0
    assert (folder / "a.png").read_bytes() != (folder / "photo.png").read_bytes()
    same = [np.asarray(shell.opened(folder / name)) for name in ("a.png", "b.png")]
    assert np.array_equal(same[0], same[1])


def test_previews_and_trees(folder: Path) -> None:
    args = ("photo.png", "all - box:0,0,50%,100%", "--preview", "seen.jpg", "--explain")
    done = shell.call("mask", *args)
    assert done.code == 0
    lines = done.out.decode().splitlines()
    assert lines == [" 50.00%  difference", "100.00%  ├─ all", " 50.00%  └─ box:0,0,50%,100%"]
    seen = np.asarray(shell.opened(folder / "seen.jpg")).astype(int)
    assert seen.shape == (48, 64, 3)
    assert seen[24:, 36:, 0].mean() > seen[24:, :28, 0].mean() + 30
    assert not (folder / "photo.mask.png").exists()
    told = json.loads(shell.call("mask", *args[:2], "--json", "-q").out)
    assert told["expression"] == args[1]
    assert told["tree"]["of"][1]["share"] == 0.5


@pytest.mark.parametrize(
    ("expression", "said"),
    [("none", "empty"), ("!box:9,9,20,20", "~invert"), ("box:0,0,60,48", "%")],
)
def test_odd_masks_are_told(folder: Path, expression: str, said: str) -> None:
    del folder
    done = shell.call("mask", "photo.png", expression)
    assert done.code == 0
    assert said in done.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["photo.png", "box:1,2"], "column 1"),
        (["photo.png", "sky ~"], "column 6"),
        (["photo.png", "all", "-o", "m.jpg"], "JPEG"),
        (["photo.png", "all", "-o", "photo.png"], "exists"),
        (["photo.png", "all", "--preview", "x.gif"], "names no format"),
        (["none.png", "all"], "none.png"),
    ],
)
def test_refusals(folder: Path, args: list[str], said: str) -> None:
    before = shell.listing(folder)
    assert said in shell.call("mask", *args).refused()
    assert shell.listing(folder) == before


def test_what_needs_a_model_says_so_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    said = shell.call("mask", "photo.png", "person & !face").refused()
    assert said.startswith("mask expression, column 1: CIDAS/clipseg-rd64-refined is not in the")
    assert not (folder / "photo.mask.png").exists()


def test_an_expression_from_standard_input(folder: Path, quick: tuple[str, ...]) -> None:
    text = b"box:10,10,30,30\n  ~grow:2\n"
    assert shell.call("mask", "photo.png", "-", "-o", "a.png", stdin=text).code == 0
    assert shell.call("mask", "photo.png", text.decode(), "-o", "b.png").code == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    # A picture on standard input is a mask; so is the name of a file, as anywhere.
    for number, given in enumerate((text, (folder / "a.png").read_bytes(), b"a.png\n")):
        done = shell.call("mask", "photo.png", "-", "-o", f"c{number}.png", stdin=given)
        assert done.code == 0, done
        assert (folder / f"c{number}.png").read_bytes() == (folder / "a.png").read_bytes()
        args = ("inpaint", "photo.png", "-", *quick, "-o", f"d{number}.png")
        done = shell.call(*args, "--no-provenance", "--json", "-q", stdin=given)
        assert json.loads(done.out)["samples_changed_outside"] == 0
    assert (folder / "d0.png").read_bytes() == (folder / "d1.png").read_bytes()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"skky ~grow:3", "column 1: no selection 'skky'; did you mean sky?"),
        (b"\x89PNG\r\n\x1a\n", "mask"),
        (b"", ""),
        (b"box:1,2\0", ""),
        ("sky ä".encode("latin-1"), ""),
    ],
)
def test_what_is_neither_a_picture_nor_an_expression(folder: Path, given: bytes, said: str) -> None:
    before = shell.listing(folder)
    for command in ("mask", "inpaint"):
        done = shell.call(command, "photo.png", "-", "-o", "x.png", stdin=given)
        assert said in done.refused()
    assert shell.listing(folder) == before
    assert "cannot both be -" in shell.call("mask", "-", "-", stdin=given).refused()


def test_a_misspelled_name_asks_no_model(folder: Path) -> None:
    del folder
    for command in ("mask", "inpaint"):
        said = shell.call(command, "photo.png", "msk - face").refused()
        assert said.startswith("mask expression, column 1: no selection 'msk'")
        assert 'text:"msk", for a file "msk"' in said


def test_commands_say_how_a_painted_mask_was_read(folder: Path) -> None:
    values = np.asarray(shell.opened(folder / "photo.png")).copy()
    values[10:30, 20:40] = (255, 0, 0)
    Image.fromarray(values).save(folder / "photo.mask.png")
    args = ("erase", "photo.png", "photo.mask.png", "--method", "telea")
    said = "the mask is a copy of the photo that was painted on"
    done = shell.call(*args, "-o", "a.png")
    assert said in done.err
    made, before = (np.asarray(shell.opened(folder / name)) for name in ("a.png", "photo.png"))
    changed = (made != before).any(axis=2)
    assert changed[10:30, 20:40].mean() > 0.9
    assert changed.sum() == changed[10:30, 20:40].sum()
    done = shell.call(*args, "-o", "b.png", "--json", "-q")
    assert done.err == ""
    assert json.loads(done.out)["notes"][0].startswith(said)
    assert said in shell.call("mask", "photo.png", "photo.mask.png", "-o", "m.png").err
    done = shell.call("verify", "photo.png", "a.png", "photo.mask.png")
    assert (done.code, said in done.err) == (0, True)
    assert "same" in shell.call("replay", "a.png").out.decode()


def test_batches_say_it_too(folder: Path) -> None:
    values = np.asarray(shell.opened(folder / "photo.png")).copy()
    (folder / "in").mkdir()
    Image.fromarray(values).save(folder / "in" / "photo.png")
    values[10:30, 20:40] = 255
    Image.fromarray(values).save(folder / "painted.png")
    args = ("batch", "erase", "in", "--mask", "painted.png", "--method", "telea", "-o")
    said = "the mask is a copy of the photo that was painted on"
    done = shell.call(*args, "out")
    assert f"photo.png: {said}" in done.err
    assert shell.call(*args, "quiet", "-q").err == ""
    told = [json.loads(line) for line in shell.call(*args, "told", "--json").out.splitlines()]
    (event,) = [event for event in told if event["event"] == "done"]
    assert event["notes"][0].startswith(said)


def test_later_steps_read_a_painted_copy_by_the_first_photo(folder: Path) -> None:
    values = np.asarray(shell.opened(folder / "photo.png")).copy()
    values[30:40, 40:60] = (255, 0, 0)
    Image.fromarray(values).save(folder / "painted.png")
    (folder / "two.yaml").write_text(
        "steps:\n"
        "  - {erase: null, mask: 'box:2,2,12,12', method: telea}\n"
        "  - {erase: null, mask: painted.png, method: telea}\n"
    )
    done = shell.call("apply", "two.yaml", "photo.png", "-o", "a.png", "--json")
    assert done.code == 0, done.err
    second = json.loads(done.out)["steps"][1]
    assert second["pixels"] - second["pixels_kept"] == 200
