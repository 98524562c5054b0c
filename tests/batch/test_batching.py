"""Several edits in one call of the network: the same bytes, whoever shares it."""

import dataclasses
import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import shell
import torch

import editkit.models.registry
from editkit.batch import pipeline, work
from editkit.batch.engines.processes import here
from editkit.batch.inputs import FoundPhoto, find_photos
from editkit.batch.manifest import read_rows
from editkit.batch.recipes.recipe import Recipe, made_step, read_recipe
from editkit.batch.recipes.steps import Operation
from editkit.batch.run import Batch, Summary
from editkit.errors import RecipeError, is_out_of_memory
from editkit.models.registry import load_model
from editkit.ops.engine import masked
from editkit.photo.io.files import read_photo

SIZES = ((96, 80), (72, 128), (100, 100), (130, 66), (80, 96))
NAMES = tuple(f"p{k}.png" for k in range(len(SIZES)))


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos of five sizes; the part of each that a model sees has one size."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, (size, name) in enumerate(zip(SIZES, NAMES, strict=True)):
        shell.noise(*size, seed=seed).save(folder / name)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def recipe(checkpoints: dict[int, Path]) -> Recipe:
    """Prompts of their own, a few steps, four photos in a call."""
    given = {"inpaint": "a {stem}", "mask": "ellipse:50%,50%,12,12", "steps": 6}
    step = made_step(Operation("inpaint"), given)
    return Recipe((step,), model=str(checkpoints[9]), device="cpu", batch_size=4)


Rows = Callable[..., list[int]]


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Rows:
    """Counts the rows of every call of a UNet, and refuses calls of more than there is room for."""

    def watch(room: int = 999, refuse: Callable[[Any], bool] = lambda _: False) -> list[int]:
        seen = list[int]()

        def look(_: Any, args: Any, kwargs: Any) -> None:
            seen.append(len(args[0]))
            if seen[-1] > room:
                raise torch.OutOfMemoryError("a network with no room for more")
            if refuse(kwargs):
                raise RuntimeError("a network that takes exception to a prompt")

        def load(*args: Any, **kwargs: Any) -> Any:
            model: Any = load_model(*args, **kwargs)
            model.unet.register_forward_pre_hook(look, with_kwargs=True)
            return model

        monkeypatch.setattr(editkit.models.registry, "load_model", load)
        return seen

    return watch


def run(recipe: Recipe, out: str, photos: Sequence[FoundPhoto]) -> Summary:
    return Batch(recipe, Path(out), here).run(photos)


def results(folder: str) -> dict[str, bytes]:
    listed = shell.listing(Path(folder))
    return {k: v for k, v in listed.items() if not k.startswith(".editkit")}


def alone(recipe: Recipe) -> dict[str, bytes]:
    """Every photo by itself."""
    run(dataclasses.replace(recipe, batch_size=1), "alone", find_photos("photos"))
    return results("alone")


def test_photos_share_calls_and_are_what_they_are_alone(
    photos: Path, recipe: Recipe, rows: Rows
) -> None:
    del photos
    seen = rows()
    expected = alone(recipe)
    assert set(seen) == {2}  # what to show, and what to avoid
    seen.clear()
    assert run(recipe, "shared", find_photos("photos")).done == len(SIZES)
    assert set(seen) == {8}
    # Calls of more than one photo: there are five photos and six steps.
    assert len(seen) < 30
    assert results("shared") == expected
    seen.clear()
    found = find_photos("photos")
    for name, part in {"few": found[:2], "others": found[1:4], "turned": found[::-1]}.items():
        run(recipe, name, part)
        made = results(name)
        assert made == {k: expected[k] for k in made}
        assert len(made) == len(part)
    assert set(seen) == {8}
    edit = editkit.Inpaint("a p0", steps=6, seed=seed_of("shared", "p0.png"))
    model = load_model(recipe.model, device="cpu")
    single = edit(model, "photos/p0.png", "ellipse:50%,50%,12,12")
    assert single.encoded(".png", folder=Path("shared")).data == expected["p0.png"]


def seed_of(out: str, photo: str) -> int:
    (row,) = [row for row in read_rows(Path(out, ".editkit")) if row["photo"] == photo]
    return int(row["seed"])


