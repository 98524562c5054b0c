"""What is done again when something changed that a picture depends on, and what is said of it."""

import dataclasses
import importlib.metadata
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shell
import tiny_segmenters
from PIL import Image
from safetensors.numpy import load_file, save_file

from editkit.batch import plan as plans
from editkit.batch.inputs import find_photos
from editkit.batch.plan import changed_parts
from editkit.batch.recipes.recipe import Recipe, Step, made_step
from editkit.batch.recipes.steps import Operation
from editkit.batch.run import Batch
from editkit.errors import InputError

MakeBatch = Callable[..., Batch]
BOX = "box:8,8,24,24"


def step(name: str, **given: Any) -> Step:
    return made_step(Operation(name), {name: given.pop("prompt", None), **given})


def changes(batch: Batch) -> Mapping[str, tuple[str, ...]]:
    plan = batch.plan(find_photos("photos"))
    assert set(plan.reasons.values()) <= {"changed"}
    return {photo: parts for (photo, _), parts in plan.changes.items()}


def run(batch: Batch) -> None:
    summary = batch.run(find_photos("photos"))
    assert summary.failed == {}


def altered(weights: Path) -> None:
    """Other numbers in a file of weights."""
    tensors = {name: np.asarray(tensor) for name, tensor in load_file(weights).items()}
    name = sorted(tensors)[0]
    save_file({**tensors, name: np.asarray(tensors[name] + 1)}, weights)


def test_what_changed_is_told(photos: Path, batch: MakeBatch, recipe: Recipe) -> None:
    shell.block(32, 40).save("m.png")
    mask = {"prompt": "x", "mask": "m.png", "steps": 2}
    made = batch(recipe=dataclasses.replace(recipe, steps=(step("inpaint", **mask),)))
    run(made)
    assert changes(made) == {}
    shell.noise(32, 40, seed=77).save(photos / "b.jpg")
    assert changes(made) == {"b.jpg": ("photo",)}
    Image.fromarray(np.full((32, 40), 255, np.uint8)).save("m.png")
    assert changes(made) == {
        "a.png": ("mask",),
        "b.jpg": ("photo", "mask"),
        "sub/a.tif": ("mask",),
    }
    other = dataclasses.replace(recipe, steps=(step("inpaint", **mask | {"steps": 3}),))
    assert changes(batch(recipe=other))["a.png"] == ("settings", "mask")


def test_another_model_does_again_what_it_made(
    photos: Path, batch: MakeBatch, recipe: Recipe
) -> None:
    del photos
    shutil.copytree(recipe.model, "model")
    by_it = batch(recipe=dataclasses.replace(recipe, model="model"))
    without = batch("other", recipe=Recipe((step("erase", mask=BOX, method="telea"),)))
    for made in (by_it, without):
        run(made)
    altered(Path("model/vae/diffusion_pytorch_model.safetensors"))
    assert set(changes(by_it).values()) == {("model",)}
    assert changes(without) == {}


def test_another_segmentation_model_does_again_what_its_masks_were_for(
    photos: Path, batch: MakeBatch
) -> None:
    del photos
    folder = tiny_segmenters.clipseg(Path("seg"))
    erase = step("erase", mask=f"text:a,threshold=0.01,model={folder} | {BOX}", method="telea")
    by_it = batch(recipe=Recipe((erase,)))
    without = batch("other", recipe=Recipe((step("erase", mask=BOX, method="telea"),)))
    for made in (by_it, without):
        run(made)
        assert changes(made) == {}
    altered(folder / "model.safetensors")
    assert set(changes(by_it).values()) == {("model",)}
    assert changes(without) == {}


