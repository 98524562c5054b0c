"""Every sample script is short, and runs."""

import runpy
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

SAMPLES = Path(__file__).parent.parent / "samples"
SCRIPTS = sorted(SAMPLES.glob("*.py"))


def test_there_are_photos_with_masks() -> None:
    masks = list(SAMPLES.glob("*.mask.png"))
    sources = (SAMPLES / "SOURCES.md").read_text(encoding="utf-8")
    assert len(masks) >= 4
    for mask in masks:
        photo = mask.name.replace(".mask.png", ".jpg")
        assert (SAMPLES / photo).exists()
        assert f"`{photo}`" in sources


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_a_script_runs(
    script: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path)])
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out.strip()
    assert len(script.read_text(encoding="utf-8").splitlines()) < 30


@pytest.mark.slow
def test_inpainting_the_sample_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["inpaint.py", str(tmp_path)])
    runpy.run_path(str(SAMPLES / "inpaint.py"), run_name="__main__")
    assert ", 0 samples of them changed" in capsys.readouterr().out
