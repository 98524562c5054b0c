"""A folder of small photos, and a batch over them with a tiny model."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shell
import store

from editkit.batch.engines.processes import here
from editkit.batch.recipes.recipe import Recipe, made_step
from editkit.batch.recipes.steps import Operation
from editkit.batch.run import Batch

NAMES = ("a.png", "b.jpg", "sub/a.tif")

MakeBatch = Callable[..., Batch]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three photos, each of its own, in folders within folders; beside them, nothing."""
    for seed, name in enumerate(NAMES):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shell.noise(32, 40, seed=seed).save(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


@pytest.fixture
def recipe(checkpoints: dict[int, Path]) -> Recipe:
    """One quick step inside a mask."""
    given = {"inpaint": "a {stem}", "mask": "ellipse:50%,50%,20%,20%", "steps": 2}
    step = made_step(Operation("inpaint"), given)
    return Recipe((step,), model=str(checkpoints[9]), device="cpu")


@pytest.fixture
def batch(recipe: Recipe, tmp_path: Path) -> MakeBatch:
    """Makes batches that run in this process."""

    def make(out: str = "out", **more: Any) -> Batch:
        given: dict[str, Any] = {"recipe": recipe, "engine": here, **more}
        return Batch(out=tmp_path / out, **given)

    return make


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a store of objects."""
    with store.served() as address:
        yield address


@pytest.fixture
def bucket(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[store.Bucket]:
    """An empty bucket, and clients that find it; a machine that knows of no batch."""
    from s3fs import S3FileSystem

    for name, value in store.environment(server).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("EDITKIT_STATE", str(tmp_path / "state"))
    with store.bucket(server) as made:
        yield made
    S3FileSystem.clear_instance_cache()