@pytest.mark.parametrize(
    ("package", "again"),
    [
        ("torch", {"model", "area found"}),
        ("transformers", {"model"}),
        ("diffusers", {"model"}),
        ("editkit", None),
    ],
)
def test_another_version_does_again_what_depends_on_it(
    back: Path,
    batch: MakeBatch,
    recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    again: set[str] | None,
) -> None:
    """The version is what the installed package says; here it says another."""
    del back
    home = step("composite", edited="back", motion="none")
    given = step("composite", edited="back", motion="none", mask=BOX)
    telea = step("erase", mask=BOX, method="telea")
    made = {
        "model": batch("model", recipe=recipe),
        "none": batch("none", recipe=Recipe((telea,))),
        "area found": batch("found", recipe=Recipe((home,))),
        "area given": batch("given", recipe=Recipe((given,))),
    }
    for one in made.values():
        run(one)
    real = importlib.metadata.version

    def version(name: str) -> str:
        return "99.0" if name == package else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    if package == "editkit":
        monkeypatch.setattr(plans, "__version__", "99.0")
    for name, one in made.items():
        affected = again is None or name in again
        assert set(changes(one).values()) == ({("version",)} if affected else set())


def test_a_dry_run_says_why(photos: Path, checkpoints: dict[int, Path]) -> None:
    shutil.copytree(checkpoints[9], "model")
    shell.block(32, 40).save("m.png")
    command = ("batch", "inpaint", photos, "x", "--mask", "m.png", "-m", "model", "--steps", "1")
    more = ("--device", "cpu", "--workers", "0", "-o", "out")
    assert shell.call(*command, *more).code == 0
    altered(Path("model/unet/diffusion_pytorch_model.safetensors"))
    Image.fromarray(np.full((32, 40), 255, np.uint8)).save("m.png")
    done = shell.call(*command, *more, "--dry-run")
    assert done.out.decode().splitlines()[0].split("  ")[0] == "the mask and model changed"
    events = shell.call(*command, *more, "--dry-run", "--json").out.decode().splitlines()
    told = json.loads(events[0])
    assert (told["why"], told["changed"]) == ("changed", ["mask", "model"])
    assert "3 to do (3 changed: mask and model)" in shell.call(*command, *more).err


def test_a_manifest_of_before_is_read() -> None:
    assert changed_parts("0" * 64, json.dumps({"model": "a"})) == ("settings",)
    assert changed_parts("[]", json.dumps({"model": "a"})) == ("settings",)
    now = json.dumps({"settings": "a", "model": "b"})
    assert changed_parts(now, now) == ()
    assert changed_parts(json.dumps({"settings": "a", "model": "c"}), now) == ("model",)


def test_a_folder_of_masks_without_one_fails_that_photo_alone(
    photos: Path, batch: MakeBatch
) -> None:
    del photos
    Path("masks").mkdir()
    shell.block(32, 40).save("masks/a.png")
    made = batch(recipe=Recipe((step("erase", mask="masks", method="telea"),)))
    summary = made.run(find_photos("photos"))
    assert (summary.done, set(summary.failed)) == (2, {"b.jpg"})


@pytest.fixture
def back(photos: Path) -> Path:
    """Edits of all photos that came back, called in all ways that are known."""
    folder = photos.with_name("back")
    names = {"a.png": "a_edited.png", "b.jpg": "b.png", "sub/a.tif": "sub/a.edit.webp"}
    for photo, name in names.items():
        edited = np.asarray(shell.opened(photos / photo)).copy()
        edited[10:20, 12:22] = 255 - edited[10:20, 12:22]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(edited).save(folder / name, lossless=True)
    return folder


def test_a_folder_of_edits_is_paired_by_name(photos: Path, back: Path, batch: MakeBatch) -> None:
    made = batch(recipe=Recipe((step("composite", edited="back", motion="none"),)))
    run(made)
    for name in ("a.png", "sub/a.tif"):
        before, after = (np.asarray(shell.opened(f / name)) for f in (photos, made.out))
        changed = (before != after).any(axis=2)
        assert changed[10:20, 12:22].mean() > 0.9
        assert not changed[25:].any()
    assert changes(made) == {}
    shutil.copy(back / "b.png", back / "a_edited.png")
    assert changes(made) == {"a.png": ("files",)}
    (back / "a_edited.png").unlink()
    summary = made.run(find_photos("photos"))
    assert summary.failed == {"a.png": "there is no edited picture a or a_edited in back; add one"}
    shutil.copy(back / "b.png", back / "b.tif")
    with pytest.raises(InputError, match=r"several edited pictures: .*; keep one of them"):
        made.plan(find_photos("photos"))
    empty = photos.with_name("empty")
    empty.mkdir()
    with pytest.raises(InputError, match="the folder empty holds no edited pictures"):
        batch(recipe=Recipe((step("composite", edited="empty"),))).plan(find_photos("photos"))


