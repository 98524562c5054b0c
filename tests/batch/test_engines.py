"""Worker processes: the same bytes as without, and what happens when one dies."""

import dataclasses
import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shell
from deadly import Deadly

from editkit.batch.engines import Local, here
from editkit.batch.inputs import find_photos
from editkit.batch.recipe import Recipe
from editkit.batch.run import Batch
from editkit.batch.tasks import Setup
from editkit.errors import ModelLoadError

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


def test_a_worker_that_dies_takes_one_photo_with_it(
    photos: Path, batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that it held beside are done by the next one."""
    # As many threads as in this process: sums of another order may round to another sample.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
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
