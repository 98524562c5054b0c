"""`editkit replay` of what recipes of several steps made: the same bytes, from the original."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shell
from PIL import Image

from editkit.photo.io.files import read_photo
from editkit.photo.metadata import xmp


@pytest.fixture
def photos(photos: Path, checkpoints: dict[int, Path]) -> Path:
    """Photos, masks of their size, edits that came back, and a recipe of all kinds of steps."""
    masks, back = photos.with_name("masks"), photos.with_name("back")
    for folder in (masks, back):
        folder.mkdir()
    for stem, file in (("a", "a.png"), ("b", "b.jpg")):
        shell.block(32, 40).save(masks / f"{stem}_mask.png")
        edited = shell.opened(photos / file).convert("RGB")
        edited.paste((255, 0, 0), (20, 18, 30, 28))
        edited.save(back / f"{stem}.png")
    Path("r.yaml").write_text(
        f"model: {checkpoints[9]}\ndevice: cpu\nsteps:\n"
        "  - {composite: , edited: back, mask: 'box:18,16,32,30', motion: none}\n"
        "  - {erase: , mask: 'ellipse:50%,50%,10%,10% ~grow:2', method: patchmatch}\n"
        "  - {outpaint: a shore, left: 8, top: '25%', steps: 2}\n"
        "  - {inpaint: '{stem}', mask: masks, steps: 2}\n"
        "  - {outpaint: , right: 4, steps: 1}\n"
        "  - {inpaint: '{stem}', mask: \"'masks/{stem}_mask.png' ~shrink:1\", steps: 2}\n"
        "  - {img2img: x, strength: 0.3, steps: 2}\n"
    )
    shutil.rmtree(photos / "sub")
    return photos


def replay(file: str, model: Path, *more: str | Path) -> dict[str, Any]:
    given = ("replay", file, "-m", model, "--device", "cpu", "--root", ".", "--json", *more)
    done = shell.call(*given)
    assert done.code in (0, 1), done.err
    return json.loads(done.out)


def record_of(file: str) -> dict[str, Any]:
    record = xmp.read_record(read_photo(Path(file)).carried.get("xmp"))
    assert record is not None
    return record


def test_every_step_is_made_again_from_the_original(
    photos: Path, checkpoints: dict[int, Path]
) -> None:
    done = shell.call("batch", "r.yaml", photos, "out", "--workers", "0", "-q")
    assert done.code == 0, done.err
    assert shell.call("apply", "r.yaml", "photos/a.png", "-q", "-o", "one.png").code == 0
    for file in ("out/b.jpg", "one.png"):
        found = replay(file, checkpoints[9])
        assert found == {"file": file, "same": True, "differences": []}
    assert replay("out/a.png", checkpoints[9], "-o", "again.png")["same"]
    assert Path("again.png").read_bytes() == Path("out/a.png").read_bytes()


def test_it_may_lie_elsewhere_together_with_what_it_needs(
    photos: Path, checkpoints: dict[int, Path]
) -> None:
    # What an expression names is told as it was written, so such a step is left out here.
    text = Path("r.yaml").read_text().splitlines()
    Path("r.yaml").write_text("\n".join(line for line in text if "~shrink" not in line))
    command = ("batch", "r.yaml", photos / "a.png", "out", "--workers", "0", "-q")
    assert shell.call(*command).code == 0
    whole = Path("elsewhere")
    whole.mkdir()
    for name in ("photos", "masks", "back", "out"):
        shutil.move(name, whole / name)
    assert replay("elsewhere/out/a.png", checkpoints[9], "--root", "elsewhere")["same"]
    steps = record_of("elsewhere/out/a.png")["steps"]
    paths = [
        step[part]["path"]
        for step in steps
        for part in ("mask", "edited")
        if part in step and "path" in step[part]
    ]
    assert paths == ["../back/a.png", "../masks/a_mask.png"]


def test_what_differs_is_told_with_its_step(photos: Path, checkpoints: dict[int, Path]) -> None:
    command = ("batch", "r.yaml", photos / "a.png", "out", "--workers", "0", "-q")
    assert shell.call(*command).code == 0
    mask = np.asarray(shell.opened(Path("masks/a_mask.png"))).copy()
    mask[10, 12] = 0
    Image.fromarray(mask).save("masks/a_mask.png")
    found = replay("out/a.png", checkpoints[9])
    assert not found["same"]
    assert found["differences"][0] == "the mask of step 4 is another one"
    shell.noise(32, 40, seed=3).save("back/a.png")
    found = replay("out/a.png", checkpoints[9])
    assert "the edited picture is another file" in found["differences"]
    refused = shell.call("replay", "out/a.png").refused()
    assert "lies outside of the folder of out/a.png, and is not looked at" in refused
    done = shell.call("replay", "out/a.png", "--mask", "masks/b_mask.png")
    assert "4 steps of out/a.png have a mask of their own; leave --mask out" in done.refused()
    Path("back/a.png").unlink()
    assert "the edited ../back/a.png of out/a.png is not there" in (
        shell.call("replay", "out/a.png", "--root", ".").refused()
    )


def test_a_mask_of_a_wrong_size_after_a_frame_is_refused(
    photos: Path, checkpoints: dict[int, Path]
) -> None:
    shell.block(31, 40).save("masks/a_mask.png")
    done = shell.call("batch", "r.yaml", photos / "a.png", "out", "--workers", "0", "-q")
    assert done.code == 3
    assert "masks/a_mask.png is 40x31, the photo is 48x40" in done.err
    del checkpoints


def test_a_mask_file_is_moved_with_its_photo(photos: Path, checkpoints: dict[int, Path]) -> None:
    """A mask that was painted for the photo marks the same of it in a larger frame."""
    Path("f.yaml").write_text(
        f"model: {checkpoints[9]}\ndevice: cpu\nsteps:\n"
        "  - {outpaint: , left: 8, top: 8, steps: 1}\n"
        "  - {erase: , mask: masks/a_mask.png, method: telea}\n"
    )
    assert shell.call("apply", "f.yaml", photos / "a.png", "-q", "-o", "one.png").code == 0
    before = np.asarray(shell.opened(photos / "a.png"))
    after = np.asarray(shell.opened(Path("one.png")))[8:, 8:]
    marked = np.asarray(shell.opened(Path("masks/a_mask.png"))) > 0
    assert np.array_equal(after[~marked], before[~marked])
    assert (after[marked] != before[marked]).any(axis=1).mean() > 0.9
    # One of the frame's own size is taken as it is.
    whole = np.zeros((40, 48), np.uint8)
    whole[8:, 8:][marked] = 255
    Image.fromarray(whole).save("masks/a_mask.png")
    assert shell.call("apply", "f.yaml", photos / "a.png", "-q", "-o", "two.png").code == 0
    assert shell.opened(Path("two.png")).tobytes() == shell.opened(Path("one.png")).tobytes()


@pytest.mark.parametrize("command", ["inpaint", "resample", "erase", "composite"])
def test_an_expression_from_standard_input_is_in_the_record(
    photos: Path, checkpoints: dict[int, Path], command: str
) -> None:
    expression = "ellipse:50%,50%,20%,20% ~grow:1"
    given: tuple[str | Path, ...] = ("-m", checkpoints[9], "--steps", "1")
    if command == "erase":
        given = ("--method", "telea")
    files: tuple[str | Path, ...] = (photos / "a.png",)
    if command == "composite":
        given, files = ("--motion", "none"), (photos / "a.png", "back/a.png")
        expression = "box:18,16,32,30"
    written = f"{expression}\n".encode()
    done = shell.call(command, *files, "-", *given, "-q", "-o", "e.png", stdin=written)
    assert done.code == 0, done.err
    assert record_of("e.png")["mask"]["expression"] == expression
    assert replay("e.png", checkpoints[9])["same"]
    # Of a picture nothing can be told but its digest.
    data = Path("masks/a_mask.png").read_bytes()
    if command != "composite":
        done = shell.call(command, *files, "-", *given, "-q", "-o", "p.png", stdin=data)
        assert done.code == 0, done.err
        assert "give --mask" in shell.call("replay", "p.png").refused()
        assert replay("p.png", checkpoints[9], "--mask", "masks/a_mask.png")["same"]
