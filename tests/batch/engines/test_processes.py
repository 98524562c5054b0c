"""Worker processes: the same bytes as without, and what happens when one dies."""

import dataclasses
import multiprocessing
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import shell
from deadly import Deadly
from witness import Witnessed

from editkit.batch.engines.devices import local_devices, show_only
from editkit.batch.engines.processes import Local, PrewarmedWorker, here
from editkit.batch.inputs import find_photos
from editkit.batch.manifest import read_rows
from editkit.batch.recipes.recipe import Recipe
from editkit.batch.run import Batch
from editkit.batch.tasks import Setup
from editkit.errors import ModelLoadError

pytestmark = pytest.mark.process

NAMES = ("a.png", "b.jpg", "sub/a.tif")
MakeBatch = Callable[..., Batch]


def results(folder: Path) -> dict[str, bytes]:
    return {k: v for k, v in shell.listing(folder).items() if not k.startswith(".editkit")}


def deadly(setup: Setup, tasks: Any) -> Any:
    """The local engine, with edits that kill."""

    def armed() -> Any:
        for task in tasks:
            (step,) = task.steps
            fields = {f.name: getattr(step.edit, f.name) for f in dataclasses.fields(step.edit)}
            step = dataclasses.replace(step, edit=Deadly(**fields))
            yield dataclasses.replace(task, steps=(step,))

    return Local("cpu", 1)(setup, armed())


@pytest.mark.slow
def test_a_worker_that_dies_takes_one_photo_with_it(photos: Path, batch: MakeBatch) -> None:
    """Those that it held beside are done by the next one."""
    shell.noise(32, 40, seed=8).save(photos / "deadly.png")
    summary = batch(engine=deadly).run(find_photos("photos"))
    assert set(summary.failed) == {"deadly.png"}
    assert "died by SIGKILL, twice" in summary.failed["deadly.png"]
    assert summary.done == 3
    assert not multiprocessing.active_children()
    (photos / "deadly.png").unlink()
    batch("whole", engine=here).run(find_photos("photos"))
    for name in NAMES:
        one, other = (shell.opened(Path(folder) / name) for folder in ("out", "whole"))
        assert one.tobytes() == other.tobytes()


def test_a_model_that_cannot_be_loaded_stops_the_batch(
    photos: Path, batch: MakeBatch, recipe: Recipe, checkpoints: dict[int, Path], tmp_path: Path
) -> None:
    del photos
    damaged = shutil.copytree(checkpoints[9], tmp_path / "damaged")
    (damaged / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"no weights")
    made = batch(recipe=dataclasses.replace(recipe, model=str(damaged)), engine=here)
    with pytest.raises(ModelLoadError, match="damaged cannot be loaded"):
        made.run(find_photos("photos"))
    assert results(made.out) == {}


@pytest.mark.slow
def test_workers_beside_each_other_give_the_same_bytes(
    photos: Path, batch: MakeBatch, tmp_path: Path
) -> None:
    """Two processes that are at work at the same time, and one that writes the manifest."""
    for seed in range(5):
        shell.noise(32, 40, seed=20 + seed).save(photos / f"{seed}.png")
    seen = Witnessed(Local("cpu", 2), tmp_path / "seen", meet=2)
    assert batch(engine=seen).run(find_photos("photos")).done == 8
    assert len(seen.processes) == 2
    assert str(os.getpid()) not in seen.processes
    assert len(seen.begun) == 8
    same = dataclasses.replace(seen, engine=here)
    batch("whole", engine=same).run(find_photos("photos"))
    assert results(Path("out")) == results(Path("whole"))
    assert {row["state"] for row in read_rows(Path("out/.editkit"))} == {"done"}


@pytest.mark.slow
def test_a_worker_may_be_started_before_it_is_known_what_for(
    photos: Path, batch: MakeBatch, tmp_path: Path
) -> None:
    """It is one of the workers, of the first run alone; a later one starts its own."""
    del photos
    with closing(PrewarmedWorker()) as prewarmed:
        (early,) = multiprocessing.active_children()
        seen = Witnessed(Local("cpu", 2, prewarmed), tmp_path / "seen", meet=2)
        assert batch(engine=seen).run(find_photos("photos")).done == 3
        assert len(seen.processes) == 2
        assert str(early.pid) in seen.processes
        assert not multiprocessing.active_children()
        shutil.rmtree(seen.folder)
        assert batch("again", engine=seen).run(find_photos("photos")).done == 3
    assert len(seen.processes) == 2
    assert str(early.pid) not in seen.processes
    assert results(Path("out")) == results(Path("again"))


@pytest.mark.slow
def test_a_spare_worker_that_has_died_is_replaced(
    photos: Path, batch: MakeBatch, tmp_path: Path
) -> None:
    del photos
    with closing(PrewarmedWorker()) as prewarmed:
        (early,) = multiprocessing.active_children()
        early.kill()
        early.join()
        seen = Witnessed(Local("cpu", 1, prewarmed), tmp_path / "seen")
        assert batch(engine=seen).run(find_photos("photos")).done == 3
    assert len(seen.processes) == 1
    assert str(early.pid) not in seen.processes


def test_a_spare_worker_that_is_not_wanted_ends() -> None:
    with closing(PrewarmedWorker()):
        assert len(multiprocessing.active_children()) == 1
    assert not multiprocessing.active_children()


def test_a_worker_of_a_gpu_sees_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    # So that it is as it was in the end: `alone` sets it for good.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def seen(device: str, before: str | None) -> tuple[str, str | None]:
        if before is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
        return show_only(device), os.environ.get("CUDA_VISIBLE_DEVICES")

    assert seen("cuda:1", None) == ("cuda", "1")
    assert seen("cuda:1", "3, GPU-7f,0") == ("cuda", "GPU-7f")
    assert seen("cuda:0", "2") == ("cuda", "2")
    assert seen("cuda:3", "0,1") == ("cuda:3", "0,1")  # loading the model says that there is none
    assert seen("cuda", "0,1") == ("cuda", "0,1")
    assert seen("cpu", None) == ("cpu", None)


def test_every_gpu_has_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert local_devices("auto", None) == ("cuda:0", "cuda:1")
    assert local_devices("cuda", 3) == ("cuda:0", "cuda:1", "cuda:0")
    assert local_devices("cuda:1", None) == ("cuda:1",)
    assert local_devices("cpu", 2) == ("cpu", "cpu")
