"""A folder with a photo and a mask."""

from pathlib import Path

import pytest
import shell


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with `photo.png` and `mask.png`, 64 by 48."""
    shell.noise(48, 64).save(tmp_path / "photo.png")
    shell.block(48, 64).save(tmp_path / "mask.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def quick(checkpoints: dict[int, Path]) -> tuple[str, ...]:
    """Options that make an edit quick."""
    return ("-m", str(checkpoints[9]), "--steps", "2", "--device", "cpu")
