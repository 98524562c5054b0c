"""Shapes are checked while tests run; models are built once for all of them."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

with install_import_hook("editkit", "checked.checked"):
    # Every room, before a test module imports one of them unchecked.
    for room in ("models.registry", "models.sd", "api"):
        importlib.import_module(f"editkit.{room}")

import tiny
import torch

from editkit.models.base import Model
from editkit.models.registry import load_model

TESTS = Path(__file__).parent
KINDS = ("unit", "parity", "e2e", "process")
FOLDERS = {"parity": "parity", "ops": "e2e", "cli": "e2e", "batch": "e2e"}
"""Kinds of tests by folder; all others are unit tests. A module's own mark comes first."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test by its kind."""
    for item in items:
        if not any(item.get_closest_marker(kind) for kind in KINDS):
            folder = item.path.relative_to(TESTS).parts[0]
            item.add_marker(FOLDERS.get(folder, "unit"))


# The models are tiny, and tests run beside each other: a second thread costs more than it brings.
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test uses or fills the user's cache of selections, or state; processes inherit this.

    So they do the number of threads: sums of another order may round to another sample.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("EDITKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("EDITKIT_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Tiny checkpoints on disk, by the input channels of their UNet."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return {n: tiny.save_checkpoint(folder / f"tiny{n}", n) for n in (4, 9)}


@pytest.fixture(scope="session")
def tiny4(checkpoints: dict[int, Path]) -> Model:
    """A tiny model that is told nothing but a prompt."""
    return load_model(checkpoints[4], device="cpu")


@pytest.fixture(scope="session")
def tiny9(checkpoints: dict[int, Path]) -> Model:
    """A tiny inpainting model."""
    return load_model(checkpoints[9], device="cpu")


@pytest.fixture(scope="session")
def builtin() -> Model:
    """The model that comes with the package."""
    return load_model(device="cpu")
