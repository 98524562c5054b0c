"""Erasing, outpainting and bringing edits home as steps of recipes."""

import dataclasses
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import shell
from PIL import Image

import editkit
from editkit.batch.inputs import find_photos
from editkit.batch.manifest import read_rows
from editkit.batch.recipes.recipe import Recipe, Step, made_step
from editkit.batch.recipes.schema import schema
from editkit.batch.recipes.steps import Operation, converted
from editkit.batch.run import Batch, Summary, weights_of
from editkit.batch.work import Worker
from editkit.errors import InputError, RecipeError

MakeBatch = Callable[..., Batch]
BOX = "box:8,8,24,24"
PATCHED = {"erase": None, "mask": BOX, "method": "patchmatch"}


def step(name: str, **given: Any) -> Step:
    return made_step(Operation(name), {name: given.pop("prompt", None), **given})


def run(batch: Batch) -> Summary:
    return batch.run(find_photos("photos"))


def report_of(folder: str, photo: str) -> dict[str, Any]:
    (row,) = (r for r in read_rows(Path(folder) / ".editkit") if r["photo"] == photo)
    return json.loads(row["report"])


def samples(file: str | Path) -> np.ndarray:
    return np.asarray(shell.opened(Path(file)))


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for the model, fails."""

    def refuse(_: Worker) -> None:
        raise AssertionError("a model was asked for")

    monkeypatch.setattr(Worker, "model", property(refuse))


def test_a_parameter_may_be_of_several_types() -> None:
    hint = int | str
    assert converted("left", 16, hint) == 16
    assert converted("left", "25%", hint) == "25%"
    assert converted("left", "16", hint, text=True) == 16
    assert converted("left", "5%", hint, text=True) == "5%"
    assert converted("seam", None, str | None) is None
    for wrong in (1.5, True, [1]):
        with pytest.raises(InputError, match="give a whole number or text"):
            converted("left", wrong, hint)


@pytest.mark.usefixtures("no_model")
def test_classical_erasing_asks_no_model(photos: Path, batch: MakeBatch) -> None:
    erase = step("erase", mask=BOX, method="patchmatch")
    recipe = Recipe((erase,), model="no such model").check()
    assert weights_of(recipe) == ""
    made = batch(recipe=recipe)
    assert run(made).done == 3
    (row,) = (r for r in read_rows(made.out / ".editkit") if r["photo"] == "a.png")
    single = editkit.erase(photos / "a.png", BOX, method="patchmatch", seed=int(row["seed"]))
    assert np.array_equal(samples("out/a.png"), single.photo.samples)
    assert report_of("out", "a.png")["samples_changed_outside"] == 0
    assert run(made).kept == 3


@pytest.mark.usefixtures("no_model")
def test_a_row_of_classical_steps_says_so(photos: Path, batch: MakeBatch) -> None:
    del photos
    steps = tuple(step("erase", mask=BOX, method=name) for name in ("telea", "ns"))
    assert run(batch(recipe=Recipe(steps))).done == 3
    packet = Path("out/a.png").read_bytes()
    assert b"recipe by telea and ns, without a model" in packet
    assert b"humanEdits" in packet
    assert b"compositeWithTrainedAlgorithmicMedia" not in packet


def test_a_variable_may_say_how_to_erase(photos: Path, batch: MakeBatch, recipe: Recipe) -> None:
    del photos
    erase = step("erase", mask=BOX, method="{how}", regions="together")
    made = dataclasses.replace(recipe, steps=(erase,), variables={"how": "telea"}).check()
    assert len(weights_of(made)) == 64  # until the variable is known, it may be diffusion
    assert run(batch(recipe=made)).done == 3
    assert report_of("out", "b.jpg")["method"] == "telea"


def test_erasing_by_diffusion(photos: Path, batch: MakeBatch, recipe: Recipe) -> None:
    erase = dataclasses.replace(recipe, steps=(step("erase", mask=BOX, steps=2),), seeds="same")
    assert run(batch(recipe=erase)).done == 3
    model = editkit.load_model(recipe.model, device="cpu")
    single = editkit.Erase(steps=2)(model, photos / "a.png", BOX)
    assert np.array_equal(samples("out/a.png"), single.photo.samples)


def test_variants_that_would_be_the_same_are_refused(photos: Path, batch: MakeBatch) -> None:
    del photos
    erase = step("erase", mask=BOX, method="telea")
    with pytest.raises(RecipeError, match="num is 2; telea gives the same for every seed"):
        run(batch(recipe=Recipe((erase,), num=2)))
    with pytest.raises(RecipeError, match="best_of is 3; telea gives the same"):
        run(batch(recipe=Recipe((erase,), best_of=3)))


def test_outpainting_leaves_the_photo(photos: Path, batch: MakeBatch, recipe: Recipe) -> None:
    outpaint = step("outpaint", prompt="a {stem}", left=8, top="25%", steps=2)
    made = dataclasses.replace(recipe, steps=(outpaint,), gates={"seam": 1e6})
    summary = run(batch(recipe=made))
    assert (summary.done, summary.failed) == (3, {})
    after = samples("out/a.png")
    assert after.shape == (40, 48, 3)
    assert np.array_equal(after[8:, 8:], samples(photos / "a.png"))
    (row,) = (r for r in read_rows(Path("out/.editkit")) if r["photo"] == "a.png")
    # The report shows the photo that there was, not a frame with a mirror in it.
    assert Image.open(BytesIO(row["before"])).size == (40, 32)
    assert Image.open(BytesIO(row["after"])).size == (48, 40)
    assert run(batch(recipe=made)).kept == 3


def test_steps_around_a_larger_frame(photos: Path, batch: MakeBatch, recipe: Recipe) -> None:
    """Later masks are of the frame, and all that no step touched is as it was."""
    steps = (
        step("erase", mask="box:0,0,10,10", method="telea"),
        step("outpaint", left=8, top="8", steps=2),
        step("inpaint", mask="box:38,30,48,40", steps=2),
    )
    run(batch(recipe=dataclasses.replace(recipe, steps=steps)))
    before, after = samples(photos / "a.png"), samples("out/a.png")
    report = report_of("out", "a.png")
    kept = np.ones(before.shape[:2], bool)
    kept[:10, :10] = kept[22:, 30:] = False
    assert after.shape == (40, 48, 3)
    assert np.array_equal(after[8:, 8:][kept], before[kept])
    assert report["pixels_kept"] == kept.sum()
    assert report["samples_changed_outside"] == 0
    assert report["model"]
    assert report["scores"]["seam"] > 0
    assert b"compositeWithTrainedAlgorithmicMedia" in Path("out/a.png").read_bytes()


def test_a_frame_after_an_edit_of_all(photos: Path, batch: MakeBatch, recipe: Recipe) -> None:
    del photos
    steps = (
        step("img2img", prompt="x", strength=0.5, steps=2),
        step("outpaint", right="50%", steps=2),
    )
    assert run(batch(recipe=dataclasses.replace(recipe, steps=steps))).failed == {}
    assert samples("out/b.jpg").shape == (32, 60, 3)
    assert "pixels_kept" not in report_of("out", "b.jpg")


@pytest.mark.usefixtures("no_model")
def test_edits_from_elsewhere_are_brought_home(photos: Path, batch: MakeBatch) -> None:
    for name in ("a", "b"):
        (file,) = photos.glob(f"{name}.*")
        edited = samples(file).copy()
        edited[10:20, 12:22] = 255 - edited[10:20, 12:22]
        Image.fromarray(edited).save(f"{name}-back.png")
    composite = step("composite", edited="{stem}-back.png", motion="none")
    recipe = Recipe((composite, step("erase", mask="box:0,0,5,5", method="telea"))).check()
    photo = photos / "a.png"
    (photos / "sub/a.tif").rename(photos / "c.tif")  # it did not come back
    summary = run(batch(recipe=recipe))
    assert summary.done == 2
    assert "c-back.png" in summary.failed["c.tif"]
    changed = (samples("out/a.png") != samples(photo)).any(axis=2)
    assert changed[10:20, 12:22].mean() > 0.9
    rest = changed.copy()
    rest[8:22, 10:24] = rest[:5, :5] = False
    assert not rest.any()
    # An edit that came back anew is brought home anew.
    edited = samples("a-back.png").copy()
    edited[15:18, 15:18] = 0
    Image.fromarray(edited).save("a-back.png")
    reasons = batch(recipe=recipe).plan(find_photos("photos")).reasons
    assert reasons[("a.png", 0)] == "changed"
    assert ("b.jpg", 0) not in reasons


STEPS = [
    PATCHED,
    {"erase": None, "mask": "{stem}.png", "steps": 4, "negative": "x"},
    {"outpaint": "x", "left": 5, "right": "25%"},
    {"outpaint": None, "size": "640x480", "anchor": "top-left"},
    {"composite": None, "edited": "{stem}.png"},
    {"composite": None, "edited": "a.png", "mask": "sky", "grow": 3, "drift": False},
]


@pytest.mark.parametrize("given", STEPS)
def test_the_schema_takes_what_is_taken(given: dict[str, Any]) -> None:
    check = jsonschema.Draft202012Validator(schema())
    (name,) = set(given) & {"erase", "outpaint", "composite"}
    recipe = Recipe((made_step(Operation(name), given),)).check()
    assert recipe.bound({"stem": "a"})[0].name == name
    assert check.is_valid({"steps": [given]})
    assert not check.is_valid({"steps": [{**given, "stepss": 1}]})