def test_an_edit_that_ends_between_two_looks_is_not_lost(
    photos: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads end whenever they like: here after each first look at whether they have."""
    del photos

    class Late(Future[Any]):
        looks = 0

        def done(self) -> bool:
            self.looks += 1
            if self.looks > 1:
                return super().done()
            super().result()
            return False

    class Pool(ThreadPoolExecutor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            inner, late = super().submit(fn, *args, **kwargs), Late()
            inner.add_done_callback(lambda ended: late.set_result(ended.result()))
            return late

    monkeypatch.setattr(pipeline, "ThreadPoolExecutor", Pool)
    assert run(recipe, "out", find_photos("photos")).done == len(SIZES)


def test_only_the_network_computes_with_helpers(
    photos: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Helpers of several threads would stand in each other's way; readers may ask networks, too."""
    del photos
    seen = dict[str, set[tuple[int, str]]]()

    def noted(what: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def outer(*args: Any, **kwargs: Any) -> Any:
            place = (torch.get_num_threads(), threading.current_thread().name)
            seen.setdefault(what, set()).add(place)
            return inner(*args, **kwargs)

        return outer

    def load(*args: Any, **kwargs: Any) -> Any:
        model: Any = load_model(*args, **kwargs)
        monkeypatch.setattr(model.unet, "forward", noted("network", model.unet.forward))
        return model

    monkeypatch.setattr(editkit.models.registry, "load_model", noted("loading", load))
    monkeypatch.setattr(work, "read_photo", noted("reading", read_photo))
    monkeypatch.setattr(masked, "harmonize", noted("editing", masked.harmonize))
    ours = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert run(recipe, "out", find_photos("photos")).done == len(SIZES)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(ours)
    counts = {what: {count for count, _ in places} for what, places in seen.items()}
    assert counts == {"loading": {3}, "reading": {3}, "network": {3}, "editing": {1}}
    (_, loader), (_, network) = *seen["loading"], *seen["network"]
    assert len({loader, network, threading.current_thread().name}) == 3


def test_a_photo_that_fails_in_a_shared_call_fails_alone(
    photos: Path, recipe: Recipe, rows: Rows
) -> None:
    expected = alone(recipe)
    (photos / "broken.png").write_bytes((photos / "p0.png").read_bytes()[:900])
    hostile: Any = load_model(recipe.model, device="cpu")
    words = hostile.embed("a p3").tokens

    def is_hostile(kwargs: Any) -> bool:
        texts = kwargs["encoder_hidden_states"]
        return any(torch.equal(text, words[0]) for text in texts)

    seen = rows(refuse=is_hostile)
    summary = run(recipe, "hostile", find_photos("photos"))
    assert set(summary.failed) == {"p3.png", "broken.png"}
    assert "takes exception" in summary.failed["p3.png"]
    assert set(seen) == {8}
    made = results("hostile")
    assert made == {k: v for k, v in expected.items() if k != "p3.png"}


def rounding(monkeypatch: pytest.MonkeyPatch, slip: Callable[[torch.Tensor], Any]) -> None:
    """Networks whose answers are off by what a library may make of the shape of a call."""

    def look(_: Any, args: Any, out: Any) -> Any:
        return (out[0] * (1 + 1e-5 * slip(args[0])),)

    def load(*args: Any, **kwargs: Any) -> Any:
        model: Any = load_model(*args, **kwargs)
        model.unet.register_forward_hook(look)
        return model

    monkeypatch.setattr(editkit.models.registry, "load_model", load)


@pytest.mark.slow
def test_a_fixed_batch_is_shared_where_bits_depend_on_it(
    photos: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results are those of the size, whoever shares; they are done again for another size."""
    del photos
    rounding(monkeypatch, len)
    expected = alone(recipe)
    fixed = dataclasses.replace(recipe, fixed_batch=True)
    found = find_photos("photos")
    for name, part in {"whole": found, "few": found[3:], "turned": found[::-1]}.items():
        assert run(fixed, name, part).done == len(part)
    whole = results("whole")
    assert whole != expected
    (first, *_) = read_rows(Path("whole/.editkit"))
    assert "made in calls of 4 photos" in json.loads(first["report"])["notes"]
    assert results("turned") == whole
    assert results("few") == {k: whole[k] for k in results("few")}
    other = dataclasses.replace(fixed, batch_size=2)
    assert run(fixed, "whole", found).kept == len(found)
    assert run(other, "whole", found).done == len(found)
    assert results("whole") != whole


@pytest.mark.slow
def test_a_fixed_batch_is_not_shared_where_bits_depend_on_who_shares(
    photos: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    del photos
    rounding(monkeypatch, lambda x: x.sum())
    fixed = dataclasses.replace(recipe, fixed_batch=True)
    found = find_photos("photos")
    for name, part in {"whole": found, "few": found[2:], "turned": found[::-1]}.items():
        run(fixed, name, part)
    assert results("turned") == results("whole")
    assert results("few") == {k: results("whole")[k] for k in results("few")}


def test_a_fixed_batch_says_that_memory_is_short(photos: Path, recipe: Recipe, rows: Rows) -> None:
    del photos
    seen = rows(room=4)
    fixed = dataclasses.replace(recipe, fixed_batch=True)
    summary = run(fixed, "tight", find_photos("photos"))
    assert set(seen) == {8}
    expected = "cpu is out of memory: give a smaller --batch-size than 4"
    assert summary.failed == dict.fromkeys(NAMES, expected)
    rows()
    # It may pass the next time, so they are tried again by themselves.
    assert run(fixed, "tight", find_photos("photos")).done == len(SIZES)


def test_what_can_be_asked_for(photos: Path, recipe: Recipe, tmp_path: Path) -> None:
    del photos
    file = tmp_path / "r.yaml"
    steps = "steps: [{erase: , mask: 'box:1,1,9,9', method: telea}]\n"
    for text, size in (("auto", 0), ("8", 8)):
        file.write_text(f"batch_size: {text}\n{steps}")
        assert read_recipe(file).batch_size == size
    file.write_text(f"batch_size: 8\nfixed_batch: true\n{steps}")
    assert read_recipe(file).fixed_batch
    for text, said in (("batch_size: 0", "from 1 to 64"), ("fixed_batch: true", "needs its size")):
        file.write_text(f"{text}\n{steps}")
        with pytest.raises(RecipeError, match=said):
            read_recipe(file)
    command = ("batch", "inpaint", "photos", "x", "--mask", "box:1,1,9,9", "-o", "out")
    assert "0 is not in the range" in shell.call(*command, "--batch-size", "0").refused()
    assert "batch size" in shell.call(*command, "--fixed-batch").refused()
    assert not Path("out").exists()


@pytest.mark.slow
def test_killed_in_a_shared_call_and_run_again(
    photos: Path, recipe: Recipe, tmp_path: Path
) -> None:
    del photos
    expected = alone(recipe)
    command = ["batch", "inpaint", "photos", "a {stem}", "--mask", "ellipse:50%,50%,12,12"]
    command += ["--steps", "6", "-m", recipe.model, "--device", "cpu", "--batch-size", "4"]
    started = [str(shell.EDITKIT), *command, "-o", "out", "--workers", "0"]
    with subprocess.Popen(started, stdout=-3, stderr=-3) as running:
        while running.poll() is None and not list(tmp_path.glob("out/*.png")):
            time.sleep(0.005)
        running.kill()
    assert set(results("out")) <= set(expected)
    run(recipe, "out", find_photos("photos"))
    assert results("out") == expected


def test_auto_of_earlier_versions_is_ignored_with_a_note(photos: Path, recipe: Recipe) -> None:
    del photos
    command = ("batch", "erase", "photos", "--mask", "box:1,1,9,9", "--method", "telea")
    ran = shell.call(*command, "-o", "out", "--batch-size", "auto", "--workers", "0")
    assert "batch size auto is ignored" in ran.err
    assert ran.code == 0
    assert len(results("out")) == len(SIZES)
    automatic = dataclasses.replace(recipe, batch_size=0)
    assert results_of(automatic, "auto") == alone(recipe)


def results_of(recipe: Recipe, out: str) -> dict[str, bytes]:
    run(recipe, out, find_photos("photos"))
    return results(out)


def test_variants_of_a_batch_share_calls(photos: Path, recipe: Recipe, rows: Rows) -> None:
    for name in NAMES[1:]:
        (photos / name).unlink()
    variants = dataclasses.replace(recipe, num=4)
    expected = results_of(dataclasses.replace(variants, batch_size=1), "alone")
    assert len(expected) == 4
    seen = rows()
    assert results_of(variants, "shared") == expected
    assert set(seen) == {8}
    assert len(seen) < 24


def test_variants_of_one_photo_share_calls(photos: Path, recipe: Recipe, rows: Rows) -> None:
    del photos
    command = ("inpaint", "photos/p0.png", "ellipse:50%,50%,12,12", "a p0", "-n", "5", "--json")
    command += ("--steps", "6", "-m", recipe.model, "--device", "cpu")
    seen = rows()
    made = dict[str, list[bytes]]()
    for name, options in {"alone": (), "shared": ("--batch-size", "4")}.items():
        seen.clear()
        ran = shell.call(*command, "-o", f"{name}.png", *options)
        reports = [json.loads(line) for line in ran.out.decode().splitlines()]
        noted = [note for report in reports for note in report["notes"] if "calls of" in note]
        assert noted == ["made in calls of 4 variants"] * (5 if options else 0)
        assert set(seen) == ({8} if options else {2})
        made[name] = [Path(report["output"]).read_bytes() for report in reports]
    assert len(seen) < 30
    assert made["alone"] == made["shared"]
    assert len(set(made["alone"])) == 5


def test_an_allocation_that_fails_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert is_out_of_memory(caught.value)
    with pytest.raises(RuntimeError) as other:
        torch.matmul(torch.empty(2), torch.empty(3))
    assert not is_out_of_memory(other.value)
    assert is_out_of_memory(MemoryError())
