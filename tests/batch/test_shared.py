"""Edits of different photos in one call of the network: the same bytes, whoever shares it."""

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
from editkit.batch import work
from editkit.batch.engines.processes import here
from editkit.batch.inputs import Found, find_photos
from editkit.batch.manifest import read_rows
from editkit.batch.recipes.recipe import Recipe, made_step, read_recipe
from editkit.batch.recipes.steps import Operation
from editkit.batch.run import Batch, Summary
from editkit.errors import RecipeError
from editkit.models import memory
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
    """Prompts of their own, a few steps, up to four photos in a call."""
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


def run(recipe: Recipe, out: str, photos: Sequence[Found]) -> Summary:
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
    assert max(seen) == 8
    # Not only when sizes were tried: most of the work was done in shared calls.
    assert sum(n for n in seen if n > 2) > sum(seen) / 2
    assert results("shared") == expected
    seen.clear()
    found = find_photos("photos")
    for name, part in {"few": found[:2], "others": found[1:4], "turned": found[::-1]}.items():
        run(recipe, name, part)
        made = results(name)
        assert made == {k: expected[k] for k in made}
        assert len(made) == len(part)
    assert max(seen) > 2
    edit = editkit.Inpaint("a p0", steps=6, seed=seed_of("shared", "p0.png"))
    model = load_model(recipe.model, device="cpu")
    single = edit(model, "photos/p0.png", "ellipse:50%,50%,12,12")
    assert single.encoded(".png", folder=Path("shared")).data == expected["p0.png"]


def seed_of(out: str, photo: str) -> int:
    (row,) = [row for row in read_rows(Path(out, ".editkit")) if row["photo"] == photo]
    return int(row["seed"])


@pytest.mark.parametrize("room", [2, 4])
def test_where_memory_fails_fewer_share_and_no_byte_changes(
    photos: Path, recipe: Recipe, rows: Rows, room: int
) -> None:
    del photos
    expected = alone(recipe)
    seen = rows(room=room)
    summary = run(recipe, "tight", find_photos("photos"))
    assert (summary.done, summary.failed) == (len(SIZES), {})
    assert max(seen) > room  # it was tried, and refused
    assert sum(1 for n in seen if n > room) == 1
    assert results("tight") == expected


def test_memory_that_fails_later_is_met_by_smaller_calls(
    photos: Path, recipe: Recipe, rows: Rows
) -> None:
    """A size that has passed, and then finds no room any more."""
    del photos
    expected = alone(recipe)
    seen = rows()
    calls = list[int]()

    def fails(_: Any) -> bool:
        calls.append(seen[-1])
        if seen[-1] > 4 and calls.count(8) > 3:
            raise MemoryError
        return False

    seen = rows(refuse=fails)
    assert run(recipe, "later", find_photos("photos")).done == len(SIZES)
    assert calls.count(8) == 4
    assert results("later") == expected


def test_where_no_other_photo_fits_none_is_begun(
    photos: Path, recipe: Recipe, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container whose limit leaves room for no second photo."""
    del photos
    expected = alone(recipe)
    for name, text in {"max": "9000", "current": "8000", "stat": "inactive_file 0"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    monkeypatch.setattr(memory, "_GROUP", tmp_path)

    def slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.1)
        return read_photo(*args, **kwargs)

    # Before one was read nobody knows what they take: that must not look like nothing.
    monkeypatch.setattr(work, "read_photo", slowly)
    seen = rows()
    run(recipe, "small", find_photos("photos"))
    assert set(seen) == {2}
    assert results("small") == expected


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

    monkeypatch.setattr(work, "ThreadPoolExecutor", Pool)
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
    monkeypatch.setattr(masked, "harmonized", noted("editing", masked.harmonized))
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
    assert max(seen) > 2
    made = results("hostile")
    assert made == {k: v for k, v in expected.items() if k != "p3.png"}


def test_by_itself_a_size_is_used_if_it_is_faster(photos: Path, recipe: Recipe, rows: Rows) -> None:
    """A network that takes as long for many as for one is shared, without being told to."""
    del photos
    expected = alone(recipe)

    def slow(_: Any) -> bool:
        until = time.thread_time() + 0.03
        while time.thread_time() < until:
            pass
        return False

    seen = rows(refuse=slow)
    recipe = dataclasses.replace(recipe, batch_size=None)
    run(recipe, "auto", find_photos("photos"))
    assert max(seen) > 2
    assert sum(n for n in seen if n > 2) > sum(seen) / 3
    assert results("auto") == expected


def rounding(monkeypatch: pytest.MonkeyPatch, slip: Callable[[torch.Tensor], Any]) -> None:
    """Networks whose answers are off by what a library may make of the shape of a call."""

    def look(_: Any, args: Any, out: Any) -> Any:
        return (out[0] * (1 + 1e-5 * slip(args[0])),)

    def load(*args: Any, **kwargs: Any) -> Any:
        model: Any = load_model(*args, **kwargs)
        model.unet.register_forward_hook(look)
        return model

    monkeypatch.setattr(editkit.models.registry, "load_model", load)


def test_a_network_whose_bits_depend_on_the_batch_is_not_shared(
    photos: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries may round otherwise for another batch size; then every photo is asked alone."""
    del photos
    rounding(monkeypatch, len)
    expected = alone(recipe)
    run(recipe, "shared", find_photos("photos"))
    assert results("shared") == expected


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
    for text, size in (("auto", None), ("8", 8)):
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