def test_edits_may_lie_beside_their_photos(photos: Path, back: Path) -> None:
    shutil.rmtree(photos / "sub")
    shutil.copy(back / "a_edited.png", photos)
    shutil.copy(back / "b.png", photos / "b.edited.png")
    command = ("batch", "composite", photos, photos, "--motion", "none", "--workers", "0", "-q")
    done = shell.call(*command, "-o", "out")
    assert done.code == 0, done.err
    assert {p.name for p in Path("out").iterdir()} == {"a.png", "b.jpg", ".editkit"}


def test_areas_are_written_as_masks(photos: Path, back: Path) -> None:
    command = ("batch", "composite", photos, back, "--motion", "none", "--workers", "0", "-q")
    more = ("-o", "out", "--mask-out", "areas")
    assert shell.call(*command, *more).code == 0
    assert set(shell.listing(Path("areas"))) == {"a.png", "b.png", "sub/a.png"}
    single = ("composite", photos / "a.png", back / "a_edited.png", "--motion", "none", "-q")
    assert shell.call(*single, "-o", "one.png", "--mask-out", "one.mask.png").code == 0
    area = shell.opened(Path("areas/a.png"))
    assert area.tobytes() == shell.opened(Path("one.mask.png")).tobytes()
    assert area.mode == "L"
    assert shell.call("verify", photos / "a.png", "out/a.png", "areas/a.png").code == 0
    # Again there is nothing to do; what is missing is made again, and no other's file is replaced.
    before = shell.listing(Path())
    assert shell.call(*command, *more).code == 0
    assert {k: v for k, v in shell.listing(Path()).items() if ".editkit" not in k} == {
        k: v for k, v in before.items() if ".editkit" not in k
    }
    Path("areas/b.png").unlink()
    done = shell.call(*command, *more, "--dry-run", "--json").out.decode().splitlines()
    assert [json.loads(line).get("why") for line in done[:-1]] == ["missing"]
    assert shell.call(*command, *more).code == 0
    assert Path("areas/b.png").read_bytes() == before["areas/b.png"]
    Path("mine").mkdir()
    Path("mine/a.png").write_bytes(b"mine")
    message = shell.call(*command, "-o", "new", "--mask-out", "mine").refused()
    assert "mine/a.png exists, and was not made by this batch" in message
    # Also where the results are ours, and masks were not asked for before.
    assert shell.call(*command, "-o", "new").code == 0
    again = shell.call(*command, "-o", "new", "--mask-out", "mine").refused()
    assert "mine/a.png exists, and was not made by this batch" in again
    assert shell.call(*command, "-o", "new", "--mask-out", "later").code == 0
    assert shell.listing(Path("later")) == shell.listing(Path("areas"))
    assert Path("mine/a.png").read_bytes() == b"mine"


def test_masks_have_a_folder_of_their_own(photos: Path, back: Path) -> None:
    command = ("batch", "composite", photos, back, "--motion", "none", "--workers", "0", "-q")
    assert "a folder of its own" in shell.call(*command, "-o", "o", "--mask-out", "o").refused()
    assert not Path("o").exists()
    shutil.copy(photos / "a.png", photos / "b.png")
    assert "would both become areas/b.png" in (
        shell.call(*command, "-o", "o", "--mask-out", "areas").refused()
    )


def test_areas_of_a_batch_are_no_photos_of_another(photos: Path, back: Path) -> None:
    command = ("batch", "composite", photos, back, "--motion", "none", "--workers", "0", "-q")
    assert shell.call(*command, "-o", "o", "--mask-out", photos / "areas").code == 0
    assert list((photos / "areas").glob("*.png"))
    before = len(shell.listing(Path("o")))
    assert shell.call(*command, "-o", "p").code == 0
    assert len(shell.listing(Path("p"))) == before
